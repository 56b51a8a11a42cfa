# Sees which images run, by their digests, and reads the reports of scanners on them, from files, hosts and the cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import (
    SCAN_AGE,
    SEVERITIES,
    Report,
    Running,
    ScanFacts,
    Waiver,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.registry import Image, Registry
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotPermitted,
    NotThere,
)
from ansible_collections.bytebot.production.plugins.module_utils.podspec import is_over
from ansible_collections.bytebot.production.plugins.module_utils.policy_objects import SCRATCH
from ansible_collections.bytebot.production.plugins.module_utils.scan_reports import (
    digests_in,
    dismissals,
    of_object,
    reports_of,
)

Object = dict[str, Any]
FORMATS = (".json", ".sarif")
BYTES = 64 * 1024 * 1024  # of one report; one of a large image that lists all packages has some 10 MiB
OBJECTS = ("aquasecurity.github.io/v1alpha1", "VulnerabilityReport")
ATTACHED = ("sarif", "cyclonedx", "trivy", "grype")  # words in the types of artifacts that are taken
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class Given:
    """A place of reports; ``digest`` and ``scanned`` say what a report in it does not."""

    where: str
    digest: str = ""
    scanned: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.

    :param objects: whether report objects of the namespace are read, where there are any.
    :param registries: those that are asked for reports that are attached to the running images.
    """

    namespace: str
    places: tuple[Given, ...] = ()
    vex: tuple[str, ...] = ()
    objects: bool = True
    registries: tuple[Registry, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    max_age: int = SCAN_AGE
    threshold: str = SEVERITIES[0]


@dataclass
class _Read:
    """What reading the places came to."""

    reports: list[Report] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unread_vex: list[str] = field(default_factory=list)
    excused: dict[tuple[str, str], str] = field(default_factory=dict)


def observe(cluster: Cluster, documents: Documents, scope: Scope) -> ScanFacts:
    """List the pods once, and read each report once."""
    facts = ScanFacts(
        scope.namespace,
        said=bool(scope.places),
        waivers=scope.waivers,
        max_age=scope.max_age,
        threshold=scope.threshold,
    )
    try:
        pods = cluster.list("v1", "Pod", scope.namespace)
    except NotPermitted as exc:
        return replace(facts, refused=exc.sentence)
    images, unknown = running(pods)
    read = _Read()
    for place in scope.places:
        _place(documents, place, read)
    for where in scope.vex:
        _vex(documents, where, read)
    _referrers(scope.registries, images, read)
    objects, told = _objects(cluster, scope) if scope.objects else ([], "report objects are not looked for")
    return replace(
        facts,
        images=images,
        unknown=unknown,
        reports=(*read.reports, *objects),
        bad=tuple(read.bad),
        unread=tuple(read.unread),
        unread_vex=tuple(read.unread_vex),
        objects=told,
        excused=read.excused,
    )


def running(pods: Sequence[Object]) -> tuple[tuple[Running, ...], tuple[str, ...]]:
    """The digests that run or ran last in live pods, and the containers of which no digest is known yet.

    Pods that have ended are none, nor are the short-lived ones of these checks themselves.
    """
    places: dict[str, dict[str, None]] = {}
    names: dict[str, str] = {}
    unknown: list[str] = []
    for pod in pods:
        meta, status = pod.get("metadata") or {}, pod.get("status") or {}
        if is_over(pod) or SCRATCH in (meta.get("labels") or {}):
            continue
        for one in (one for group in _STATUSES for one in status.get(group) or []):
            told = f"pod {meta.get('name')} container {one.get('name')}"
            digest = next(iter(digests_in(one.get("imageID"))), "")
            if not digest:
                unknown.append(told)
                continue
            places.setdefault(digest, {})[told] = None
            names.setdefault(digest, str(one.get("image") or one.get("imageID")))
    found = (Running(digest, names[digest], tuple(where)) for digest, where in sorted(places.items()))
    return tuple(found), tuple(unknown)


def _place(documents: Documents, place: Given, read: _Read) -> None:
    names = documents.places(place.where)
    if not names:
        read.bad.append(f"{place.where} is a folder without reports")
    for name in names:
        for report in _reports(documents, name, read):
            said = digests_in(place.digest)
            digests = said or report.digests
            if said and report.named and not said & report.named:
                read.bad.append(f"{report.where} is about {_short(report.named)}, and its place says {_short(said)}")
            elif digests:
                read.reports.append(replace(report, digests=digests, when=report.when or place.scanned))
            else:
                read.bad.append(f"{report.where} names no digest of an image, so it may be about any")


def _short(digests: Iterable[str]) -> str:
    return ", ".join(f"{one[:19]}…" for one in sorted(digests))


def _reports(documents: Documents, name: str, read: _Read) -> Iterator[Report]:
    content, where = _fetched(documents, name, read.bad, read.unread)
    if content:
        try:
            yield from reports_of(content, where)
        except InputError as exc:
            read.bad.append(exc.sentence.rstrip("."))


def _vex(documents: Documents, where: str, read: _Read) -> None:
    content, shown = _fetched(documents, where, read.bad, read.unread_vex)
    if content:
        try:
            read.excused.update(dismissals(content, shown))
            read.excused = {key: why for key, why in read.excused.items() if why}
        except InputError as exc:
            read.bad.append(exc.sentence.rstrip("."))


def _fetched(documents: Documents, name: str, bad: list[str], unread: list[str]) -> tuple[bytes, str]:
    fetched = documents.fetch(name)
    if fetched.problem:
        (bad if fetched.absent else unread).append(f"{fetched.where} {fetched.problem}")
    return fetched.content, fetched.where


def _referrers(registries: Sequence[Registry], images: Sequence[Running], read: _Read) -> None:
    """Reports that a registry has as referrers of the very digests; by that they are about them."""
    by_name = {one.name: one for one in registries}
    for running_image in images:
        image = Image.of(running_image.name)
        registry = by_name.get(image.registry) if image else None
        if image is None or registry is None:
            continue
        try:
            attached = registry.attached(image, running_image.digest, ATTACHED, BYTES)
        except NotThere:
            continue  # this registry keeps no referrers, or none of this image
        except CollectionError as exc:
            read.unread.append(exc.sentence.rstrip("."))
            continue
        for digest, content in attached:
            where = f"referrer {digest[:19]}… of {image.registry}/{image.repository}"
            try:
                found = reports_of(content, where)
            except InputError as exc:
                read.bad.append(exc.sentence.rstrip("."))
                continue
            read.reports += [replace(one, digests=frozenset({running_image.digest})) for one in found]


def _objects(cluster: Cluster, scope: Scope) -> tuple[list[Report], str]:
    """What the cluster itself keeps of reports, and in words what asking for it came to."""
    api, kind = OBJECTS
    try:
        if not cluster.serves(api, kind):
            return [], f"the cluster has no kind {kind}"
        objects = cluster.list(api, kind, scope.namespace)
    except CollectionError as exc:
        return [], exc.sentence.rstrip(".")
    found = [report for one in objects if (report := of_object(one))]
    return found, f"{len(objects)} objects {kind}, {len(found)} of them with a digest"
