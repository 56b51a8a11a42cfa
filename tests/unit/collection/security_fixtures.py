# A namespace in order, for the tests of security_check: every test puts one thing wrong in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import os
from base64 import b64encode
from typing import Any

Object = dict[str, Any]
SHOP = "shop"
PASSWORD = b64encode(os.urandom(32)).decode()
CONTAINER: Object = {
    "name": "app",
    "image": "registry.test/app:1",
    "env": [
        {"name": "LOG_LEVEL", "value": "info"},
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    },
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
}
POD: Object = {
    "serviceAccountName": "app",
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def meta(name: str, **more: Any) -> Object:
    return {"name": name, "namespace": SHOP, **more}


def deployment(pod: Object = POD, name: str = "api", replicas: int = 2) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": copy.deepcopy(pod)}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name), "spec": spec}


def live_pod(pod: Object = POD, name: str = "api-6d4-x1", of: str = "api", **status: Any) -> Object:
    owner = {"kind": "ReplicaSet", "name": f"{of}-6d4", "controller": True}
    labels = {"app": of, "pod-template-hash": "6d4"}
    running = [{"name": one["name"], "imageID": "x", "state": {"running": {}}} for one in pod["containers"]]
    told = {"phase": "Running", "containerStatuses": running, **status}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, labels=labels, ownerReferences=[owner]),
        "spec": copy.deepcopy(pod),
        "status": told,
    }


def secret(name: str = "db", annotations: Object | None = None, **data: str) -> Object:
    encoded = {key: b64encode(value.encode()).decode() for key, value in (data or {"password": PASSWORD}).items()}
    metadata = meta(name, annotations=annotations or {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded, "immutable": True}


def account(name: str, *, automount: bool = False) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(name),
        "automountServiceAccountToken": automount,
    }


def namespace(level: str = "restricted") -> Object:
    labels = {"pod-security.kubernetes.io/enforce": level} if level else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP, "labels": labels}}


def config_map(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("settings"), "data": data}


def quota(**hard: str) -> Object:
    told = {key.replace("_", "."): value for key, value in hard.items()}
    metadata, bounds = meta("quota"), {"hard": told}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": bounds, "status": bounds}


def with_container(**changes: Any) -> Object:
    """The good pod whose container has fields replaced; ``None`` takes one out."""
    found = {**copy.deepcopy(CONTAINER), **changes}
    return {**POD, "containers": [{key: value for key, value in found.items() if value is not None}]}


STATUS = {
    "Uid": "1000 1000 1000 1000",
    "CapInh": "0000000000000000",
    "CapPrm": "0000000000000000",
    "CapEff": "0000000000000000",
    "CapBnd": "0000000000000000",
    "CapAmb": "0000000000000000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
}
MOUNTS = """\
overlay / overlay ro,relatime 0 0
proc /proc proc rw,nosuid 0 0
tmpfs /dev tmpfs rw,nosuid 0 0
devpts /dev/pts devpts rw 0 0
shm /dev/shm tmpfs rw 0 0
/dev/sda1 /etc/hosts ext4 rw 0 0
/dev/sda1 /dev/termination-log ext4 rw 0 0
/dev/sda1 /tmp ext4 rw 0 0
tmpfs /proc/acpi tmpfs ro 0 0
"""
