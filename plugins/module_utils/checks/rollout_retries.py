# Tells the trouble of now from that of before: a container not tried again yet says nothing of a new roll-out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Signal

Object = dict[str, Any]
Where = tuple[str, str]  # pod and container
_PULLS = ("image_missing", "image_denied", "image_pull")
_CRASHES = ("crash_loop", "init_failed")
# Seconds after which the kubelet has tried again for certain: its longest back-off is 300 s (MaxContainerBackOff, and
# that of pulls), and a pod that could not be synced comes again after 10 s with up to half as much jitter.
BACK_OFF_S, SYNC_S = 310.0, 20.0
# A Deployment keeps its conditions until it makes progress, so one from before says nothing either; it is given the
# time that Kubernetes gives it by default (progressDeadlineSeconds), or the back-off.
DEADLINE_S = 600.0
LONGEST_S = {
    **dict.fromkeys((*_PULLS, *_CRASHES, "blocked"), BACK_OFF_S),
    **dict.fromkeys(("config_missing", "container_start"), SYNC_S),
    "create_refused": BACK_OFF_S,
    "deadline": DEADLINE_S,
}
_CONDITIONS = {"deadline": "Progressing", "create_refused": "ReplicaFailure"}


@dataclass
class Retries:
    """The containers that were in trouble when a roll-out of the same pods began, until each has been tried again."""

    began: float
    troubled: dict[Where, tuple[str, int, str]] = field(default_factory=dict)  # reason, restarts, the pod's uid
    since: datetime | None = None

    @classmethod
    def of(cls, pods: Iterable[Object], began: float, since: datetime) -> Retries:
        """Remember what waits at the beginning.

        :param began: seconds of the clock by which :meth:`stale` is asked; :param since: the same by the API server's.
        """
        return cls(began, {where: state for where, state in _waiting(pods) if state[0]}, since)

    def look(self, pods: Iterable[Object]) -> None:
        """Take note of what has been tried again since the last look."""
        for where, (reason, restarts, uid) in _waiting(pods):
            known = self.troubled.get(where)
            if known is None:
                continue
            pulled = reason == "ErrImagePull" and known[0] != "ErrImagePull"  # between tries it says ImagePullBackOff
            other = not reason.startswith(("ErrImage", "ImagePull")) and reason != known[0]
            anew = uid != known[2]  # a StatefulSet's pods keep their names
            if anew or pulled or other or restarts > known[1]:
                del self.troubled[where]
            else:
                self.troubled[where] = (reason, restarts, uid)

    def stale(self, signal: Signal, live: Object | None, now: float) -> bool:
        """Whether a sign is about a try from before the roll-out began.

        :param live: the object that the sign is about.
        """
        if now - self.began >= LONGEST_S.get(signal.cause, 0.0):
            return False
        if signal.pod:
            return (signal.pod, signal.container) in self.troubled
        return self.since is not None and _updated_before(live or {}, _CONDITIONS.get(signal.cause, ""), self.since)


def _updated_before(live: Object, kind: str, since: datetime) -> bool:
    """Whether a condition was last updated before; the API tells whole seconds."""
    for one in (live.get("status") or {}).get("conditions") or []:
        if one.get("type") == kind and one.get("lastUpdateTime"):
            updated = datetime.fromisoformat(str(one["lastUpdateTime"]).replace("Z", "+00:00"))
            return updated < since.replace(microsecond=0)
    return False


def _waiting(pods: Iterable[Object]) -> Iterator[tuple[Where, tuple[str, int, str]]]:
    """Each container with the reason that it waits for (empty where it does not), its restarts and its pod's uid."""
    for pod in pods:
        status, metadata = pod.get("status") or {}, pod.get("metadata") or {}
        for one in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
            reason = ((one.get("state") or {}).get("waiting") or {}).get("reason") or ""
            where = (str(metadata.get("name") or ""), str(one.get("name") or ""))
            yield where, (str(reason), int(one.get("restartCount") or 0), str(metadata.get("uid") or ""))
