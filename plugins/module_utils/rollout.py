# Watches a rollout in the cluster until it is complete, certainly failed, or out of time; then says why.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import (
    Certainty,
    RolloutFacts,
    Signal,
    Status,
    assess,
    pods_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_others import is_custom
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_retries import Retries
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_waits import WATCHED, waited_for
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    RolloutFailed,
    TimedOut,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

Object = dict[str, Any]
Seen = Callable[[RolloutFacts, Status], None]

LOG_LINES = 15
UNREACHABLE_S = 30.0  # an API server may be away for so long, as when its control plane is upgraded
FAST_POLL_S, SLOW_POLL_S, FAST_FOR_S = 0.4, 1.0, 20.0  # a small rollout takes about a second, a large one minutes
_API = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "PersistentVolumeClaim": "v1",
    "Pod": "v1",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and what counts as certain.

    :param grace: seconds by cause code; others keep their default (see ``checks.rollout_causes.CAUSES``).
    """

    timeout_s: float = 900.0
    crash_restarts: int = 3
    grace: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def checked(cls, timeout: int, crash_restarts: int, grace: Mapping[str, Any]) -> Patience:
        """Patience from a module's options, whose causes are known and whose numbers are sane."""
        unknown = sorted(set(grace) - set(CAUSES))
        if unknown:
            raise InputError(f"grace: {', '.join(unknown)} is no known cause. Known: {', '.join(sorted(CAUSES))}.")
        if timeout <= 0 or crash_restarts <= 0:
            raise InputError("timeout and crash_restarts must be above 0.")
        try:
            seconds = {cause: float(value) for cause, value in grace.items()}
        except (TypeError, ValueError) as exc:
            raise InputError(f"grace: every value is a number of seconds ({exc}).") from exc
        if wrong := [cause for cause, value in seconds.items() if not value >= 0]:  # NaN is none either
            raise InputError(f"grace: {', '.join(sorted(wrong))} must be 0 seconds or more.")
        return cls(float(timeout), crash_restarts, seconds)


