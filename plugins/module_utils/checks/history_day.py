# Judges a day of figures: limits, two samples compared, spikes, and changes of level.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import history_statistics as statistics
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_common import (
    gaps,
    missing,
    split,
    untold,
    verdict,
    young,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    LOWER,
    HistoryFacts,
    Point,
    Signal,
    SignalSeen,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

CERTAIN = 0.01  # p below which a difference is no chance
LARGE = 0.474  # Cliff's delta that counts as large (Romano and others, 2006)
MOVED = 0.2  # share by which a median has to move, to matter
FAR = 8.0  # standard deviations that a spike is away
_DAY_S = 86_400.0
_SHOWN = 20


def judge_performance(facts: HistoryFacts) -> Verdict:
    """Each figure keeps its limit, and is not much worse than before."""
    if (early := _unasked(facts)) is not None:
        return early
    red: list[str] = []
    unsure: list[str] = []
    found: dict[str, Any] = {}
    for seen in facts.signals or ():
        if lack := gaps(seen, facts.period):
            unsure.append(lack)
            continue
        _performance(seen, facts, red, unsure, found)
    return verdict(
        facts, _source(facts), found, red=red, unsure=unsure,
        good=f"No figure is worse than before, and each keeps its limit ({', '.join(found)})",
        remedy="Find what changed at that time (a release, traffic, a dependency), and mend it.",
    )  # fmt: skip


def _performance(
    seen: SignalSeen, facts: HistoryFacts, red: list[str], unsure: list[str], found: dict[str, Any]
) -> None:
    signal = seen.signal
    before, after = ([value for _at, value in points] for points in split(seen, facts.period))
    typical = median(after)
    told: dict[str, Any] = {"median": typical, "unit": signal.unit, "values": len(after)}
    found[signal.name] = told
    if signal.limit is not None and worse(signal, typical - signal.limit) > 0:
        red.append(
            f"{signal.name} is {signal.shown(typical)} at the median, and its limit is {signal.shown(signal.limit)}"
        )
    if lack := young(seen, facts.period):
        unsure.append(lack)
        return
    test = statistics.compared(before, after)
    told |= {
        "median_before": test.before, "median_after": test.after, "test": "Mann-Whitney U, two-sided", "p": test.p,
        "effect": "Cliff's delta", "delta": test.delta, "values_before": len(before), "values_after": len(after),
    }  # fmt: skip
    moved = worse(signal, test.after - test.before)
    matters = moved > signal.floor and moved > MOVED * abs(test.before)
    if matters and test.p < CERTAIN and worse(signal, test.delta) >= LARGE:
        red.append(
            f"{signal.name} is worse than before: {signal.shown(test.before)} became {signal.shown(test.after)} "
            f"(Mann-Whitney U, p {test.p:.2g}, Cliff's delta {test.delta:.2f})"
        )


def judge_spikes(facts: HistoryFacts) -> Verdict:
    """No figure is far away for a while, or changes its level to a worse one."""
    if (early := _unasked(facts)) is not None:
        return early
    red: list[str] = []
    unsure: list[str] = []
    found: dict[str, Any] = {}
    for seen in facts.signals or ():
        if lack := gaps(seen, facts.period):
            unsure.append(lack)
            continue
        _spikes(seen, facts, red, unsure, found)
    return verdict(
        facts, _source(facts), found, red=red, unsure=unsure,
        good=f"No spike and no lasting change for the worse in {', '.join(found)}",
        remedy="Look at logs and changes of that time, and say in the change record what it was; then mend it.",
    )  # fmt: skip


def _spikes(seen: SignalSeen, facts: HistoryFacts, red: list[str], unsure: list[str], found: dict[str, Any]) -> None:
    signal = seen.signal
    before, after = split(seen, facts.period)
    jumps = spikes_of(signal, after, usual_of(before, after, seen.step_s), seen.step_s)
    spikes, least = jumps.found, jumps.least
    levels = levels_of(jumps.rest, least / FAR)
    found[signal.name] = {
        "usual": "the same time of earlier days" if before else "the median of the reviewed time",
        "deviation": jumps.deviation,
        "spikes": [[stamp(begin), stamp(end), value] for begin, end, value in spikes[:_SHOWN]],
        "levels": [[stamp(after[begin][0]), level] for begin, _end, level in levels[:_SHOWN]],
        "method": f"beyond {FAR:g} deviations (median of absolute deviations); binary segmentation, penalty "
        f"{statistics.PENALTY:g} log n",
    }  # fmt: skip
    if spikes:
        begin, end, value = max(spikes, key=lambda one: worse(signal, one[2]))
        more = f", and {len(spikes) - 1} more" if len(spikes) > 1 else ""
        red.append(f"{signal.name} spiked to {signal.shown(value)} from {stamp(begin)} to {stamp(end)}{more}")
    if lack := young(seen, facts.period):
        unsure.append(lack)
    elif (lasting := lasting_rise(levels, least)) is not None:
        place, rise = lasting
        red.append(f"{signal.name} is worse by {signal.shown(rise)} since {stamp(after[place][0])}, and stays so")


@dataclass(frozen=True, slots=True)
class Spikes:
    """What jumps.

    :param found: begin, end and worst value of each; :param rest: each value less its usual one, above 0 for the worse.
    :param least: the least difference that matters.
    """

    found: list[tuple[float, float, float]]
    rest: list[float]
    deviation: float
    least: float


def spikes_of(signal: Signal, after: Sequence[Point], usual: Sequence[float], step_s: float) -> Spikes:
    """Where values are far from their usual ones."""
    values = [value for _at, value in after]
    rest = [worse(signal, value - base) for value, base in zip(values, usual, strict=True)]
    least = max(signal.floor, MOVED * abs(median(usual)))
    deviation = max(statistics.spread_of(rest), statistics.noise_of(rest), least / FAR)
    middle = median(rest)
    found = [
        (after[first][0], after[last][0] + step_s, max(values[first : last + 1], key=lambda v: worse(signal, v)))
        for first, last in statistics.runs([value - middle > FAR * deviation for value in rest])
    ]
    return Spikes(found, rest, deviation, least)


def lasting_rise(levels: Sequence[tuple[int, int, float]], least: float) -> tuple[int, float] | None:
    """From where on all levels are above the first one, and by how much the last one is; None where it is not."""
    base, last = levels[0][2], levels[-1][2]
    if last - base <= least:
        return None
    above = len(levels) - 1
    while levels[above - 1][2] > base + least / 2:
        above -= 1
    return levels[above][0], last - base


def levels_of(values: Sequence[float], least_noise: float) -> list[tuple[int, int, float]]:
    """The levels between changes: first place, the one after the last, median."""
    edges = [0, *statistics.change_points(values, least_noise), len(values)]
    return [(begin, end, median(values[begin:end])) for begin, end in pairwise(edges)]


def usual_of(before: Sequence[Point], after: Sequence[Point], step_s: float) -> list[float]:
    """What each value would be by the same time of earlier days, else by the median of all."""
    times: dict[int, list[float]] = {}
    for at, value in before:
        times.setdefault(round(at % _DAY_S / step_s), []).append(value)
    fallback = median([value for _at, value in (before or after)])
    return [median(times.get(round(at % _DAY_S / step_s), [fallback])) for at, _value in after]


def worse(signal: Signal, difference: float) -> float:
    """A difference, above 0 where it is for the worse."""
    return -difference if signal.worse == LOWER else difference


def _unasked(facts: HistoryFacts) -> Verdict | None:
    if facts.signals is None:
        return missing("bytebot_prometheus")
    bad = next((one for one in facts.signals if not one.told.ok), None)
    return untold(f"{bad.signal.name} in Prometheus", bad.told, facts) if bad else None


def _source(facts: HistoryFacts) -> str:
    return "Prometheus: " + ", ".join(one.signal.query for one in facts.signals or ())
