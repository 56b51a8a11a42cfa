# Tries a storage class: a scratch claim is bound, written, read, expanded where allowed, and removed whatever happens.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_storage import BY_HAND, Tried
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    NotPermitted,
    NotThere,
    Refused,
)

Object = dict[str, Any]
MANAGER = "bytebot.production"
LABELS = {"app.kubernetes.io/managed-by": MANAGER, "bytebot.production/scratch": "storage"}
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
NOBODY = 65534
SIZE, GROWN = "1Gi", "2Gi"  # the smallest volume of most clouds
POLL_S = 0.5
REMOVAL_S = 60.0  # for claim and pod to be gone
LOG_S = 5.0  # the log of a pod that has ended may come a moment later

_NO_IMAGE = ("ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError")
_NO_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NEVER_RAN = ("StartError", "ContainerCannotRun")
_NO_COMMAND = (126, 127)  # POSIX shell: the command cannot be executed, or is not found
_REFUSED_PULL = re.compile(r"not ?found|denied|unauthorized", re.IGNORECASE)
# A provisioner tries these again by itself.
_PASSING = re.compile(
    r"deadline exceeded|timed? ?out|already exists|Aborted|Unavailable|too many requests|throttl", re.I
)
_PROVISIONING = ("ProvisioningFailed",)
_RESIZING = ("VolumeResizeFailed", "FileSystemResizeFailed")
_RESIZE_INFEASIBLE = ("ControllerResizeInfeasible", "NodeResizeInfeasible")


@dataclass(frozen=True, slots=True)
class Probe:
    """How a scratch claim is tried: where, with which image (it must have ``sh``), within how many seconds."""

    namespace: str
    image: str
    timeout_s: float
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)


