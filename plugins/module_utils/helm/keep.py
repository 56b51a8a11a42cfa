# Keeps the data of a release that is removed: which claims it has, and what would take them along.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

Object = dict[str, Any]
POLICY = "helm.sh/resource-policy"
CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True)
class Claims:
    """The live claims of a release.

    :param of_chart: those in its manifest; :param unmarked: the ones of them that helm would delete with the release.
    :param of_sets: those that Kubernetes made from the templates of its StatefulSets.
    """

    of_chart: tuple[Identity, ...]
    unmarked: tuple[Identity, ...]
    of_sets: tuple[Identity, ...]

    @property
    def all(self) -> tuple[Identity, ...]:
        return tuple(sorted({*self.of_chart, *self.of_sets}))


def claims_of(cluster: Cluster, release: Release) -> Claims:
    """Find the claims of a release in the cluster."""
    marked = {identity(obj, release.namespace): _kept(obj) for obj in release.objects if obj.get("kind") == CLAIM}
    sets = [obj for obj in release.objects if obj.get("kind") == "StatefulSet"]
    namespaces = {item.namespace for item in marked} | {identity(obj, release.namespace).namespace for obj in sets}
    live = {
        identity(claim, namespace) for namespace in sorted(namespaces) for claim in cluster.list("v1", CLAIM, namespace)
    }
    of_chart = tuple(sorted(set(marked) & live))
    return Claims(
        of_chart=of_chart,
        unmarked=tuple(item for item in of_chart if not marked[item]),
        of_sets=tuple(sorted({item for item in live for one in sets if _made_by(one, item, release.namespace)})),
    )


def takes_claims_along(objects: Iterable[Object], namespace: str) -> list[Identity]:
    """The StatefulSets whose claims Kubernetes deletes with them (``persistentVolumeClaimRetentionPolicy``)."""
    return [
        identity(obj, namespace)
        for obj in objects
        if obj.get("kind") == "StatefulSet"
        and ((obj.get("spec") or {}).get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted") == "Delete"
    ]


def marked_to_keep(objects: Iterable[Object]) -> str:
    """The manifest with every claim in it marked, so that helm leaves it where it is."""
    return "".join(f"---\n{yaml_text.dump(_marked(obj) if obj.get('kind') == CLAIM else obj)}" for obj in objects)


def _marked(obj: Object) -> Object:
    metadata = obj.get("metadata") or {}
    return {**obj, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), POLICY: "keep"}}}


def _kept(obj: Object) -> bool:
    return str(((obj.get("metadata") or {}).get("annotations") or {}).get(POLICY, "")).strip().lower() == "keep"


def _made_by(stateful_set: Object, claim: Identity, namespace: str) -> bool:
    """Whether a claim bears a name as Kubernetes makes it: template, set and ordinal."""
    owner = identity(stateful_set, namespace)
    names = [f"{re.escape(name)}-{re.escape(owner.name)}-\\d+" for name in _templates(stateful_set)]
    return claim.namespace == owner.namespace and any(re.fullmatch(name, claim.name) for name in names)


def _templates(stateful_set: Object) -> Iterator[str]:
    for template in (stateful_set.get("spec") or {}).get("volumeClaimTemplates") or []:
        yield str((template.get("metadata") or {}).get("name") or "")
