# Observes the configuration, the tuning and the health of a release once, for the checks in checks/configuration.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import drill_copies, drill_scaling
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    DEBUG,
    DRILLS,
    FLAGS,
    HPA,
    LIMITS,
    LIVENESS,
    LOAD,
    LOG_LEVEL,
    POOL,
    READINESS,
    VARIABLES,
    VPA,
    Cut,
    Drilled,
    Facts,
    Hung,
    Object,
    Wanted,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_scaling import VERTICAL
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import PostgresFacts
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.drill_relay import Dependency
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    NotThere,
    TimedOut,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_answers import pages_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_environment import Environment
from ansible_collections.bytebot.production.plugins.module_utils.observe_running import lines_of, running_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import released_objects
from ansible_collections.bytebot.production.plugins.module_utils.observe_use import (
    Asked,
    LoadScope,
    Sent,
    limits_of,
    measure,
    send,
)
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import owner_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import ending_on_signals
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

AT_ONCE = 8
_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_SHOWN = ("host", "port", "database")  # of the Secrets with credentials, and no secrets themselves
_VERTICAL_GROUP = "/apis/autoscaling.k8s.io"
_DRILLED = (
    "Put drills into bytebot_tests_allowed where copies of pods may be broken and autoscalers moved for a minute."
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at, and what is wanted of it.

    :param ask_database: meets the database, and says what it holds for the pools.
    :param allowed: what may be done beside looking: ``load``, ``drills``.
    """

    namespace: str
    release: str
    wanted: Wanted
    http: Http
    ask_database: Callable[[], PostgresFacts]
    load: LoadScope
    prometheus: Prometheus | None = None
    window: str = "15m"
    pool_metric: str = "bytebot_database_connections_active"
    error_paths: tuple[str, ...] = ()
    document_paths: tuple[str, ...] = ()
    drill_workload: str = ""
    allowed: Collection[str] = ()
    check_mode: bool = False
    only: Collection[str] = ()
    stop: threading.Event = field(default_factory=threading.Event)

    def judges(self, *controls: str) -> bool:
        """Whether one of these controls is judged."""
        return any(one in (self.only or CHECKS.controls) for one in controls)

    def pause(self, seconds: float) -> None:
        """Wait, but not after somebody asked to end.

        :raises TimedOut: that happened.
        """
        if self.stop.wait(seconds):
            raise TimedOut("The drill was ended before its time.")


def observe(cluster: Cluster, scope: Scope, redactor: Redactor) -> Facts:
    """Read the release and what runs of it, provoke errors, then load and drill as far as that is permitted."""
    facts, members = _described(cluster, scope)
    if facts.nothing or "Pod" in facts.denied:
        return facts
    environment = Environment(cluster, scope.namespace)
    if scope.judges(DEBUG):
        unasked = "check mode sends no probe." if scope.check_mode else ""
        pages = () if unasked else tuple(pages_of(scope.http, scope.error_paths, scope.document_paths))
        facts = replace(facts, pages=pages, unasked=unasked)
    running, why = running_of(
        cluster,
        scope.namespace,
        members,
        environment,
        look=not scope.check_mode and scope.judges(VARIABLES, LOG_LEVEL, DEBUG, FLAGS),
    )
    for name, held in environment.secrets.items():
        hide.learn(
            redactor,
            (value.encode() for key, value in held.items() if value and key not in _SHOWN),
            (scope.namespace, scope.release, name, *held),
        )
    facts = replace(facts, running=running, not_looked=why)
    if scope.judges(LOG_LEVEL):
        facts = replace(facts, lines=lines_of(cluster, scope.namespace, members))
    if scope.judges(POOL, LIVENESS, READINESS) and not scope.check_mode:
        facts = replace(facts, database=scope.ask_database())
    if scope.judges(HPA, VPA):
        facts = _vertical(cluster, scope, facts)
    return _tried(cluster, scope, facts, {str(pod["metadata"]["name"]): name_of(owner) for pod, owner in members})


# ---------------------------------------------------------------------------- what is described


def _described(cluster: Cluster, scope: Scope) -> tuple[Facts, list[tuple[Object, Object]]]:
    """The release as helm deployed it and as it is, and its pods, each with its workload."""
    released, there, problem = released_objects(cluster, scope.release, scope.namespace)
    denied: dict[str, str] = {}
    kinds = [
        *(("apps/v1", kind) for kind in _KINDS), ("v1", "Pod"), ("v1", "Service"), ("v1", "Event"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ]  # fmt: skip

    def one(kind: tuple[str, str]) -> list[Object]:
        try:
            return cluster.list(*kind, scope.namespace)
        except (NotPermitted, NotThere) as exc:
            denied[kind[1]] = exc.sentence
            return []

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {kind: objects for (_api, kind), objects in zip(kinds, pool.map(one, kinds), strict=True)}
    if not scope.check_mode and drill_scaling.heal_all(cluster, found["HorizontalPodAutoscaler"]):
        found["HorizontalPodAutoscaler"] = one(kinds[-1])
    names = {(str(it.get("kind")), str((it.get("metadata") or {}).get("name"))) for it in released}
    workloads = [it for kind in _KINDS for it in found[kind] if (kind, it["metadata"]["name"]) in names]
    by_name = {(it["kind"], it["metadata"]["name"]): it for it in workloads}
    members = [
        (pod, by_name[owner])
        for pod in found["Pod"]
        if (owner := owner_of(pod, {})) in by_name and not pod["metadata"].get("deletionTimestamp")
    ]
    nothing = ""
    if not there:
        nothing = problem or f"No release {scope.release} is deployed in namespace {scope.namespace}."
    facts = Facts(
        scope.namespace,
        scope.release,
        scope.wanted,
        workloads=tuple(workloads),
        released=released,
        pods=tuple(pod for pod, _owner in members),
        events=tuple(found["Event"]),
        services=tuple(found["Service"]),
        autoscalers=tuple(found["HorizontalPodAutoscaler"]),
        denied=denied,
        nothing=nothing,
        allowed=tuple(scope.allowed),
    )
    return facts, members


def _vertical(cluster: Cluster, scope: Scope, facts: Facts) -> Facts:
    try:
        group = cluster.raw("GET", _VERTICAL_GROUP)
    except NotThere as exc:
        return replace(facts, vertical_answer=exc.sentence)
    except NotPermitted as exc:
        return replace(facts, denied={**facts.denied, VERTICAL: exc.sentence})
    version = str((group.get("preferredVersion") or {}).get("groupVersion") or "autoscaling.k8s.io/v1")
    path = f"/apis/{version}/namespaces/{scope.namespace}/verticalpodautoscalers"
    try:
        found = cluster.raw("GET", path, query={"limit": "500"})
    except NotThere as exc:
        return replace(facts, vertical_answer=exc.sentence)
    except NotPermitted as exc:
        return replace(facts, denied={**facts.denied, VERTICAL: exc.sentence})
    return replace(facts, vertical=tuple(found.get("items") or []), vertical_answer=f"{version} is served")


# ---------------------------------------------------------------------------- load and drills


def _tried(cluster: Cluster, scope: Scope, facts: Facts, workload_of: Mapping[str, str]) -> Facts:
    """Load and drills side by side, since each mostly waits; then the figures."""
    given = limits_of(facts.pods, workload_of)
    asked = Asked(scope.namespace, workload_of, scope.window, scope.pool_metric, given)
    why = _unloaded(scope)
    undone = _undone(scope, facts)
    with contextlib.ExitStack() as stack:
        if not undone:
            stack.enter_context(ending_on_signals())
            stack.enter_context(drill_copies.removing(cluster, scope.namespace))
        pool = stack.enter_context(_ending(ThreadPoolExecutor(AT_ONCE), scope.stop))
        loading: Future[Sent | None] | None = None
        if not why and scope.judges(POOL, LIMITS):
            loading = pool.submit(send, scope.load, scope.pause)
        drills = None if undone else _Drills(cluster, scope, facts, pool)
        sent = loading.result() if loading else None
        if scope.judges(POOL, LIMITS):
            measured = measure(scope.prometheus, asked, facts.workloads, (sent, why), scope.pause)
            facts = replace(facts, measured=measured)
        drilled = Drilled(undone, "" if DRILLS in scope.allowed else _DRILLED) if drills is None else drills.seen()
    return replace(facts, drilled=drilled)


def _unloaded(scope: Scope) -> str:
    if scope.check_mode:
        return "check mode sends no load"
    return "" if LOAD in scope.allowed else "load is not permitted here"


def _undone(scope: Scope, facts: Facts) -> str:
    if not scope.judges(HPA, LIVENESS, READINESS):
        return "it is not asked for"
    if scope.check_mode:
        return "it needs a probe, and check mode sends none"
    if DRILLS not in scope.allowed:
        return "drills are not permitted here"
    return "" if facts.running else "nothing of the release runs"


@contextlib.contextmanager
def _ending(pool: ThreadPoolExecutor, stop: threading.Event) -> Iterator[ThreadPoolExecutor]:
    """The threads are told to end before they are waited for, whatever happens."""
    try:
        yield pool
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True)


class _Drills:
    """The drills that are under way."""

    def __init__(self, cluster: Cluster, scope: Scope, facts: Facts, pool: ThreadPoolExecutor) -> None:
        self._hang: Future[Any] | None = None
        self._cut: Future[Any] | None = None
        self._problem, self._name = "", "the release"
        self._scaled: list[Future[Any]] | None = None
        if scope.judges(HPA):
            names = {(one["kind"], one["metadata"]["name"]) for one in facts.workloads}
            mine = [one for one in facts.autoscalers if _sound(one) and _target(one) in names]
            self._scaled = [pool.submit(drill_scaling.scale, cluster, one, scope.pause) for one in mine]
        if not scope.judges(LIVENESS, READINESS):
            return
        subject = self._subject(cluster, scope, facts)
        if isinstance(subject, str):
            self._problem = subject
            return
        self._name = subject.name
        self._hang = pool.submit(drill_copies.hang, cluster, subject, scope.pause)
        to = dependency_of(cluster, facts)
        if isinstance(to, str):
            self._problem = to
        else:
            self._cut = pool.submit(drill_copies.cut, cluster, subject, to, scope.pause)

    @staticmethod
    def _subject(cluster: Cluster, scope: Scope, facts: Facts) -> drill_copies.Subject | str:
        try:
            ingresses = cluster.list("networking.k8s.io/v1", "Ingress", scope.namespace)
            policies = cluster.list("networking.k8s.io/v1", "NetworkPolicy", scope.namespace)
        except NotPermitted as exc:
            return exc.sentence
        return drill_copies.subject_of(facts.workloads, facts.services, ingresses, policies, scope.drill_workload)

    def seen(self) -> Drilled:
        hung = self._hang.result() if self._hang else Hung(self._name, 0.0, problem=self._problem)
        cut = self._cut.result() if self._cut else Cut(self._name, "the database", problem=self._problem)
        scaled = None if self._scaled is None else tuple(one.result() for one in self._scaled)
        return Drilled(undone="it is not asked for" if scaled == () else "", scaled=scaled, hung=hung, cut=cut)


def _target(scaler: Object) -> tuple[str, str]:
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    return str(target.get("kind")), str(target.get("name"))


def _sound(scaler: Object) -> bool:
    """Whether it reads its figures and has room: else it is red already, and a drill says nothing more."""
    spec, conditions = scaler.get("spec") or {}, (scaler.get("status") or {}).get("conditions") or []
    active = any(one.get("type") == "ScalingActive" and one.get("status") == "True" for one in conditions)
    return active and int(spec.get("maxReplicas") or 0) > int(spec.get("minReplicas") or 1)


def dependency_of(cluster: Cluster, facts: Facts) -> Dependency | str:
    """The database under the name that the application knows, and an address for the relay, which lost that name."""
    target = facts.database.target if facts.database else None
    if target is None or not target.host:
        return (facts.database.secret_problem if facts.database else "") or "where the database is, is not known"
    parts = target.host.removesuffix(".").split(".")
    if all(part.isdigit() for part in parts) or ":" in target.host:
        return f"the database is named by its address {target.host}, and only a name can lead to a relay"
    address = f"{target.host.removesuffix('.')}."
    short, *rest = parts
    in_cluster = not rest or rest[1:2] in ([], ["svc"])
    place = (rest[0] if rest else facts.namespace) if in_cluster else ""
    if place:
        with contextlib.suppress(CollectionError):
            service = cluster.get("v1", "Service", short, place) or {}
            given = str((service.get("spec") or {}).get("clusterIP") or "")
            address = given if given not in ("", "None") else address
    return Dependency(target.host, int(target.port), address)
