# Decides what has to be done to a release, and why: from Helm's record, what is rendered, and the API server's word.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import manifest, podspec
from ansible_collections.bytebot.production.plugins.module_utils.drift import Difference, without_status
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Change, Identity, identity

Object = dict[str, Any]
MANAGER = "helm"  # the field manager under which helm writes


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done, and why."""

    changed: bool
    change: Change
    reasons: tuple[str, ...]
    not_asked: tuple[str, ...]
    refusals: tuple[str, ...]
    diff: Mapping[str, str]
    drifted: bool = False
    replaced: tuple[Identity, ...] = ()

    def deleting(self, more: Iterable[Object], not_these: Iterable[Object]) -> Plan:
        """The plan with further objects that go, and without some that stay."""
        deleted = {*self.change.deleted, *map(identity, more)} - set(map(identity, not_these))
        return replace(self, change=replace(self.change, deleted=tuple(sorted(deleted))))


def make_plan(
    known: list[Release],
    rendered: Release,
    found: list[Difference],
    namespace: str,
    *,
    labels: Mapping[str, str] | None = None,
    standing: Iterable[Difference] = (),
) -> Plan:
    """Decide from the stored releases, what is rendered now, and what the API server said about it.

    :param labels: what the record must bear; others that it bears stay.
    :param standing: what the API server said about the objects that change, as they were deployed: by these alone it
        shows whether somebody else has changed them, for the new ones differ anyway.
    """
    latest = known[0] if known else None
    deployed = latest.objects if latest else ()
    change = manifest.compare(deployed, rendered.objects, namespace)
    intended = {*change.changed, *change.created}
    unlike = {item.identity for item in found if item.drifted} - intended
    unlike |= {item.identity for item in standing if item.drifted}
    drifted = tuple(sorted(unlike)) if latest else ()
    reasons = tuple(_reasons(latest, rendered, change, drifted))
    if latest and not (labels or {}).items() <= dict(latest.labels).items():
        reasons += ("labels differ",)
    before = (*deployed, *(obj for item in found if item.identity in drifted and (obj := item.live)))
    shown = Change(change.created, tuple(sorted({*change.changed, *drifted} - set(change.created))), change.deleted)
    return Plan(
        changed=bool(reasons),
        change=shown,
        reasons=reasons,
        not_asked=tuple(str(item.identity) for item in found if item.planned is None and not item.refusal),
        refusals=tuple(f"{item.identity}: {item.refusal}" for item in found if item.refusal),
        diff=_diff(before, rendered, found, shown, namespace),
        drifted=bool(drifted),
        replaced=replaced_workloads(deployed, rendered.objects, shown, namespace),
    )


def replaced_workloads(
    deployed: Iterable[Object], rendered: Iterable[Object], shown: Change, namespace: str
) -> tuple[Identity, ...]:
    """The workloads that get new pods, since their template differs."""
    before = {identity(obj, namespace): podspec.pod_template(obj) for obj in deployed}
    after = {identity(obj, namespace): podspec.pod_template(obj) for obj in rendered}
    return tuple(item for item in shown.changed if after.get(item) != before.get(item))


def _reasons(latest: Release | None, rendered: Release, change: Change, drifted: tuple[Identity, ...]) -> Iterator[str]:
    if latest is None:
        yield "the release is not there"
        return
    if latest.status != "deployed":
        yield f"revision {latest.revision} is {latest.status}"
    if (latest.chart_name, latest.chart_version) != (rendered.chart_name, rendered.chart_version):
        yield f"chart {latest.chart_name} {latest.chart_version} becomes {rendered.chart_name} {rendered.chart_version}"
    if latest.values != rendered.values:
        yield "values differ"
    if change:
        yield "manifests differ"
    if latest.sorted_hooks != rendered.sorted_hooks:
        yield "hooks differ"
    if drifted:
        yield f"the cluster has drifted: {', '.join(str(item) for item in drifted)}"


def _diff(
    before: tuple[Any, ...], rendered: Release, found: list[Difference], shown: Change, namespace: str
) -> dict[str, str]:
    """The diff that Ansible shows: manifest against manifest, and for drift the live object against the planned one."""
    drifted = {item.identity: item for item in found if item.drifted and item.live and item.identity in shown.changed}
    old = [obj for obj in before if identity(obj, namespace) not in drifted]
    new = [obj for obj in rendered.objects if identity(obj, namespace) not in drifted]
    old += [without_status(item.live) for item in drifted.values() if item.live]
    new += [without_status(item.planned) for item in drifted.values() if item.planned]
    return manifest.diff(old, new, shown, namespace)


def with_ownership(obj: Object, release: str, namespace: str) -> Object:
    """A rendered object with the label and annotations by which helm marks what it owns, as helm sends it."""
    metadata = obj.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    marks = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    annotations = {**(metadata.get("annotations") or {}), **marks}
    return {**obj, "metadata": {**metadata, "labels": labels, "annotations": annotations}}
