# Prometheus, Grafana, Alertmanager and log stores judged from tables of observations; what is not known is never green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks import alerting, logs, metrics
from ansible_collections.bytebot.production.plugins.module_utils.checks.alerting import (
    AlertingFacts,
    AlertingWanted,
    AlertmanagerSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_agents import AgentSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.logs import LogFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import (
    GrafanaSeen,
    MetricsFacts,
    MetricsWanted,
    PrometheusSeen,
    Source,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.logs import StoreSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import (
    ABSENT,
    DENIED,
    OK,
    SILENT,
    WRONG,
    Told,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

DOWN = Told(SILENT, None, "nothing listens there")
SHUT = Told(DENIED, None, "it answers 403", 403)
NONE = Told(ABSENT, None, "it answers 404", 404)
BROKEN = Told(WRONG, None, "it answers 500", 500)
NOW = 1_795_995_540.0
DAY = 86_400.0


def sample(value: object) -> Told:
    return Told(OK, [({}, str(value))], "", 200)


RUNTIME = {
    "reloadConfigSuccess": True,
    "lastConfigTime": "2026-11-29T23:38:54Z",
    "storageRetention": "15d",
    "corruptionCount": 0,
}
PROMETHEUS = PrometheusSeen(
    "http://prometheus",
    Told(OK, "ready", "", 200),
    Told(OK, {"version": "3.5.0"}, "", 200),
    Told(OK, RUNTIME, "", 200),
    sample(0.4),
)
BOARD = {"panels": [{"type": "row", "panels": [{}]}, {"type": "stat"}]}
GRAFANA = GrafanaSeen(
    "http://grafana",
    Told(OK, {"database": "ok", "version": "12.1.0"}, "", 200),
    Told(OK, {"uid": "p", "name": "Prometheus", "type": "prometheus"}, "", 200),
    Source("p", "Prometheus", "prometheus", "count(up)", Told(OK, [7.0], "", 200)),
    Told(OK, [{"uid": "one", "title": "One"}]),
    {"One": Told(OK, BOARD)},
)
GOOD = MetricsFacts(PROMETHEUS, GRAFANA, MetricsWanted(dashboards=("One",)), NOW)


def runtime(**changes: Any) -> Told:
    return Told(OK, {**RUNTIME, **changes}, "", 200)


def of_prometheus(facts: MetricsFacts = GOOD, **changes: Any) -> Verdict:
    return metrics.prometheus(replace(facts, prometheus=replace(PROMETHEUS, **changes)))


def of_grafana(facts: MetricsFacts = GOOD, **changes: Any) -> Verdict:
    return metrics.grafana(replace(facts, grafana=replace(GRAFANA, **changes)))


# ---------------------------------------------------------------------- Prometheus


def test_a_good_prometheus_passes() -> None:
    told = of_prometheus()
    assert told.state == "pass"
    assert told.weaker == ()
    assert "keeps 15d" in told.summary


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ready": DOWN}, "nothing listens there"),
        ({"ready": BROKEN}, "not ready: it answers 500"),
        ({"ready": NONE, "build": NONE, "age": NONE}, "404"),
        ({"build": Told(OK, {"version": "2.45.0"})}, "version 2.45.0 runs, 2.53 or newer"),
        ({"build": BROKEN}, "its version is not to be had"),
        ({"runtime": runtime(reloadConfigSuccess=False)}, "refused its newest configuration"),
        ({"runtime": BROKEN}, "what it runs with"),
        ({"runtime": runtime(storageRetention="1h")}, "keeps metrics for 1h, 15d is wanted"),
        ({"runtime": runtime(storageRetention="1d12h or 5GiB")}, "keeps metrics for 1d12h or 5GiB"),
        ({"runtime": runtime(corruptionCount=2)}, "found corrupt 2 times"),
        ({"age": Told(OK, [], "", 200)}, "no sample of any target"),
        ({"age": sample("NaN")}, "no sample of any target"),
        ({"age": sample(301)}, "newest sample is 5.02m old"),
        ({"age": BROKEN}, "answers no query"),
        ({"room": sample(0.05)}, "5% of its volume is free, 10% is wanted"),
    ],
)
def test_what_is_wrong_with_prometheus_is_red(changes: dict[str, Any], said: str) -> None:
    told = of_prometheus(**changes)
    assert (told.state, said in told.summary) == ("fail", True), told.summary
    assert told.remedy


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ready": SHUT}, "not permitted"),
        ({"build": SHUT}, "not permitted"),
        ({"runtime": SHUT}, "not permitted"),
        ({"age": SHUT}, "not permitted"),
        ({"runtime": NONE}, "does not tell whether its configuration loads"),  # as of Mimir or VictoriaMetrics
        ({"runtime": NONE}, "how long it keeps"),
        ({"ready": NONE, "build": NONE, "runtime": NONE}, "does not tell its version"),  # as of a managed service
        ({"runtime": runtime(storageRetention="10GiB")}, "what is there reaches back"),
        ({"runtime": runtime(storageRetention="")}, "is no length of time"),
        ({"room": Told(OK, [], "", 200)}, "no series tells the room"),
        ({"room": SHUT}, "not permitted"),
    ],
)
def test_what_is_not_known_of_prometheus_is_pending(changes: dict[str, Any], said: str) -> None:
    told = of_prometheus(**changes)
    assert (told.state, said in told.summary) == ("pending", True), told.summary


