# Known events and known lines, against doubles: what is caused, what is read, and what is taken away again.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import re
import secrets
import time
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.log_facts import LineNames, LinesFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_lines import CHECKS as LINES
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_lines import ERRORS, FLOW, STRUCTURED
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_watched import CHECKS, SCRAPED, SYSTEM
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    BusinessSeen,
    Counter,
    ReleaseSeen,
    ScrapesSeen,
    Source,
    WatchedFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, Fields
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_search import Line, Searched
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotThere
from ansible_collections.bytebot.production.plugins.module_utils.observe_events import MARKER, Business, Plan
from ansible_collections.bytebot.production.plugins.module_utils.observe_lines import Lines
from ansible_collections.bytebot.production.plugins.module_utils.observe_targets import (
    Scope,
    look_at_release,
    look_at_scrapes,
    selector_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_watched import Watch, look
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.test_observe_secrets import Kubernetes, secret

PASSWORD = secrets.token_urlsafe(24)
ACCOUNT = Account("operator", "user-operator")
COUNTERS = (
    Counter("auth_attempts_total", "sign_in", {"status": "success"}),
    Counter("bytebot_api_requests_total", "request"),
    Counter("bytebot_tasks_total", "task"),
)


class Application:
    """Counts what it is asked for; ``faults`` are what it does wrong."""

    base_url = url = "https://api.shop.test"

    def __init__(self, *faults: str) -> None:
        self.faults = set(faults)
        self.counts: Tally[str] = Tally()
        self.tasks = {"old": f"{MARKER} left by a killed run", "mine": "a user's own"}
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.turn = 0
        self.tokens: set[str] = set()

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None) -> Answer:
        if "silent" in self.faults:
            return Answer(path, failure=Failure("refused", "api.shop.test refuses connections: nothing listens there."))
        given = dict(headers or {})
        self.turn += 1
        status, body = self._answered(method, path, json)
        self._log(given, method, status)
        return Answer(path, status, {"x-correlation-id": given.get("x-correlation-id", "made")}, body)

    def _answered(self, method: str, path: str, given: Any) -> tuple[int, str]:
        if path.endswith("/login"):
            if given["password"] != PASSWORD:
                return 401, "{}"
            self.counts["sign_in"] += 1
            token = secrets.token_urlsafe(16)
            self.tokens.add(token)
            return 200, json.dumps({"access_token": token})
        return self._of_tasks(method, path, given)

    def _of_tasks(self, method: str, path: str, given: Any) -> tuple[int, str]:
        if path.endswith("/logout"):
            self.tokens.pop()
            return 204, ""
        if method == "POST":
            self.counts["task"] += 1
            made = secrets.token_hex(4)
            self.tasks[made] = given["description"]
            return 201, json.dumps({"id": made})
        if method == "DELETE":
            return (403, "{}") if "keeps" in self.faults else (204, self.tasks.pop(path.rpartition("/")[2], ""))
        if "?" in path or path.endswith("/tasks"):
            return 200, json.dumps([{"id": name, "description": text} for name, text in self.tasks.items()])
        self.counts["request"] += 1
        return 404, "{}"

    def _log(self, headers: Mapping[str, str], method: str, status: int) -> None:
        failed = status == 401 and method == "POST"
        line = {
            "timestamp": "2026-11-30T03:17:36.272990Z",
            "level": "warn" if failed else "info",
            "message": "request",
            "service": "api",
            "correlationId": headers.get("x-correlation-id", "unknown"),
        }
        line |= {"eventType": "AUTHENTICATION_FAILURE"} if failed else {}
        line |= {"token": str(headers.get("Authorization"))} if "tells" in self.faults else {}
        self.logged.append((f"shop-api-abc-{1 + self.turn % 2}", line))


class Stored:
    """Prometheus, which has always just scraped."""

    def __init__(self, application: Application, factor: float = 1.0, missing: str = "") -> None:
        self._application, self._factor, self._missing = application, factor, missing
        self.now = 0.0
        self.others = 0.0

    def query(self, expression: str) -> Told:
        self.now += 1.0
        if expression == "time()" or expression.startswith("min(timestamp"):
            return Told(data=[({}, str(self.now))])
        name = re.match(r"(?:count\()?(\w+)", expression)
        event = {one.metric: one.event for one in COUNTERS}[name[1] if name else ""]
        if event == self._missing:
            return Told(data=[])
        self.others += 0.5 if "noise" in self._application.faults else 0.0
        return Told(data=[({"instance": "a"}, str(self._application.counts[event] * self._factor + self.others))])


