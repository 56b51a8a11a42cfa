# Judges a release as it runs: roll-out, health of its pods, and that its Services lead to something that answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Status
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
    utc_now,
)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """How a connection through a Service's port ended.

    :param outcome: ``connected``, ``refused`` (nothing listens), or ``unknown`` (nobody could say, with the reason).
    """

    service: str
    port: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """One observation of a release's workloads, pods and Services.

    :param workloads: names of the workloads; :param status: the judgement of their roll-out.
    :param pods: pods of the newest revisions; :param services: Services with a selector.
    :param slices: EndpointSlices of the namespace; :param reaches: connections tried.
    :param probed: whether connections could be tried at all (not in check mode).
    :param quiet_s: seconds without restart that are asked for; :param watched_s: seconds that were watched.
    :param max_restarts: restarts per container that are accepted.
    :param expected_digests: image reference to digest; a digest in the reference itself needs no entry.
    """

    namespace: str
    workloads: tuple[str, ...]
    status: Status
    pods: tuple[Object, ...]
    services: tuple[Object, ...] = ()
    slices: tuple[Object, ...] = ()
    reaches: tuple[Reach, ...] = ()
    probed: bool = True
    quiet_s: float = 10.0
    watched_s: float = 0.0
    restarts_before: Mapping[str, int] = field(default_factory=dict)
    max_restarts: int = 3
    expected_digests: Mapping[str, str] = field(default_factory=dict)
    observed_at: str = field(default_factory=utc_now)


CHECKS: Checks[ReleaseFacts] = Checks()


@CHECKS.settles("deployment.execution.pods")
def rolled_out(facts: ReleaseFacts) -> Verdict:
    """Every workload is rolled out, and no container restarted during the quiet period."""
    seen = _workload_evidence(facts)
    if not facts.workloads:
        return failed(
            f"Namespace {facts.namespace} has no workload of this release.",
            "Deploy the release, or correct its name.",
            seen,
        )
    if facts.status.waiting:
        why = facts.status.signals[0].sentence if facts.status.signals else facts.status.waiting[0]
        return failed(f"Not rolled out: {why}.", "Run the deployment again; it names the cause and the remedy.", seen)
    restarted = [name for name, count in restarts(facts.pods).items() if count > facts.restarts_before.get(name, count)]
    young = youngest_s(facts.pods, facts.observed_at)
    if restarted or (young is not None and young < facts.quiet_s and _restarted_at_all(facts.pods)):
        return failed(
            f"Restarted within the quiet period of {facts.quiet_s:g} s: {', '.join(restarted) or 'a container'}.",
            "Read the container's previous log (kubectl logs --previous) and mend the cause.",
            seen,
        )
    if young is not None and young < facts.quiet_s and facts.watched_s < facts.quiet_s:
        return inconclusive(
            f"Rolled out, but watched for only {max(young, facts.watched_s):.0f} s "
            f"of the quiet period of {facts.quiet_s:g} s.",
            "Judge again a little later.",
            seen,
        )
    return passed(f"All {len(facts.workloads)} workloads are rolled out; no restart within {facts.quiet_s:g} s.", seen)


@CHECKS.settles("deployment.health.pods")
def healthy(facts: ReleaseFacts) -> Verdict:
    """Every pod is Ready, restarts stay below the limit, none is being evicted, and the wanted images run."""
    seen = _workload_evidence(facts)
    if not facts.pods:
        return failed("The release has no pod.", "Deploy the release, or correct its name.", seen)
    problems = [problem for pod in facts.pods for problem in _pod_problems(pod, facts)]
    problems += _digest_problems(facts)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return failed(f"{problems[0]}{more}.", "Look at the pod's events and logs (kubectl describe pod).", seen)
    most = max(restarts(facts.pods).values(), default=0)
    words = _image_words(facts)
    return passed(f"All {len(facts.pods)} pods are Ready, with at most {most} restarts; {words}.", seen)


@CHECKS.settles("deployment.execution.services")
def services_lead_somewhere(facts: ReleaseFacts) -> Verdict:
    """Every Service has ready endpoints on each of its ports, and a connection through it is answered."""
    seen = Evidence(
        f"Services and EndpointSlices of namespace {facts.namespace}; GET through the API server's Service proxy",
        {
            "services": {item["metadata"]["name"]: _ready_ports(item, facts) for item in facts.services},
            "connections": [f"{reach.service}:{reach.port} {reach.outcome}: {reach.detail}" for reach in facts.reaches],
        },
        facts.observed_at,
    )
    if not facts.services:
        return failed("The release has no Service.", "Check the values that switch its Services on.", seen)
    empty = [text for item in facts.services for text in _unserved_ports(item, facts)]
    if empty:
        return failed(
            f"{empty[0]}.", "Compare the Service's selector and targetPort with the pods' labels and ports.", seen
        )
    refused = [reach for reach in facts.reaches if reach.outcome == "refused"]
    if refused:
        return failed(
            f"Service {refused[0].service} port {refused[0].port} leads to a port where nothing listens "
            f"({refused[0].detail}).",
            "Correct targetPort, or the port that the container listens on.",
            seen,
        )
    if not facts.probed:
        return pending("Endpoints are ready; a connection needs a probe, and check mode sends none.", "", seen)
    unknown = [reach for reach in facts.reaches if reach.outcome != "connected"]
    if unknown or not facts.reaches:
        detail = (
            f"{unknown[0].service}:{unknown[0].port}: {unknown[0].detail}" if unknown else "no connection was tried"
        )
        return inconclusive(
            f"Endpoints are ready, but no connection could be proven ({detail}).",
            "Allow services/proxy to this account.",
            seen,
        )
    return passed(
        f"All {len(facts.services)} Services have ready endpoints and answer on {len(facts.reaches)} ports.", seen
    )


