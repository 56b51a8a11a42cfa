# Judges a release as it runs: roll-out, health of its pods, and that its Services lead to something that answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.image_names import past_helm
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
ENDS_WITHIN_S = 60.0  # after the end of its grace a pod is gone; two clocks may differ
NO_PORT = "(none)"  # a headless Service need not name ports; its endpoints count all the same


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
    :param missing_services: names of Services that the release has and the cluster has not.
    :param slices: EndpointSlices of the namespace; :param reaches: connections tried.
    :param probed: whether connections could be tried at all (not in check mode).
    :param quiet_s: seconds without restart that are asked for; :param watched_s: seconds that were watched.
    :param max_restarts: restarts per container that are accepted.
    :param expected_digests: image reference to digest; a digest in the reference itself needs no entry.
    :param expected_objects: digest of each object as it is rendered now, by its identity; empty where nobody asks.
    :param deployed_objects: the same of the revision that is deployed; :param revision: its number.
    :param named_images: image by workload and container, as that revision has them; :param live_images: the same of the
        live workloads. A sidecar that admission puts in is in neither, or only in the second.
    :param image_strangers: who else than Helm wrote a live one last, where the API server tells it.
    """

    namespace: str
    workloads: tuple[str, ...]
    status: Status
    pods: tuple[Object, ...]
    services: tuple[Object, ...] = ()
    missing_services: tuple[str, ...] = ()
    slices: tuple[Object, ...] = ()
    reaches: tuple[Reach, ...] = ()
    probed: bool = True
    quiet_s: float = 10.0
    watched_s: float = 0.0
    restarts_before: Mapping[str, int] = field(default_factory=dict)
    max_restarts: int = 3
    expected_digests: Mapping[str, str] = field(default_factory=dict)
    expected_objects: Mapping[str, str] = field(default_factory=dict)
    deployed_objects: Mapping[str, str] = field(default_factory=dict)
    named_images: Mapping[str, str] = field(default_factory=dict)
    live_images: Mapping[str, str] = field(default_factory=dict)
    image_strangers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    revision: int = 0
    observed_at: str = field(default_factory=utc_now)


CHECKS: Checks[ReleaseFacts] = Checks()


@CHECKS.settles("deployment.execution.pods")
def rolled_out(facts: ReleaseFacts) -> Verdict:
    """Every workload of what is wanted is rolled out, and no container restarted during the quiet period."""
    seen = _workload_evidence(facts)
    if problem := _unfinished(facts) or _another_release(facts):
        return failed(*problem, seen)
    restarted = sorted(
        name
        for name, (count, age) in _runs(facts).items()
        if count > facts.restarts_before.get(name, count) or (count and age is not None and age < facts.quiet_s)
    )
    young = youngest_s(facts.pods, facts.observed_at)
    if restarted:
        return failed(
            f"Restarted within the quiet period of {facts.quiet_s:g} s: {', '.join(restarted)}.",
            "Read the container's previous log (kubectl logs --previous) and mend the cause.",
            seen,
        )
    if young is not None and young < facts.quiet_s:
        return inconclusive(
            f"Rolled out, but a container has run for only {max(young, 0.0):.0f} s "
            f"of the quiet period of {facts.quiet_s:g} s.",
            "Judge again a little later.",
            seen,
        )
    idle = f" (no pod is wanted of {', '.join(facts.status.idle)})" if facts.status.idle else ""
    return passed(
        f"Every workload is rolled out ({len(facts.workloads)}){idle}; no restart within {facts.quiet_s:g} s.", seen
    )


def _unfinished(facts: ReleaseFacts) -> tuple[str, str] | None:
    """What is not rolled out, and what to do."""
    status = facts.status
    if not facts.workloads:
        return (
            f"Namespace {facts.namespace} has no workload of this release.",
            "Deploy the release, or correct its name.",
        )
    if status.waiting:
        why = status.signals[0].sentence if status.signals else status.waiting[0]
        return f"Not rolled out: {why}.", "Run the deployment again; it names the cause and the remedy."
    if status.held:
        return (
            f"Not rolled out everywhere: {'; '.join(status.held)}.",
            "Let the update reach every pod: lower the partition, or delete the older pods.",
        )
    if not facts.pods:
        return (
            f"Nothing runs: none of the {len(facts.workloads)} workloads has a pod.",
            "Check replicas, node selectors and tolerations in the values.",
        )
    return None


def _another_release(facts: ReleaseFacts) -> tuple[str, str] | None:
    """How the deployed revision differs from what chart and values say now, and what to do."""
    wanted, there = facts.expected_objects, facts.deployed_objects
    if not wanted or wanted == there:
        return None
    differing = [f"{name} differs" for name in wanted.keys() & there.keys() if wanted[name] != there[name]]
    differing += [f"{name} is missing" for name in wanted.keys() - there.keys()]
    differing += [f"{name} is too many" for name in there.keys() - wanted.keys()]
    shown = sorted(differing)
    more = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
    return (
        f"What runs is not what chart and values say now: {shown[0]}{more} in revision {facts.revision}.",
        "Deploy, or correct the inventory. A chart that renders random values differs at every rendering.",
    )


@CHECKS.settles("deployment.health.pods")
def healthy(facts: ReleaseFacts) -> Verdict:
    """Every pod is Ready, restarts stay below the limit, none is being evicted, and the wanted images run."""
    seen = _workload_evidence(facts)
    standing = [pod for pod in facts.pods if not _finished_run(pod)]
    if not standing:
        return failed("The release has no pod that runs.", "Deploy the release, or correct its name.", seen)
    past = past_helm(facts.named_images, facts.live_images, facts.revision, facts.image_strangers)
    if past.changed:
        more = f" (and {len(past.changed) - 1} more)" if len(past.changed) > 1 else ""
        remedy = "Deploy by Helm what is to run, and change no workload beside it."
        return failed(f"{past.changed[0]}{more}.", remedy, seen)
    problems = [problem for pod in standing for problem in _pod_problems(pod, facts)]
    problems += _digest_problems(facts)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return failed(f"{problems[0]}{more}.", "Look at the pod's events and logs (kubectl describe pod).", seen)
    if past.unclear:
        told = f"Whether it is the same image is not known: {past.unclear[0]}"
        return inconclusive(f"{told}.", "Name images by their digests in the values, as admission pins them.", seen)
    most = max(restarts(facts.pods).values(), default=0)
    words = _image_words(facts)
    return passed(f"Every pod is Ready ({len(standing)}), with at most {most} restarts; {words}.", seen)


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
    if not facts.services and not facts.missing_services:
        return failed("The release has no Service.", "Check the values that switch its Services on.", seen)
    empty = [f"Service {name} of the release is not there" for name in facts.missing_services]
    empty += [text for item in facts.services for text in _unserved_ports(item, facts)]
    if empty:
        remedy = (
            "Compare the Service's selector and targetPort with the pods' labels and ports; deploy what is not there."
        )
        return failed(f"{empty[0]}.", remedy, seen)
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
            "Let the API server reach the pods, and allow services/proxy to this account.",
            seen,
        )
    return passed(
        f"Every Service ({len(facts.services)}) has ready endpoints and answers on each port ({len(facts.reaches)}).",
        seen,
    )


def settled(facts: ReleaseFacts) -> bool:
    """Whether every Service leads to something that answers, as far as was tried."""
    unserved = any(_unserved_ports(item, facts) for item in facts.services)
    return not unserved and all(reach.outcome == "connected" for reach in facts.reaches)


def running_digests(facts: ReleaseFacts) -> tuple[str, ...]:
    """The digests of the images in the release's pods, each once; none while it is not rolled out."""
    if not facts.pods or not facts.status.complete:
        return ()
    found = (str(item.get("imageID") or "").rpartition("@")[2] for pod in facts.pods for item in _statuses(pod))
    return tuple(sorted({digest for digest in found if digest.startswith("sha256:")}))


