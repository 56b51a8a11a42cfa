# What a roll-out waits for: the rule of each kind, what a strategy holds back, and what wants no pod.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts, assess
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_waits import WATCHED
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity
from tests.unit.collection.helm_fakes import SHOP, Object, deployment, obj, pod
from tests.unit.collection.rollout_objects import BALANCED, conditions, custom, facts, stateful


def waits(live: Object) -> str:
    """What one object waits for, without its name; empty where it is complete."""
    found = assess(facts(live)).waiting
    return found[0].partition(": ")[2] if found else ""


def daemon(desired: int = 2, updated: int = 2, available: int = 2, **strategy: Any) -> Object:
    numbers = {"desiredNumberScheduled": desired, "updatedNumberScheduled": updated, "numberAvailable": available}
    return obj("DaemonSet", "agent", {"updateStrategy": strategy}, {"observedGeneration": 1, **numbers})


WAITS = [
    ("Deployment: complete", deployment(2), ""),
    ("Deployment: not observed", deployment(2, observedGeneration=0), "its new specification is not observed yet"),
    ("Deployment: no status at all", obj("Deployment", "api"), "its new specification is not observed yet"),
    ("Deployment: updating", deployment(3, updatedReplicas=1), "1 of 3 replicas are updated"),
    ("Deployment: old ones run", deployment(2, replicas=3), "1 old replicas still run"),
    ("Deployment: not available", deployment(2, 1), "1 of 2 replicas are available"),
    (
        "Deployment: replicas by default",
        obj("Deployment", "api", {}, {"observedGeneration": 1}),
        "0 of 1 replicas are updated",
    ),
    (
        "Deployment: replicas null",
        obj("Deployment", "api", {"replicas": None}, {"observedGeneration": 1}),
        "0 of 1 replicas are updated",
    ),
    ("Deployment: scaled to 0", deployment(0), ""),
    ("Deployment: scaling to 0", deployment(0, replicas=1), "1 old replicas still run"),
    ("Deployment: paused before it began", deployment(2, updatedReplicas=0), "0 of 2 replicas are updated"),
    ("StatefulSet: complete", stateful(), ""),
    ("StatefulSet: not observed", obj("StatefulSet", "db"), "its new specification is not observed yet"),
    ("StatefulSet: not ready", stateful(ready=2), "2 of 3 replicas are ready"),
    ("StatefulSet: not updated", stateful(updated=1), "1 of 3 replicas are updated"),
    (
        "StatefulSet: partition not reached",
        stateful(updated=0, rollingUpdate={"partition": 2}),
        "0 of 1 replicas are updated",
    ),
    ("StatefulSet: partition reached", stateful(updated=1, rollingUpdate={"partition": 2}), ""),
    ("StatefulSet: partition above replicas", stateful(updated=0, rollingUpdate={"partition": 9}), ""),
    (
        "StatefulSet: partition null",
        stateful(updated=2, rollingUpdate={"partition": None}),
        "2 of 3 replicas are updated",
    ),
    ("StatefulSet: on delete", stateful(updated=0, type="OnDelete"), ""),
    ("StatefulSet: on delete, not ready", stateful(ready=0, updated=0, type="OnDelete"), "0 of 3 replicas are ready"),
    ("StatefulSet: scaled to 0", stateful(0, 0, 0), ""),
    ("DaemonSet: complete", daemon(), ""),
    ("DaemonSet: not updated", daemon(updated=1), "1 of 2 pods are updated"),
    ("DaemonSet: not available", daemon(available=0), "0 of 2 pods are available"),
    ("DaemonSet: no node", daemon(0, 0, 0), ""),
    ("DaemonSet: not observed", obj("DaemonSet", "agent", {}, {}), "its new specification is not observed yet"),
    ("DaemonSet: on delete", daemon(updated=0, type="OnDelete"), ""),
    ("Job: complete", obj("Job", "migrate", {}, {"conditions": conditions(("Complete", "True"))}), ""),
    ("Job: running", obj("Job", "migrate", {"completions": 5}, {"succeeded": 2}), "2 of 5 runs succeeded"),
    ("Job: all runs done, not yet complete", obj("Job", "migrate", {}, {"succeeded": 1}), "1 of 1 runs succeeded"),
    ("Job: work queue", obj("Job", "migrate", {"completions": None}, {}), "0 of 1 runs succeeded"),
    ("Job: failed", obj("Job", "migrate", {}, {"conditions": conditions(("Failed", "True"))}), "0 of 1 runs succeeded"),
    ("Claim: bound", obj("PersistentVolumeClaim", "data", {}, {"phase": "Bound"}), ""),
    ("Claim: pending", obj("PersistentVolumeClaim", "data", {}, {"phase": "Pending"}), "the claim is Pending"),
    ("Claim: lost", obj("PersistentVolumeClaim", "data", {}, {"phase": "Lost"}), "the claim is Lost"),
    ("Pod: ready", pod(), ""),
    ("Pod: running and not ready", pod(ready=False), "the pod is Running"),
    ("Pod: done", pod(ready=False, phase="Succeeded"), ""),
    ("Pod: failed", pod(ready=False, phase="Failed"), "the pod is Failed"),
    ("Service: inside", obj("Service", "web", {"type": "ClusterIP"}), ""),
    ("Service: no address", BALANCED, "no load balancer has given it an address"),
    ("Service: an address", {**BALANCED, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}, ""),
    ("Service: given by hand", obj("Service", "web", {"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}), ""),
    ("custom: tells nothing", custom(), ""),
    ("custom: status is a text", {**custom(), "status": "fine"}, ""),
    ("custom: conditions are odd", {**custom(), "status": {"conditions": ["x", {"type": "Other"}]}}, ""),
    ("custom: ready", custom(Ready="True"), ""),
    ("custom: not ready", custom(Ready="False"), "its condition Ready is False (why: because)"),
    ("custom: unknown", custom(Ready="Unknown"), "its condition Ready is Unknown (why: because)"),
    ("custom: at work", custom(Ready="True", Reconciling="True"), "its controller still works on it (Reconciling)"),
    ("custom: status of before", custom(1, Ready="True"), "its new specification is not observed yet"),
    (
        "custom: of a built-in's name",
        {**custom(Ready="False"), "kind": "Job"},
        "its condition Ready is False (why: because)",
    ),
]


@pytest.mark.parametrize(("live", "reason"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_each_kind_waits_by_its_own_rule(live: Object, reason: str) -> None:
    assert waits(live) == reason


def test_the_table_has_every_watched_kind() -> None:
    assert {row[1]["kind"] for row in WAITS} >= set(WATCHED)


def test_an_object_that_is_not_there_is_waited_for() -> None:
    missing = Identity("Deployment", SHOP, "api", "apps")
    assert assess(RolloutFacts((missing,), {})).waiting == ("Deployment shop/api: not created yet",)


@pytest.mark.parametrize(
    ("live", "held"),
    [
        (stateful(updated=1, rollingUpdate={"partition": 2}), "partition 2 keeps 2 of 3 pods at an older revision"),
        (stateful(updated=0, type="OnDelete"), "strategy OnDelete keeps 3 of 3 pods at an older revision"),
        (daemon(updated=0, type="OnDelete"), "strategy OnDelete keeps 2 of 2 pods at an older revision"),
        (stateful(rollingUpdate={"partition": 2}), ""),
        (stateful(updated=0), ""),  # it waits, and holds nothing back
        (deployment(2), ""),
    ],
)
def test_what_a_strategy_holds_back_is_told(live: Object, held: str) -> None:
    assert [text.partition(": ")[2] for text in assess(facts(live)).held] == ([held] if held else [])


@pytest.mark.parametrize(
    ("live", "idle"),
    [
        (deployment(0), True),
        (stateful(0, 0, 0), True),
        (daemon(0, 0, 0), True),
        (deployment(1), False),
        (pod(), False),
        (obj("DaemonSet", "agent", {}, {}), False),
    ],
)
def test_what_wants_no_pod_is_told(live: Object, idle: bool) -> None:
    assert assess(facts(live)).idle == ((str(identity(live)),) if idle else ())
