# Judges a month: whether requests and limits fit its use, and when what grows runs out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import history_sizes as sizes
from ansible_collections.bytebot.production.plugins.module_utils.checks import history_statistics as statistics
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_common import (
    missing,
    untold,
    verdict,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_day import CERTAIN
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    DAY_S,
    Growth,
    HistoryFacts,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_week import judge_sizes
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict, pending

DAYS = 10  # daily values that a forecast rests on, at least
USUAL_HORIZON_S = 90 * DAY_S
_FAR_S = 3650 * DAY_S


def judge_resources(facts: HistoryFacts) -> Verdict:
    """By the use of the whole time, nothing asks for far too much or too little."""
    return judge_sizes(
        facts, lambda used: [*sizes.too_large(used), *sizes.too_small(used)],
        "What each container asks for fits the use of the whole time",
        "Change requests and limits as the difference of values in the evidence proposes, and deploy.",
    )  # fmt: skip


def judge_planning(facts: HistoryFacts) -> Verdict:
    """Nothing that grows runs out within the horizon."""
    seen = facts.growth
    if seen is None:
        return missing("bytebot_prometheus")
    if not seen.told.ok:
        return untold("The growth of what can run out", seen.told, facts)
    if not seen.growths:
        return pending(
            f"Prometheus has nothing that could run out: {', '.join(seen.empty)}.",
            "Name what can run out, and how much there is of it (post_go_live_rooms).",
        )
    red: list[str] = []
    unsure: list[str] = [f"no series tells of {name}" for name in seen.empty]
    rows = [_forecast(one, facts, red, unsure) for one in seen.growths]
    horizon = facts.wanted.horizon_s
    weaker = (f"a horizon of {words(horizon)}, usual {words(USUAL_HORIZON_S)}",) if horizon < USUAL_HORIZON_S else ()
    return verdict(
        facts, f"Prometheus at {seen.url}",
        {"forecasts": rows, "horizon": words(horizon), "method":
         "least squares over the highest value of each day, with the prediction interval of 95 % (Student's t); it "
         "takes growth to go on as a straight line, and days as independent"},
        red=red, unsure=unsure, good=f"None of {len(rows)} that can run out does so within {words(horizon)}",
        remedy="Plan more room, or let less be kept, before that date.", weaker=weaker,
    )  # fmt: skip


def _forecast(one: Growth, facts: HistoryFacts, red: list[str], unsure: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"of": one.name, "days": len(one.days), "capacity": one.capacity, "source": one.room.used}
    if one.capacity is None or len(one.days) < DAYS:
        lack = "no capacity" if one.capacity is None else f"{len(one.days)} days of values, and {DAYS} are wanted"
        unsure.append(f"{one.name} has {lack}")
        return row
    end = facts.period.end
    line = statistics.line([at for at, _value in one.days], [value for _at, value in one.days])
    growing = line.slope > 0 and line.slope_p < CERTAIN
    horizon = end + facts.wanted.horizon_s
    likely = exhausted(line, one.capacity, end, 0.0) if growing else None
    soonest = exhausted(line, one.capacity, end, 1.0) if growing else None
    latest = exhausted(line, one.capacity, end, -1.0) if growing else None
    row |= {
        "now": one.days[-1][1], "growth_each_day": line.slope * DAY_S, "p": line.slope_p,
        "at_horizon": line.at(horizon), "margin_at_horizon": line.margin(horizon),
        "runs_out": _date(likely), "soonest": _date(soonest), "latest": _date(latest),
    }  # fmt: skip
    if one.days[-1][1] >= one.capacity:
        red.append(f"{one.name} has run out")
    elif soonest is not None and soonest <= horizon:
        red.append(
            f"{one.name} runs out about {_date(likely)}, between {_date(soonest)} and {_date(latest)} by 95 %, and the "
            f"horizon is {words(facts.wanted.horizon_s)}"
        )
    return row


def exhausted(line: statistics.Line, capacity: float, begin: float, side: float) -> float | None:
    """When the line, or a bound of its prediction interval, first meets the capacity; None within ten years."""

    def short(at: float) -> bool:
        return line.at(at) + (side * line.margin(at) if side else 0.0) >= capacity

    if not short(begin + _FAR_S):
        return None
    low, high = begin, begin + _FAR_S
    if short(low):
        return low
    while high - low > DAY_S / 24:
        middle = (low + high) / 2
        low, high = (low, middle) if short(middle) else (middle, high)
    return high


def _date(at: float | None) -> str:
    return stamp(at)[:10] if at is not None else "in more than ten years"
