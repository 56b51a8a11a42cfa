# Drills on copies of a release's pod that no user ever reaches: one is hung, one is cut off from its database.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import copy
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import Cut, Hung, name_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_health import (
    Probe,
    probe_of,
    selects,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import run_inside
from ansible_collections.bytebot.production.plugins.module_utils.drill_relay import NO_RUNTIME, RELAY, Dependency
from ansible_collections.bytebot.production.plugins.module_utils.drill_relay import relay as relay_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    NotThere,
    Refused,
    TimedOut,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import MANAGER, SCRATCH

Object = dict[str, Any]
Pause = Callable[[float], None]
PURPOSE, COPY = "drills", "bytebot.production/drill-copy"
SELECTOR = f"{SCRATCH}={PURPOSE}"
START_S = 90.0  # for a copy to be ready
LIFE_S = 300  # after which the cluster ends a copy that nobody removed
SLACK_S = 15.0  # for the kubelet to do what it has decided, and for its status to be told
REMOVAL_S = 60.0
POLL_S = 0.5
# Every process of the pod but the first, which only holds the namespace, and this shell; builtins alone.
_STOP = (
    "for p in /proc/[0-9]*; do n=${p#/proc/}; "
    '[ "$n" = 1 ] || [ "$n" = $$ ] || kill -STOP "$n" 2>/dev/null; done; echo done'
)


_TABLE = 'while IFS= read -r line; do echo "$line"; done < /proc/net/tcp'
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is copied: a workload, the container that is drilled, and the labels that a copy bears."""

    workload: Object
    container: str
    labels: Mapping[str, str]
    liveness: Probe
    readiness: Probe

    @property
    def name(self) -> str:
        return name_of(self.workload)


class DrillFailed(CollectionError):
    """A copy cannot be made, or what was to be seen could not be."""


# ---------------------------------------------------------------------------- what is copied


def subject_of(
    workloads: Sequence[Object],
    services: Sequence[Object],
    ingresses: Sequence[Object],
    policies: Sequence[Object],
    name: str,
) -> Subject | str:
    """The Deployment that is copied, or why there is none.

    :param name: the one that is wanted; empty for the one that an Ingress leads to, the widest path first.
    """
    deployments = [one for one in workloads if one.get("kind") == "Deployment"]
    if name:
        chosen = [one for one in deployments if one["metadata"]["name"] == name]
        if not chosen:
            return f"there is no Deployment {name} in the release"
    else:
        led = _led_to(ingresses)
        chosen = sorted(
            (one for one in deployments if _served(one, services)),
            key=lambda one: (
                min((led.get(it, 1000) for it in _served(one, services)), default=1000),
                one["metadata"]["name"],
            ),
        )
    for one in chosen:
        for container in one["spec"]["template"]["spec"].get("containers") or []:
            live, ready = probe_of(container, "livenessProbe"), probe_of(container, "readinessProbe")
            if live and ready:
                return Subject(one, str(container["name"]), copy_labels(one, services, policies), live, ready)
    return "no Deployment of the release that a Service leads to has a liveness and a readiness probe"


def _served(workload: Object, services: Sequence[Object]) -> list[str]:
    labels = (workload["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return [str(one["metadata"]["name"]) for one in services if selects(one, labels)]


def _led_to(ingresses: Sequence[Object]) -> dict[str, int]:
    """By Service, the length of the shortest path that leads to it."""
    found: dict[str, int] = {}
    for one in ingresses:
        for rule in (one.get("spec") or {}).get("rules") or []:
            for path in (rule.get("http") or {}).get("paths") or []:
                service = str(((path.get("backend") or {}).get("service") or {}).get("name"))
                found[service] = min(found.get(service, 1000), len(str(path.get("path") or "/")))
    return found


def copy_labels(workload: Object, services: Sequence[Object], policies: Sequence[Object]) -> dict[str, str]:
    """The labels of the workload's pods without those by which Services or the workload itself would take the copy.

    Where one of several would do, those by which NetworkPolicies find the pod are kept, so that a copy is let through.
    """
    labels = {
        str(key): str(value) for key, value in (workload["spec"]["template"]["metadata"].get("labels") or {}).items()
    }
    own = {"spec": {"selector": (workload["spec"].get("selector") or {}).get("matchLabels") or {}}}
    kept = {
        str(key)
        for policy in policies
        for key in ((policy.get("spec") or {}).get("podSelector") or {}).get("matchLabels") or {}
    }
    for taker in (own, *services):
        if selects(taker, labels):
            keys = list(taker["spec"]["selector"])
            labels.pop(next((key for key in reversed(keys) if key not in kept), keys[-1]))
    return labels


def copied(subject: Subject, mark: str, *, shared: bool = False, relay: Dependency | None = None) -> Object:
    """The pod of the workload once more: same image, same probes, and nobody leads to it.

    :param shared: one process namespace for the whole pod, so that its processes can be stopped.
    :param relay: what is reached through a relay in the same pod.
    """
    template = copy.deepcopy(subject.workload["spec"]["template"])
    spec = template["spec"]
    spec["initContainers"] = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    for name in ("affinity", "topologySpreadConstraints"):
        spec.pop(name, None)
    spec |= {"terminationGracePeriodSeconds": 1, "activeDeadlineSeconds": LIFE_S, "restartPolicy": "Always"}
    if shared:
        spec["shareProcessNamespace"] = True
    if relay:
        spec["hostAliases"] = [*(spec.get("hostAliases") or []), {"ip": "127.0.0.1", "hostnames": [relay.host]}]
        like = next(one for one in spec["containers"] if one["name"] == subject.container)
        spec["containers"].insert(0, relay_of(like, relay))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"bytebot-drill-{mark}",
            "namespace": subject.workload["metadata"]["namespace"],
            "labels": {**subject.labels, "app.kubernetes.io/managed-by": MANAGER, SCRATCH: PURPOSE, COPY: mark},
        },
        "spec": spec,
    }


def _service(subject: Subject, mark: str) -> Object:
    containers = subject.workload["spec"]["template"]["spec"]["containers"]
    ports = [port for one in containers if one["name"] == subject.container for port in one.get("ports") or []]
    port = int(ports[0]["containerPort"]) if ports else 80
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"bytebot-drill-{mark}",
            "namespace": subject.workload["metadata"]["namespace"],
            "labels": {"app.kubernetes.io/managed-by": MANAGER, SCRATCH: PURPOSE},
        },
        "spec": {"selector": {COPY: mark}, "ports": [{"name": "drill", "port": port}]},
    }


# ---------------------------------------------------------------------------- the drills


@contextlib.contextmanager
def removing(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Copies and their Services of an earlier run are removed first, and all of them in the end, whatever happens."""
    remove_all(cluster, namespace, time.sleep)
    try:
        yield
    finally:
        remove_all(cluster, namespace, time.sleep)


def hang(cluster: Cluster, subject: Subject, pause: Pause) -> Hung:
    """Stop every process of a copy, and wait for its restart."""
    live = subject.liveness
    bound = live.bound_s + live.period + SLACK_S
    told = Hung(subject.name, bound)
    try:
        pod = _made(cluster, copied(subject, secrets.token_hex(4), shared=True))
        name, place = pod["metadata"]["name"], pod["metadata"]["namespace"]
        before = _wait_ready(cluster, place, name, subject, pause)
        done = run_inside(cluster, place, name, subject.container, ["sh", "-c", _STOP])
        if done.problem or "done" not in done.out:
            raise DrillFailed(f"its processes cannot be stopped: {done.problem or 'the shell said nothing'}")
        began = time.monotonic()
        restarted = _until(lambda: _restarts(_pod(cluster, place, name), subject) > before, bound, pause)
        return replace(told, restarted_s=time.monotonic() - began) if restarted else told
    except CollectionError as exc:
        return replace(told, problem=exc.sentence)


def cut(cluster: Cluster, subject: Subject, to: Dependency, pause: Pause) -> Cut:
    """Take a copy's database away, watch it for as long as its liveness probe would need, and give it back."""
    ready, live = subject.readiness, subject.liveness
    bound = ready.bound_s + ready.period + SLACK_S
    told = Cut(subject.name, f"the database {to.host}:{to.port}", bound)
    try:
        mark = secrets.token_hex(4)
        service = _service(subject, mark)
        pod = _made(cluster, copied(subject, mark, relay=to))
        cluster.create(service)
        name, place = pod["metadata"]["name"], pod["metadata"]["namespace"]
        before = _wait_ready(cluster, place, name, subject, pause)
        if not _until(lambda: _served_now(cluster, place, service), SLACK_S, pause):
            raise DrillFailed("its Service never led to the copy")
        if not _until(lambda: _used(cluster, place, name, to.port), SLACK_S, pause):
            raise DrillFailed(f"the application does not reach its database by the name {to.host}")
        _signal(cluster, place, name, "HUP")
        began = time.monotonic()
        watched = max(bound, live.bound_s + live.period / 2)  # by then its liveness probe would have ended it
        while (past := time.monotonic() - began) < watched:
            now = _pod(cluster, place, name)
            told = replace(told, restarts=max(told.restarts, _restarts(now, subject) - before), watched_s=past)
            if told.unready_s is None and not _is_ready(now, subject):
                told = replace(told, unready_s=past)
            if told.unready_s is not None and told.out_s is None and not _served_now(cluster, place, service):
                told = replace(told, out_s=time.monotonic() - began)
            if told.restarts:
                break
            pause(POLL_S)
        _signal(cluster, place, name, "USR2")
        healed = time.monotonic()
        back = _until(lambda: _is_ready(_pod(cluster, place, name), subject), bound + START_S / 3, pause)
        return replace(told, back_s=time.monotonic() - healed) if back else told
    except CollectionError as exc:
        return replace(told, problem=exc.sentence)


def _used(cluster: Cluster, place: str, name: str, port: int) -> bool:
    """Whether a connection stands to the relay, by the kernel's table: else there would be nothing to cut."""
    done = run_inside(cluster, place, name, RELAY, ["sh", "-c", _TABLE])
    rows = [line.split() for line in done.out.splitlines()]
    return any(row[1:2] == [f"0100007F:{port:04X}"] and row[3:4] == [_ESTABLISHED] for row in rows)


def _signal(cluster: Cluster, place: str, name: str, number: str) -> None:
    done = run_inside(cluster, place, name, RELAY, ["sh", "-c", f"kill -{number} 1 && echo done"])
    if done.problem or "done" not in done.out:
        raise DrillFailed(f"the relay cannot be told: {done.problem or 'the shell said nothing'}")


def _made(cluster: Cluster, pod: Object) -> Object:
    try:
        cluster.create(pod)
    except (NotPermitted, Refused) as exc:
        raise DrillFailed(f"a copy of the pod cannot be made: {exc.sentence}") from exc
    return pod


def _wait_ready(cluster: Cluster, place: str, name: str, subject: Subject, pause: Pause) -> int:
    """Wait until a copy is ready; its number of restarts until then.

    :raises DrillFailed: it does not become ready, and why.
    """
    if not _until(lambda: _settled(_pod(cluster, place, name), subject), START_S, pause):
        raise DrillFailed(f"a copy of the pod is not ready within {START_S:g} s ({_why(_pod(cluster, place, name))})")
    return _restarts(_pod(cluster, place, name), subject)


def _settled(pod: Object, subject: Subject) -> bool:
    for told in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (told.get("state") or {}).get("terminated") or (told.get("lastState") or {}).get("terminated") or {}
        if told.get("name") == RELAY and ended.get("exitCode") == NO_RUNTIME:
            raise DrillFailed("its image has neither node nor python3 to pass connections on")
    return _is_ready(pod, subject)


def _pod(cluster: Cluster, place: str, name: str) -> Object:
    found = cluster.get("v1", "Pod", name, place)
    if found is None:
        raise DrillFailed("the copy was removed by somebody else")
    return found


def _status(pod: Object, subject: Subject) -> Mapping[str, Any]:
    told = (pod.get("status") or {}).get("containerStatuses") or []
    return next((one for one in told if one.get("name") == subject.container), {})


def _restarts(pod: Object, subject: Subject) -> int:
    return int(_status(pod, subject).get("restartCount") or 0)


def _is_ready(pod: Object, subject: Subject) -> bool:
    """Whether the drilled container and its pod are ready."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    whole = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return bool(_status(pod, subject).get("ready")) and whole


def _why(pod: Object) -> str:
    for told in (pod.get("status") or {}).get("containerStatuses") or []:
        waiting = (told.get("state") or {}).get("waiting") or {}
        if waiting:
            return f"{told.get('name')}: {waiting.get('reason')}"
    return "its probes do not pass"


def _served_now(cluster: Cluster, place: str, service: Object) -> bool:
    label = f"kubernetes.io/service-name={service['metadata']['name']}"
    slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", place, labels=label)
    return any((end.get("conditions") or {}).get("ready") for one in slices for end in one.get("endpoints") or [])


def _until(holds: Callable[[], bool], bound_s: float, pause: Pause) -> bool:
    end = time.monotonic() + bound_s
    while not holds():
        if time.monotonic() >= end:
            return False
        pause(POLL_S)
    return True


# ---------------------------------------------------------------------------- removal


def remove_all(cluster: Cluster, namespace: str, pause: Pause) -> None:
    """Remove every copy and every Service of a drill, and wait until they are gone.

    :raises TimedOut: one stays.
    """
    end = time.monotonic() + REMOVAL_S
    trouble = ""
    while True:
        left: list[str] = []
        try:
            for kind in ("Service", "Pod"):
                for one in cluster.list("v1", kind, namespace, labels=SELECTOR):
                    left.append(f"{kind} {one['metadata']['name']}")
                    if not one["metadata"].get("deletionTimestamp"):
                        cluster.delete("v1", kind, one["metadata"]["name"], namespace)
            if not left:
                return
        except NotThere:
            return
        except Unreachable as exc:
            trouble = f" ({exc.sentence.rstrip('.')})"
        if time.monotonic() >= end:
            raise TimedOut(
                f"What drills made in {namespace} cannot be removed: {', '.join(left)}{trouble}. Remove it by hand."
            )
        pause(POLL_S)
