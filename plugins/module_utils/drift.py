# Compares wanted objects with the live ones by a server-side dry run: drift, and what admission says.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotThere, Refused
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

Object = dict[str, Any]
_VOLATILE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


@dataclass(frozen=True, slots=True)
class Difference:
    """One wanted object against the cluster.

    :param live: the object as it is, None where it is missing.
    :param planned: the object as it would be; None where nobody could say (its namespace is not there yet).
    :param refusal: why the API server or admission would refuse it; empty where it would be accepted.
    """

    identity: Identity
    live: Object | None
    planned: Object | None
    refusal: str = ""

    @property
    def drifted(self) -> bool:
        """Whether applying the object would change the cluster."""
        return self.planned is not None and (
            self.live is None or without_status(self.live) != without_status(self.planned)
        )


def differences(cluster: Cluster, objects: Iterable[Object], namespace: str, manager: str) -> list[Difference]:
    """Ask the API server, object by object and storing nothing, what applying them would do.

    :param manager: the field manager whose fields the objects are.
    """
    return [_difference(cluster, obj, namespace, manager) for obj in objects]


def without_status(obj: Object) -> Object:
    """An object without status and without what the API server writes by itself."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _VOLATILE}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _placed(cluster: Cluster, obj: Object, namespace: str) -> Object:
    metadata = obj.get("metadata") or {}
    if metadata.get("namespace") or not cluster.namespaced(obj["apiVersion"], obj["kind"]):
        return obj
    return {**obj, "metadata": {**metadata, "namespace": namespace}}


def _difference(cluster: Cluster, obj: Object, namespace: str, manager: str) -> Difference:
    try:
        obj = _placed(cluster, obj, namespace)
    except NotThere:  # the cluster does not serve this kind (yet)
        return Difference(identity(obj, namespace), None, None)
    who = identity(obj)
    live = cluster.get(obj["apiVersion"], obj["kind"], who.name, who.namespace)
    try:
        planned = cluster.apply(obj, manager=manager, dry_run=True, force=True)
    except NotThere:
        return Difference(who, live, None)
    except Refused as exc:
        return Difference(who, live, None, exc.sentence)
    return Difference(who, live, planned)
