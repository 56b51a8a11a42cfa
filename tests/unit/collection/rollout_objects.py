# What roll-outs are judged by in several tests: workloads, claims and custom resources, and facts that hold them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from tests.unit.collection.helm_fakes import Object, deployment, obj, replica_set


def facts(*wanted: Object, **more: Any) -> RolloutFacts:
    """Facts in which the wanted objects are live."""
    live = {identity(one): one for one in wanted}
    return RolloutFacts(tuple(live), live, **more)


def stateful(replicas: Any = 3, ready: int = 3, updated: int = 3, **strategy: Any) -> Object:
    status = {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated}
    return obj("StatefulSet", "db", {"replicas": replicas, "updateStrategy": strategy}, status)


def conditions(*pairs: tuple[str, str], reason: str = "Because", message: str = "so it is") -> list[Object]:
    return [{"type": kind, "status": status, "reason": reason, "message": message} for kind, status in pairs]


BALANCED = obj("Service", "web", {"type": "LoadBalancer"})


def custom(observed: int = 2, /, **conditions: str) -> Object:
    """A custom resource of generation 2 with these conditions."""
    told = [
        {"type": kind, "status": status, "reason": "why", "message": "because"} for kind, status in conditions.items()
    ]
    held = obj(
        "Certificate", "tls", {}, {"observedGeneration": observed, "conditions": told} if told else {}, generation=2
    )
    return {**held, "apiVersion": "cert-manager.io/v1"}


API = deployment(1, 0)
NEW = replica_set(API, 2)
JOB = obj("Job", "migrate", {}, {})
CLAIM = obj("PersistentVolumeClaim", "data", {}, {"phase": "Pending"})
DB = stateful(ready=0)
ENDED = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
FAILED_JOB = {**JOB, "status": {"conditions": conditions(("Failed", "True"), reason="BackoffLimitExceeded")}}
