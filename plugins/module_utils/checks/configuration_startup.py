# Judges the starts of a release's containers: as long as they took, and whether a probe ended one that was starting.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import unseen
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Facts,
    Object,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_health import lasting, probe_of
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    inconclusive,
    passed,
)

_LATE_S = 5  # by which a kubelet under load may be late


def startup(facts: Facts) -> Verdict:
    """Every start is shorter than what the probes allow, and none was ended while it started."""
    if gap := unseen(facts):
        return gap
    starts, problems = [], list(_ended_at_start(facts))
    blind = {name_of(workload): None for workload, _pod in _pods(facts)}
    for workload, pod in _pods(facts):
        if _began_well(pod):
            blind.pop(name_of(workload), None)
        took = start_s(pod)
        if took is None:
            continue
        for container in lasting(workload):
            where = f"{name_of(workload)} container {container['name']}"
            allowed, by = allowance(container)
            if allowed is None or took <= allowed:  # else it was ready before: a start so long would have been ended
                starts.append({"container": where, "took_s": round(took, 1), "allowed_s": allowed, "by": by})
    seen = facts.evidence("starts of pods, and the probes that bound them", {"starts": starts, "problems": problems})
    problems = list(dict.fromkeys(problems))
    if problems:
        return failed(
            f"{some(problems)}.", "Give it a startup probe whose period times failures covers the longest start.", seen
        )
    if not starts:
        return inconclusive(
            "How long a start takes was not seen: every pod was restarted or unready since.",
            "Judge after a roll-out.",
            seen,
        )
    if blind:
        return inconclusive(
            f"How long {some(list(blind))} takes to start was not seen: each of its pods was restarted or is unready.",
            "Judge after a roll-out.",
            seen,
        )
    longest = max(starts, key=lambda one: float(str(one["took_s"])))
    bound = (
        "nothing ends it"
        if longest["allowed_s"] is None
        else f"{longest['allowed_s']} s are allowed by its {longest['by']}"
    )
    return passed(
        f"The longest of {len(starts)} starts took {longest['took_s']:.0f} s at the most ({longest['container']}), and "
        f"{bound}; none was ended while it started.",
        seen,
    )


def _pods(facts: Facts) -> Iterator[tuple[Object, Object]]:
    """The pods in which something runs, each after its workload."""
    templates = {name_of(one): one for one in facts.workloads}
    owners = {one.pod: one.workload for one in facts.running}
    for pod in facts.pods:
        workload = templates.get(owners.get(str(pod["metadata"]["name"]), ""))
        if workload is not None:
            yield workload, pod


def _began_well(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready, and its containers have not been restarted, or had run for long before they were."""
    status = pod.get("status") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or [])
    containers = {str(one["name"]): one for one in (pod.get("spec") or {}).get("containers") or []}
    for told in status.get("containerStatuses") or []:
        last = (told.get("lastState") or {}).get("terminated") or {}
        if not told.get("restartCount"):
            continue
        if not last.get("startedAt") or not last.get("finishedAt"):
            return False
        ran = (_time(str(last["finishedAt"])) - _time(str(last["startedAt"]))).total_seconds()
        if ran <= _soonest(containers.get(str(told.get("name")), {})):
            return False
    return ready


def allowance(container: Mapping[str, Any]) -> tuple[int | None, str]:
    """Seconds that a start may take, and which probe says so; None where no probe ends it."""
    for kind, words in (("startupProbe", "startup probe"), ("livenessProbe", "liveness probe")):
        if probe := probe_of(container, kind):
            return probe.allowance_s, words
    return None, ""


def start_s(pod: Mapping[str, Any]) -> float | None:
    """Seconds from the containers' start until the pod was ready; None where that is not to be seen any more.

    A pod that was unready since tells a later moment, so that a start took this long at the most.
    """
    status = pod.get("status") or {}
    ready: Object = next((one for one in status.get("conditions") or [] if one.get("type") == "Ready"), {})
    told = status.get("containerStatuses") or []
    begun = [((one.get("state") or {}).get("running") or {}).get("startedAt") for one in told]
    if ready.get("status") != "True" or not begun or None in begun or any(one.get("restartCount") for one in told):
        return None
    took = (_time(str(ready.get("lastTransitionTime"))) - max(_time(str(one)) for one in begun)).total_seconds()
    return max(took, 0.0)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _ended_at_start(facts: Facts) -> Iterator[str]:
    """Containers that a probe ended about when it first could: they were still starting."""
    pods = {str(pod["metadata"]["name"]): pod for pod in facts.pods}
    for event in facts.events:
        name, said = str((event.get("involvedObject") or {}).get("name")), str(event.get("message") or "")
        when = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
        if name not in pods or event.get("reason") != "Killing" or not when or "probe, will be restarted" not in said:
            continue
        for container in (pods[name].get("spec") or {}).get("containers") or []:
            own = str(container["name"])
            # Where there is a startup probe, the others wait until it has passed: what they end had started.
            by = "startup" if container.get("startupProbe") else "liveness"
            if f"Container {own} failed {by} probe" in said and any(
                0 <= (_time(str(when)) - begun).total_seconds() <= _soonest(container)
                for begun in _begun(pods[name], own)
            ):
                yield f"container {own} of pod {name} was ended by a probe while it started"


def _soonest(container: Mapping[str, Any]) -> float:
    """Seconds within which a probe that never passed has ended a container."""
    probe = probe_of(container, "startupProbe") or probe_of(container, "livenessProbe")
    return probe.allowance_s + probe.period + probe.timeout + _LATE_S if probe else 0.0


def _begun(pod: Mapping[str, Any], container: str) -> list[datetime]:
    """When a container started, the last time and the time before."""
    told = (pod.get("status") or {}).get("containerStatuses") or []
    status: Object = next((one for one in told if one.get("name") == container), {})
    ends = [(status.get("state") or {}).get("running"), *(
        (status.get(name) or {}).get("terminated") for name in ("state", "lastState")
    )]  # fmt: skip
    return [_time(str(one["startedAt"])) for one in ends if one and one.get("startedAt")]
