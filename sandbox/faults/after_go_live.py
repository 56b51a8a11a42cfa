# Faults that come after a go-live: users ask before and after it, and meanwhile something goes wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import yaml

from sandbox import traffic
from sandbox.faults import app_flow, app_sign_in, desktop
from sandbox.faults.alerting import held
from sandbox.faults.app_visit import MARK, TASKS, Look, Visitor, planted
from sandbox.faults.fault import API, NAMESPACE, STRATEGIC, Act, Fault, Hands, nothing
from sandbox.faults.keeping import Object, changed, looked_at, restored, steps
from sandbox.faults.monitoring import POD, RULES, ask

BEFORE_S, WINDOW_S, SCRAPED_S = 70.0, 60.0, 8.0  # the inventory's windows are as long
STABILITY, FUNCTIONALITY, ERRORS, TRAFFIC, PERFORMANCE, ALERTS, LATE_ERRORS = (
    *(f"go_live.t_plus_30m.{item}" for item in ("stability", "functionality", "errors", "traffic")),
    *(f"go_live.t_plus_2h.{item}" for item in ("performance", "alerts", "errors")),
)
CONTROLS = (STABILITY, FUNCTIONALITY, ERRORS, TRAFFIC, PERFORMANCE, ALERTS, LATE_ERRORS)
WORKER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-worker"
WORKERS = f"/api/v1/namespaces/{NAMESPACE}/pods"
RULE = "BytebotServiceDown"
TURNS, ASKED = 9, 40
QUICK_S = 0.1
VARIABLES = "variables.json"  # where the registry keeps what goes with a fault


def soon(_: Hands) -> Mapping[str, Any]:
    """A go-live in a minute, before which users ask; the gate that looks at what comes after it."""
    at = datetime.now(UTC) + timedelta(seconds=BEFORE_S)
    return {"bytebot_go_live": {"version": "1.0.0", "at": at.isoformat()}, "bytebot_gate_stage": "t_plus_2h"}


def _without_functions(hands: Hands) -> Mapping[str, Any]:
    """Which of the functions fail while some answers do depends on the moment, and is not what this is about."""
    return {**soon(hands), "go_live_window_controls": [one for one in CONTROLS if one != FUNCTIONALITY]}


def watched(hands: Hands, variables: Mapping[str, Any], then: Act = nothing, *, asked: bool = True) -> None:
    """Users ask until the window after the go-live is over and scraped, and at the go-live something happens.

    :param asked: whether they still ask after it.
    """
    at = datetime.fromisoformat(variables["bytebot_go_live"]["at"]).timestamp()
    with traffic.Traffic(hands):
        _reached(hands, at)
        then(hands)
        if asked:
            _reached(hands, at + WINDOW_S + SCRAPED_S)
    _reached(hands, at + WINDOW_S + SCRAPED_S)


