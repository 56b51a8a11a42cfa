# Looks at a namespace and what stands around it: one paged LIST of each kind, and what this account may not see.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, NotThere

Object = dict[str, Any]

_OWN = (
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("v1", "PersistentVolumeClaim"),
)
_OF_CLUSTER = (("networking.k8s.io/v1", "IngressClass"), ("storage.k8s.io/v1", "StorageClass"))
_EVERYWHERE = (("v1", "Service"),)  # asked in all namespaces, and in this one where that is not permitted
# Kinds that not every cluster serves, by their API group; Gateways may stand in another namespace.
_OPTIONAL = (
    ("route.openshift.io", "v1", "Route", True),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", True),
    ("gateway.networking.k8s.io", "v1", "Gateway", False),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look showed.

    :param objects: by kind, as they came. :param denied: by kind, the API server's words on why it is not seen.
    :param not_served: kinds that this cluster does not know.
    :param everywhere: kinds that were seen in all namespaces; other kinds were asked for in ``namespace`` alone.
    """

    namespace: str
    objects: Mapping[str, tuple[Object, ...]] = field(default_factory=dict, repr=False)
    denied: Mapping[str, str] = field(default_factory=dict)
    not_served: tuple[str, ...] = ()
    everywhere: frozenset[str] = frozenset()

    def of(self, *kinds: str) -> list[Object]:
        """The objects of some kinds, by name."""
        return [one for kind in kinds for one in sorted(self.objects.get(kind, ()), key=_order)]


def look(cluster: Cluster, namespace: str) -> Seen:
    """List each kind once.

    :raises NotThere: the namespace does not exist, where this account may know that.
    """
    _there(cluster, namespace)
    objects: dict[str, tuple[Object, ...]] = {}
    denied: dict[str, str] = {}
    everywhere: set[str] = set()
    groups = _groups(cluster)
    optional = [(f"{group}/{version}", kind, own) for group, version, kind, own in _OPTIONAL if group in groups]
    asked = [(api, kind, namespace) for api, kind in _OWN] + [(api, kind, "") for api, kind in _OF_CLUSTER]
    asked += [(api, kind, namespace if own else "") for api, kind, own in optional]
    for api, kind, where in asked:
        try:
            objects[kind] = tuple(cluster.list(api, kind, where))
        except NotPermitted as exc:
            denied[kind] = exc.sentence
        except NotThere:  # the group is there, and not this version of the kind
            continue
    for api, kind in _EVERYWHERE:
        try:
            objects[kind] = tuple(cluster.list(api, kind))
            everywhere.add(kind)
        except NotPermitted as exc:
            denied[f"{kind} of other namespaces"] = exc.sentence
            _own_only(cluster, (api, kind, namespace), objects, denied)
    served = {kind for _api, kind, _own in optional}
    missing = tuple(kind for _group, _version, kind, _own in _OPTIONAL if kind not in served)
    return Seen(namespace, objects, denied, missing, frozenset(everywhere))


def _there(cluster: Cluster, namespace: str) -> None:
    try:
        found = cluster.get("v1", "Namespace", namespace)
    except NotPermitted:
        return  # an account may see what is in a namespace without seeing the namespace
    if found is None:
        raise NotThere(f"There is no namespace {namespace}. Give the one in which the release is.")


def _own_only(
    cluster: Cluster, asked: tuple[str, str, str], objects: dict[str, tuple[Object, ...]], denied: dict[str, str]
) -> None:
    api, kind, namespace = asked
    try:
        objects[kind] = tuple(cluster.list(api, kind, namespace))
    except NotPermitted as exc:
        denied[kind] = exc.sentence


def _groups(cluster: Cluster) -> frozenset[str]:
    """The API groups that the cluster serves; none where that may not be asked."""
    try:
        found = cluster.raw("GET", "/apis").get("groups") or []
    except (NotPermitted, NotThere):
        return frozenset()
    return frozenset(str(one.get("name")) for one in found)


def _order(obj: Object) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])
