# Judges a week: trends of figures, what is asked for against what is used, and autoscalers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import history_sizes as sizes
from ansible_collections.bytebot.production.plugins.module_utils.checks import history_statistics as statistics
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_common import (
    COVERED,
    LEAST,
    gaps,
    missing,
    untold,
    verdict,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_day import (
    CERTAIN,
    MOVED,
    lasting_rise,
    levels_of,
    usual_of,
    worse,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    DAY_S,
    HistoryFacts,
    Scaler,
    SignalSeen,
    Used,
    UseSeen,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict, pending

LONG = 0.2  # share of the time that an autoscaler may be at its most
USUAL_FLAPS = 4
HOURS = 2  # in so many hours must one swing, to be told
_HOUR_S = 3600.0


def judge_trends(facts: HistoryFacts) -> Verdict:
    """No figure grows worse, steadily or by a step that stays."""
    if facts.signals is None:
        return missing("bytebot_prometheus")
    if bad := next((one for one in facts.signals if not one.told.ok), None):
        return untold(f"{bad.signal.name} in Prometheus", bad.told, facts)
    red: list[str] = []
    unsure: list[str] = []
    found: dict[str, Any] = {}
    for seen in facts.signals:
        if lack := gaps(seen, facts.period):
            unsure.append(lack)
            continue
        _trend(seen, facts, red, found)
    return verdict(
        facts, "Prometheus: " + ", ".join(one.signal.query for one in facts.signals), found, red=red, unsure=unsure,
        good=f"No figure grows worse ({', '.join(found)})",
        remedy="Find what grows (data, users, a leak, a slower dependency) before it meets a limit.",
    )  # fmt: skip


def _trend(seen: SignalSeen, facts: HistoryFacts, red: list[str], found: dict[str, Any]) -> None:
    signal = seen.signal
    points = [point for point in seen.points if point[0] >= facts.period.begin]
    times, values = [at for at, _value in points], [value for _at, value in points]
    season = DAY_S if times[-1] - times[0] >= 3 * DAY_S else 0.0
    trend = statistics.trend(times, values, season)
    base = median(values[: max(1, len(values) // 10)])
    grown = worse(signal, trend.slope * (times[-1] - times[0]))
    rest = [value - usual for value, usual in zip(values, usual_of(points, points, seen.step_s), strict=True)]
    least = max(signal.floor, MOVED * abs(median(values)))
    levels = levels_of(rest, least / 8)
    lasting = lasting_rise([(begin, end, worse(signal, level)) for begin, end, level in levels], least)
    found[signal.name] = {
        "test": "seasonal Mann-Kendall, by hour of the day" if season else "Mann-Kendall", "p": trend.p,
        "slope": "Theil-Sen", "change_over_the_time": trend.slope * (times[-1] - times[0]), "at_the_beginning": base,
        "unit": signal.unit, "values": len(values),
        "levels": [[stamp(times[begin]), level] for begin, _end, level in levels],
    }  # fmt: skip
    if trend.p < CERTAIN and grown > max(signal.floor, MOVED * abs(base)):
        red.append(f"{signal.name} grew worse by {signal.shown(grown)} from {signal.shown(base)} (p {trend.p:.2g})")
    elif lasting is not None:
        place, rise = lasting
        red.append(f"{signal.name} is worse by {signal.shown(rise)} since {stamp(times[place])}, and stays so")


# ---------------------------------------------------------------------------- what is asked for, and what is used


def judge_opportunities(facts: HistoryFacts) -> Verdict:
    """No container asks for far more than it uses."""
    return judge_sizes(
        facts, sizes.too_large, f"No container asks for {sizes.MUCH:g} times what is proposed for its use, or more",
        "Ask for less, as the difference of values in the evidence proposes, so that nodes have room for others.",
    )  # fmt: skip


def judge_utilization(facts: HistoryFacts) -> Verdict:
    """No container uses more than is kept for it, or comes near to its limit."""
    return judge_sizes(
        facts, sizes.too_small, "Each container's use is within what is kept for it, and well below its limits",
        "Ask for more, as the difference of values in the evidence proposes.",
    )  # fmt: skip


def judge_sizes(facts: HistoryFacts, look: Callable[[Used], list[sizes.Size]], good: str, remedy: str) -> Verdict:
    """Judge each container by a look at its figures."""
    seen = facts.use
    if seen is None:
        return missing("bytebot_prometheus")
    if not seen.told.ok:
        return untold("The use of the containers", seen.told, facts)
    if not seen.used and not seen.halves:
        return pending(
            f"Prometheus has no use of containers in this namespace ({facts.period.text}).",
            "Let it scrape the kubelets and kube-state-metrics, or name a store that has them (bytebot_history).",
        )
    found = [one for used in seen.used for one in look(used)]
    thin = [f"{one.where} has {one.points} of {seen.wanted} values" for one in seen.used if _thin(one, seen)]
    blind = [
        f"nothing tells what {one.where} asks for"
        for one in seen.used
        if one.cpu_request is None and one.memory_request is None
    ]
    halves = [f"of {name} only one of processor and memory is told" for name in seen.halves]
    facts_told = {
        "containers": [_told(one) for one in seen.used],
        "proposal": sizes.difference(found, facts.wanted.paths),
        "rule": f"processor: 95th percentile times {sizes.CPU_ROOM:g}; memory: the most times {sizes.MEMORY_ROOM:g}",
    }
    certain = [one.text for one in found if not _thin(one.used, seen)]
    return verdict(
        facts,
        f"container metrics of {seen.url}",
        facts_told,
        red=certain,
        unsure=[*thin, *blind, *halves],
        good=good,
        remedy=remedy,
    )


def _thin(used: Used, seen: UseSeen) -> bool:
    """A workload that has come meanwhile has few values; so has one whose figures are missing."""
    return used.points < max(LEAST, COVERED * seen.wanted)


def _told(used: Used) -> dict[str, Any]:
    def quantity(kind: str, value: float | None) -> str | None:
        return None if value is None else sizes.shown(kind, value)

    return {
        "container": used.where, "cpu_p95": quantity("cpu", used.cpu), "memory_most": quantity("memory", used.memory),
        "requests": {"cpu": quantity("cpu", used.cpu_request), "memory": quantity("memory", used.memory_request)},
        "limits": {"cpu": quantity("cpu", used.cpu_limit), "memory": quantity("memory", used.memory_limit)},
        "throttled": None if used.throttled is None else round(used.throttled, 3), "busiest_hour_utc": used.peak_hour,
        "values": used.points,
    }  # fmt: skip


# ---------------------------------------------------------------------------- autoscalers


def judge_autoscaling(facts: HistoryFacts) -> Verdict:
    """No autoscaler swings, or is at its bound for long."""
    seen = facts.scalers
    if seen is None:
        return missing("bytebot_prometheus")
    if not seen.told.ok:
        return untold("The history of autoscalers", seen.told, facts)
    if not seen.scalers:
        return pending(
            f"Prometheus has no series of a HorizontalPodAutoscaler ({facts.period.text}).",
            "Let it scrape kube-state-metrics, or name a store that has them (bytebot_history).",
        )
    red: list[str] = []
    unsure: list[str] = []
    rows: list[dict[str, Any]] = []
    flaps = facts.wanted.flaps
    weaker = (f"{flaps} changes of direction in an hour are too many, usual {USUAL_FLAPS}",) * (flaps > USUAL_FLAPS)
    wanted = (facts.period.end - facts.period.begin) / seen.step_s
    for one in seen.scalers:
        if len(one.points) < max(LEAST, COVERED * wanted):
            unsure.append(f"{one.name} has {len(one.points)} of {wanted:.0f} values")
        if one.most is None:
            unsure.append(f"nothing tells how many replicas {one.name} may have, so not whether it was at its most")
        rows.append(_scaler(one, facts, red))
    return verdict(
        facts, f"autoscalers of {seen.url}", {"autoscalers": rows, "too_many_changes_in_an_hour": flaps}, weaker=weaker,
        red=red, unsure=unsure, good=f"None of {len(rows)} autoscalers swings, or is at its most for long",
        remedy="Change the autoscaler's values as the evidence proposes.",
    )  # fmt: skip


def _scaler(one: Scaler, facts: HistoryFacts, red: list[str]) -> dict[str, Any]:
    turns = turns_of(one)
    hours = Counter(int(at // _HOUR_S) for at in turns)
    bad = {hour: count for hour, count in hours.items() if count >= facts.wanted.flaps}
    values = [value for _at, value in one.points]
    full = sum(value >= one.most for value in values) / len(values) if one.most is not None and values else 0.0
    row: dict[str, Any] = {
        "autoscaler": one.name, "least": one.least, "most": one.most, "from": min(values, default=None),
        "to": max(values, default=None), "changes_of_direction": len(turns),
        "most_in_an_hour": max(hours.values(), default=0),
        "share_of_time_at_most": round(full, 3), "proposal": [],
    }  # fmt: skip
    if len(bad) >= HOURS:
        worst = max(bad, key=lambda hour: bad[hour])
        red.append(f"{one.name} swings: {bad[worst]} changes of direction in the hour from {stamp(worst * _HOUR_S)}, "
                   f"and too many in {len(bad)} hours")  # fmt: skip
        row["proposal"].append("+behavior.scaleDown.stabilizationWindowSeconds: 600")
    if full > LONG and one.most is not None and one.most != one.least:
        red.append(f"{one.name} was at its most of {one.most:g} replicas for {full:.0%} of the time")
        row["proposal"] += [f"-maxReplicas: {one.most:g}", f"+maxReplicas: {math.ceil(one.most * 1.5)}"]
    return row


def turns_of(one: Scaler) -> Sequence[float]:
    """When the wanted replicas changed their direction."""
    turns: list[float] = []
    last, way = None, 0
    for at, value in one.points:
        if last is not None and value != last:
            new = 1 if value > last else -1
            if way and new != way:
                turns.append(at)
            way = new
        last = value
    return turns
