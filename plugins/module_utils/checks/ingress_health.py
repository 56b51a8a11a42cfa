# Judges a load balancer's health route: it answers by the public path, with only ready backends behind it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

Object = Mapping[str, Any]
GRACE_S = 10.0  # for the word of a pod that is no longer ready to reach its EndpointSlice and the controller
TRIES = 12
_ROUTE = "Correct the path that the load balancer asks (health_path), or what answers there, and look at the backends."
_PUBLISH = "Take publishNotReadyAddresses from the Service: with it, backends that are not ready are kept."
_PROBE = "Give the container a readiness probe; without one its pod counts as ready as long as it runs."
_SLICE = "Look at the endpoint slice controller (kube-controller-manager): a pod is not ready, and its endpoint is."
_DRILL = (
    "Permit a pod that the Service would take and that never becomes ready (stand_in, probe_image), or judge while one "
    "backend is not ready."
)


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """What answers at the health route, and what stands behind it.

    :param answers: of several requests by the public path; :param unasked: why there are none.
    :param services: the Services behind the Ingresses, :param slices: their EndpointSlices, :param pods: their pods.
    :param now: Unix time by the cluster's clock.
    """

    path: str
    answers: tuple[Answer, ...] = ()
    unasked: str = ""
    services: tuple[Object, ...] = ()
    slices: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Backend:
    """One endpoint of a Service and its pod."""

    service: str
    pod: str
    in_rotation: bool
    ready: bool
    unready_s: float = 0.0


def judge_health(seen: HealthSeen, at: str) -> Verdict:
    """The route answers each time; every backend says whether it is ready, and none that is not is in rotation."""
    backends = list(_backends(seen))
    evidence = Evidence(f"{seen.path} by the public path, and the endpoints behind it", _told(seen, backends), at)
    if seen.unasked:
        return pending(f"The health route was not asked: {seen.unasked}.", "Set base_url and allowed_hosts.", evidence)
    found, where = Found(), f"Health route {seen.path}"
    for label in dict.fromkeys(one.label for one in seen.answers if one.status != HTTPStatus.OK):
        count = sum(one.label == label for one in seen.answers)
        found.wrong(f"{count} of {len(seen.answers)} requests came to {label}", _ROUTE)
    for service in seen.services:
        if (service.get("spec") or {}).get("publishNotReadyAddresses"):
            found.wrong(f"Service {_name(service)} publishes addresses that are not ready", _PUBLISH)
    for what in (text for pod in seen.pods for text in _unasked(pod)):
        found.wrong(what, _PROBE)
    for one in backends:
        if one.in_rotation and not one.ready and one.unready_s > GRACE_S:
            found.wrong(f"pod {one.pod} is not ready and stays in rotation behind Service {one.service}", _SLICE)
    if not any(one.in_rotation for one in backends):
        found.wrong("no backend is in rotation", _ROUTE)
    dropped = [one.pod for one in backends if not one.ready and not one.in_rotation]
    if not found.problems and not dropped:
        return pending(
            f"{where}: it answers, and all {len(backends)} backends in rotation are ready, so that one which is not is "
            "dropped was not seen.",
            _DRILL,
            evidence,
        )
    kept = sum(one.in_rotation for one in backends)
    good = f"it answers, {kept} backends that are ready are in rotation, and {', '.join(dropped)} (not ready) is not"
    return found.verdict(where, good, [evidence])


def _unasked(pod: Object) -> Iterator[str]:
    """The containers that listen and are never asked; ports need not be named, so one must be asked in any case."""
    spec = pod.get("spec") or {}
    containers = spec.get("containers") or []
    bare = [one for one in containers if not one.get("readinessProbe") and one.get("ports")]
    yield from (f"container {one.get('name')} of pod {_name(pod)} has no readiness probe" for one in bare)
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    asked = any(one.get("readinessProbe") for one in (*containers, *sidecars)) or spec.get("readinessGates")
    if not bare and not asked:
        yield f"pod {_name(pod)} has no readiness probe"


def _backends(seen: HealthSeen) -> Iterator[Backend]:
    pods = {_name(one): one for one in seen.pods}
    for one in seen.slices:
        service = str(((one.get("metadata") or {}).get("labels") or {}).get("kubernetes.io/service-name"))
        for endpoint in one.get("endpoints") or []:
            name = str((endpoint.get("targetRef") or {}).get("name") or ", ".join(endpoint.get("addresses") or []))
            rotating = (endpoint.get("conditions") or {}).get("ready") is not False
            ready, since = _readiness(pods.get(name), rotating)
            yield Backend(service, name, rotating, ready, max(seen.now - since, 0.0) if since else 0.0)


def _readiness(pod: Object | None, rotating: bool) -> tuple[bool, float]:
    """Whether a pod says that it is ready, and since when; one that cannot be seen is taken by its endpoint."""
    for one in ((pod or {}).get("status") or {}).get("conditions") or []:
        if one.get("type") == "Ready":
            return one.get("status") == "True", _time(str(one.get("lastTransitionTime") or ""))
    return rotating, 0.0


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name"))


def _told(seen: HealthSeen, backends: Iterable[Backend]) -> dict[str, Any]:
    return {
        "answers": [one.label for one in seen.answers],
        "services": {
            _name(one): {"publishNotReadyAddresses": bool((one.get("spec") or {}).get("publishNotReadyAddresses"))}
            for one in seen.services
        },
        "backends": [
            {"service": one.service, "pod": one.pod, "in_rotation": one.in_rotation, "ready": one.ready}
            for one in backends
        ],
    }
