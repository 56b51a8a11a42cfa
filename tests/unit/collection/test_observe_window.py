# What Prometheus, Alertmanager and the cluster are asked about the windows, and what bad answers become.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_window
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    ReleaseSeen,
    ScrapesSeen,
    Source,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.window import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import alert_rules
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import (
    ABSENT,
    DENIED,
    OK,
    SILENT,
    WRONG,
    Login,
    Service,
    Told,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    NotPermitted,
    RecordUnreadable,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_alerts import PREFIX
from ansible_collections.bytebot.production.plugins.module_utils.observe_targets import Scope
from ansible_collections.bytebot.production.plugins.module_utils.observe_window import Look, Metrics, look
from ansible_collections.bytebot.production.plugins.modules import window_check

START, LENGTH = 1_796_000_000.0, 120.0
ONE = {"job": "api", "instance": "10.0.0.1:9090", "pod": "bytebot-api-7d9-abcde"}
Series = list[tuple[dict[str, str], list[tuple[float, float]]]]


class Server:
    """Prometheus: requests come evenly, and all else is as a test wants it."""

    service = SimpleNamespace(url="https://p")

    def __init__(self, **answers: Told) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.now = START + 1000
        self.up: dict[str, Callable[[float], float]] = {"bytebot-api-7d9-abcde": lambda _at: 1.0}

    def query(self, expression: str, at: float | None = None) -> Told:
        self.asked.append(f"{expression} @ {at}")
        if expression == "time()":
            return self.answers.get("time", Told(data=[({}, str(self.now))]))
        if expression.startswith("count("):
            return self.answers.get("labelled", Told(data=[({}, "7")]))
        return self.answers.get("alerts", Told(data=[]))

    def targets(self) -> Told:
        return self.answers.get("targets", Told(ABSENT, None, "it answers 404"))

    def rules(self) -> Told:
        rule = {"type": "alerting", "health": "ok", "labels": {"severity": "critical"}}
        return self.answers.get(
            "rules", Told(data=[{"rules": [rule, {**rule, "health": "err"}, {"type": "recording"}]}])
        )

    def query_range(self, expression: str, start: float, end: float, step: float) -> Told:
        self.asked.append(expression)
        times = [start + step * number for number in range(round((end - start) / step) + 1)]
        for word, answer in self.answers.items():
            if word in expression:
                return answer
        made: dict[str, Callable[[float], list[tuple[dict[str, str], float]]]] = {
            "process_start": lambda _at: [({}, START - 9999)],
            "timestamp(": lambda at: [({}, at - 1)],
            "(up{": lambda at: [({"pod": name}, one(at - START)) for name, one in self.up.items()],
            "_bucket": lambda at: [({"le": edge}, 20 * (at - START) + 1e4) for edge in ("0.05", "0.1", "0.25", "+Inf")],
            "restarts_total": lambda _at: [({"pod": "bytebot-api-7d9-abcde", "container": "api"}, 0.0)],
            "requests": lambda at: [({"status_code": "200"}, 20 * (at - START) + 1e6)],
        }
        make = next(make for word, make in made.items() if word in expression)
        rows: dict[str, tuple[dict[str, str], list[tuple[float, float]]]] = {}
        for at in times:
            for labels, value in make(at):
                rows.setdefault(str(labels), ({**ONE, **labels}, []))[1].append((at, value))
        return Told(data=list(rows.values()))


class Alerts:
    service = SimpleNamespace(url="https://a")

    def __init__(self, told: Told | None = None) -> None:
        self.told = told or Told(data=[])

    def firing(self) -> Told:
        return self.told


class Objects:
    """A cluster with the release's pods."""

    def __init__(self, *pods: dict[str, Any], denied: bool = False) -> None:
        self.pods, self.denied = list(pods), denied

    def list(self, _version: str, kind: str, _namespace: str, labels: str = "") -> list[Any]:
        if self.denied:
            raise NotPermitted("The account may not list pods.")
        return self.pods if kind == "Pod" else []


def pod(name: str = "bytebot-api-7d9-abcde", ended: str = "", instance: str = "bytebot") -> dict[str, Any]:
    state = {"terminated": {"finishedAt": ended, "reason": "OOMKilled", "exitCode": 137}} if ended else {}
    return {
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/instance": instance},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "bytebot-api-7d9"}],
        },
        "status": {"containerStatuses": [{"name": "api", "restartCount": 1, "lastState": state}]},
    }


