# Observes a cluster once, for the checks in checks/cluster.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_access, cluster_storage
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_access import (
    WILDCARD,
    Permission,
    Served,
    Situation,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_capacity import unusable
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import (
    NAMESPACE_LABELS,
    ClusterFacts,
    HelmFacts,
    Rendered,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    NotPermitted,
    NotThere,
    ProgramMissing,
    Refused,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import (
    UNVALIDATED,
    HelmCli,
    parse_version,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.fetch import Chart
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import (
    DRIVERS,
    Release,
    history,
    learn_secrets,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.observe_entry import CERT_MANAGER
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import MANAGERS
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_claim import Probe, try_class

Object = dict[str, Any]
Read = TypeVar("Read")
AT_ONCE = 8  # access reviews under way at the same time
UNTIL_THERE = "default"  # where a scratch claim is made while the release's namespace is not there
WATCHING = 4  # the major version of helm that waits by watching
(VERSION, ACCESS, HELM, RESOURCES, STORAGE) = (
    f"infrastructure.cluster.{item}" for item in ("version", "access", "helm", "resources", "storage")
)
(PLACE, ROOM, CLASSES) = (f"deployment.preparation.{item}" for item in ("namespace", "resources", "storage"))


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at, and what is asked of it.

    :param chart: brings the chart, by helm where it comes from the network; None where none is given.
    :param probe: how a scratch claim is made; None where none may be, for the reason in ``no_probe``.
    :param namespace_labels: the labels that the namespace must have; :param check_mode: whether nothing may be made.
    :param only: the controls that are judged; empty for all.
    """

    namespace: str
    release: str
    chart: Callable[[HelmCli], Chart] | None = None
    values: Values = field(default_factory=Values)
    minimum_version: str = "1.25"
    minimum_cpu: str = "16"
    minimum_memory: str = "32G"
    probe: Probe | None = None
    no_probe: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=lambda: dict(NAMESPACE_LABELS))
    check_mode: bool = False
    only: Collection[str] = ()

    def judges(self, *controls: str) -> bool:
        """Whether one of these controls is judged."""
        return bool(set(controls) & set(self.only or CHECKS.controls))


def observe(cluster: Cluster, find_helm: Callable[[], HelmCli], scope: Scope, redactor: Redactor) -> ClusterFacts:
    """Look at version, nodes, pods, classes, permissions and helm; try a scratch claim where a probe is given.

    :param find_helm: gives the helm program, or raises where there is none, which is a finding and no failure.
    """
    look = _Look(cluster)
    server_version = cluster.version()
    ready, readyz = look.permitted("readyz", cluster.ready, (True, "")) if scope.judges(VERSION) else (True, "")
    nodes = look.list("v1", "Node") if scope.judges(VERSION, RESOURCES, STORAGE, ROOM, CLASSES) else ()
    pods = look.list("v1", "Pod") if scope.judges(RESOURCES, ROOM) and scope.chart else ()
    classes = look.list("storage.k8s.io/v1", "StorageClass") if scope.judges(STORAGE, CLASSES) else ()
    place = _look_at_namespace(look, scope)
    renders = scope.judges(ACCESS, HELM, RESOURCES, STORAGE, ROOM, CLASSES)
    helm, cli = _helm(cluster, find_helm, scope) if renders else (None, None)
    rendered = _rendered(cli, scope, redactor) if helm and scope.chart else None
    asked, missing, wildcard = _access(look, scope, helm, rendered) if helm and scope.judges(ACCESS) else (0, (), False)
    tried = _tried(look, scope, classes, rendered, nodes) if scope.judges(STORAGE) else ()
    return ClusterFacts(
        namespace=scope.namespace,
        server_version=server_version,
        ready=ready,
        readyz=readyz,
        nodes=nodes,
        pods=pods,
        classes=classes,
        denied=look.denied,
        asked=asked,
        missing=missing,
        wildcard=wildcard,
        helm=helm or HelmFacts(),
        rendered=rendered,
        tried=tried,
        no_probe="" if scope.probe else scope.no_probe,
        namespace_object=place.namespace,
        namespace_labels=scope.namespace_labels,
        quotas=place.quotas,
        limit_ranges=place.limit_ranges,
        claims=place.claims,
        check_mode=scope.check_mode,
        minimum_version=scope.minimum_version,
        minimum_cpu=scope.minimum_cpu,
        minimum_memory=scope.minimum_memory,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of the release's namespace."""

    namespace: Object | None = None
    quotas: tuple[Object, ...] = ()
    limit_ranges: tuple[Object, ...] = ()
    claims: tuple[Object, ...] = ()


def _look_at_namespace(look: _Look, scope: Scope) -> _Place:
    def some(kind: str, *controls: str) -> tuple[Object, ...]:
        return look.list("v1", kind, scope.namespace) if scope.judges(*controls) else ()

    def read() -> Object | None:
        return look.cluster.get("v1", "Namespace", scope.namespace)

    return _Place(
        namespace=look.permitted("Namespace", read, None) if scope.judges(PLACE) else None,
        quotas=some("ResourceQuota", PLACE, ROOM),
        limit_ranges=some("LimitRange", ROOM),
        claims=some("PersistentVolumeClaim", CLASSES),
    )


class _Look:
    """Reads, and keeps by kind what was not permitted: it touches the controls that rest on it, and no other."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.denied: dict[str, str] = {}

    def list(self, api_version: str, kind: str, namespace: str = "") -> tuple[Object, ...]:
        return self.permitted(kind, lambda: tuple(self.cluster.list(api_version, kind, namespace)), ())

    def permitted(self, what: str, read: Callable[[], Read], otherwise: Read) -> Read:
        try:
            return read()
        except (NotPermitted, NotThere) as exc:
            self.denied[what] = exc.sentence
            return otherwise


# ---------------------------------------------------------------------------- helm


def _helm(cluster: Cluster, find_helm: Callable[[], HelmCli], scope: Scope) -> tuple[HelmFacts, HelmCli | None]:
    """What is known of helm, and the program where it can be used."""
    driver = os.environ.get("HELM_DRIVER", "")
    kind = DRIVERS.get(driver, driver)
    revisions, problem, remedy = _record(cluster, scope, driver) if scope.judges(HELM) else ((), "", "")
    told: dict[str, Any] = {
        "driver": kind,
        "revisions": revisions,
        "store_problem": problem,
        "store_remedy": remedy,
    }
    try:
        cli = find_helm()
        version = parse_version(cli.call("version", "--short").stdout)
    except (ProgramMissing, CommandFailed) as exc:
        return HelmFacts(problem=exc.sentence, **told), None
    return HelmFacts(binary=cli.binary, version=version, **told), cli


def _record(cluster: Cluster, scope: Scope, driver: str) -> tuple[tuple[int, ...], str, str]:
    """The revisions that helm keeps, or why they cannot be read and what to do."""
    try:
        kept = history(cluster, scope.release, scope.namespace, driver)
    except NotPermitted as exc:
        return (), exc.sentence, "Allow this account to list and get helm's records in the namespace."
    except Refused as exc:
        return (), exc.sentence, "Restore the record from a backup, or remove it if the release can be made anew."
    except InputError as exc:
        return (), exc.sentence, "Set HELM_DRIVER to secret or configmap, or leave it unset."
    return tuple(one.revision for one in kept), "", ""


def _rendered(cli: HelmCli | None, scope: Scope, redactor: Redactor) -> Rendered:
    """The release as helm renders it on the server; nothing is stored."""
    if cli is None:
        return Rendered(problem="there is no helm that could render it")
    if scope.chart is None:
        return Rendered(problem="no chart is given")
    scope.values.teach(redactor)
    try:
        chart = scope.chart(cli)
        arguments = ["upgrade", scope.release, chart.path, "--install", "--dry-run=server", UNVALIDATED]
        raw = cli.call_json(*arguments, *scope.values.upgrade_arguments(), stdin=scope.values.stdin())
    except (CommandFailed, Refused, Unreachable) as exc:
        return Rendered(problem=exc.sentence.rstrip("."))
    release = Release.from_helm(raw)
    learn_secrets(redactor, (*release.objects, *release.hooks))
    digests = {**chart.digests(), "values": release.values_digest}
    return Rendered(release.objects, release.operating_hooks, digests=digests)


# ---------------------------------------------------------------------------- access


def _access(
    look: _Look, scope: Scope, helm: HelmFacts, rendered: Rendered | None
) -> tuple[int, tuple[Permission, ...], bool]:
    """How many permissions were asked about, those that are missing, and whether this account may do everything."""
    store = "configmaps" if helm.driver == "ConfigMap" else "secrets"
    situation = Situation(
        namespace=scope.namespace,
        namespace_exists=_exists(look.cluster, scope.namespace),
        kinds=_served(look.cluster, rendered),
        watches=bool(helm.version and helm.version[0] >= WATCHING),
        store=store,
        probe=scope.probe is not None,
        makers=_makers(look.cluster),
    )
    wanted = [*cluster_access.needed(situation), WILDCARD]

    def may(one: Permission) -> bool:
        return look.cluster.may(one.attributes(scope.namespace))

    def ask() -> list[bool]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(may, wanted))

    answers = look.permitted("SelfSubjectAccessReview", ask, [False] * len(wanted))
    missing = tuple(one for one, allowed in zip(wanted[:-1], answers[:-1], strict=True) if not allowed)
    return len(wanted) - 1, missing, answers[-1]


def _exists(cluster: Cluster, namespace: str) -> bool:
    try:
        return cluster.get("v1", "Namespace", namespace) is not None
    except NotPermitted:  # a permission that is asked about anyway
        return True


def _served(cluster: Cluster, rendered: Rendered | None) -> tuple[Served, ...]:
    """The kinds of the release; one that the cluster does not serve is left to the rendering's own control."""
    found: dict[tuple[str, str], Served] = {}
    release = rendered or Rendered()
    for hook, objects in ((False, release.objects), (True, release.hooks)):
        for obj in objects:
            key = (obj["apiVersion"], obj["kind"])
            if key in found and (found[key].hook or not hook):
                continue
            try:
                plural, namespaced = cluster.resource(*key)
            except NotThere:
                continue
            found[key] = Served(key[0].rpartition("/")[0], plural, namespaced, hook)
    return tuple(sorted(found.values()))


def _makers(cluster: Cluster) -> tuple[Served, ...]:
    """What can make Secrets from outside on this cluster, one version of each kind."""
    found: dict[str, Served] = {}
    for api_version, kind in (*MANAGERS, (CERT_MANAGER, "Certificate")):
        try:
            plural, namespaced = cluster.resource(api_version, kind)
        except NotThere:
            continue
        found.setdefault(kind, Served(api_version.rpartition("/")[0], plural, namespaced))
    return tuple(found.values())


# ---------------------------------------------------------------------------- storage


def _tried(
    look: _Look, scope: Scope, classes: tuple[Object, ...], rendered: Rendered | None, nodes: tuple[Object, ...]
) -> tuple[cluster_storage.Tried, ...]:
    """A trial of each class that is needed, where a probe may be made and nothing is wrong with the classes as such.

    Where no node takes pods, nothing could be learned of the storage by waiting.
    """
    cluster, release = look.cluster, rendered or Rendered()
    if "StorageClass" in look.denied or not ("Node" in look.denied or any(not unusable(node, ()) for node in nodes)):
        return ()
    needed = cluster_storage.needed(classes, cluster_storage.claims_of((*release.objects, *release.hooks)))
    if scope.probe is None or needed.problem or release.problem:
        return ()
    probe = scope.probe
    if probe.namespace == scope.namespace and not _exists(cluster, scope.namespace):
        probe = replace(probe, namespace=UNTIL_THERE)
    return tuple(try_class(cluster, item, probe) for item in needed.classes)
