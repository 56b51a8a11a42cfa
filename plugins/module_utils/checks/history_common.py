# What the judgements of a review share: what was not answered, how much was, and the sentence about it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    HistoryFacts,
    Period,
    Point,
    SignalSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    inconclusive,
    passed,
    pending,
)

LEAST = 30  # values of each of two samples that are compared
COVERED = 0.8  # share of the time that must have values


def missing(name: str) -> Verdict:
    """Pending for an input."""
    return pending(f"Nothing says where to look: {name} is not set.", f"Set {name} in the inventory.")


def untold(what: str, told: Told, facts: HistoryFacts) -> Verdict:
    """For a question that was not answered."""
    seen = Evidence(what, told.seen(), facts.at)
    remedy = (
        "Let the account read there." if told.kind == DENIED else "See that it serves, and that its address is right."
    )
    return errored(f"{what} could not be asked: {told.cause}.", remedy, seen)


def split(seen: SignalSeen, period: Period) -> tuple[list[Point], list[Point]]:
    """The points before and in the reviewed time."""
    before = [point for point in seen.points if point[0] < period.begin]
    return before, [point for point in seen.points if point[0] >= period.begin]


def young(seen: SignalSeen, period: Period) -> str:
    """Why there is nothing to compare with: hours of a day differ, so it takes a whole time before; else empty."""
    there, wanted = len(split(seen, period)[0]), max(LEAST, COVERED * wanted_values(seen, period))
    if there < wanted:
        return f"{seen.signal.name} has {there} values of before to compare with, and {wanted:.0f} are wanted"
    return ""


def wanted_values(seen: SignalSeen, period: Period) -> float:
    """How many values the reviewed time has."""
    return (period.end - period.begin) / seen.step_s


def gaps(seen: SignalSeen, period: Period) -> str:
    """Why a figure has too few values in the reviewed time; empty where it has enough."""
    wanted = wanted_values(seen, period)
    there = sum(point[0] >= period.begin for point in seen.points)
    if there < max(LEAST, COVERED * wanted):
        return f"{seen.signal.name} has {there} of {wanted:.0f} values"
    return ""


def verdict(
    facts: HistoryFacts,
    source: str,
    found: Mapping[str, Any],
    *,
    red: Sequence[str],
    unsure: Sequence[str],
    good: str,
    remedy: str,
    weaker: tuple[str, ...] = (),
) -> Verdict:
    """Red where something is, else inconclusive where something cannot be told, else good; with what was found."""
    period = facts.period
    seen = Evidence(source, {"period": period.facts(), **found}, facts.at)
    if red:
        more = f" And {'; '.join(unsure)}." if unsure else ""
        return failed(f"{'; '.join(red)} ({period.text}).{more}", remedy, seen, weaker=(*period.weaker, *weaker))
    if unsure:
        return inconclusive(
            f"{'; '.join(unsure)} ({period.text}).",
            "Judge again a day later, or name a store that has more (bytebot_history).", seen,
        )  # fmt: skip
    return passed(f"{good} ({period.text}).", seen, weaker=(*period.weaker, *weaker))
