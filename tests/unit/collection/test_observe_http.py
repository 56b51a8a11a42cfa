# An application asked for its headers, origins and limits: what is sent, by whom, and that no secret comes out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.http_security import (
    CHECKS,
    CORS,
    HEADERS,
    HTTPS,
    LIMIT,
    TESTED_HEADERS,
    TESTED_LIMIT,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_http import Paths, Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_limits import LimitScope
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.test_http_security_checks import GOOD_HEADERS
from tests.unit.collection.test_observe_secrets import Kubernetes, secret

BASE, APP = "https://api.shop.test", "https://app.shop.test"
WORDS = {"one": secrets.token_urlsafe(24), "two": secrets.token_urlsafe(24)}
ACCOUNTS = tuple(Account(name, f"user-{name}") for name in WORDS)


class Application:
    """Two replicas that behave, in as much as is asked here; counts are shared unless told otherwise."""

    base_url = BASE

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.sent: list[tuple[str, str]] = []
        self.objects: list[dict[str, Any]] = []
        self.turn = 0
        self.most = {"/api/v1/tasks": 100, "POST /api/v1/tasks": 20, "login": 5}
        self.shared = True
        self.plain_allowed = True
        self.opened = 0
        self.believes, self.forwarded = False, ""

    def url_of(self, path: str) -> str:
        return path if path.startswith("http") else BASE + path

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None, data: Any = None
    ) -> Answer:
        self.sent.append((method, path))
        self.turn += 1
        given = dict(headers or {})
        self.forwarded = given.get("X-Forwarded-For", "")
        if path.startswith("http://"):
            if not self.plain_allowed:
                raise InputError("api.shop.test (port 80) is not in allowed_hosts.")
            return self.answer(path, 308, {"location": "https" + path[4:]})
        if method == "OPTIONS":
            return self.answer(path, 200 if given.get("Origin") == APP else 400, self.cors(given))
        answer = self.served(method, path, given, json, data)
        return replace(answer, headers={**answer.headers, **self.cors(given)})

    def served(self, method: str, path: str, given: Mapping[str, str], *sent: Any) -> Answer:
        if path == "/metrics":
            # Both began within one tick of the clock, so only their first counters tell them apart.
            began = f"# TYPE a counter\na_total 1\n# TYPE a_created gauge\na_created 17{self.turn % 2}.25\n"
            return self.answer(path, 200, {}, f"{began}process_start_time_seconds 170.5\n")
        if path.endswith("/login"):
            return self.login(method, path, *sent)
        if path == "/api/v1/tasks":
            return self.tasks(method, path, given)
        return self.answer(path, 200 if path == "/health/live" else 404, {})

    def answer(self, path: str, status: int, headers: Mapping[str, str], body: str = "") -> Answer:
        return Answer(self.url_of(path), status, {**GOOD_HEADERS, **headers}, body)

    def cors(self, given: Mapping[str, str]) -> dict[str, str]:
        if given.get("Origin") != APP:
            return {}
        return {"access-control-allow-origin": APP, "access-control-allow-credentials": "true", "vary": "Origin"}

    def login(self, method: str, path: str, given: Any, data: Any) -> Answer:
        if method != "POST" or data is not None:
            return self.answer(path, 400 if method == "POST" else 405, {})
        who = next((name for name, word in WORDS.items() if given == {"username": name, "password": word}), "")
        headers = self.count("login", str(self.forwarded and self.believes))
        return self.answer(path, 200 if who else 401, headers, json.dumps({"access_token": f"token-of-{who}"}))

    def tasks(self, method: str, path: str, given: Mapping[str, str]) -> Answer:
        who = given.get("Authorization", "")
        who = who or (self.forwarded if self.believes else "")
        name = f"{method} {path}" if method == "POST" else path
        headers = self.count(name, who)
        if int(headers["x-ratelimit-remaining"]) < 0:
            return self.answer(path, 429, {**headers, "x-ratelimit-remaining": "0", "retry-after": "30"})
        return self.answer(path, 400 if method == "POST" else 200 if who else 401, headers)

    def count(self, limit: str, who: str) -> dict[str, str]:
        key = f"{limit} {who}" + ("" if self.shared else f" {self.turn % 2}")
        self.counts[key] += 1
        left = str(self.most[limit] - self.counts[key])
        return {"x-ratelimit-limit": str(self.most[limit]), "x-ratelimit-remaining": left, "x-ratelimit-reset": "9"}


def scope(application: Application, **changes: Any) -> Scope:
    users = [secret(f"user-{name}", username=name, password=word) for name, word in WORDS.items()]
    door = Door(Kubernetes(*users), "shop", application)  # type: ignore[arg-type]
    made = Scope(
        Paths(),
        Wanted(),
        LimitScope(burst=True),
        (APP,),
        ACCOUNTS,
        door,
        hosts=("api.shop.test",),
        inside=Kubernetes(*application.objects),  # type: ignore[arg-type]
        namespace="shop",
    )
    return replace(made, **changes)


def states(application: Application, **changes: Any) -> dict[str, str]:
    def opens() -> Any:
        application.opened += 1
        return application

    redactor = Redactor()
    facts = observe(application, scope(application, **changes), redactor, opens)  # type: ignore[arg-type]
    told = json.dumps(asdict(facts), default=str)
    assert not any(word in told for word in (*WORDS.values(), "token-of-"))
    return {one.control: str(one.verdict.state) for one in CHECKS.judge(facts, changes.get("only", ()))}