def test_a_limit_by_size_is_judged_by_what_is_there() -> None:
    by_size = runtime(storageRetention="10GiB")
    assert of_prometheus(runtime=by_size, oldest=sample(NOW - 16 * DAY)).state == "pass"
    assert of_prometheus(runtime=by_size, oldest=sample(NOW - 14 * DAY)).state == "pending"


@pytest.mark.parametrize(
    ("oldest", "cut", "state", "said"),
    [
        (16, 9, "pass", "keeps 15d or 50GiB"),
        (4, 0, "pass", "keeps 15d or 50GiB"),  # young, and nothing was removed for its size so far
        (4, 9, "fail", "its limit by size removes samples before that: what is there reaches back 4d, 15d is wanted"),
        (4, None, "pending", "whether its limit by size removes samples before that is not known"),
    ],
)
def test_a_limit_by_time_counts_where_one_by_size_does_not_end_it_before(
    oldest: int, cut: int | None, state: str, said: str
) -> None:
    told = of_prometheus(
        runtime=runtime(storageRetention="15d or 50GiB"),
        oldest=sample(NOW - oldest * DAY),
        cut=Told(OK, [], "", 200) if cut is None else sample(cut),
    )
    assert (told.state, said in told.summary) == (state, True), told.summary


def test_a_limit_by_size_that_removes_too_early_is_red() -> None:
    cut = {"runtime": runtime(storageRetention="10GiB"), "oldest": sample(NOW - 2 * DAY), "cut": sample(1)}
    assert of_prometheus(**cut).state == "fail"


def test_weaker_thresholds_are_told() -> None:
    wanted = MetricsWanted(version="2.42", retention="2d", dashboards=("One",))
    told = of_prometheus(replace(GOOD, wanted=wanted))
    assert told.weaker == ("Prometheus 2.42 wanted, usual 2.53", "metrics kept for 2d wanted, usual 15d")


def test_services_that_nothing_names_are_pending() -> None:
    nothing = MetricsFacts()
    assert "bytebot_prometheus" in metrics.prometheus(nothing).remedy
    assert "bytebot_grafana" in metrics.grafana(nothing).remedy
    assert "bytebot_alertmanager" in alerting.alertmanager(AlertingFacts()).remedy
    assert "bytebot_log_store" in logs.logs(LogFacts()).remedy
    every = (metrics.prometheus(nothing), metrics.grafana(nothing), alerting.alertmanager(AlertingFacts()))
    assert {str(one.state) for one in (*every, logs.logs(LogFacts()))} == {"pending"}


# ---------------------------------------------------------------------- Grafana


def test_a_good_grafana_passes() -> None:
    told = of_grafana()
    assert told.state == "pass", told.summary
    assert told.evidence[0].observed["dashboards"] == {"One": {"panels": 2}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"health": DOWN}, "does not serve"),
        ({"health": Told(OK, {"database": "failing"})}, "its database is failing"),
        ({"found": Told(OK, None), "source": None}, "no data source of type prometheus"),
        ({"found": NONE, "source": None}, "the data source"),
        ({"source": replace(GRAFANA.source, answer=BROKEN)}, "does not answer"),
        ({"source": replace(GRAFANA.source, answer=Told(OK, []))}, "answers count(up) with nothing"),
        ({"boards": {}}, "there is no dashboard One"),
        ({"boards": {"One": NONE}}, "dashboard One"),
        ({"boards": {"One": Told(OK, {"panels": []})}}, "has no panel"),
        ({"listed": BROKEN}, "the dashboards"),
    ],
)
def test_what_is_wrong_with_grafana_is_red(changes: dict[str, Any], said: str) -> None:
    told = of_grafana(**changes)
    assert (told.state, said in told.summary) == ("fail", True), told.summary


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"found": SHUT, "source": None}, "datasources:read"),
        ({"source": replace(GRAFANA.source, answer=SHUT)}, "datasources:query"),
        ({"listed": SHUT}, "dashboards:read"),
        ({"boards": {"One": SHUT}}, "dashboards:read"),
    ],
)
def test_what_may_not_be_seen_of_grafana_is_pending_and_named(changes: dict[str, Any], said: str) -> None:
    told = of_grafana(**changes)
    assert (told.state, said in told.remedy) == ("pending", True), told


