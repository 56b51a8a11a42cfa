# Observes a release in the cluster once, for the checks in checks/release.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.release import (
    Reach,
    ReleaseFacts,
    restarts,
    settled,
    youngest_s,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import pods_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_waits import WATCHED
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    NoBackend,
    NotPermitted,
    NotThere,
    Refused,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history, learn_secrets
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, digests, identity
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now
from ansible_collections.bytebot.production.plugins.module_utils.progress import Tell, nobody
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience, RolloutWatch

Object = dict[str, Any]
RELEASE_NAME = "f:meta.helm.sh/release-name"  # as managed fields have it
SETTLE_POLL_S = 0.5
_REFUSED = ("connection refused", "connect: no route")
_ANSWERED = ("malformed HTTP", "EOF", "connection reset")  # something listens there, and does not speak HTTP


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects are the release's, and what is asked of them.

    :param release: a Helm release; :param selector: labels, where the application was not deployed by Helm.
    :param settle_s: seconds within which Services must lead somewhere: endpoints follow a change a moment later.
    """

    namespace: str
    release: str = ""
    selector: str = ""
    quiet_s: float = 10.0
    settle_s: float = 5.0
    max_restarts: int = 3
    expected_digests: Mapping[str, str] = field(default_factory=dict)
    expected_objects: Mapping[str, str] = field(default_factory=dict)


def observe(
    cluster: Cluster,
    scope: Scope,
    redactor: Redactor,
    *,
    probe: bool,
    pause: Callable[[float], None] = time.sleep,
    tell: Tell = nobody,
) -> ReleaseFacts:
    """Look at workloads, pods, Services and endpoints; try each Service's ports where ``probe`` is set.

    Where a container is younger than the quiet period, the rest of that period is waited for and restarts are compared.
    """
    members = _members(cluster, scope, redactor)
    workloads = members.workloads
    watch = RolloutWatch(cluster, scope.namespace, Patience())
    watch.look(workloads)
    facts = ReleaseFacts(
        namespace=scope.namespace,
        workloads=tuple(str(item) for item in workloads),
        status=watch.status,
        pods=_pods(watch),
        services=members.services,
        missing_services=members.missing_services,
        quiet_s=scope.quiet_s,
        max_restarts=scope.max_restarts,
        expected_digests=scope.expected_digests,
        expected_objects=scope.expected_objects,
        deployed_objects=members.objects,
        named_images=members.images,
        live_images=_images(watch.facts.live.items()),
        image_strangers=_image_strangers(watch.facts.live.items()),
        revision=members.revision,
        probed=probe,
    )
    facts = _with_services(cluster, facts, scope.settle_s, pause)
    return _after_quiet_period(watch, workloads, facts, pause, tell)


def _with_services(
    cluster: Cluster, facts: ReleaseFacts, settle_s: float, pause: Callable[[float], None]
) -> ReleaseFacts:
    until = time.monotonic() + settle_s
    while True:
        services = list(facts.services)
        facts = replace(
            facts,
            slices=tuple(
                found
                for namespace in sorted({item["metadata"]["namespace"] for item in services})
                for found in cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace)
            ),
            reaches=tuple(_reaches(cluster, services)) if facts.probed else (),
        )
        if settled(facts) or time.monotonic() >= until:
            return facts
        pause(SETTLE_POLL_S)


def _after_quiet_period(
    watch: RolloutWatch, workloads: list[Identity], facts: ReleaseFacts, pause: Callable[[float], None], tell: Tell
) -> ReleaseFacts:
    young = youngest_s(facts.pods, facts.observed_at)
    if young is None or young >= facts.quiet_s or not facts.status.complete:
        return facts
    rest = facts.quiet_s - max(young, 0.0)
    tell(f"Waiting {rest:.1f} s: every container must have run for {facts.quiet_s:g} s without a restart")
    pause(rest)
    watch.look(workloads)
    return replace(
        facts,
        status=watch.status,
        pods=_pods(watch),
        restarts_before=restarts(facts.pods),
        watched_s=facts.quiet_s,
        observed_at=utc_now(),
    )


@dataclass(frozen=True, slots=True)
class _Members:
    """What belongs to the release: its workloads, its Services as they are, and the names of those that are not there.

    :param objects: digests of what helm deployed, by identity; :param revision: helm's number of it.
    :param images: of its workloads, by workload and container.
    """

    workloads: list[Identity] = field(default_factory=list)
    services: tuple[Object, ...] = ()
    missing_services: tuple[str, ...] = ()
    objects: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0


def _members(cluster: Cluster, scope: Scope, redactor: Redactor) -> _Members:
    if not scope.release:
        workloads, services = _selected(cluster, scope)
        return _Members(workloads, tuple(services))
    known = history(cluster, scope.release, scope.namespace, os.environ.get("HELM_DRIVER", ""))
    if not known:
        return _Members()
    objects = known[0].objects
    learn_secrets(redactor, (*objects, *known[0].hooks))
    wanted = {
        identity(obj, scope.namespace) for obj in _with_selector(obj for obj in objects if obj["kind"] == "Service")
    }
    namespaces = sorted({item.namespace for item in wanted})
    live = {identity(one): one for namespace in namespaces for one in cluster.list("v1", "Service", namespace)}
    return _Members(
        workloads=[identity(obj, scope.namespace) for obj in objects if obj["kind"] in WATCHED],
        services=tuple(live[item] for item in sorted(wanted & live.keys())),
        missing_services=tuple(sorted(item.name for item in wanted - live.keys())),
        objects=digests(objects, scope.namespace),
        images=_images((identity(obj, scope.namespace), obj) for obj in objects if obj["kind"] in WATCHED),
        revision=known[0].revision,
    )


def _images(workloads: Iterable[tuple[Identity, Object]]) -> dict[str, str]:
    """The image of each container of pod templates, by workload and container."""
    return {
        f"{named} container {container['name']}": str(container.get("image") or "")
        for named, workload in workloads
        for kind in ("initContainers", "containers")
        for container in (((workload.get("spec") or {}).get("template") or {}).get("spec") or {}).get(kind) or []
    }


def _image_strangers(workloads: Iterable[tuple[Identity, Object]]) -> dict[str, tuple[str, ...]]:
    """Who else than Helm wrote each container's image last, by workload and container; none where Helm did, too.

    Helm, and what has it built in, writes under the name of its program, as it writes the release's name; where that
    was there before, the name tells.
    """
    found: dict[str, tuple[str, ...]] = {}
    for named, workload in workloads:
        entries = (workload.get("metadata") or {}).get("managedFields") or []
        helm = {_manager(one) for one in entries if RELEASE_NAME in _within(one, "f:metadata", "f:annotations")}
        helm |= {name for name in map(_manager, entries) if "helm" in name.lower()}
        wrote: dict[str, set[str]] = {}
        for entry in entries:
            spec = _within(entry, "f:spec", "f:template", "f:spec")
            for kind in ("f:initContainers", "f:containers"):
                for key, fields in (spec.get(kind) or {}).items():
                    if "f:image" in fields:
                        name = json.loads(key.removeprefix("k:")).get("name")
                        wrote.setdefault(f"{named} container {name}", set()).add(_manager(entry))
        found |= {where: tuple(sorted(names)) for where, names in wrote.items() if not names & helm}
    return found


def _manager(entry: Object) -> str:
    return str(entry.get("manager"))


def _within(entry: Object, *path: str) -> Mapping[str, Any]:
    """The fields below others that a manager owns."""
    found: Mapping[str, Any] = entry.get("fieldsV1") or {}
    for key in path:
        found = found.get(key) or {}
    return found


def _selected(cluster: Cluster, scope: Scope) -> tuple[list[Identity], list[Object]]:
    kinds = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"))
    workloads = [
        identity(obj, scope.namespace)
        for api_version, kind in kinds
        for obj in cluster.list(api_version, kind, scope.namespace, labels=scope.selector)
    ]
    return workloads, _with_selector(cluster.list("v1", "Service", scope.namespace, labels=scope.selector))


def _with_selector(services: Iterable[Object]) -> list[Object]:
    return [item for item in services if (item.get("spec") or {}).get("selector")]


def _pods(watch: RolloutWatch) -> tuple[Object, ...]:
    found = {pod["metadata"]["uid"]: pod for live in watch.facts.live.values() for pod in pods_of(live, watch.facts)}
    return tuple(found.values())


def _reaches(cluster: Cluster, services: list[Object]) -> Iterable[Reach]:
    for service in services:
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        for port in service["spec"].get("ports") or []:
            if port.get("protocol", "TCP") == "TCP":
                yield _reach(cluster, namespace, name, str(port.get("name") or port["port"]))


def _reach(cluster: Cluster, namespace: str, service: str, port: str) -> Reach:
    try:
        status, _body = cluster.through_service(namespace, service, port)
    except (NotPermitted, NotThere, Refused) as exc:  # the API server's own answer: nothing was tried
        return Reach(service, port, "unknown", exc.sentence.rstrip("."))
    except NoBackend as exc:
        text = exc.sentence
        if any(word in text for word in _ANSWERED):
            return Reach(service, port, "connected", "it answers, and does not speak HTTP")
        refused = any(word in text for word in _REFUSED) or "no endpoints" in text
        return Reach(service, port, "refused" if refused else "unknown", text)
    return Reach(service, port, "connected", f"HTTP {status}")