def test_an_application_that_behaves_is_green() -> None:
    application = Application()
    assert states(application) == dict.fromkeys(CHECKS.controls, "pass")
    assert {method for method, _path in application.sent} <= {"GET", "POST", "PUT", "OPTIONS"}


def test_replicas_that_count_for_themselves_are_red() -> None:
    application = Application()
    application.shared = False
    assert states(application, only=(LIMIT,)) == {LIMIT: "fail"}


@pytest.mark.parametrize(
    ("changes", "burst"),
    [
        ({"limits": LimitScope(burst=False)}, False),
        ({"limits": LimitScope(burst=True, most=10)}, False),
        ({"accounts": ACCOUNTS[:1]}, False),
        ({"door": None}, False),
        ({"accounts": (ACCOUNTS[0], Account("lost", "not-there"))}, False),
    ],
)
def test_what_is_not_permitted_or_given_is_pending_and_not_sent(changes: dict[str, Any], burst: bool) -> None:
    application = Application()
    assert states(application, only=(LIMIT,), **changes) == {LIMIT: "pending"}
    assert (application.opened > 0) is burst


def test_a_limit_that_tells_the_seconds_to_its_end_and_refuses_nobody_is_red() -> None:
    class Lenient(Application):
        def tasks(self, method: str, path: str, given: Mapping[str, str]) -> Answer:
            answer = super().tasks(method, path, given)
            return replace(answer, status=400 if method == "POST" else 200)

    assert states(Lenient(), only=(LIMIT,)) == {LIMIT: "fail"}


def test_a_limit_that_origins_meet_is_waited_for_and_asked_anew() -> None:
    application, pauses = Application(), list[float]()
    application.most["/api/v1/tasks"] = 6

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        application.counts.clear()

    assert states(application, only=(CORS,), pause=pause) == {CORS: "pass"}
    assert pauses
    assert set(pauses) == {30.5}
    assert states(application, only=(CORS,), pause=pause, patience_s=31.0) == {CORS: "inconclusive"}


def test_in_check_mode_nothing_is_sent() -> None:
    application = Application()
    assert set(states(application, unasked="check mode sends nothing.").values()) == {"pending"}
    assert application.sent == []


def test_only_what_is_wanted_is_asked() -> None:
    application = Application()
    states(application, only=(HEADERS,), origins=None)
    assert not any(method == "OPTIONS" or path == "/metrics" for method, path in application.sent)


def test_a_plain_port_that_may_not_be_asked_is_told() -> None:
    application = Application()
    application.plain_allowed = False
    assert states(application, only=(HEADERS,)) == {HEADERS: "inconclusive"}


def test_an_application_that_does_not_answer_is_never_green() -> None:
    application = Application()
    lost = Answer(BASE, failure=Failure("timeout", "api.shop.test did not answer within 5 s."))
    application.request = lambda *_given, **_more: lost  # type: ignore[method-assign]
    assert states(application) == {
        **dict.fromkeys(CHECKS.controls, "inconclusive"),
        LIMIT: "pending",
        TESTED_LIMIT: "pending",
    }


NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "one"},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def service(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "shop"}, "spec": spec}


def host_pod(**spec: Any) -> dict[str, Any]:
    meta = {"name": "api-1", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"hostIP": "192.0.2.7"}}


@pytest.mark.parametrize(
    ("opened", "asked"),
    [
        (service(type="ClusterIP", ports=[{"port": 80}]), ""),
        (service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}]), "http://192.0.2.7:30080/health/live"),
        (service(type="ClusterIP", externalIPs=["192.0.2.9"], ports=[{"port": 80}]), "http://192.0.2.9:80/health/live"),
        (service(type="NodePort", ports=[{"port": 80, "nodePort": 30080, "protocol": "UDP"}]), ""),
        (
            host_pod(containers=[{"ports": [{"containerPort": 80, "hostPort": 8080}]}]),
            "http://192.0.2.7:8080/health/live",
        ),
        (host_pod(containers=[{"ports": [{"containerPort": 80}]}]), ""),
        (
            host_pod(hostNetwork=True, containers=[{"ports": [{"containerPort": 81}]}]),
            "http://192.0.2.7:81/health/live",
        ),
    ],
)
def test_ways_around_the_ingress_are_asked_in_clear(opened: dict[str, Any], asked: str) -> None:
    application = Application()
    application.objects = [NODE, opened]
    assert states(application, only=(HTTPS,)) == {HTTPS: "pass"}, "the stand-in leads to https wherever it is asked"
    doors = [path for _method, path in application.sent if "192.0.2." in path]
    assert doors == ([asked] if asked else [])


def test_a_header_that_names_another_address_is_found_believed() -> None:
    application = Application()
    application.believes = True
    assert states(application, only=(TESTED_LIMIT,)) == {TESTED_LIMIT: "fail"}


def test_the_tests_ask_no_more_than_they_judge() -> None:
    application = Application()
    states(application, only=(TESTED_HEADERS,))
    assert not any(path == "/metrics" for _method, path in application.sent)
