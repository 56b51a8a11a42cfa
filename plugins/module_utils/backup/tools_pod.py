# Short-lived pods: one that dumps, one that reads a claim, one with a scratch server of its own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.pod_run import PodShell
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import CONTAINER, Probe, scratch_pods

Object = dict[str, Any]
DUMP, READ, DRILL = "backup-dump", "backup-read", "restore-drill"
START_S = 90.0
CLAIM = "/backups"


@dataclass(frozen=True, slots=True)
class Tools:
    """The image with PostgreSQL's server and tools, and how a pod of it may be.

    :param user: who runs it; PostgreSQL wants one that the image knows. :param life_s: seconds that a pod may live.
    """

    image: str
    user: int
    life_s: float
    memory: str = "512Mi"
    room: str = "2Gi"


@dataclass(frozen=True, slots=True)
class Login:
    """The Secret with the credentials of the database, and the keys in it."""

    secret: str
    keys: Mapping[str, str]

    def variables(self) -> list[Object]:
        """What libpq reads (PostgreSQL documentation, "Environment Variables"), by reference."""
        names = {"host": "PGHOST", "database": "PGDATABASE", "username": "PGUSER", "password": "PGPASSWORD"}
        taken = [
            {"name": variable, "valueFrom": {"secretKeyRef": {"name": self.secret, "key": self.keys[part]}}}
            for part, variable in names.items()
        ]
        trust = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/trust/ca.crt"} if self.keys.get("ca") else {}
        fixed = {"PGSSLMODE": "require", **trust, "PGCONNECT_TIMEOUT": "10"}
        if self.keys.get("port"):
            key = {"name": self.secret, "key": self.keys["port"]}
            taken.append({"name": "PGPORT", "valueFrom": {"secretKeyRef": key}})
        return taken + [{"name": name, "value": value} for name, value in fixed.items()]


@contextlib.contextmanager
def dumping(cluster: Cluster, namespace: str, tools: Tools, login: Login) -> Iterator[PodShell]:
    """A pod beside the release that may sign in to the database."""

    def shape(pod: Object) -> Object:
        container = _shaped(pod, tools.user, tools.life_s, tools.memory)
        container["env"] = login.variables()
        _mount(pod, "work", "/work", {"emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}})
        if login.keys.get("ca"):
            item = {"key": login.keys["ca"], "path": "ca.crt"}
            _mount(pod, "trust", "/trust", {"secret": {"secretName": login.secret, "items": [item]}})
        return pod

    yield from _running(cluster, Probe(namespace, tools.image, START_S, purpose=DUMP, shape=shape), tools.life_s)


@contextlib.contextmanager
def scratch_server(cluster: Cluster, namespace: str, tools: Tools) -> Iterator[PodShell]:
    """A pod with room for a server of its own; it has no credentials, and its server listens on no network."""

    def shape(pod: Object) -> Object:
        _shaped(pod, tools.user, tools.life_s, tools.memory)
        _mount(pod, "work", "/work", {"emptyDir": {"sizeLimit": tools.room}})
        return pod

    yield from _running(cluster, Probe(namespace, tools.image, START_S, purpose=DRILL, shape=shape), tools.life_s)


@contextlib.contextmanager
def reading(cluster: Cluster, cron: Mapping[str, Any], claim: str, life_s: float) -> Iterator[PodShell]:
    """A pod that sees the claim as what makes the backups sees it, and can change nothing on it."""
    namespace = cron["metadata"]["namespace"]
    wanted = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    if claim not in [
        ((one.get("persistentVolumeClaim") or {}).get("claimName")) for one in wanted.get("volumes") or []
    ]:
        raise InputError(f"CronJob {namespace}/{cron['metadata']['name']} does not mount the claim {claim}.")

    def shape(pod: Object) -> Object:
        _shaped(pod, None, life_s, "64Mi")
        spec = pod["spec"]
        spec["securityContext"] |= wanted.get("securityContext") or {}
        own = wanted["containers"][0].get("securityContext") or {}
        spec["containers"][0]["securityContext"] |= {k: own[k] for k in ("runAsUser", "runAsGroup") if k in own}
        spec |= {key: wanted[key] for key in ("imagePullSecrets", "nodeSelector", "tolerations") if key in wanted}
        _mount(pod, "backups", CLAIM, {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}, read_only=True)
        return pod

    image = wanted["containers"][0]["image"]
    yield from _running(cluster, Probe(namespace, image, START_S, purpose=READ, shape=shape), life_s)


def _running(cluster: Cluster, probe: Probe, life_s: float) -> Iterator[PodShell]:
    with scratch_pods(cluster, (probe,)) as (name,):
        yield PodShell(cluster, probe.namespace, name, CONTAINER, life_s)


def _shaped(pod: Object, user: int | None, life_s: float, memory: str) -> Object:
    life, spec = int(life_s), pod["spec"]
    spec["activeDeadlineSeconds"] = life
    if user is not None:
        spec["securityContext"] |= {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    container: Object = spec["containers"][0]
    container["command"] = ["sh", "-c", f"sleep {life}"]
    container["resources"] = {
        "requests": {"cpu": "50m", "memory": "32Mi"},
        "limits": {"cpu": "2", "memory": memory},
    }
    return container


def _mount(pod: Object, name: str, path: str, source: Object, *, read_only: bool = False) -> None:
    pod["spec"].setdefault("volumes", []).append({"name": name, **source})
    mounts = pod["spec"]["containers"][0].setdefault("volumeMounts", [])
    mounts.append({"name": name, "mountPath": path, "readOnly": read_only})