def looked(application: Application, stored: Stored, *, writes: bool = True) -> BusinessSeen:
    cluster = cast("Cluster", Kubernetes(secret("user-operator", username="operator", password=PASSWORD)))
    door = Door(cluster, "shop", cast("Http", application))
    plan = Plan(COUNTERS, (ACCOUNT,), 'job="api"', 5.0, writes=writes)
    found = Business(cast("Prometheus", stored), door, plan, Redactor(), lambda _s: None).look()
    assert found is not None
    return found


def state(found: BusinessSeen) -> str:
    facts = WatchedFacts(ReleaseSeen("shop", "shop"), ScrapesSeen("http://p", Told()), business=found)
    (one,) = CHECKS.judge(facts, ["monitoring.metrics.business"])
    return str(one.verdict.state)


def test_events_are_caused_counted_and_taken_away() -> None:
    application = Application()
    found = looked(application, Stored(application))
    assert state(found) == "pass"
    assert application.tasks == {"mine": "a user's own"}, "what a killed run has left is gone, too"
    assert application.tokens == set(), "everybody has signed out"
    assert application.counts == {"sign_in": 3, "request": 2, "task": 2}


@pytest.mark.parametrize(
    ("application", "factor", "missing", "wanted"),
    [
        (Application(), 0.0, "", "fail"),
        (Application(), 2.0, "", "fail"),
        (Application(), 1.0, "task", "fail"),
        (Application("noise"), 1.0, "", "inconclusive"),
        (Application("keeps"), 1.0, "", "fail"),
        (Application("silent"), 1.0, "", "inconclusive"),
    ],
)
def test_what_is_wrong_is_seen(application: Application, factor: float, missing: str, wanted: str) -> None:
    assert state(looked(application, Stored(application, factor, missing))) == wanted


def test_no_task_is_made_where_nothing_may_be_written() -> None:
    application = Application()
    found = looked(application, Stored(application), writes=False)
    assert state(found) == "pending"
    assert application.counts["task"] == 0
    assert len(application.tasks) == 2


# ---------------------------------------------------------------------------- targets


def listed(*objects: dict[str, Any]) -> Cluster:
    class Listing:
        def list(self, _version: str, kind: str, *_where: Any) -> list[dict[str, Any]]:
            return [one for one in objects if one["kind"] == kind]

    return cast("Cluster", Listing())


def meta(name: str, **labels: str) -> dict[str, Any]:
    return {"name": name, "labels": {key.replace("__", "/").replace("_", "."): text for key, text in labels.items()}}


