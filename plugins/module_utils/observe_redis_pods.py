# The pods behind a server's host name: how much memory they may have, and on what volume their data are.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import Pods, ServerPod
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError

Object = dict[str, Any]
_PROXIES = ("haproxy", "envoy", "twemproxy", "nutcracker", "predixy")
_STORES = ("redis", "valkey", "keydb", "dragonfly", "kvrocks", "garnet")
_LASTING = ("persistentVolumeClaim", "hostPath", "nfs", "iscsi", "fc")


def pods_of(cluster: Cluster, host: str, namespace: str, data_directory: str) -> Pods:
    """The running pods of the Service that a host names.

    :param namespace: that of a host without one.
    """
    named = service_of(host, namespace)
    if named is None:
        return Pods(outside=f"{host} is no Service of this cluster")
    service, place = named
    try:
        found = cluster.get("v1", "Service", service, place)
        selector = ((found or {}).get("spec") or {}).get("selector")
        if not selector:
            why = "there is no such Service" if found is None else "its Service selects no pods"
            return Pods(outside=f"{service}.{place}: {why}")
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        pods = cluster.list("v1", "Pod", place, labels=labels)
    except CollectionError as exc:
        return Pods(problem=exc.sentence)
    running = [one for one in pods if (one.get("status") or {}).get("phase") == "Running"]
    if running and all(_is_proxy(one) for one in running):
        return Pods(problem=f"the pods of Service {place}/{service} are those of a proxy, which holds no data.")
    return Pods(tuple(_pod(one, data_directory) for one in running))


def service_of(host: str, namespace: str) -> tuple[str, str] | None:
    """The Service and namespace that a host names; None where it is a name of outside."""
    bare = host.rstrip(".").lower()
    inside = bare.removesuffix(".cluster.local")
    parts = inside.removesuffix(".svc").split(".")
    if len(parts) == 1:
        return parts[0], namespace
    if not inside.endswith(".svc"):
        name, *places = parts
        return (name, places[0]) if len(places) == 1 and not places[0].isdigit() else None
    return parts[-2], parts[-1]


def _is_proxy(pod: Object) -> bool:
    """Whether a pod only leads to the servers, by the names of its images."""
    images = [str(one.get("image") or "") for one in (pod.get("spec") or {}).get("containers") or []]
    names = [image.rpartition("/")[2].partition("@")[0].partition(":")[0] for image in images]
    return any(word in name for name in names for word in _PROXIES) and not any(
        word in name for name in names for word in _STORES
    )


def _pod(pod: Object, data_directory: str) -> ServerPod:
    spec = pod.get("spec") or {}
    containers: list[Object] = spec.get("containers") or [{}]
    container = max(containers, key=lambda one: len(_mount(one, data_directory).get("mountPath", "")))
    mount = _mount(container, data_directory)
    volume: Mapping[str, Any] = next(
        (one for one in spec.get("volumes") or [] if one.get("name") == mount.get("name")), {}
    )
    kind = next((key for key in volume if key != "name"), "")
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    named = (volume.get("persistentVolumeClaim") or {}).get("claimName") or volume.get("name", "")
    return ServerPod(
        str((pod.get("metadata") or {}).get("name")),
        int(quantity(limit) or 0) or None,
        f"{kind} {named}" if kind else "",
        kind in _LASTING,
    )


def _mount(container: Object, data_directory: str) -> Object:
    """The mount on which a directory lies: the longest path that leads to it."""
    wanted = data_directory.rstrip("/") + "/"
    mounts: Iterable[Object] = container.get("volumeMounts") or []
    fitting = [one for one in mounts if wanted.startswith(str(one.get("mountPath", "")).rstrip("/") + "/")]
    return max(fitting, key=lambda one: len(one["mountPath"]), default={})