class RolloutWatch:
    """One rollout under watch."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        patience: Patience,
        *,
        replaced: Collection[Identity] | None = None,
        apis: Mapping[tuple[str, str], str] | None = None,
        seen: Seen | None = None,
    ) -> None:
        """Begin to watch.

        :param replaced: given where the change is about to be made: the workloads whose pods it replaces. Their pods of
            now, all jobs of now (hooks are made anew) and all events of now are not this rollout's own. What pods that
            stay suffer from now may be mended, so it counts when they have been tried again.
        :param apis: API versions by group and kind, of what is no workload (see :func:`apis_of`).
        :param seen: told of every look; what it makes of it changes nothing here.
        """
        self._cluster, self._namespace, self._patience = cluster, namespace, patience
        self._seen = seen
        self._apis = dict(apis or {})
        self._certainty = Certainty(patience.grace)
        self._began = self._seen_at = time.monotonic()
        self._ignored: frozenset[str] = frozenset()
        self.old_events: frozenset[tuple[str, str]] = frozenset()
        self.retries = Retries(self._began)
        self.facts = RolloutFacts((), {})
        self.status = Status(("nothing was observed yet",), ())
        if replaced is not None:
            before = self._observe(replaced)
            if seen:
                seen(before, assess(before))
            older = [pod for live in before.live.values() for pod in pods_of(live, before)]
            older += cluster.list("batch/v1", "Job", namespace)
            self._ignored = frozenset(str(obj["metadata"].get("uid")) for obj in older)
            self.old_events = frozenset(_version(event) for event in before.events or self._events(namespace))
            self.retries = Retries.of(before.pods, self._began, cluster.now())

    def look(self, wanted: Collection[Identity]) -> list[Signal]:
        """Observe once; the signals that have become certain."""
        self.facts = self._observe(wanted)
        self.status = assess(self.facts, crash_restarts=self._patience.crash_restarts)
        if self._seen:
            self._seen(self.facts, self.status)
        self.retries.look(self.facts.pods)
        now = time.monotonic()
        live = self.facts.live
        signals = [one for one in self.status.signals if not self.retries.stale(one, live.get(one.object), now)]
        return self._certainty.certain(signals, now)

    def look_again(self, wanted: Collection[Identity]) -> list[Signal]:
        """As :meth:`look`; an API server that is away for a moment, as in its own upgrade, ends no rollout."""
        try:
            certain = self.look(wanted)
        except Unreachable:
            if time.monotonic() - self._seen_at > UNREACHABLE_S:
                raise
            return []
        self._seen_at = time.monotonic()
        return certain

    def wait(self, wanted: Collection[Identity], pause: Callable[[float], None] = time.sleep) -> None:
        """Return when everything is complete; raise :class:`RolloutFailed` or :class:`TimedOut` with the cause."""
        while True:
            if certain := self.look_again(wanted):
                raise self.failure(certain)
            if self.status.complete:
                return
            elapsed = time.monotonic() - self._began
            if elapsed > self._patience.timeout_s:
                raise self.timed_out()
            pause(FAST_POLL_S if elapsed < FAST_FOR_S else SLOW_POLL_S)

    def failure(self, certain: Iterable[Signal]) -> RolloutFailed:
        """The error for signals that are certain, with logs, events and what to do."""
        diagnoses = [self._diagnose(signal) for signal in _distinct(certain)]
        first = diagnoses[0]
        more = f" ({len(diagnoses)} causes in all)" if len(diagnoses) > 1 else ""
        return RolloutFailed(f"{first['sentence']}{more}. {first['remedy']}", causes=diagnoses, waiting=self.waiting)

    def timed_out(self) -> TimedOut:
        """The error for a rollout that is slow, with what it waits for and the warnings seen."""
        seconds = f"{self._patience.timeout_s:g} s"
        causes = [self._diagnose(signal) for signal in _distinct(self.status.signals)]
        seen = _warnings(self.facts)
        if causes:
            hint = f"The likely cause: {causes[0]['sentence']}. {causes[0]['remedy']}"
        elif seen:
            hint = (
                f"Nothing is certain to fail; the last warning: {seen[-1]}. Give it more time (timeout) or mend that."
            )
        else:
            hint = "Nothing is certain to fail: give it more time (timeout)."
        return TimedOut(
            f"After {seconds} still waiting: {'; '.join(self.waiting) or 'nothing'}. {hint}",
            waiting=self.waiting,
            events_seen=seen,
            causes=causes,
        )

    @property
    def waiting(self) -> list[str]:
        """What is not complete yet, one line each."""
        return list(self.status.waiting)

    def _observe(self, wanted: Collection[Identity]) -> RolloutFacts:
        live: dict[Identity, Object] = {}
        pods: list[Object] = []
        sets: list[Object] = []
        namespaces = sorted({item.namespace or self._namespace for item in wanted} or {self._namespace})
        for namespace in namespaces:
            here = [item for item in wanted if (item.namespace or self._namespace) == namespace]
            kinds = {item.kind for item in here if item.kind in WATCHED and not is_custom(item.group)}
            found = self._cluster.list("v1", "Pod", namespace)
            everything = {identity(pod, namespace): pod for pod in found} if "Pod" in kinds else {}
            for kind in sorted(kinds - {"Pod"}):
                everything |= {identity(one, namespace): one for one in self._cluster.list(_API[kind], kind, namespace)}
            live |= {item: everything[item] for item in here if item in everything}
            live |= {item: other for item in here if (other := self._other(item))}
            pods += found
            sets += self._cluster.list("apps/v1", "ReplicaSet", namespace) if "Deployment" in kinds else []
        facts = RolloutFacts(tuple(wanted), live, tuple(pods), tuple(sets), (), self._ignored)
        if assess(facts).complete:
            return facts
        events = [event for namespace in namespaces for event in self._events(namespace)]
        return replace(facts, events=tuple(event for event in events if _version(event) not in self.old_events))

    def _other(self, item: Identity) -> Object | None:
        """What is no workload is got by name: that needs no other permission than helm's."""
        api = self._apis.get((item.group, item.kind))
        return self._cluster.get(api, item.kind, item.name, item.namespace or self._namespace) if api else None

    def _events(self, namespace: str) -> list[Object]:
        return self._cluster.list("v1", "Event", namespace, fields="type=Warning")

    def _diagnose(self, signal: Signal) -> dict[str, Any]:
        cause = CAUSES[signal.cause]
        return {
            "cause": signal.cause,
            "object": str(signal.object),
            "container": signal.container,
            "reason": signal.reason,
            "message": signal.message,
            "sentence": signal.sentence,
            "remedy": cause.remedy,
            "log": self._last_lines(signal),
            "events": _events_about(signal, self.facts),
        }

    def _last_lines(self, signal: Signal) -> list[str]:
        crashed = signal.reason == "CrashLoopBackOff"
        if not (crashed or signal.cause in ("job_failed", "pod_failed")) or not signal.pod:
            return []
        namespace = signal.object.namespace or self._namespace
        text = self._cluster.logs(namespace, signal.pod, signal.container, lines=LOG_LINES, previous=crashed)
        return text.splitlines()[-LOG_LINES:]


def watchable(objects: Iterable[Object], namespace: str) -> list[Identity]:
    """The identities among rendered objects whose readiness is waited for."""
    return [identity(obj, namespace) for obj in objects if waited_for(obj)]


def apis_of(objects: Iterable[Object]) -> dict[tuple[str, str], str]:
    """The API versions of what is waited for and is no workload, by group and kind."""
    found = [obj for obj in objects if waited_for(obj)]
    others = [obj for obj in found if obj["kind"] not in WATCHED or is_custom(identity(obj).group)]
    return {(identity(obj).group, obj["kind"]): obj["apiVersion"] for obj in others}


def _distinct(signals: Iterable[Signal]) -> list[Signal]:
    """One signal per cause, workload and container: twenty pods with the same bad image are one cause."""
    seen: dict[tuple[str, str, str], Signal] = {}
    for signal in signals:
        seen.setdefault((signal.cause, signal.container, signal.workload), signal)
    return list(seen.values())


def _version(event: Object) -> tuple[str, str]:
    """What names an event as it is now; one that happens again is written anew."""
    metadata = event.get("metadata") or {}
    return str(metadata.get("uid")), str(metadata.get("resourceVersion"))


def _events_about(signal: Signal, facts: RolloutFacts) -> list[str]:
    return [
        f"{event.get('reason')}: {event.get('message')}"
        for event in facts.events
        if (event.get("involvedObject") or {}).get("name") in (signal.object.name, signal.pod)
    ][-5:]


def _warnings(facts: RolloutFacts) -> list[str]:
    mine = {pod["metadata"].get("uid") for live in facts.live.values() for pod in pods_of(live, facts)}
    return [
        f"{event.get('reason')} ({(event.get('involvedObject') or {}).get('name')}): {event.get('message')}"
        for event in facts.events
        if (event.get("involvedObject") or {}).get("uid") in mine
    ][-10:]