def test_no_dashboard_named_is_pending() -> None:
    told = of_grafana(replace(GOOD, wanted=MetricsWanted()))
    assert (told.state, "bytebot_dashboards" in told.remedy) == ("pending", True)


# ---------------------------------------------------------------------- Alertmanager

CONFIG: dict[str, Any] = {
    "route": {"receiver": "mail", "routes": [{"receiver": "page", "matchers": ['severity="critical"']}]},
    "receivers": [
        {"name": "mail", "email_configs": [{"to": "ops@example.net"}]},
        {"name": "page", "pagerduty_configs": [{"routing_key": "<secret>"}]},
        {"name": "hole"},
    ],
}


def status(config: Any = None, **changes: Any) -> Told:
    text = config if isinstance(config, str) else yaml.safe_dump(config or CONFIG)
    told = {
        "cluster": {"status": "ready", "peers": [{"name": "a"}]},
        "versionInfo": {"version": "0.28.1"},
        "config": {"original": text},
    }
    return Told(OK, {**told, **changes}, "", 200)


MANAGER = AlertmanagerSeen("http://alertmanager", Told(OK, "OK", "", 200), status(), Told(OK, True, "", 200))


def of_alertmanager(wanted: AlertingWanted | None = None, **changes: Any) -> Verdict:
    return alerting.alertmanager(AlertingFacts(replace(MANAGER, **changes), wanted or AlertingWanted()))


def routed(*routes: dict[str, Any]) -> Told:
    return status({**CONFIG, "route": {"receiver": "mail", "routes": list(routes)}})


def test_a_good_alertmanager_passes_and_its_evidence_has_no_address() -> None:
    told = of_alertmanager()
    assert told.state == "pass", told.summary
    assert "critical by pagerduty, warning by email" in told.summary
    assert "ops@example.net" not in str(told.evidence)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ready": DOWN}, "not ready"),
        ({"status": BROKEN}, "its status"),
        ({"status": status(cluster={"status": "settling"})}, "its cluster is settling"),
        ({"status": status(versionInfo={"version": "0.21.0"})}, "version 0.21.0 runs"),
        ({"reloaded": Told(OK, False, "", 200)}, "refused its newest configuration"),
        ({"status": routed({"receiver": "hole", "match": {"severity": "critical"}})}, "receiver hole"),
        ({"status": routed({"receiver": "gone", "match": {"severity": "warning"}})}, "receiver gone"),
        ({"status": status({"route": {"receiver": "mail"}, "receivers": [{"name": "mail"}]})}, "notifies nobody"),
    ],
)
def test_what_is_wrong_with_alertmanager_is_red(changes: dict[str, Any], said: str) -> None:
    told = of_alertmanager(**changes)
    assert (told.state, told.level, said in told.summary) == ("fail", "must", True), told.summary


@pytest.mark.parametrize(
    "changes",
    [
        {"ready": SHUT},
        {"status": SHUT},
        {"status": status("route: [")},
        {"status": status("{}")},
        {"status": routed({"receiver": "page", "match_re": {"severity": r"\pL+"}})},
    ],
)
def test_what_is_not_known_of_alertmanager_is_pending(changes: dict[str, Any]) -> None:
    assert of_alertmanager(**changes).state == "pending"


def test_a_cluster_has_as_many_members_as_wanted() -> None:
    assert "1 members, 3 are wanted" in of_alertmanager(AlertingWanted(peers=3)).summary
    alone = status(cluster={"status": "disabled"})
    assert of_alertmanager(status=alone).state == "pass"


def test_a_route_that_is_always_muted_at_times_is_advice() -> None:
    timed = {"receiver": "page", "match": {"severity": "critical"}, "active_time_intervals": ["office"]}
    told = of_alertmanager(status=routed(timed))
    assert (told.state, told.level) == ("fail", "should")


def test_labels_that_alerts_bear_decide_with() -> None:
    diverted = routed({"receiver": "hole", "matchers": ['namespace="shop"']})
    assert of_alertmanager(status=diverted).state == "pass"
    assert of_alertmanager(AlertingWanted(labels={"namespace": "shop"}), status=diverted).state == "fail"


def test_metrics_that_are_not_shown_do_not_matter() -> None:
    assert of_alertmanager(reloaded=NONE).state == "pass"


# ---------------------------------------------------------------------- logs