# ---------------------------------------------------------------------------- pods


def restarts(pods: tuple[Object, ...]) -> dict[str, int]:
    """Restart counts by ``pod/container``."""
    return {
        f"{pod['metadata']['name']}/{item['name']}": item.get("restartCount") or 0
        for pod in pods
        for item in _statuses(pod)
    }


def _runs(facts: ReleaseFacts) -> dict[str, tuple[int, float | None]]:
    """By ``pod/container``: how often it restarted, and for how many seconds it has run since."""
    now = _time(facts.observed_at)
    found: dict[str, tuple[int, float | None]] = {}
    for pod in facts.pods:
        for item in _statuses(pod):
            started = _started(item)
            age = (now - _time(started)).total_seconds() if started else None
            found[f"{pod['metadata']['name']}/{item['name']}"] = (item.get("restartCount") or 0, age)
    return found


def youngest_s(pods: tuple[Object, ...], now: str) -> float | None:
    """Seconds since the youngest running container started; None where none runs."""
    started = [text for pod in pods for item in _statuses(pod) if (text := _started(item))]
    return (_time(now) - max(_time(text) for text in started)).total_seconds() if started else None


def _started(status: Object) -> str:
    running = (status.get("state") or {}).get("running") or {}
    return running.get("startedAt") or ""


