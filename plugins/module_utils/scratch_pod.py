# Short-lived pods from which services are reached as the release's own pods reach them, removed whatever happens.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import ExecStream, Opener
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    NotThere,
    Refused,
    TimedOut,
    Unreachable,
)

Object = dict[str, Any]
MANAGER = "bytebot.production"
SCRATCH = "bytebot.production/scratch"
SECRETS = "secrets"
LABELS = {"app.kubernetes.io/managed-by": MANAGER, SCRATCH: SECRETS}
NOBODY = 65534
NEVER_READY = "bytebot.production/never-ready"  # a condition that nobody sets
CONTAINER = "probe"
POLL_S = 0.3
REMOVAL_S = 60.0  # for the pod to be gone
# How long no node may take a pod that asks for next to nothing, and one that asks for room, for which an autoscaler may
# make a node (as long as a roll-out's grace, checks/rollout_causes.py).
UNPLACED_S, UNPLACED_WITH_ROOM_S = 20.0, 60.0
# What a kubelet tries again by itself may pass; these it does not.
_NEVER = (
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
)
_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff")


@dataclass(frozen=True, slots=True)
class Probe:
    """How the pod is made: where, with which image (it must have ``sh``), and how many seconds it may live.

    :param purpose: what it is for; all pods of one purpose in the namespace are removed together.
    :param labels: what it bears beside that, so that it is taken for a pod of the release.
    :param served: whether it may become ready; one that bears the release's labels must not be sent any traffic.
    :param shape: what makes the pod another one than usual, with volumes and variables, say.
    """

    namespace: str
    image: str
    timeout_s: float
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)
    purpose: str = SECRETS
    labels: Mapping[str, str] = field(default_factory=dict)
    served: bool = True
    shape: Callable[[Object], Object] | None = field(default=None, repr=False)

    @property
    def selector(self) -> str:
        """What finds the pods of this purpose, those of an earlier run, too."""
        return f"{SCRATCH}={self.purpose}"

    @property
    def unplaced_s(self) -> float:
        """How long no node may take it."""
        return UNPLACED_WITH_ROOM_S if self.shape else UNPLACED_S

    @property
    def all_labels(self) -> dict[str, str]:
        """What the pod bears; what finds it again cannot be taken over by a label of the release."""
        return {**LABELS, **self.labels, SCRATCH: self.purpose}