def node(name: str, *, ready: bool = True, **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": name, "labels": {"name": name}}, "spec": spec, "status": {"conditions": conditions}}


def pod(on: str, *, ready: bool = True, ending: bool = False) -> dict[str, Any]:
    metadata = {"name": f"agent-{on}"} | ({"deletionTimestamp": "now"} if ending else {})
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "spec": {"nodeName": on}, "status": {"conditions": conditions}}


def daemonset(desired: int = 2, ready: int = 2, **pod_spec: Any) -> dict[str, Any]:
    status = {"desiredNumberScheduled": desired, "numberReady": ready}
    return {"metadata": {"uid": "u"}, "spec": {"template": {"spec": pod_spec}}, "status": status}


AGENTS = AgentSeen("logging", "agent", daemonset(), (pod("a"), pod("b")), (node("a"), node("b")))
STORE = StoreSeen("Loki", "http://logs", Told(OK, "ready", "", 200), Told(OK, {}, "", 200), 7)
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def of_logs(**changes: Any) -> Verdict:
    return logs.logs(replace(LogFacts(STORE, AGENTS), **changes))


def agents(**changes: Any) -> Verdict:
    return of_logs(agents=replace(AGENTS, **changes))


def test_good_logs_pass() -> None:
    told = of_logs()
    assert told.state == "pass"
    assert "ready on all 2 nodes" in told.summary


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (of_logs(store=replace(STORE, health=DOWN)), "it is not well"),
        (of_logs(store=replace(STORE, search=BROKEN)), "answers no search"),
        (of_logs(store=replace(STORE, unwell=("it takes no lines",))), "takes no lines"),
        (agents(daemonset=None), "there is no DaemonSet logging/agent"),
        (agents(daemonset=daemonset(2, 1), pods=(pod("a"), pod("b", ready=False))), "1 of 2 pods"),
        (agents(pods=(pod("a"), pod("b", ending=True))), "no ready agent stands on node b"),
        (agents(daemonset=daemonset(1, 1), pods=(pod("a"),)), "no ready agent stands on node b"),
        (
            agents(daemonset=daemonset(1, 1), pods=(pod("a"),), nodes=(node("a"), node("b", taints=[TAINT]))),
            "its taint gpu:NoSchedule is not tolerated",
        ),
        (
            agents(daemonset=daemonset(0, 0, nodeSelector={"disk": "ssd"}), pods=()),
            "nodeSelector wants disk=ssd",
        ),
    ],
)
def test_what_is_wrong_with_logs_is_red(told: Verdict, said: str) -> None:
    assert (told.state, told.level, said in told.summary) == ("fail", "must", True), told.summary


def test_a_store_that_gets_no_lines_is_no_plain_green() -> None:
    told = of_logs(store=replace(STORE, recent=0))
    assert (told.state, told.level) == ("fail", "should")
    assert "no line of the last 5 minutes" in told.summary
    assert of_logs(store=replace(STORE, recent=1)).state == "pass"


def test_replicas_that_are_not_assigned_are_advice() -> None:
    told = of_logs(store=replace(STORE, thin=("1 replicas are not assigned",)))
    assert (told.state, told.level) == ("fail", "should")


@pytest.mark.parametrize(
    "told",
    [
        of_logs(store=replace(STORE, health=SHUT)),
        of_logs(agents=None),
        agents(denied="Not permitted to list daemonsets"),
        agents(nodes=()),
    ],
)
def test_what_is_not_known_of_logs_is_pending(told: Verdict) -> None:
    assert told.state == "pending", told.summary


def test_a_node_that_is_not_ready_needs_no_agent() -> None:
    assert agents(nodes=(node("a"), node("c", ready=False))).state == "pass"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_logs_pass_exactly_where_every_ready_node_has_a_ready_agent(nodes: list[tuple[bool, bool]]) -> None:
    """Each node is ready or not, and so is its agent."""
    named = [(f"n{at}", *one) for at, one in enumerate(nodes)]
    told = agents(
        daemonset=daemonset(len(named), sum(agent for _name, _ready, agent in named)),
        pods=tuple(pod(name, ready=agent) for name, _ready, agent in named),
        nodes=tuple(node(name, ready=ready) for name, ready, _agent in named),
    )
    whole = all(agent for _name, _ready, agent in named) and any(ready for _name, ready, _agent in named)
    assert (told.state == "pass") is whole


def test_a_receiver_that_is_named_must_be_the_one() -> None:
    """An alert whose own route is gone falls to the receiver for all others, which may be read by nobody at night."""
    wanted = AlertingWanted(receivers={"critical": "page"})
    assert of_alertmanager(wanted).state == "pass"
    gone = status({**CONFIG, "route": {"receiver": "mail"}})
    told = of_alertmanager(wanted, status=gone)
    assert (told.state, "do not come to receiver page, but to receiver mail" in told.summary) == ("fail", True)
    assert of_alertmanager(status=gone).state == "pass"
