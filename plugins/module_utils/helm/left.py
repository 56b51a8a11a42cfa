# Finds what failed revisions have left in the cluster: helm takes an upgrade's deletions from the last good one alone.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, NotThere
from ansible_collections.bytebot.production.plugins.module_utils.helm.keep import CLAIM, POLICY
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

Object = dict[str, Any]
_OWNER = "meta.helm.sh/release-name"
_PLACE = "meta.helm.sh/release-namespace"


@dataclass(frozen=True, slots=True)
class Left:
    """Objects that failed revisions made, that nobody wants, and that helm would leave.

    :param removable: those that go with the next successful upgrade.
    :param claims: claims, which may hold data and stay.
    """

    removable: tuple[Object, ...] = ()
    claims: tuple[Object, ...] = ()

    @property
    def remarks(self) -> Iterator[str]:
        """What is left to a person."""
        for claim in self.claims:
            name = claim["metadata"]["name"]
            yield (
                f"A failed revision has left the claim {name}, which no longer belongs to the release. It may hold "
                "data, so it stays: delete it by kubectl where it holds none that is needed."
            )


def left_behind(cluster: Cluster, known: Sequence[Release], wanted: Iterable[Object], namespace: str) -> Left:
    """What the failed revisions since the last good one have left.

    :param known: Helm's record, newest first; :param wanted: the objects of the release as it will be.
    """
    failed = list(takewhile(lambda release: not release.good, known))
    good = next((release for release in known if release.good), None)
    if not failed or good is None:
        return Left()  # without a good one, helm compares with the failed one and deletes by itself
    kept = {identity(obj, namespace) for obj in (*wanted, *good.objects)}
    made = {identity(obj, namespace): obj for release in failed for obj in release.objects}
    live = [found for name, obj in made.items() if name not in kept and (found := _live(cluster, obj, name))]
    own = [obj for obj in live if _is_owned(obj, good)]
    return Left(
        removable=tuple(obj for obj in own if obj["kind"] != CLAIM),
        claims=tuple(obj for obj in own if obj["kind"] == CLAIM),
    )


def remove(cluster: Cluster, left: Left) -> list[Identity]:
    """Delete what may be deleted; the names of what was there."""
    return [
        identity(obj)
        for obj in left.removable
        if cluster.delete(obj["apiVersion"], obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
    ]


def _live(cluster: Cluster, obj: Object, name: Identity) -> Object | None:
    try:
        return cluster.get(obj["apiVersion"], name.kind, name.name, name.namespace)
    except (NotPermitted, NotThere):  # what cannot be read is nobody's to delete
        return None


def _is_owned(obj: Object, release: Release) -> bool:
    """Whether helm's marks say that an object is this release's, and nothing says that it must stay."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    ours = (annotations.get(_OWNER), annotations.get(_PLACE)) == (release.name, release.namespace)
    return ours and str(annotations.get(POLICY, "")).strip().lower() != "keep"