def looked(server: Server | None = None, cluster: Objects | None = None, **other: Any) -> Look:
    return Look(
        scope=Scope("prod", "bytebot"),
        metrics=Metrics("requests", "durations"),
        prometheus=cast(Prometheus, server or Server()),
        alertmanager=cast(Alertmanager, other.pop("alertmanager", Alerts())),
        cluster=cast(Cluster, cluster or Objects(pod())),
        started=other.pop("started", "2026-11-30T00:53:20Z"),
        wanted=Wanted(LENGTH, LENGTH, traffic=(60, 6000)),
        **other,
    )


@pytest.fixture(autouse=True)
def helm(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    objects = ({"kind": "Deployment", "metadata": {"name": "bytebot-worker"}},)
    deployed = SimpleNamespace(status="deployed", updated="2026-11-30T00:53:20.5+00:00", revision=7, objects=objects)
    told = SimpleNamespace(history=lambda *_given: [SimpleNamespace(status="failed"), deployed], deployed=deployed)

    def history(*given: object) -> Any:
        return told.history(*given)

    monkeypatch.setattr(observe_window, "history", history)
    return told


def states(given: Look) -> dict[str, tuple[str, str]]:
    found = CHECKS.judge(look(given))
    return {one.control.rpartition(".")[2]: (str(one.verdict.state), one.verdict.summary) for one in found}


def test_a_healthy_release_is_seen_once_for_windows_of_one_length() -> None:
    server = Server()
    facts = look(looked(server))
    assert facts.early is facts.late
    assert facts.early is not None
    assert facts.early.after.errors("5..").total == 20 * LENGTH
    assert facts.early.before.durations().total == 20 * LENGTH
    assert {state for name, (state, _said) in states(looked()).items() if name != "functionality"} == {"pass"}
    assert any('{namespace="prod"}' in one for one in server.asked)


def test_it_begins_by_helms_record_where_nothing_is_given(helm: SimpleNamespace) -> None:
    facts = look(looked(started=""))
    assert (facts.start, facts.source) == (START + 0.5, "by helm's record of revision 7")
    helm.history = lambda *_given: []
    assert look(looked(started="")).missing[0] == "Needs input started: helm has no deployed revision of bytebot."

    def unreadable(*_given: object) -> None:
        raise RecordUnreadable("Helm's record cannot be read.")

    helm.history = unreadable
    assert "cannot be read" in look(looked(started="")).missing[0]
    assert states(looked(started=""))["traffic"][0] == "pending"


@pytest.mark.parametrize(
    ("baseline", "state"),
    [
        ("2026-11-30T00:51:20Z", "pass"),
        ("2026-11-30T00:51:21Z", "inconclusive"),
        ("2026-11-30T00:53:20Z", "inconclusive"),
        ("2026-11-30T00:55:20Z", "inconclusive"),
    ],
)
def test_a_window_is_not_compared_with_itself(baseline: str, state: str) -> None:
    found = states(looked(baseline=baseline))
    for control in ("stability", "errors", "performance"):
        assert found[control][0] == state, found[control]
        assert (state == "pass") != ("is not over before the go-live" in found[control][1])
    assert found["traffic"][0] == "pass"


def test_a_target_that_is_down_is_no_fresh_sample() -> None:
    server = Server()
    look(looked(server))
    fresh = next(one for one in server.asked if "timestamp(" in one)
    assert fresh == 'max(timestamp(up{namespace="prod"}) and up{namespace="prod"} == 1)'


@pytest.mark.parametrize(
    ("up", "state"),
    [
        (lambda _at: 0.0, "inconclusive"),
        (lambda at: float(at > 70), "inconclusive"),
        (lambda at: float(at > 40), "pass"),  # it starts
        (lambda at: float(at < 100), "pass"),  # it ends
        (lambda _at: 1.0, "pass"),
    ],
)
def test_a_process_without_samples_is_not_hidden_by_another(up: Callable[[float], float], state: str) -> None:
    server = Server()
    server.up["bytebot-api-7d9-zzzzz"] = up
    found = states(looked(server))
    for control in ("stability", "errors", "traffic", "performance"):
        assert found[control][0] == state, found[control]
        assert (state == "pass") != ("bytebot-api-7d9-zzzzz is without metrics for" in found[control][1])
    assert found["alerts"][0] == "pass"


@pytest.mark.parametrize(("scraped", "named"), [((), []), (("a",), ["b"]), (("a", "b"), [])])
def test_a_pod_that_is_no_target_is_not_hidden_by_another(
    monkeypatch: pytest.MonkeyPatch, scraped: tuple[str, ...], named: list[str]
) -> None:
    sources = tuple(Source("api", pod, f"10.0.0.{at}", 9090) for at, pod in enumerate("ab"))
    release = ReleaseSeen("prod", "bytebot", sources)
    targets = [{"labels": {"namespace": "prod", "pod": pod, "job": "api"}} for pod in scraped]
    found = (release, ScrapesSeen("https://p", Told(data=targets)))
    monkeypatch.setattr(observe_window, "look_at_scrapes", lambda *_given: found)
    facts = look(looked())
    assert facts.early is not None
    assert dict(facts.early.after.dark) == dict.fromkeys(named, 1.0)


def test_what_is_not_over_is_not_asked_for() -> None:
    server = Server()
    server.now = START + 60
    facts = look(looked(server))
    assert (facts.early, facts.late) == (None, None)
    assert server.asked == ["time() @ None"]


@pytest.mark.parametrize(
    ("answers", "control", "state", "words"),
    [
        ({"restarts_total": Told(data=[])}, "stability", "pending", "no series tell of restarts"),
        ({"restarts_total": Told(DENIED, None, "it answers 403")}, "stability", "pending", "403"),
        ({"restarts_total": Told(DENIED, {"status": "error"}, "it answers 403")}, "stability", "pending", "403"),
        ({"rules": Told(DENIED, {"status": "error"}, "it answers 403")}, "alerts", "pending", "403"),
        ({"rules": Told(WRONG, {"error": "oops"}, "it answers 500")}, "alerts", "error", "500"),
        ({"_bucket": Told(SILENT, None, "nothing listens")}, "stability", "error", "nothing listens"),
        ({"_bucket": Told(WRONG, None, "it answers 422")}, "performance", "error", "it answers 422"),
        ({"_bucket": Told(data=[])}, "performance", "pending", "has no series durations_bucket"),
        ({"requests": Told(data=[])}, "traffic", "pending", "has no series requests"),
        ({"timestamp(": Told(data=[])}, "errors", "inconclusive", "100 % of the window is without metrics"),
        ({"process_start": Told(data=[])}, "errors", "pass", ""),
        ({"process_start": Told(SILENT, None, "nothing listens")}, "errors", "error", "nothing listens"),
        ({"rules": Told(ABSENT, None, "it answers 404")}, "alerts", "error", "404"),
        ({"rules": Told(data=[])}, "alerts", "pending", "silence tells nothing"),
        ({"alerts": Told(data=[({"alertname": "Down", "severity": "critical"}, "1")])}, "alerts", "fail", "Down"),
        ({"alerts": Told(WRONG, None, "it answers 500")}, "alerts", "error", "500"),
        ({"time": Told(SILENT, None, "nothing listens")}, "traffic", "error", "nothing listens"),
        ({"time": Told(data=[])}, "traffic", "error", "does not tell the time"),
    ],
)
def test_what_is_not_answered_never_passes(answers: dict[str, Told], control: str, state: str, words: str) -> None:
    found = states(looked(Server(**answers)))[control]
    assert found[0] == state
    assert words in found[1]


def test_no_series_after_the_go_live_are_no_requests_where_there_were_some_before() -> None:
    class Quiet(Server):
        def query_range(self, expression: str, start: float, end: float, step: float) -> Told:
            return (
                Told(data=[])
                if "requests" in expression and start >= START
                else super().query_range(expression, start, end, step)
            )

    assert states(looked(Quiet()))["traffic"] == ("fail", states(looked(Quiet()))["traffic"][1])
    assert "no request came" in states(looked(Quiet()))["traffic"][1]


@pytest.mark.parametrize(
    ("ended", "instance", "state"),
    [
        ("2026-11-30T00:54:00Z", "bytebot", "fail"),
        ("2026-11-30T00:53:00Z", "bytebot", "pass"),
        ("2026-11-30T00:56:00Z", "bytebot", "pass"),
        ("2026-11-30T00:54:00Z", "other", "pass"),
        ("", "bytebot", "pass"),
    ],
)
def test_restarts_by_the_kubelet(ended: str, instance: str, state: str) -> None:
    there = Objects(pod(), pod("other-1-abcde", ended, instance))
    assert states(looked(cluster=there))["stability"][0] == state


@pytest.mark.parametrize(
    ("name", "values", "state"),
    [
        ("bytebot-worker-6f4-zzzzz", (0.0, 0.0, 2.0), "fail"),  # it is gone, and of a workload of the release
        ("bytebot-worker-6f4-zzzzz", (3.0, 3.0, 3.0), "pass"),
        ("bytebot-drill-6f4zz", (0.0, 1.0, 2.0), "pass"),
        ("other-6f4-zzzzz", (0.0, 1.0, 2.0), "pass"),
    ],
)
def test_restarts_of_pods_that_are_gone(name: str, values: tuple[float, ...], state: str) -> None:
    rows: Series = [
        ({"pod": name, "container": "worker"}, [(START + 5 * at, value) for at, value in enumerate(values)]),
        ({"pod": "bytebot-api-7d9-abcde", "container": "api"}, [(START, 0.0), (START + 5, 0.0)]),
    ]
    assert states(looked(Server(restarts_total=Told(data=rows))))["stability"][0] == state


def test_who_may_not_list_pods_is_told() -> None:
    found = states(looked(cluster=Objects(denied=True)))
    assert found["stability"] == ("pending", found["stability"][1])
    assert "may not list pods" in found["stability"][1]


@pytest.mark.parametrize(
    ("alert", "state"),
    [
        ({"labels": {"alertname": "Down", "severity": "critical"}, "startsAt": "2026-11-30T00:54:00Z"}, "fail"),
        ({"labels": {"alertname": "Down", "severity": "critical"}, "startsAt": "2026-11-29T00:00:00Z"}, "fail"),
        ({"labels": {"alertname": "Down", "severity": "critical"}, "startsAt": "2026-11-30T00:56:00Z"}, "pass"),
        ({"labels": {"alertname": "Down", "severity": "warning"}, "startsAt": "2026-11-30T00:54:00Z"}, "pass"),
        ({"labels": {"alertname": f"{PREFIX}1", "severity": "critical"},
          "startsAt": "2026-11-30T00:54:00Z"}, "pass"),
        ({"labels": None}, "pass"),
        ("odd", "pass"),
    ],
)  # fmt: skip
def test_what_alertmanager_holds(alert: Any, state: str) -> None:
    assert states(looked(alertmanager=Alerts(Told(data=[alert]))))["alerts"][0] == state


def test_alerts_of_others_do_not_count() -> None:
    alert = {
        "labels": {"alertname": "Down", "severity": "critical", "team": "other"},
        "startsAt": "2026-11-30T00:54:00Z",
    }
    server = Server()
    given = looked(server, alertmanager=Alerts(Told(data=[alert])), alert_labels={"team": 'o"urs'})
    assert states(given)["alerts"][0] == "pass"
    assert any('team="o\\"urs"' in one for one in server.asked)


@pytest.mark.parametrize(
    ("own", "labelled", "state", "asked"),
    [
        ({}, Told(data=[]), "inconclusive", 'count({team="ours", tier="a"})'),
        ({}, Told(data=[({}, "3")]), "pass", 'count({team="ours", tier="a"})'),
        ({}, Told(SILENT, None, "nothing listens"), "error", 'count({team="ours", tier="a"})'),
        ({"team": "ours"}, Told(data=[]), "inconclusive", 'count({tier="a"})'),
        ({"team": "{{ $labels.team }}", "tier": "a"}, Told(data=[({}, "3")]), "pass", 'count({team="ours"})'),
        ({"team": "ours", "tier": "a"}, Told(data=[]), "pass", ""),
        ({"team": "theirs"}, Told(data=[({}, "3")]), "inconclusive", ""),
    ],
)
def test_labels_that_no_alert_can_have_are_no_silence(
    own: dict[str, str], labelled: Told, state: str, asked: str
) -> None:
    rule = {"type": "alerting", "health": "ok", "labels": {"severity": "critical", **own}}
    server = Server(rules=Told(data=[{"rules": [rule]}]), labelled=labelled)
    found = states(looked(server, alert_labels={"team": "ours", "tier": "a"}))["alerts"]
    assert found[0] == state, found
    assert (state == "inconclusive") == ("can have the labels of alert_labels" in found[1])
    assert [one.partition(" @")[0] for one in server.asked if one.startswith("count(")] == [asked][: bool(asked)]


def test_many_processes_make_the_steps_longer_and_not_the_answers_larger() -> None:
    server = Server()
    windows = observe_window._Windows(looked(server), cast(Prometheus, server), look(looked(server)), None)
    assert windows._stretch(START, 7200.0, 'job="api"', 1).step == 120.0
    assert windows._stretch(START, 7200.0, 'job="api"', 10_000).step == 600.0


# ---------------------------------------------------------------------------- the clients


class Web:
    base_url = "https://p"

    def __init__(self, status: int, body: Any, failure: Failure | None = None) -> None:
        self.answer = Answer("u", status, {}, body if isinstance(body, str) else json.dumps(body), failure=failure)
        self.asked: list[str] = []

    def request(self, _method: str, path: str, *, headers: Mapping[str, str], json: Any) -> Answer:
        self.asked.append(path)
        return self.answer


def matrix(*rows: Any, kind: str = "matrix") -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": list(rows)}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, matrix({"metric": {"a": "b"}, "values": [[1, "2"], [2.5, "NaN"]]}), OK),
        (200, matrix(), OK),
        (200, matrix({"metric": {}, "values": [[1, "two"]]}), WRONG),
        (200, matrix({"values": [[1, "2"]]}), WRONG),
        (200, matrix({"metric": {}, "values": 7}), WRONG),
        (200, matrix({"metric": {}, "values": [[1, "2"]]}, kind="vector"), WRONG),
        (200, {"status": "success"}, WRONG),
        (200, "<html>", WRONG),
        (422, {"status": "error", "error": "too many"}, WRONG),
        (403, {}, DENIED),
        (200, matrix() | {"isPartial": False}, OK),
        (200, matrix() | {"isPartial": True}, WRONG),
    ],
)
def test_series(status: int, body: Any, kind: str) -> None:
    web = Web(status, body)
    told = Prometheus(Service(cast(Http, web), Login())).query_range("up", 1.0, 2.0, 0.5)
    assert told.kind == kind
    assert "start=1.000&end=2.000&step=0.500" in web.asked[0]
    assert "partial_response=false" in web.asked[0]
    if body == matrix({"metric": {"a": "b"}, "values": [[1, "2"], [2.5, "NaN"]]}):
        assert told.data[0][0] == {"a": "b"}
        assert told.data[0][1][0] == (1.0, 2.0)