def settled(facts: ReleaseFacts) -> bool:
    """Whether every Service leads to something that answers, as far as was tried."""
    unserved = any(_unserved_ports(item, facts) for item in facts.services)
    return not unserved and all(reach.outcome == "connected" for reach in facts.reaches)


# ---------------------------------------------------------------------------- pods


def restarts(pods: tuple[Object, ...]) -> dict[str, int]:
    """Restart counts by ``pod/container``."""
    return {
        f"{pod['metadata']['name']}/{item['name']}": item.get("restartCount", 0)
        for pod in pods
        for item in _statuses(pod)
    }


def youngest_s(pods: tuple[Object, ...], now: str) -> float | None:
    """Seconds since the youngest running container started; None where none runs."""
    started = [
        running["startedAt"]
        for pod in pods
        for item in _statuses(pod)
        if (running := (item.get("state") or {}).get("running"))
    ]
    return (_time(now) - max(_time(text) for text in started)).total_seconds() if started else None


def _restarted_at_all(pods: tuple[Object, ...]) -> bool:
    return any(restarts(pods).values())


def _pod_problems(pod: Object, facts: ReleaseFacts) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if status.get("reason") == "Evicted" or _condition(pod, "DisruptionTarget") == "True":
        yield f"Pod {name} is being evicted"
    elif pod["metadata"].get("deletionTimestamp"):
        yield f"Pod {name} is being deleted"
    elif _condition(pod, "Ready") != "True":
        yield f"Pod {name} is not Ready"
    for item in _statuses(pod):
        if item.get("restartCount", 0) > facts.max_restarts:
            counts = f"{item['restartCount']} times, {facts.max_restarts} are accepted"
            yield f"Pod {name} container {item['name']} restarted {counts}"


def _digest_problems(facts: ReleaseFacts) -> Iterator[str]:
    for image, digests in _running_digests(facts).items():
        wanted = facts.expected_digests.get(image) or (image.rpartition("@")[2] if "@" in image else "")
        if wanted and digests != {wanted}:
            yield f"Image {image} runs as {', '.join(sorted(digests))}, {wanted} is wanted"
        elif len(digests) > 1:
            yield f"Image {image} runs in {len(digests)} different versions: {', '.join(sorted(digests))}"


def _running_digests(facts: ReleaseFacts) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pod in facts.pods:
        images = {item["name"]: item.get("image", "") for item in (pod.get("spec") or {}).get("containers") or []}
        for item in (pod.get("status") or {}).get("containerStatuses") or []:
            digest = str(item.get("imageID", "")).rpartition("@")[2]
            if digest:
                found.setdefault(images.get(item["name"], item.get("image", "")), set()).add(digest)
    return found


def _image_words(facts: ReleaseFacts) -> str:
    digests = _running_digests(facts)
    pinned = sum(1 for image in digests if "@" in image or image in facts.expected_digests)
    if digests and pinned == len(digests):
        return "the wanted image digests run"
    return "each image runs as one digest in all pods (not pinned by the values)"


def _workload_evidence(facts: ReleaseFacts) -> Evidence:
    return Evidence(
        f"Workloads and pods of namespace {facts.namespace}",
        {
            "workloads": list(facts.workloads),
            "waiting": list(facts.status.waiting),
            "signals": [signal.sentence for signal in facts.status.signals],
            "restarts": restarts(facts.pods),
            "pods": {pod["metadata"]["name"]: _condition(pod, "Ready") or "unknown" for pod in facts.pods},
            "images": {image: sorted(digests) for image, digests in _running_digests(facts).items()},
            "youngest_container_s": youngest_s(facts.pods, facts.observed_at),
            "watched_s": round(facts.watched_s, 1),
        },
        facts.observed_at,
    )


def _statuses(pod: Object) -> list[Object]:
    found: list[Object] = (pod.get("status") or {}).get("containerStatuses") or []
    return found


def _condition(obj: Object, kind: str) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or []:
        if condition.get("type") == kind:
            return str(condition.get("status", ""))
    return ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


# ---------------------------------------------------------------------------- services


def _ready_ports(service: Object, facts: ReleaseFacts) -> dict[str, int]:
    """How many ready endpoints stand behind each port of a Service, by port name (or number, where it has none)."""
    counts = {_port_name(port): 0 for port in service["spec"].get("ports") or []}
    for item in facts.slices:
        if (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != service["metadata"]["name"]:
            continue
        ready = sum(1 for end in item.get("endpoints") or [] if (end.get("conditions") or {}).get("ready") is not False)
        named = {port.get("name") or "" for port in item.get("ports") or [] if port.get("port")}
        for port in service["spec"].get("ports") or []:
            if (port.get("name") or "") in named:
                counts[_port_name(port)] += ready
    return counts


def _unserved_ports(service: Object, facts: ReleaseFacts) -> list[str]:
    name = service["metadata"]["name"]
    return [
        f"Service {name} port {port} has no ready endpoint"
        for port, count in _ready_ports(service, facts).items()
        if not count
    ]


def _port_name(port: Object) -> str:
    return str(port.get("name") or port.get("port"))