def _reached(hands: Hands, at: float) -> None:
    hands.until(lambda: time.time() >= at, f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC is reached")


def _at_go_live(act: Act, *, asked: bool = True) -> Act:
    def put(hands: Hands) -> None:
        watched(hands, json.loads((hands.folder / VARIABLES).read_text()), act, asked=asked)

    return put


def _in_application(name: str, says: str, look: Look, *turns_red: str) -> Fault:
    """A fault of the application that a roll-out brings: pods change one by one, so that users are served meanwhile."""
    fault = planted(name, says, look, *turns_red)
    variables = _without_functions if ERRORS in turns_red else soon
    return dataclasses.replace(
        fault,
        put=_at_go_live(_rolled(name)),
        mark="",
        playbook="window",
        variables=variables,
        shuts=True,
        component="prometheus",
    )


def _rolled(name: str) -> Act:
    def act(hands: Hands) -> None:
        template = {"spec": {"containers": [{"name": "api", "env": [{"name": MARK, "value": name}]}]}}
        hands.patch(API, {"spec": {"template": template}}, STRATEGIC)
        hands.until(hands.rolled_out, "the application's pods are new")

    return act


def _slow(visitor: Visitor) -> bool:
    return min(app_flow.took(visitor, TASKS) for _ in range(TURNS)) > QUICK_S


def _fails(visitor: Visitor) -> bool:
    return HTTPStatus.INTERNAL_SERVER_ERROR in [visitor.ask("GET", TASKS).status for _ in range(ASKED)]


# ---------------------------------------------------------------------------- a restart


def _workers(hands: Hands) -> list[Object]:
    return hands.cluster.pods_of(hands.cluster.get(WORKER) or {})


def _restarts(hands: Hands) -> bool:
    return any(one["restartCount"] for pod in _workers(hands) for one in pod["status"].get("containerStatuses", []))


def _end_a_worker(hands: Hands) -> None:
    """End the process of one container; the kubelet starts it again."""
    hands.exec(NAMESPACE, _workers(hands)[0]["metadata"]["name"], "worker", ["sh", "-c", "kill 1"])
    hands.until(lambda: _restarts(hands) and hands.rolled_out(WORKER), "the worker runs again")


def _new_workers(hands: Hands) -> None:
    for pod in _workers(hands):
        hands.delete(f"{WORKERS}/{pod['metadata']['name']}")
    hands.until(lambda: hands.rolled_out(WORKER) and not _restarts(hands), "the workers are new")


# ---------------------------------------------------------------------------- an alert


def _fires(rules: Object) -> None:
    """The alert's condition is what always is, and it fires at once."""
    for file, text in rules["data"].items():
        read = yaml.safe_load(text)
        for rule in [one for group in read["groups"] for one in group["rules"] if one.get("alert") == RULE]:
            rule["expr"] = 'up{job=~"bytebot-.*"} == 1'
            rule.pop("for", None)
        rules["data"][file] = yaml.safe_dump(read, sort_keys=False)


def _firing(hands: Hands) -> bool:
    """As Prometheus tells, or as Alertmanager still holds it."""
    told = ask(hands, "/api/v1/alerts")["alerts"]
    return any(one["labels"]["alertname"] == RULE and one["state"] == "firing" for one in told) or held(hands, RULE)


def _until_firing(hands: Hands) -> None:
    hands.until(lambda: _firing(hands), f"{RULE} fires")


# ---------------------------------------------------------------------------- functions that fail


def _later(fault: Fault) -> Fault:
    """The same, when the functions are tested again after a go-live."""

    def variables(_: Hands) -> Mapping[str, Any]:
        at = datetime.now(UTC) - timedelta(seconds=WINDOW_S + SCRAPED_S)
        return {
            "bytebot_go_live": {"version": "1.0.0", "at": at.isoformat()},
            "bytebot_gate_stage": "t_plus_2h",
            "go_live_window_controls": [FUNCTIONALITY],
        }

    return dataclasses.replace(
        fault,
        name=f"{fault.name}_after_go_live",
        says=f"after a go-live {fault.says}",
        turns_red=(FUNCTIONALITY,),
        playbook="window",
        shuts=True,
        variables=variables,
        component="prometheus",
    )


def _named(faults: tuple[Fault, ...], name: str) -> Fault:
    return next(fault for fault in faults if fault.name == name)


FAULTS = (
    _in_application(
        "latency_250ms_added", "each answer of the API takes a quarter of a second longer after the go-live", _slow,
        STABILITY, PERFORMANCE,
    ),
    _in_application(
        "performance_drift", "answers take longer and longer after the go-live", _slow, STABILITY, PERFORMANCE,
    ),
    _in_application(
        "error_spike", "every fifth answer of the API is an error after the go-live", _fails, ERRORS, LATE_ERRORS,
    ),
    _in_application(
        "error_drift", "more and more answers of the API are errors after the go-live", _fails, ERRORS, LATE_ERRORS,
    ),
    Fault(
        name="restart_in_window", says="a worker's container restarts after the go-live", layer="application",
        turns_red=(STABILITY,), playbook="window", variables=soon, put=_at_go_live(_end_a_worker), heal=_new_workers,
        seen=_restarts, component="prometheus",
    ),
    Fault(
        name="alert_firing", says="a critical alert fires after the go-live", layer="cluster",
        turns_red=(ERRORS, ALERTS), playbook="window", variables=soon, component="prometheus",
        put=_at_go_live(steps(changed(RULES, _fires, then=looked_at(POD)), _until_firing)),
        heal=restored(RULES, then=looked_at(POD)), seen=_firing,
    ),
    Fault(
        name="no_traffic", says="no user asks after the go-live", layer="network", turns_red=(TRAFFIC,),
        playbook="window", variables=soon, put=_at_go_live(nothing, asked=False), component="prometheus",
    ),
    _later(_named(app_sign_in.FAULTS, "login_fails")),
    _later(_named(desktop.FAULTS, "screenshot_black")),
    _later(_named(desktop.FAULTS, "task_stuck")),
)  # fmt: skip
