# A load balancer's health route judged from tables of answers and endpoints.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_health import HealthSeen, judge_health
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
OK = Answer("https://api.example.net/health/ready", 200)
GONE = replace(OK, status=404)


def pod(name: str, *, ready: bool = True, since: str = "2026-11-29T11:00:00Z", probe: bool = True) -> dict[str, Any]:
    asked = {"readinessProbe": {"httpGet": {}}} if probe else {}
    container = {"name": "api", "ports": [{"containerPort": 80}], **asked}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}, "status": {"conditions": [condition]}}


def without_ports(name: str, **spec: Any) -> dict[str, Any]:
    """A pod whose container listens and does not say so: containerPort is for information only."""
    return {**pod(name), "spec": {"containers": [{"name": "api"}], **spec}}


def endpoints(**ready: bool) -> dict[str, Any]:
    found = [
        {"addresses": ["10.0.0.1"], "targetRef": {"name": name}, "conditions": {"ready": one}}
        for name, one in ready.items()
    ]
    return {"metadata": {"labels": {"kubernetes.io/service-name": "api"}}, "endpoints": found}


SERVICE = {"metadata": {"name": "api"}, "spec": {}}
WELL = HealthSeen(
    "/health/ready", (OK, OK), "", (SERVICE,), (endpoints(a=True, b=True),), (pod("a"), pod("b")), NOW.timestamp()
)
ONE_DOWN = replace(WELL, slices=(endpoints(a=True, b=False),), pods=(pod("a"), pod("b", ready=False)))


def judged(seen: HealthSeen = ONE_DOWN, **changes: Any) -> Verdict:
    return judge_health(replace(seen, **changes), "now")


def test_a_backend_that_is_seen_dropped_is_a_pass() -> None:
    told = judged()
    assert (told.state, "b (not ready) is not" in told.summary) == ("pass", True), told.summary


def test_where_all_are_well_nothing_was_seen_dropped() -> None:
    told = judged(WELL)
    assert (told.state, "was not seen" in told.summary) == ("pending", True)


def test_where_nobody_was_asked_it_is_pending() -> None:
    assert judged(unasked="no base_url is given").state == "pending"


KEPT = replace(ONE_DOWN, slices=(endpoints(a=True, b=True),))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (judged(answers=(OK, GONE)), "1 of 2 requests came to HTTP 404"),
        (judged(answers=(replace(OK, status=302),)), "HTTP 302"),
        (judged(answers=(Answer("x", failure=Failure("refused", "no")),)), "refused"),
        (judged(services=({"metadata": {"name": "api"}, "spec": {"publishNotReadyAddresses": True}},)), "publishes"),
        (judged(pods=(pod("a", probe=False), pod("b", ready=False))), "has no readiness probe"),
        (judged(pods=(without_ports("a"), pod("b", ready=False))), "pod a has no readiness probe"),
        (judged(KEPT), "pod b is not ready and stays in rotation"),
        (judged(slices=(endpoints(a=False, b=False),)), "no backend is in rotation"),
        (judged(slices=()), "no backend is in rotation"),
    ],
)
def test_what_is_wrong_is_red(told: Verdict, said: str) -> None:
    assert (told.state, said in told.summary) == ("fail", True), told.summary


def test_a_pod_that_has_just_fallen_ill_is_given_a_moment() -> None:
    """Its word takes a while to its endpoint; then nothing was seen dropped either."""
    now = (pod("a"), pod("b", ready=False, since="2026-11-29T11:59:55Z"))
    assert judged(KEPT, pods=now).state == "pending"


def test_a_pod_with_gates_or_with_a_probe_of_another_container_needs_none_more() -> None:
    gated = without_ports("a", readinessGates=[{"conditionType": "shop.example/open"}])
    probed = without_ports("a")
    probed["spec"]["containers"].append({"name": "web", "readinessProbe": {"httpGet": {}}})
    for one in (gated, probed):
        told = judged(pods=(one, pod("b", ready=False)))
        assert told.state == "pass", told.summary