def _finished_run(pod: Object) -> bool:
    """Whether a pod has done its work, or was one try of a Job: the Job's own state tells of that."""
    phase = (pod.get("status") or {}).get("phase")
    of_job = any(owner.get("kind") == "Job" for owner in pod["metadata"].get("ownerReferences") or [])
    return phase == "Succeeded" or (phase == "Failed" and of_job)


def _pod_problems(pod: Object, facts: ReleaseFacts) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if status.get("reason") == "Evicted" or _condition(pod, "DisruptionTarget") == "True":
        yield f"Pod {name} is being evicted"
    elif pod["metadata"].get("deletionTimestamp"):  # in order where an autoscaler or a roll-out wants fewer
        if _overdue(pod, facts.observed_at):
            yield f"Pod {name} is being deleted, and should have ended at {pod['metadata']['deletionTimestamp']}"
    elif _condition(pod, "Ready") != "True":
        yield f"Pod {name} is not Ready"
    for item in _statuses(pod):
        if (item.get("restartCount") or 0) > facts.max_restarts:
            counts = f"{item['restartCount']} times, {facts.max_restarts} are accepted"
            yield f"Pod {name} container {item['name']} restarted {counts}"


def _overdue(pod: Object, now: str) -> bool:
    """Whether a pod that must end has not, a while after the end of its grace (Kubernetes API, ObjectMeta)."""
    return (_time(now) - _time(pod["metadata"]["deletionTimestamp"])).total_seconds() > ENDS_WITHIN_S


def _digest_problems(facts: ReleaseFacts) -> Iterator[str]:
    running = _running_digests(facts)
    for image in sorted({*running, *facts.expected_digests}):
        digests = running.get(image, set())
        wanted = facts.expected_digests.get(image) or (image.rpartition("@")[2] if "@" in image else "")
        if image not in running:
            yield f"Image {image} runs in no pod, {wanted} is wanted"
        elif wanted and digests != {wanted}:
            yield f"Image {image} runs as {', '.join(sorted(digests)) or 'an unknown digest'}, {wanted} is wanted"
        elif len(digests) > 1:
            yield f"Image {image} runs in {len(digests)} different versions: {', '.join(sorted(digests))}"


def _running_digests(facts: ReleaseFacts) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pod in facts.pods:
        spec = pod.get("spec") or {}
        described = (*(spec.get("containers") or []), *(spec.get("initContainers") or []))
        images = {item["name"]: item.get("image") or "" for item in described}
        for item in _statuses(pod):
            digest = str(item.get("imageID") or "").rpartition("@")[2]
            found.setdefault(images.get(item["name"]) or item.get("image") or "", set()).update({digest} - {""})
    return found


def _image_words(facts: ReleaseFacts) -> str:
    digests = _running_digests(facts)
    pinned = sum(1 for image in digests if "@" in image or image in facts.expected_digests)
    if digests and pinned == len(digests):
        return "the wanted image digests run"
    if not all(digests.values()):
        return "the container runtime names no digest of some images"
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
    """The states of the containers that stay: the pod's own ones, and sidecars (init containers that run on)."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    sidecars = {one["name"] for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"}
    initial = [one for one in status.get("initContainerStatuses") or [] if one["name"] in sidecars]
    return [*(status.get("containerStatuses") or []), *initial]


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
    ports = service["spec"].get("ports") or [{"name": NO_PORT}]
    counts = {_port_name(port): 0 for port in ports}
    for item in facts.slices:
        named = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        if (named, item["metadata"].get("namespace")) != (
            service["metadata"]["name"],
            service["metadata"].get("namespace"),
        ):
            continue
        ready = sum(1 for end in item.get("endpoints") or [] if (end.get("conditions") or {}).get("ready") is not False)
        served = {port.get("name") or "" for port in item.get("ports") or [] if port.get("port")} | {NO_PORT}
        for port in ports:
            if (port.get("name") or "") in served:
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