def test_an_instant_query_is_answered_in_whole() -> None:
    web = Web(200, matrix(kind="vector") | {"isPartial": True})
    assert Prometheus(Service(cast(Http, web), Login())).query("up").kind == WRONG
    assert "partial_response=false" in web.asked[0]


class Strict(Web):
    """One that refuses each parameter that it does not know, as Google's managed service."""

    def request(self, _method: str, path: str, *, headers: Mapping[str, str], json: Any) -> Answer:
        found = super().request(_method, path, headers=headers, json=json)
        why = '{"error": {"code": 400, "message": "Unknown name \\"partial_response\\": Cannot bind query parameter."}}'
        return Answer("u", 400, {}, why) if "partial_response" in path else found


def test_a_service_that_refuses_unknown_parameters_is_asked_without() -> None:
    web = Strict(200, matrix({"metric": {}, "values": [[1, "2"]]}))
    server = Prometheus(Service(cast(Http, web), Login()))
    assert server.query_range("up", 1.0, 2.0, 0.5).kind == OK
    assert server.query_range("up", 1.0, 2.0, 0.5).kind == OK
    assert ["partial_response" in one for one in web.asked] == [True, False, False], "it is asked so once"
    other = Web(400, {"status": "error", "error": "parse error"})
    assert Prometheus(Service(cast(Http, other), Login())).query("up{").kind == WRONG
    assert len(other.asked) == 1


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, OK),
        ({"warnings": []}, OK),
        ({"warnings": ["receive rules from thanos-rule-1: connection refused"]}, WRONG),
        ({"isPartial": True}, WRONG),
    ],
)
def test_rules_and_targets_are_told_in_whole(more: dict[str, Any], kind: str) -> None:
    body = {"status": "success", "data": {"groups": [], "activeTargets": []}, **more}
    service = Service(cast(Http, Web(200, body)), Login())
    told = [Prometheus(service).rules(), Prometheus(service).targets(), alert_rules(service)]
    assert [one.kind for one in told] == [kind] * 3
    assert all(kind == OK or "only a part" in one.cause for one in told)