OBJECTS = (
    {"kind": "Service", "metadata": {"name": "api", "annotations": {"meta.helm.sh/release-name": "shop"}},
     "spec": {"ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 9090}]}},
    {"kind": "Service", "metadata": {"name": "stranger"}, "spec": {"ports": [{"name": "metrics", "port": 9090}]}},
    {"kind": "EndpointSlice", "metadata": {"name": "api-x", "labels": {"kubernetes.io/service-name": "api"}},
     "ports": [{"name": "http", "port": 8000}, {"name": "metrics", "port": 9090}],
     "endpoints": [
         {"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "api-1"}},
         {"addresses": ["10.0.0.2"], "conditions": {"ready": False}, "targetRef": {"kind": "Pod", "name": "api-2"}},
     ]},
    {"kind": "EndpointSlice", "metadata": {"name": "s-x", "labels": {"kubernetes.io/service-name": "stranger"}},
     "ports": [{"name": "metrics", "port": 9090}],
     "endpoints": [{"addresses": ["10.0.0.9"], "targetRef": {"kind": "Pod", "name": "stranger-1"}}]},
    {"kind": "Pod", "metadata": meta("api-1"), "spec": {"nodeName": "n"}, "status": {"phase": "Running"}},
)  # fmt: skip


def test_targets_follow_from_the_services_of_the_release() -> None:
    scope = Scope("shop", "shop", settle_s=0)
    found = look_at_release(listed(*OBJECTS), scope)
    assert [(one.service, one.pod, one.address, one.port) for one in found.sources] == [
        ("api", "api-1", "10.0.0.1", 9090)
    ]

    class Server:
        service = Application()

        def targets(self) -> Told:
            labels = {"job": "shop.api", "namespace": "shop"}
            last = "1970-01-01T00:00:09Z"
            up = {"labels": labels, "scrapeUrl": "http://10.0.0.1:9090/metrics", "health": "up", "lastScrape": last}
            return Told(data=[{**up, "scrapeInterval": "5s"}])

        def query(self, expression: str) -> Told:
            return Told(data=[({}, "10")] if expression == "time()" else [({}, "0")])

    found, seen = look_at_scrapes(cast("Prometheus", Server()), scope, lambda: found)
    (one,) = CHECKS.judge(WatchedFacts(found, seen), [SCRAPED])
    assert one.verdict.state == "pass", one.verdict.summary
    assert selector_of(found, seen) == 'job=~"shop\\\\.api", namespace="shop"'


@pytest.mark.parametrize(("comes_at", "state"), [(6.0, "pass"), (None, "fail")])
def test_a_pod_that_came_while_others_were_waited_for_has_its_time_too(
    comes_at: float | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    old, new = (Source("api", f"api-{number}", f"10.0.0.{number}", 9090) for number in (1, 2))

    def release() -> ReleaseSeen:
        there = (old, new) if comes_at is not None and clock[0] >= comes_at else (old,)
        return ReleaseSeen("shop", "shop", sources=there)

    class Server:
        """Has the old target up at once where a new one comes, which is up 7 s later; else the old one never is."""

        service = Application()

        def targets(self) -> Told:
            def one(address: str, up: bool) -> dict[str, Any]:
                health = {"health": "up", "lastScrape": "1970-01-01T00:00:09Z"} if up else {"health": "unknown"}
                return {"labels": {}, "scrapeUrl": f"http://{address}:9090/metrics", "scrapeInterval": "5s", **health}

            up = comes_at is not None and clock[0] >= comes_at + 7
            return Told(data=[one(old.address, up), one(new.address, up)])

        def query(self, expression: str) -> Told:
            return Told(data=[({}, "10")] if expression == "time()" else [({}, "0")])

    def pause(seconds: float) -> None:
        clock[0] += seconds

    found, seen = look_at_scrapes(cast("Prometheus", Server()), Scope("shop", "shop", settle_s=10), release, pause)
    (one,) = CHECKS.judge(WatchedFacts(found, seen), [SCRAPED])
    assert one.verdict.state == state, one.verdict.summary
    assert clock[0] <= 13


def test_a_pod_that_came_after_the_targets_were_asked_for_is_not_missed_there() -> None:
    """As after a scale-out: the series of the pods are asked for later, and of more pods."""
    came = [False]
    endpoint = {"addresses": ["10.0.0.3"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "api-3"}}

    class Growing:
        def list(self, version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
            found = [copy.deepcopy(one) for one in listed(*OBJECTS).list(version, kind, namespace)]
            for one in found:
                if came[0] and one["metadata"]["name"] == "api-x":
                    one["endpoints"].append(endpoint)
            new = meta("api-3", app_kubernetes_io__instance="shop")
            pod = {"kind": "Pod", "metadata": new, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
            return [*found, pod] if came[0] and kind == "Pod" else found

    class Server:
        service = Application()

        def targets(self) -> Told:
            came[0] = True
            up = {"labels": {}, "scrapeUrl": "http://10.0.0.1:9090/metrics", "health": "up"}
            return Told(data=[{**up, "lastScrape": "1970-01-01T00:00:09Z", "scrapeInterval": "5s"}])

        def query(self, expression: str) -> Told:
            if expression.startswith(("container_", "kube_", "node_")):
                return Told(data=[({"namespace": "shop", "pod": one, "node": "n"}, "1") for one in ("api-1", "api-3")])
            return Told(data=[({}, "10" if expression == "time()" else "0")])

    watch = Watch(
        Scope("shop", "shop", settle_s=0), (SCRAPED, SYSTEM),
        prometheus=cast("Prometheus", Server()), cluster=cast("Cluster", Growing()),
    )  # fmt: skip
    facts = look(watch, Redactor())
    assert facts.release and facts.running
    assert [len(one.sources) for one in (facts.release, facts.running)] == [1, 2]
    states = {one.control: one.verdict for one in CHECKS.judge(facts, [SCRAPED, SYSTEM])}
    assert {name: one.state for name, one in states.items()} == {SCRAPED: "pass", SYSTEM: "pass"}, states


# ---------------------------------------------------------------------------- lines


class Pods:
    """The cluster's API, as far as lines ask it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def list(self, _version: str, _kind: str, _namespace: str) -> list[dict[str, Any]]:
        return [
            {
                "metadata": {"name": f"shop-api-abc-{number}", "ownerReferences": [{"name": "shop-api-abc"}]},
                "spec": {"containers": [{"name": "api"}]},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
            for number in (1, 2)
        ] + [{"metadata": {"name": "other-1"}, "spec": {"containers": [{"name": "x"}]}}]

    def raw_text(self, _method: str, path: str, *, query: Mapping[str, str]) -> str:
        assert query["container"] == "api"
        pod = path.split("/")[-2]
        return "\n".join(json.dumps(line) for name, line in self._application.logged if name == pod)


class Meshed(Pods):
    """The same, with a mesh's proxy before the application, as it is where that waits for the proxy."""

    def list(self, version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        found = super().list(version, kind, namespace)
        for one in found[:2]:
            one["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "api"}
            one["spec"]["containers"].insert(0, {"name": "istio-proxy"})
        return found


class Leaving(Pods):
    """The same, where pods go once their logs are asked for."""

    def __init__(self, application: Application, *going: str) -> None:
        super().__init__(application)
        self._going, self._gone = going, set[str]()

    def list(self, version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        return [one for one in super().list(version, kind, namespace) if one["metadata"]["name"] not in self._gone]

    def raw_text(self, method: str, path: str, *, query: Mapping[str, str]) -> str:
        pod = path.split("/")[-2]
        if pod in self._going:
            self._gone.add(pod)
            raise NotThere(f"There is no pod {pod}.")
        return super().raw_text(method, path, query=query)


class Kept:
    """A store that has all lines but those of the pods that are left out."""

    def __init__(self, application: Application, *left_out: str) -> None:
        self._application, self._left_out = application, left_out

    def find(self, words: tuple[str, ...], _namespace: str, _since: float) -> Told:
        rows = [(pod, line) for pod, line in self._application.logged if pod not in self._left_out]
        return Told(data=[Line(pod, line) for pod, line in rows if any(one in json.dumps(line) for one in words)])


@pytest.mark.parametrize("going", [("shop-api-abc-2",), ("shop-api-abc-1", "shop-api-abc-2")])
def test_a_pod_that_goes_before_its_log_is_read_ends_nothing(going: tuple[str, ...]) -> None:
    application = Application()
    seen = Lines(
        cast("Cluster", Leaving(application, *going)), "shop", "shop-api", cast("Http", application), Fields(),
        cast("Searched", Kept(application)), LineNames(), 0.0, Redactor(), pause=lambda _s: None,
    ).look()  # fmt: skip
    results = LINES.judge(LinesFacts("http://l", "Loki", seen), [FLOW, STRUCTURED, ERRORS])
    assert [str(one.verdict.state) for one in results] == ["pending"] * 3
    assert "went while the logs were read" in results[0].verdict.summary


@pytest.mark.parametrize(
    ("application", "left_out", "states"),
    [
        (Application(), (), ["pass", "pass", "pass"]),
        (Application("meshed"), (), ["pass", "pass", "pass"]),
        (Application(), ("shop-api-abc-1",), ["fail", "pass", "pass"]),
        (Application("tells"), (), ["pass", "pass", "fail"]),
        (Application("silent"), (), ["inconclusive"] * 3),
    ],
)
def test_lines_of_known_requests(application: Application, left_out: tuple[str, ...], states: list[str]) -> None:
    redactor = Redactor()
    pods = (Meshed if "meshed" in application.faults else Pods)(application)
    seen = Lines(
        cast("Cluster", pods), "shop", "shop-api", cast("Http", application), Fields(),
        cast("Searched", Kept(application, *left_out)), LineNames(), 0.0, redactor, pause=lambda _s: None,
    ).look()  # fmt: skip
    results = LINES.judge(LinesFacts("http://l", "Loki", seen), [FLOW, STRUCTURED, ERRORS])
    assert [str(one.verdict.state) for one in results] == states, [one.verdict.summary for one in results]
    told = json.dumps([one.to_dict(redactor) for one in results])
    assert not [kind for kind, planted in seen.planted.items() if planted in told]
