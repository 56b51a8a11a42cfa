# Tells how far a long module has come: redacted lines in a file that the module's action plugin shows as they come.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts, Status, pods_of
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now
from ansible_collections.bytebot.production.plugins.module_utils.progress_line import VARIABLE, one_line
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

PAUSE_S = 1.0  # between two lines about one object

Tell = Callable[[str], None]
_ENDS = {"Job": "complete", "PersistentVolumeClaim": "bound", "Pod": "ready"}
_REPLICATED = ("Deployment", "StatefulSet", "DaemonSet")


def nobody(_text: str) -> None:
    """Tell nobody."""


class Progress:
    """Writes what it is told, redacted, as one JSON record per line; does nothing where nobody reads."""

    def __init__(self, redactor: Redactor, path: str = "") -> None:
        self._redactor, self._path = redactor, path

    @classmethod
    def given(cls, redactor: Redactor) -> Progress:
        """Into the file that the action plugin names."""
        return cls(redactor, os.environ.get(VARIABLE, ""))

    def __call__(self, text: str) -> None:
        """Write one line; a file that cannot be written ends the telling, never the work."""
        if not self._path:
            return
        record = {"time": utc_now(), "text": one_line(self._redactor.text(text))}
        try:
            _append(self._path, f"{json.dumps(record)}\n".encode())
        except OSError:
            self._path = ""


class RolloutStory:
    """Tells of a rollout what has changed: each object when it does, at most once a second.

    What was complete before and stays as it is has no part in the story.
    """

    def __init__(self, tell: Tell = nobody, namespace: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._namespace, self._clock = tell, namespace, clock
        self._began = clock()
        self._known: dict[Identity, tuple[Any, ...]] = {}  # what the last line (or the silent first look) was about
        self._held: dict[Identity, tuple[Any, ...]] = {}  # what came too soon after the last line
        self._told_at: dict[Identity, float] = {}

    def expect(self, made: Iterable[Identity]) -> None:
        """These are about to be made, so they are told of even where the first look finds them complete."""
        self._known |= dict.fromkeys(made, ())

    def seen(self, facts: RolloutFacts, status: Status) -> None:
        """Tell what is new in one look."""
        for item in facts.wanted:
            live = facts.live.get(item)
            if live is None:
                self._known[item] = ()
                self._held.pop(item, None)
            elif not _stale(live):
                waits = _reason(item, status)
                self._notice(item, (*_version(live), _progress(item, live, facts, waits)), complete=not waits)

    def settle(self) -> None:
        """Tell what was held back, since no look follows."""
        for item, now in list(self._held.items()):
            self._say(item, now)

    def _notice(self, item: Identity, now: tuple[Any, ...], *, complete: bool) -> None:
        before = self._known.get(item)
        if (before is None and complete) or (before and before[-1] == now[-1] and not complete):
            self._known[item] = now  # there is nothing to tell, or no other words for it
            self._held.pop(item, None)
        elif before == now:
            self._held.pop(item, None)
        elif item in self._told_at and self._clock() - self._told_at[item] < PAUSE_S:
            self._held[item] = now
        else:
            self._say(item, now)

    def _say(self, item: Identity, now: tuple[Any, ...]) -> None:
        self._held.pop(item, None)
        self._known[item], self._told_at[item] = now, self._clock()
        where = f"{item.namespace}/" if item.namespace not in ("", self._namespace) else ""
        self._tell(f"{item.kind} {where}{item.name}: {now[-1]} ({self._told_at[item] - self._began:.0f} s)")


def _append(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    try:
        os.write(file, data)
    finally:
        os.close(file)


def _version(live: Mapping[str, Any]) -> tuple[str, int]:
    """What tells a new specification, or an object made anew, from the one before."""
    metadata = live.get("metadata") or {}
    return str(metadata.get("uid")), int(metadata.get("generation") or 0)


def _stale(live: Mapping[str, Any]) -> bool:
    """Whether the status is still about the specification before."""
    observed = (live.get("status") or {}).get("observedGeneration")
    return live.get("kind") in _REPLICATED and int(observed or 0) < _version(live)[1]


def _reason(item: Identity, status: Status) -> str:
    """Why an object is waited for; empty where it is complete."""
    start = f"{item}: "
    return next((line.removeprefix(start) for line in status.waiting if line.startswith(start)), "")


def _progress(item: Identity, live: Mapping[str, Any], facts: RolloutFacts, waits: str) -> str:
    if item.kind not in _REPLICATED:
        return waits or _ENDS.get(item.kind, "there")
    wanted = _wanted(item.kind, live)
    ready = wanted if not waits else min(wanted, _ready(item.kind, live, facts))
    return waits if waits and ready == wanted else f"{ready} of {wanted} ready"


def _wanted(kind: str, live: Mapping[str, Any]) -> int:
    if kind == "DaemonSet":
        return int((live.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = (live.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _ready(kind: str, live: Mapping[str, Any], facts: RolloutFacts) -> int:
    """How many pods of the newest revision are ready."""
    status = live.get("status") or {}
    if kind == "Deployment":
        return sum(_is_ready(pod) for pod in pods_of(dict(live), facts))
    names = {"StatefulSet": ("updatedReplicas", "readyReplicas")}
    return min(int(status.get(name) or 0) for name in names.get(kind, ("updatedNumberScheduled", "numberAvailable")))


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