class PodFailed(CollectionError):
    """The pod of the probe cannot run; ``remedy`` says what to do."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.remedy = remedy


@contextlib.contextmanager
def scratch_pod(cluster: Cluster, probe: Probe) -> Iterator[Opener]:
    """A running pod, as what opens an exec stream in it. Leftovers are removed first, and the pod in any case.

    :raises PodFailed: it cannot be made, does not run, or leftovers stay.
    """
    with scratch_pods(cluster, (probe,)) as (name,):
        yield opener(cluster, probe, name)


def opener(cluster: Cluster, probe: Probe, name: str) -> Opener:
    """What opens an exec stream in a scratch pod."""
    return lambda command: ExecStream(cluster.exec(probe.namespace, name, CONTAINER, command))


@contextlib.contextmanager
def scratch_pods(
    cluster: Cluster, probes: Sequence[Probe], clear: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, ...]]:
    """The names of running pods, one for each probe; all are of one namespace and purpose.

    :param clear: removes what else belongs to them; called first, and last in any case.
    :raises PodFailed: one cannot be made, does not run, or leftovers stay.
    """
    with ending_on_signals():
        _remove_all(cluster, probes[0])
        clear()
        names = tuple(f"bytebot-scratch-{secrets.token_hex(8)}" for _probe in probes)
        try:
            for probe, name in zip(probes, names, strict=True):
                _created(cluster, probe, name)
            for probe, name in zip(probes, names, strict=True):
                _runs(cluster, probe, name)
            yield names
        finally:
            try:
                _remove_all(cluster, probes[0])
            finally:
                clear()


def _created(cluster: Cluster, probe: Probe, name: str) -> None:
    try:
        pod = _pod(probe, name)
        cluster.create(probe.shape(pod) if probe.shape else pod)
    except (NotPermitted, NotThere, Refused) as exc:
        allow = "Let this account make pods in the namespace of the probe, and let admission accept them."
        raise PodFailed(exc.sentence.rstrip("."), allow) from exc


def _runs(cluster: Cluster, probe: Probe, name: str) -> None:
    """Wait for it.

    :raises PodFailed: it does not run, and why.
    """
    began = time.monotonic()
    until, placed_until = began + probe.timeout_s, began + min(probe.timeout_s, probe.unplaced_s)
    while True:
        pod = cluster.get("v1", "Pod", name, probe.namespace)
        if pod is None:
            raise PodFailed("the scratch pod was removed by somebody else", "Judge again, one at a time.")
        phase = (pod.get("status") or {}).get("phase")
        if phase == "Running":
            return
        if (unplaced := _unplaced(pod)) and time.monotonic() >= placed_until:
            raise PodFailed(f"no node takes the scratch pod ({unplaced})", _NO_NODE)
        waits = _waiting(pod)
        said = f"{waits.get('reason')}: {waits.get('message') or 'no message'}"
        if phase in ("Failed", "Succeeded"):
            raise PodFailed("the scratch pod ended at once", _OTHER_IMAGE)
        if waits.get("reason") in _NEVER:
            raise PodFailed(f"the scratch pod cannot start ({said})", _OTHER_IMAGE)
        if time.monotonic() >= until:
            pull = waits.get("reason") in _NO_IMAGE
            why = f"the image {probe.image} cannot be pulled ({said})" if pull else "the scratch pod does not run"
            raise PodFailed(
                f"{why} within {probe.timeout_s:g} s", "Look at the pod's events; is there room, is the image there?"
            )
        probe.pause(POLL_S)


_OTHER_IMAGE = "Set probe_image to an image that these nodes can pull, has sh, and runs as any user."


_NO_NODE = "Let a node take it: look for cordons and taints, and at what its pods ask for (kubectl describe nodes)."


def _unplaced(pod: Object) -> str:
    """What the scheduler says where it finds no node; Kubernetes docs, Pod Lifecycle, "Pod conditions"."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    told = (str(one.get("message") or "no message") for one in conditions if one.get("reason") == "Unschedulable")
    return next(told, "")


def _waiting(pod: Object) -> Object:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((found for one in statuses if (found := (one.get("state") or {}).get("waiting"))), {})


def _pod(probe: Probe, name: str) -> Object:
    """A pod that the "restricted" Pod Security Standard admits; it holds no credentials, and ends by itself."""
    life = int(probe.timeout_s * 2 + REMOVAL_S)
    gates = {} if probe.served else {"readinessGates": [{"conditionType": NEVER_READY}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": probe.namespace, "labels": probe.all_labels},
        "spec": {
            **gates,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": life,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": NOBODY,
                "runAsGroup": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": CONTAINER,
                    "image": probe.image,
                    "command": ["sh", "-c", f"sleep {life}"],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "16Mi"},
                        "limits": {"cpu": "100m", "memory": "64Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def _remove_all(cluster: Cluster, probe: Probe) -> None:
    """Remove every pod of this kind in the namespace and wait until they are gone.

    :raises TimedOut: one stays.
    """
    until = time.monotonic() + REMOVAL_S
    trouble = ""
    while True:
        names: list[str] = []
        try:
            found = cluster.list("v1", "Pod", probe.namespace, labels=probe.selector)
            if not found:
                return
            names = [one["metadata"]["name"] for one in found]
            for one in found:
                if not one["metadata"].get("deletionTimestamp"):
                    cluster.delete("v1", "Pod", one["metadata"]["name"], probe.namespace)
        except NotThere:
            return  # the namespace is not there
        except Unreachable as exc:  # it may pass, and leaving a pod behind is worse than waiting
            trouble = f" ({exc.sentence.rstrip('.')})"
        if time.monotonic() >= until:
            left = ", ".join(names) or probe.selector
            raise TimedOut(
                f"Scratch pods in {probe.namespace} cannot be removed: {left}{trouble}. Remove them by hand."
            )
        probe.pause(POLL_S)


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """While the pod is there, a request to end ends in order: the pod is removed first."""
    asked: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        if not asked:  # a second request must not break the removal
            asked.append(number)
            _leave(number)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int) -> NoReturn:
    raise SystemExit(128 + number)
