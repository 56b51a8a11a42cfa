# Judges the probes of a release: as they are described, as they went, and by what happened when something broke.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import unseen
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Cut,
    Facts,
    Object,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

_KINDS = ("livenessProbe", "readinessProbe", "startupProbe")
_ACTIONS = ("httpGet", "exec", "tcpSocket", "grpc")
# Kubernetes API reference, "Probe": what holds where nothing is said.
_DEFAULTS = {"initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3}
LONGEST_S = 300  # after which a hung process must be restarted
_SHORTEST_S = 5  # a liveness probe that gives up sooner ends what is only busy
_OFTEN = 2  # failures of one pod's probe that are no chance
_TIMED_OUT = ("context deadline exceeded", "timed out", "Client.Timeout", "timeout")


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe with its defaults filled in."""

    action: Object
    initial: int
    period: int
    timeout: int
    failures: int

    @property
    def bound_s(self) -> int:
        """Seconds until a failure that begins at a look has been told."""
        return self.period * self.failures + self.timeout

    @property
    def allowance_s(self) -> int:
        """Seconds that a start may take before this probe ends it."""
        return self.initial + self.period * self.failures

    @property
    def words(self) -> str:
        if "httpGet" in self.action:
            return f"GET {self.action['httpGet'].get('path') or '/'}"
        return next(iter(self.action), "nothing")


def probe_of(container: Mapping[str, Any], kind: str) -> Probe | None:
    """A container's probe of a kind."""
    told = container.get(kind)
    if not told:
        return None
    numbers = {name: int(told.get(name) or default) for name, default in _DEFAULTS.items()}
    action = {name: told[name] for name in _ACTIONS if name in told}
    return Probe(
        action,
        numbers["initialDelaySeconds"],
        numbers["periodSeconds"],
        numbers["timeoutSeconds"],
        numbers["failureThreshold"],
    )


def lasting(workload: Object) -> list[Object]:
    """The containers of a workload that stay, sidecars among the init containers too."""
    spec = ((workload.get("spec") or {}).get("template") or {}).get("spec") or {}
    stay = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return [*(spec.get("containers") or []), *stay]


def _described(facts: Facts) -> Object:
    found: Object = {}
    for workload in facts.workloads:
        for container in lasting(workload):
            told = {kind: probe for kind in _KINDS if (probe := probe_of(container, kind))}
            found[f"{name_of(workload)} container {container['name']}"] = {
                kind: f"{one.words}; after {one.initial} s, every {one.period} s, {one.timeout} s, {one.failures} times"
                for kind, one in told.items()
            }
    return found


# ---------------------------------------------------------------------------- liveness


def liveness(facts: Facts) -> Verdict:
    """Every container has a probe of its own with fitting times; a hung one is restarted, a cut-off one is not."""
    if gap := unseen(facts):
        return gap
    drilled = facts.drilled
    problems = [
        *(problem for one in facts.workloads for problem in _liveness_problems(facts, one)),
        *_went_wrong(facts, "Liveness"),
        *_hang_problems(facts),
        *_cut_kills(facts),
    ]
    problems = list(dict.fromkeys(problems))
    hung = drilled.hung
    seen = facts.evidence(
        "probes of workloads, events of their pods, and drills",
        {
            "probes": _described(facts),
            "hang": _hang_words(facts),
            "cut": _cut_words(facts),
            "problems": problems,
        },
    )
    if problems:
        return failed(
            f"{some(problems)}.",
            "Give each container a liveness probe that asks the process alone, and times that fit what it takes.",
            seen,
        )
    if hung is None:
        return pending(f"No process was hung to see it restarted: {drilled.undone.rstrip('.')}.", drilled.remedy, seen)
    if hung.problem:
        return inconclusive(
            f"No process could be hung: {hung.problem.rstrip('.')}.", "Mend that, and judge again.", seen
        )
    cut, took = drilled.cut, hung.restarted_s or 0.0
    if cut is None or cut.problem:
        why = (cut.problem if cut else drilled.undone).rstrip(".")
        return inconclusive(
            f"A hung process was restarted after {took:.0f} s; what a missing database does was not seen: {why}.",
            drilled.remedy or "Mend that, and judge again.",
            seen,
        )
    return passed(
        f"Each of {sum(len(lasting(one)) for one in facts.workloads)} containers has one. A copy of {hung.workload} "
        f"that was hung was restarted after {took:.0f} s ({hung.bound_s:.0f} s allowed); one without its database was "
        f"not, in {cut.watched_s:.0f} s.",
        seen,
    )


def _seen_cut(facts: Facts, workload: Object) -> Cut | None:
    """What a drill saw of this workload without its database: which of two equal probes is right shows there."""
    cut = facts.drilled.cut
    return cut if cut and not cut.problem and cut.workload == name_of(workload) else None


def _liveness_problems(facts: Facts, workload: Object) -> Iterator[str]:
    cut = _seen_cut(facts, workload)
    for container in lasting(workload):
        where = f"{name_of(workload)} container {container['name']}"
        live, ready = probe_of(container, "livenessProbe"), probe_of(container, "readinessProbe")
        if live is None:
            yield f"{where} has no liveness probe"
            continue
        alone = cut is not None and not cut.restarts
        if ready and live.action == ready.action and "httpGet" in live.action and not alone:
            yield f"the liveness probe of {where} asks what its readiness probe asks ({live.words})"
        if live.bound_s > LONGEST_S:
            yield f"the liveness probe of {where} takes {live.bound_s} s to tell, more than {LONGEST_S}"
        if live.period * live.failures < _SHORTEST_S:
            yield f"the liveness probe of {where} gives up after {live.period * live.failures} s"
        if live.timeout > live.period:
            yield f"the liveness probe of {where} waits {live.timeout} s and comes every {live.period} s"


def _went_wrong(facts: Facts, kind: str) -> Iterator[str]:
    """What events tell of probes that fail in pods that are there."""
    pods = {str(one["metadata"]["name"]) for one in facts.pods}
    for event in facts.events:
        pod = str((event.get("involvedObject") or {}).get("name"))
        said = str(event.get("message") or "")
        if pod not in pods or event.get("reason") != "Unhealthy" or not said.startswith(f"{kind} probe "):
            continue
        times = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
        late = any(word in said for word in _TIMED_OUT)
        if late and times >= _OFTEN:
            yield f"the {kind.lower()} probe of pod {pod} ran out of time {times} times"


def _hang_words(facts: Facts) -> Object | None:
    hung = facts.drilled.hung
    if hung is None:
        return None
    return {
        "workload": hung.workload,
        "bound_s": hung.bound_s,
        "restarted_s": hung.restarted_s,
        "problem": hung.problem,
    }


def _hang_problems(facts: Facts) -> Iterator[str]:
    hung = facts.drilled.hung
    if hung and not hung.problem and hung.restarted_s is None:
        yield f"a copy of {hung.workload} that was hung was not restarted within {hung.bound_s:.0f} s"


def _cut_kills(facts: Facts) -> Iterator[str]:
    cut = facts.drilled.cut
    if cut and not cut.problem and cut.restarts:
        yield f"a copy of {cut.workload} was restarted because {cut.dependency} did not answer"


def _cut_words(facts: Facts) -> Object | None:
    cut = facts.drilled.cut
    if cut is None:
        return None
    return {
        "workload": cut.workload, "dependency": cut.dependency, "unready_s": cut.unready_s, "out_s": cut.out_s,
        "bound_s": cut.bound_s, "watched_s": cut.watched_s, "restarts": cut.restarts, "back_s": cut.back_s,
        "problem": cut.problem,
    }  # fmt: skip


# ---------------------------------------------------------------------------- readiness


def readiness(facts: Facts) -> Verdict:
    """What Services lead to has a probe of its own; without its database it is unready, and back after that."""
    if gap := unseen(facts):
        return gap
    drilled, cut = facts.drilled, facts.drilled.cut
    problems = [problem for one in facts.workloads for problem in _readiness_problems(facts, one)]
    if cut and not cut.problem:
        problems += _cut_problems(facts)
    seen = facts.evidence(
        "probes of workloads, Services, and a drill",
        {"probes": _described(facts), "cut": _cut_words(facts), "problems": problems},
    )
    if problems:
        return failed(
            f"{some(problems)}.", "Let the readiness probe ask a route that asks what the application rests on.", seen
        )
    if cut is None:
        return pending(f"No dependency was cut to see it unready: {drilled.undone.rstrip('.')}.", drilled.remedy, seen)
    if cut.problem:
        why = cut.problem.rstrip(".")
        return inconclusive(f"The dependency could not be cut: {why}.", "Mend that, and judge again.", seen)
    return passed(
        f"Without {cut.dependency} a copy of {cut.workload} was unready after {cut.unready_s:.0f} s, out of its "
        f"Service after {cut.out_s:.0f} s, and back {cut.back_s:.0f} s after it answered again.",
        seen,
    )


def _readiness_problems(facts: Facts, workload: Object) -> Iterator[str]:
    labels = (((workload.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("labels") or {}
    served = [one for one in facts.services if selects(one, labels)]
    cut = _seen_cut(facts, workload)
    for container in lasting(workload):
        where = f"{name_of(workload)} container {container['name']}"
        ready, live = probe_of(container, "readinessProbe"), probe_of(container, "livenessProbe")
        if ready is None:
            if served and container.get("ports"):
                yield f"{where} has no readiness probe, and Service {served[0]['metadata']['name']} leads to it"
            continue
        reacts = cut is not None and cut.unready_s is not None
        if live and ready.action == live.action and "httpGet" in ready.action and not reacts:
            yield f"the readiness probe of {where} asks what its liveness probe asks ({ready.words})"
        if ready.timeout > ready.period:
            yield f"the readiness probe of {where} waits {ready.timeout} s and comes every {ready.period} s"


def selects(service: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a Service leads to pods with these labels."""
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _cut_problems(facts: Facts) -> list[str]:
    cut = facts.drilled.cut
    if cut is None:
        return []
    who = f"a copy of {cut.workload}"
    if cut.unready_s is None:
        return [f"{who} stayed ready for {cut.bound_s:.0f} s without {cut.dependency}"]
    if cut.out_s is None:
        return [f"{who} was unready without {cut.dependency} and stayed in its Service"]
    return [] if cut.back_s is not None else [f"{who} was not ready again when {cut.dependency} answered again"]
