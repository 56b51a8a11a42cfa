# Reads the documents of controls, and asks the live system for what they name.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_description import (
    differences,
    parsed,
    version_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import (
    AccessNow,
    ApiSeen,
    DocumentFacts,
    Entry,
    Live,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import alert_rules
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import run_inside
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Service
from ansible_collections.bytebot.production.plugins.module_utils.document_names import (
    NAMESPACE,
    RELEASE,
    Reference,
    references,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotThere,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history
from ansible_collections.bytebot.production.plugins.module_utils.running_version import versions_of
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

NAMES_ASKED = 300  # in one run


@dataclass(frozen=True, slots=True)
class LiveApi:
    """Where the running application tells of its API: an address, or a command in a pod of a Deployment."""

    url: str = ""
    workload: str = ""
    container: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """The documents of one control; ``openapi`` is where the description of the API is published."""

    where: tuple[str, ...]
    wanted: Wanted
    openapi: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.

    :param version: that of the release, where its images do not tell. :param probe: whether commands may be run.
    """

    places: Mapping[str, Place] = field(default_factory=dict)
    namespace: str = ""
    release: str = ""
    version: str = ""
    live_api: LiveApi | None = None
    review: str = ""
    access_now: Mapping[str, tuple[str, ...]] | None = None
    review_age: int = 90
    test_age: int = 180
    probe: bool = True
    go_live: datetime | None = None


def observe(documents: Documents, scope: Scope, cluster: Cluster | None, prometheus: Service | None) -> DocumentFacts:
    """Read each document once, follow its links, and ask once for everything that they name."""
    entries = {control: _entry(documents, control, place) for control, place in scope.places.items()}
    pages = [page for entry in entries.values() for page in entry.pages]
    named = {one for page in pages if page.text for one in references(page.text.commands)}
    api = next((control for control, place in scope.places.items() if place.openapi), "")
    if api:
        seen = _api(documents, scope, scope.places[api].openapi, cluster)
        entries[api] = Entry(api, entries[api].wanted, entries[api].pages, seen)
    return DocumentFacts(
        entries,
        _live(cluster, prometheus, scope, named, versions=any(one.wanted.version for one in entries.values())),
        _access(documents, scope),
        scope.test_age,
        datetime.now(UTC).date(),
        scope.go_live,
    )


def _entry(documents: Documents, control: str, place: Place) -> Entry:
    found: list[Page] = []
    for where in place.where:
        names = documents.places(where)
        found += [_page(documents, name) for name in names]
        if not names:
            found.append(Page(where, problem="is a folder without documents", absent=True))
    return Entry(control, place.wanted, tuple(found))


def _page(documents: Documents, where: str) -> Page:
    fetched = documents.fetch(where)
    text, problem = documents.text(fetched)
    if text is None:
        return Page(fetched.where, problem=problem, absent=fetched.absent)
    links = documents.follow(where, text)
    return Page(fetched.where, text, "", False, fetched.sha256, links.count, links.dead, links.unsure, links.foreign)


# ---------------------------------------------------------------------------- the live system


def _live(
    cluster: Cluster | None, prometheus: Service | None, scope: Scope, named: Iterable[Reference], *, versions: bool
) -> Live:
    alerts, no_alerts = _alerts(prometheus)
    runs, no_versions = versions_of(cluster, scope.namespace, scope.release, scope.version) if versions else ((), "")
    missing, unseen = _looked_up(cluster, scope, sorted(named))
    return Live(alerts, no_alerts, runs, no_versions, frozenset(missing), unseen)


def _alerts(prometheus: Service | None) -> tuple[frozenset[str] | None, str]:
    if prometheus is None:
        return None, "nothing says where Prometheus is, which knows the alerts"
    told = alert_rules(prometheus)
    if not told.ok:
        return None, f"Prometheus at {prometheus.url} does not tell its rules ({told.cause})"
    return frozenset(one.name for one in told.data), ""


def _looked_up(
    cluster: Cluster | None, scope: Scope, named: Sequence[Reference]
) -> tuple[set[Reference], dict[Reference, str]]:
    """What commands name and is not there, and what could not be asked for."""
    missing: set[Reference] = set()
    unseen: dict[Reference, str] = {}
    not_yet = _not_yet(cluster, scope) if cluster and named else ""
    known: dict[tuple[str, str], set[str] | str] = {}
    for one in named[:NAMES_ASKED]:
        if cluster is None:
            unseen[one] = "no namespace is named"
            continue
        place = one.name if one.kind == NAMESPACE else one.namespace or scope.namespace
        if not_yet and place == scope.namespace:
            unseen[one] = not_yet
            continue
        there = _there(cluster, scope, one, known)
        if isinstance(there, str):
            unseen[one] = there
        elif not there:
            missing.add(one)
    unseen |= dict.fromkeys(named[NAMES_ASKED:], f"more than {NAMES_ASKED} names")
    return missing, unseen


def _not_yet(cluster: Cluster, scope: Scope) -> str:
    """Why nothing of the release can be there yet, as before its first deployment; empty where it can."""
    try:
        if cluster.get("v1", NAMESPACE, scope.namespace) is None:
            return f"namespace {scope.namespace} is not there yet"
        driver = os.environ.get("HELM_DRIVER", "")
        if scope.release and not history(cluster, scope.release, scope.namespace, driver):
            return f"release {scope.release} is not deployed yet"
    except CollectionError:
        return ""  # each name tells by itself what this account may not see
    return ""


def _there(cluster: Cluster, scope: Scope, one: Reference, known: dict[tuple[str, str], set[str] | str]) -> bool | str:
    """Whether it is there, or why that cannot be said."""
    namespace = one.namespace or scope.namespace
    try:
        if one.kind == NAMESPACE:
            return cluster.get("v1", NAMESPACE, one.name) is not None
        if one.kind == RELEASE:
            return bool(history(cluster, one.name, namespace, os.environ.get("HELM_DRIVER", "")))
        key = (one.kind, namespace)
        if key not in known:
            known[key] = {
                str(found["metadata"]["name"]) for found in cluster.list(one.api_version, one.kind, namespace)
            }
        names = known[key]
        return names if isinstance(names, str) else one.name in names
    except NotThere:
        return False  # the cluster does not serve this kind
    except CollectionError as exc:
        why = exc.sentence.rstrip(".")
        known[one.kind, namespace] = why
        return why


# ---------------------------------------------------------------------------- the API's description

_LIVE = "Say where the running application tells of its API (in the inventory: documentation_live_api)."


@dataclass(frozen=True, slots=True)
class _Told:
    """A description as text, or what is wrong with it (``absent``: it is not there), and where it comes from."""

    source: str
    text: str = ""
    gap: str = ""
    absent: bool = False
    remedy: str = _LIVE


def _api(documents: Documents, scope: Scope, where: str, cluster: Cluster | None) -> ApiSeen:
    ours = _fetched(documents, where, "the description of the API at")
    if ours.gap:
        wrong, gap = (ours.gap, "") if ours.absent else ("", ours.gap)
        return ApiSeen(ours.source, wrong=wrong, gap=gap, gap_remedy="Make it readable for this account.")
    try:
        published = parsed(ours.text, ours.source)
    except InputError as exc:
        return ApiSeen(ours.source, wrong=exc.sentence.rstrip("."))
    live = _live_description(documents, scope, cluster)
    told: list[str] = []
    gap = live.gap
    if not gap:
        try:
            told = differences(published, parsed(live.text, live.source))
        except InputError as exc:
            gap = exc.sentence.rstrip(".")
    operations = sum(len(item) for item in published["paths"].values() if isinstance(item, Mapping))
    return ApiSeen(
        ours.source,
        live.source,
        version_of(published),
        operations,
        tuple(told),
        gap=gap,
        gap_remedy=live.remedy,
    )


def _fetched(documents: Documents, where: str, what: str) -> _Told:
    fetched = documents.fetch(where)
    gap = f"{what} {fetched.where} {fetched.problem}" if fetched.problem else ""
    return _Told(fetched.where, fetched.content.decode("utf-8", "replace"), gap, fetched.absent)


def _live_description(documents: Documents, scope: Scope, cluster: Cluster | None) -> _Told:
    asked = scope.live_api
    if asked is None:
        return _Told("", gap="nothing says where the running application tells of its API")
    if asked.url:
        return _fetched(documents, asked.url, "the running application's description at")
    source = f"{' '.join(asked.command)} in Deployment {asked.workload}"
    if not scope.probe:
        gap = "to ask the running application needs a probe, and check mode sends none"
        return _Told(source, gap=gap, remedy="Run without --check.")
    if cluster is None:
        return _Told(source, gap="to ask the running application needs its namespace", remedy="Name the namespace.")
    try:
        pod, container = _pod_of(cluster, scope.namespace, asked)
        done = run_inside(cluster, scope.namespace, pod, container, asked.command)
    except CollectionError as exc:
        return _Told(source, gap=f"{source} could not be run: {exc.sentence.rstrip('.')}")
    return _Told(source, done.out, f"{source} did not end well: {done.problem}" if done.problem else "")


def _pod_of(cluster: Cluster, namespace: str, asked: LiveApi) -> tuple[str, str]:
    """A ready pod of the Deployment, and the container."""
    deployment = cluster.get("apps/v1", "Deployment", asked.workload, namespace)
    if deployment is None:
        raise InputError(f"There is no Deployment {asked.workload} in namespace {namespace}.")
    wanted: Mapping[str, str] = deployment["spec"]["selector"].get("matchLabels") or {}
    chosen = ",".join(f"{key}={value}" for key, value in wanted.items())
    for pod in cluster.list("v1", "Pod", namespace, labels=chosen):
        if _ready(pod):
            return str(pod["metadata"]["name"]), asked.container or str(pod["spec"]["containers"][0]["name"])
    raise InputError(f"No pod of Deployment {asked.workload} is ready.")


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


# ---------------------------------------------------------------------------- access


def _access(documents: Documents, scope: Scope) -> AccessNow:
    if not scope.review:
        return AccessNow()
    fetched = documents.fetch(scope.review)
    record: Mapping[str, Any] | None = None
    problem = fetched.problem
    if not problem:
        try:
            loaded = load(fetched.content.decode("utf-8", "replace"), fetched.where)
        except InputError as exc:
            loaded, problem = None, f"cannot be read: {exc.sentence.rstrip('.')}"
        if isinstance(loaded, Mapping):
            record = loaded
        elif not problem:
            problem = "is no record: it is no mapping"
    return AccessNow(fetched.where, record, problem, scope.access_now, scope.review_age)