class _Ended(Exception):
    """The trial is decided before its end."""

    def __init__(self, state: str, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.state, self.cause, self.remedy = state, cause, remedy


def try_class(cluster: Cluster, storage_class: Object, probe: Probe) -> Tried:
    """Try one storage class. Leftovers of earlier trials are removed first, and this one's objects in any case."""
    name = storage_class["metadata"]["name"]
    if storage_class.get("provisioner") == BY_HAND:
        remedy = "Volumes of this class are made by hand; look whether one is free for each claim."
        return Tried(name, "by_hand", cause="nothing provisions it", remedy=remedy)
    trial = _Trial(cluster, storage_class, probe)
    began = time.monotonic()
    state, cause, remedy = "works", "", ""
    with _ending_on_signals():
        try:
            trial.run()
        except _Ended as exc:
            state, cause, remedy = exc.state, exc.cause, exc.remedy
        except (NotPermitted, NotThere, Refused) as exc:
            state, cause, remedy = "unable", exc.sentence.rstrip("."), _ALLOW
        finally:
            left = trial.removed_all()
    if not left:
        trial.steps.append("removed")
    return Tried(name, state, tuple(trial.steps), cause, remedy, left, time.monotonic() - began)


_ALLOW = "Let this account make pods and claims in the namespace of the probe, and let admission accept them."


class _Trial:
    def __init__(self, cluster: Cluster, storage_class: Object, probe: Probe) -> None:
        self._cluster, self._class, self._probe = cluster, storage_class, probe
        self._nonce = secrets.token_hex(8)
        self._name = f"bytebot-scratch-{self._nonce}"
        self._until = 0.0
        self._uids: set[str] = set()
        self.steps: list[str] = []

    def run(self) -> None:
        if left := self.removed_all():
            raise _Ended(
                "unable", f"leftovers cannot be removed: {', '.join(left)}", "Remove them with kubectl delete."
            )
        self._until = time.monotonic() + self._probe.timeout_s
        self._apply_claim(SIZE)
        pod = self._cluster.create(self._pod())
        self._uids.add(pod["metadata"]["uid"])
        self._wait(self._bound_and_ended, "is not bound and written")
        self.steps.append("bound")
        self._read_back()
        self.steps += ["written", "read"]
        if self._class.get("allowVolumeExpansion"):
            self._apply_claim(GROWN)
            self._wait(self._grown, "is not expanded")
            self.steps.append("expanded")

    # ------------------------------------------------------------------ waiting

    def _wait(self, done: Callable[[list[Object]], bool], what: str) -> None:
        while True:
            events = self._events()
            if done(events):
                return
            if time.monotonic() >= self._until:
                last = f": {_last(events)}" if events else ""
                raise _Ended(
                    "broken",
                    f"its scratch claim {what} within {self._probe.timeout_s:g} s{last}",
                    "Look at the provisioner's pods and logs, and whether the cluster has room for a small pod.",
                )
            self._probe.pause(POLL_S)

    def _bound_and_ended(self, events: list[Object]) -> bool:
        claim = self._live("PersistentVolumeClaim")
        pod = self._live("Pod")
        _refuse_provisioning(claim, events)
        _refuse_image(pod, self._probe.image)
        phase = (pod.get("status") or {}).get("phase")
        if phase == "Failed":
            raise self._pod_failure(pod)
        return phase == "Succeeded" and (claim.get("status") or {}).get("phase") == "Bound"

    def _pod_failure(self, pod: Object) -> _Ended:
        status = pod.get("status") or {}
        for ended in _terminated(pod):
            if ended.get("reason") in _NEVER_RAN or ended.get("exitCode") in _NO_COMMAND:
                why = ended.get("message") or self._log() or f"exit code {ended.get('exitCode')}"
                return _Ended("unable", f"the scratch pod cannot start ({why})", _OTHER_IMAGE)
        said = self._log() or str(status.get("message") or status.get("reason") or "it gives no reason")
        if status.get("reason") in ("Evicted", "Preempting", "NodeLost", "Shutdown", "Terminated"):
            return _Ended("disturbed", f"the scratch pod was ended ({status['reason']})", "Judge again.")
        return _Ended("broken", f"a pod cannot write to the volume and read it: {said}", _MOUNT)

    def _grown(self, events: list[Object]) -> bool:
        claim = self._live("PersistentVolumeClaim")
        status = claim.get("status") or {}
        bad = [one for one in events if one.get("reason") in _RESIZING and not _PASSING.search(_message(one))]
        infeasible = set((status.get("allocatedResourceStatuses") or {}).values()) & set(_RESIZE_INFEASIBLE)
        if bad or infeasible:
            why = _message(bad[0]) if bad else ", ".join(sorted(infeasible))
            raise _Ended(
                "broken",
                f"its volume cannot be expanded: {why}",
                "Mend the driver's resizer, or set allowVolumeExpansion: false on the class.",
            )
        conditions = {one.get("type") for one in status.get("conditions") or []}
        size = quantity((status.get("capacity") or {}).get("storage"))
        # The file system grows when a pod next mounts the volume; the volume itself has grown.
        return "FileSystemResizePending" in conditions or (size is not None and size >= (quantity(GROWN) or 0))

    def _read_back(self) -> None:
        until = time.monotonic() + LOG_S
        while self._nonce not in (said := self._log()):
            if said:
                raise _Ended("broken", f"what was read back differs from what was written: {said}", _MOUNT)
            if time.monotonic() >= until:
                raise _Ended(
                    "disturbed",
                    "the scratch pod wrote, and what it read back cannot be seen in its log",
                    "Allow this account to get pods/log in the namespace of the probe.",
                )
            self._probe.pause(POLL_S)

    def _live(self, kind: str) -> Object:
        found = self._cluster.get("v1", kind, self._name, self._probe.namespace)
        if found is None:
            raise _Ended("disturbed", f"the scratch {kind} was removed by somebody else", "Judge again, one at a time.")
        return found

    def _events(self) -> list[Object]:
        """What was told about the scratch objects; nothing where events may not be listed."""
        try:
            found = self._cluster.list("v1", "Event", self._probe.namespace)
        except NotPermitted:
            return []
        return [one for one in found if (one.get("involvedObject") or {}).get("uid") in self._uids]

    def _log(self) -> str:
        return self._cluster.logs(self._probe.namespace, self._name, "probe").strip()[-300:]

    # ------------------------------------------------------------------ objects

    def _apply_claim(self, size: str) -> None:
        claim = self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": self._name, "namespace": self._probe.namespace, "labels": LABELS},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": self._class["metadata"]["name"],
                    "resources": {"requests": {"storage": size}},
                },
            },
            manager=MANAGER,
        )
        self._uids.add(claim["metadata"]["uid"])

    def _pod(self) -> Object:
        """A pod that the "restricted" Pod Security Standard admits; it ends by itself where nobody removes it."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self._name, "namespace": self._probe.namespace, "labels": LABELS},
            "spec": {
                "restartPolicy": "Never",
                "activeDeadlineSeconds": int(self._probe.timeout_s + REMOVAL_S),
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": NOBODY,
                    "runAsGroup": NOBODY,
                    "fsGroup": NOBODY,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "probe",
                        "image": self._probe.image,
                        "command": ["sh", "-c", f"echo {self._nonce} > /probe/f && sync && cat /probe/f"],
                        "resources": {
                            "requests": {"cpu": "10m", "memory": "16Mi"},
                            "limits": {"cpu": "100m", "memory": "64Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [{"name": "scratch", "mountPath": "/probe"}],
                    }
                ],
                "volumes": [{"name": "scratch", "persistentVolumeClaim": {"claimName": self._name}}],
            },
        }

    # ------------------------------------------------------------------ removal

    def removed_all(self) -> tuple[str, ...]:
        """Remove every scratch object in the namespace, wait until they are gone, and name those that are not."""
        until = time.monotonic() + REMOVAL_S
        trouble = ""
        while True:
            try:
                found = self._scratch()
                if not found:
                    return ()
                for obj in found:
                    self._remove(obj)
            except NotThere:
                return ()  # the namespace is not there
            except CollectionError as exc:
                trouble, found = exc.sentence.rstrip("."), []
            if time.monotonic() >= until or (trouble and not self._uids):
                names = tuple(f"{obj['kind']} {obj['metadata']['name']}" for obj in found)
                return names or (f"{SELECTOR} in {self._probe.namespace} ({trouble})",)
            self._probe.pause(POLL_S)

    def _scratch(self) -> list[Object]:
        place = self._probe.namespace
        return [
            obj
            for kind in ("Pod", "PersistentVolumeClaim")
            for obj in self._cluster.list("v1", kind, place, labels=SELECTOR)
        ]

    def _remove(self, obj: Object) -> None:
        if obj["metadata"].get("deletionTimestamp"):
            return
        volume = (obj.get("spec") or {}).get("volumeName") if obj["kind"] == "PersistentVolumeClaim" else ""
        if volume and self._class.get("reclaimPolicy") == "Retain":
            self._release_volume(str(volume))
        self._cluster.delete("v1", obj["kind"], obj["metadata"]["name"], self._probe.namespace)

    def _release_volume(self, volume: str) -> None:
        """Let the volume go with its claim, where the class would keep it."""
        wanted = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {"persistentVolumeReclaimPolicy": "Delete"},
        }
        try:
            self._cluster.apply(wanted, manager=MANAGER)
        except (NotPermitted, Refused):
            self.steps.append(f"volume {volume} kept by the class: remove it by hand")


_OTHER_IMAGE = "Set probe_image to an image that has sh and runs as any user."
_MOUNT = "Look at the pod's events: the driver must mount the volume and honour fsGroup."


def _refuse_provisioning(claim: Object, events: list[Object]) -> None:
    if (claim.get("status") or {}).get("phase") == "Lost":
        raise _Ended("broken", "its scratch claim lost its volume", "Look at the provisioner's logs.")
    for one in events:
        if one.get("reason") in _PROVISIONING and not _PASSING.search(_message(one)):
            raise _Ended(
                "broken",
                f"no volume can be made: {_message(one)}",
                "Mend what the message names; look at the provisioner's logs and the class's parameters.",
            )


def _refuse_image(pod: Object, image: str) -> None:
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        waits = (status.get("state") or {}).get("waiting") or {}
        said = f"{waits.get('reason')}: {waits.get('message') or 'no message'}"
        gone = waits.get("reason") == "ErrImagePull" and _REFUSED_PULL.search(said)
        if gone or waits.get("reason") in _NO_IMAGE:
            remedy = "Set probe_image to an image that these nodes can pull."
            raise _Ended("unable", f"the image {image} cannot be pulled ({said})", remedy)
        if waits.get("reason") in _NO_START:
            raise _Ended("unable", f"the scratch pod cannot start ({said})", _OTHER_IMAGE)


def _terminated(pod: Object) -> Iterator[Object]:
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        if ended := (status.get("state") or {}).get("terminated"):
            yield ended


def _message(event: Object) -> str:
    return re.sub(r"\s+", " ", str(event.get("message") or "")).strip().rstrip(".")[:400]


def _last(events: list[Object]) -> str:
    """The newest event that says more than that the claim waits for a pod."""
    telling = [one for one in events if one.get("reason") != "WaitForFirstConsumer"] or events
    return _message(max(telling, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or "")))


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """While a trial runs, a request to end ends it in order: the scratch objects are removed first."""
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
