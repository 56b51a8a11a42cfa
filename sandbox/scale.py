# Fills the cluster with nodes, pods and role bindings that only the API knows, and takes all of them out again.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from sandbox.api import ApiError
from sandbox.cluster import Cluster
from sandbox.components.kwok import ANNOTATION, FAKE
from sandbox.errors import SandboxError
from sandbox.settings import VERSIONS

Object = dict[str, Any]
# Whatever carries this was made here, and goes.
LABEL = "bytebot.test/scale"
LABELS = {LABEL: "fake"}
QUERY = f"labelSelector={LABEL}"
TAINT = {"key": ANNOTATION, "value": FAKE, "effect": "NoSchedule"}
PODS_IN_NAMESPACE = 250
WORKERS, BATCH = 8, 250
WITHIN_S, LOOK_S = 900.0, 1.0
CORE, RBAC = "/api/v1", "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Size:
    """How many of each."""

    nodes: int = 500
    pods: int = 10_000
    role_bindings: int = 5_000

    @property
    def namespaces(self) -> int:
        return max(1, -(-self.pods // PODS_IN_NAMESPACE))


def node(number: int) -> Object:
    """No real pod comes here: the scheduler passes it over, and nothing counts its room as free."""
    name = f"scale-node-{number:04}"
    room = {"cpu": "32", "memory": "128Gi", "pods": "110"}
    version = f"v{VERSIONS.kubernetes}"
    labels = {**LABELS, "type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {ANNOTATION: FAKE}},
        "spec": {"unschedulable": True, "taints": [TAINT]},
        "status": {
            "capacity": room,
            "allocatable": room,
            "nodeInfo": {"kubeletVersion": version, "kubeProxyVersion": version},
        },
    }


def namespace(number: int) -> Object:
    meta = {"name": f"scale-{number:03}", "labels": LABELS}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def pod(number: int, size: Size) -> Object:
    """Placed by whoever makes it, so that the scheduler has nothing to do with it."""
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    one = {"name": "fake", "image": "registry.sandbox/base:1", "resources": resources}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"scale-{number:05}",
            "namespace": f"scale-{number % size.namespaces:03}",
            "labels": {**LABELS, "app": f"fake-{number % 40}"},
        },
        "spec": {
            "nodeName": f"scale-node-{number % size.nodes:04}",
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": False,
            "containers": [one],
        },
    }


def role_binding(number: int, size: Size) -> Object:
    """To subjects that there are not, of a role that may only look."""
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"scale-user-{number % 997}"}
    meta = {"name": f"scale-{number:05}", "namespace": f"scale-{number % size.namespaces:03}", "labels": LABELS}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": role,
        "subjects": [user],
    }


class Scale:
    """Both ways may be called again at any time: up makes what is missing, down removes what is left."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None], stop: threading.Event | None = None) -> None:
        self._cluster, self._say, self._stop = cluster, say, stop or threading.Event()

    def up(self, size: Size) -> None:
        """:raises SandboxError: not all of it is there within the bound."""
        if size.pods and not size.nodes:
            raise SandboxError("scale", "pods need nodes", remedy="--nodes 1 or more")
        made = [
            ("nodes", f"{CORE}/nodes", (node(n) for n in range(size.nodes))),
            ("namespaces", f"{CORE}/namespaces", (namespace(n) for n in range(size.namespaces))),
            ("role bindings", RBAC, (role_binding(n, size) for n in range(size.role_bindings))),
        ]
        for what, path, objects in made:
            self._create(what, path, objects)
        # A pod on a node that nobody plays would stay as it is, and be evicted in the end.
        self._until("nodes are ready", f"{CORE}/nodes", size.nodes, _is_ready)
        self._create("pods", CORE, (pod(n, size) for n in range(size.pods)))
        self._until("pods run", f"{CORE}/pods", size.pods, lambda one: one["status"].get("phase") == "Running")

    def down(self) -> None:
        """By label, in whatever state it is, and whether or not kwok runs.

        :raises SandboxError: something is still there after the bound.
        """
        spaces = [one["metadata"]["name"] for one in self._all(f"{CORE}/namespaces")]
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            done = as_completed([pool.submit(self._empty, name) for name in spaces])
            for number, future in enumerate(done, start=1):
                future.result()
                self._say(f"emptied {number} of {len(spaces)} namespaces")
        names = [one["metadata"]["name"] for one in self._all(f"{CORE}/nodes")]
        self._delete(f"{CORE}/nodes?{QUERY}")
        for name in names:
            self._delete(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
        self._say(f"removed {len(names)} nodes")
        self._until("namespaces are left", f"{CORE}/namespaces", 0, lambda _: True)
        self._until("nodes are left", f"{CORE}/nodes", 0, lambda _: True)

    def _create(self, what: str, base: str, objects: Iterable[Object]) -> None:
        done = 0
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            try:
                under_way = [pool.submit(self._create_batch, base, group) for group in _batches(objects)]
                for future in as_completed(under_way):
                    done += future.result()
                    self._say(f"{done} {what}")
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _create_batch(self, base: str, objects: tuple[Object, ...]) -> int:
        with self._cluster.session() as call:
            for one in objects:
                if self._stop.is_set():
                    break
                try:
                    call("POST", _collection(base, one), json.dumps(one))
                except ApiError as error:
                    if error.status != HTTPStatus.CONFLICT:
                        raise
        return len(objects)

    def _empty(self, space: str) -> None:
        # At once, since there is no kubelet that would have to end something first.
        self._delete(f"{CORE}/namespaces/{space}/pods?{QUERY}&gracePeriodSeconds=0")
        self._delete(f"{RBAC}/namespaces/{space}/rolebindings?{QUERY}")
        self._delete(f"{CORE}/namespaces/{space}")

    def _delete(self, path: str) -> None:
        """The server deletes a collection one by one before it answers."""
        try:
            with self._cluster.session(WITHIN_S) as call:
                call("DELETE", path)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _all(self, path: str) -> list[Object]:
        """In pages, for the API server's sake."""
        found: list[Object] = []
        token = ""
        while True:
            page = json.loads(self._cluster.call("GET", f"{path}?{QUERY}&limit=1000&continue={token}"))
            found += page["items"]
            token = page["metadata"].get("continue") or ""
            if not token:
                return found

    def _until(self, what: str, path: str, wanted: int, counts: Callable[[Object], bool]) -> None:
        end, last = time.monotonic() + WITHIN_S, -1
        while True:
            there = sum(1 for one in self._all(path) if counts(one))
            if there != last:
                self._say(f"{there} {what}")
                last = there
            if there == wanted or there > wanted > 0:
                return
            if time.monotonic() > end:
                remedy = "read .sandbox/log/kwok.log, or take all away: python -m sandbox scale down"
                raise SandboxError("scale", f"{there} of {wanted} {what} after {WITHIN_S:g} s", remedy=remedy)
            self._stop.wait(LOOK_S)


def _batches(objects: Iterable[Object]) -> Iterator[tuple[Object, ...]]:
    left = iter(objects)
    while batch := tuple(islice(left, BATCH)):
        yield batch


def _collection(base: str, one: Mapping[str, Any]) -> str:
    """Where an object of this kind is made."""
    space = one["metadata"].get("namespace")
    return f"{base}/namespaces/{space}/{one['kind'].lower()}s" if space else base


def _is_ready(one: Mapping[str, Any]) -> bool:
    conditions = one["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