def test_firing_alerts() -> None:
    assert Alertmanager(Service(cast(Http, Web(200, [{"labels": {}}])), Login())).firing().data == [{"labels": {}}]
    assert Alertmanager(Service(cast(Http, Web(200, {})), Login())).firing().kind == WRONG


# ---------------------------------------------------------------------------- the module's inputs

GIVEN: dict[str, Any] = {name: told.get("default") for name, told in window_check.ARGUMENTS.items()} | {
    "only": [],
    "severities": ["critical"],
    "functions": [],
    "wanted_functions": [],
}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"error_share": 0.0}, "no share"),
        ({"slow_rise": 1.5}, "no share"),
        ({"latency_rise": -1.0}, "less than nothing"),
        ({"max_restarts": -1}, "less than nothing"),
        ({"latency": 0.0}, "no time"),
        ({"latency": float("nan")}, "no time"),
        ({"latency": float("inf")}, "no time"),
        ({"latency_rise": float("nan")}, "no number"),
        ({"latency_floor": float("nan")}, "no number"),
        ({"drift_floor": float("inf")}, "no number"),
        ({"severities": []}, "one at least"),
        ({"early_window": "soon"}, "no length of time"),
        ({"early_window": "3h"}, "shorter than early_window"),
        ({"error_codes": "5("}, "no regular expression"),
        ({"error_codes": ".*"}, "does not tell errors"),
        ({"error_codes": ""}, "does not tell errors"),
        ({"error_codes": "5xx"}, "matches no status code of an error, which are 400 to 599"),
        ({"error_codes": "50"}, "matches no status code of an error"),
        ({"expected_traffic": {"least": 0.0, "most": 5.0}}, "no band"),
        ({"expected_traffic": {"least": 9.0, "most": 5.0}}, "no band"),
        ({"expected_traffic": {"least": 9.0, "most": float("inf")}}, "no band"),
    ],
)
def test_inputs_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        window_check._wanted(GIVEN | given)


def test_names_and_moments_that_cannot_be() -> None:
    for option, value in (("requests_metric", "a{}"), ("code_label", "a b")):
        with pytest.raises(InputError, match="no name"):
            window_check._named({option: value}, option)
    with pytest.raises(InputError, match="no name of a label"):
        window_check._label("a-b")
    with pytest.raises(InputError, match="no moment"):
        window_check._moment({"started": "2026-11-30 20:00"}, "started")
    assert window_check._moment({"started": None}, "started") == ""


def test_what_is_left_of_a_window_is_told() -> None:
    server = Server()
    server.now = START + 30
    facts = look(looked(server))
    assert window_check._left(facts, True) == {"known": True, "over": False, "left_s": 90.0}
    assert window_check._left(replace(facts, start=None), True)["known"] is False
