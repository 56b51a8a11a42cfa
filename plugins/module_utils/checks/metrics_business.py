# Judges counters of the business by known events: each must move by as many as were caused.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    BusinessSeen,
    Move,
    WatchedFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

_COUNT = "Look at where the application counts this, and whether every replica exports it at its metrics port."
_QUIET = "Judge again when nobody else causes such events, or choose labels that only this check's events have."
_EACH = 3  # tries that must agree before an event is called counted more than once


def missed(move: Move) -> str:
    """Why a counter did not do what it must; empty where it did."""
    counted = move.after - move.before
    if not move.there:
        return f"{move.counter.metric} is not there"
    if counted < move.caused:
        return f"{move.counter} moved by {counted:g} at {move.caused} events"
    return "" if counted == move.caused else f"{move.counter} moved by {counted:g} at {move.caused} events"


def judge_business(facts: WatchedFacts) -> Verdict:
    """The verdict over all tries: too few is red, too many is red only where it is a multiple each time."""
    seen = facts.business
    if facts.unasked or seen is None:
        gap = facts.unasked or "Needs input business_metrics: none is named."
        return pending(gap, "" if facts.unasked else "Name them (in the inventory: bytebot_business_metrics).")
    evidence = Evidence("counters of the business, before and after known events", _told(seen), facts.at)
    if seen.gap:
        return pending(seen.gap, seen.remedy, evidence)
    if seen.broken:
        return inconclusive(f"The events could not be caused: {seen.broken}.", "Mend that, then judge again.", evidence)
    return _moved(seen, seen.tries[-1] if seen.tries else (), evidence)


def _moved(seen: BusinessSeen, moves: Sequence[Move], evidence: Evidence) -> Verdict:
    off = [one for one in moves if missed(one)]
    few = [one for one in off if not one.there or one.after - one.before < one.caused]
    twice = [one for one in off if _multiple(seen.tries, one)]
    verdict = passed(_good(moves), evidence)
    if seen.trouble:
        verdict = inconclusive(f"{seen.trouble}.", "Judge again.", evidence)
    elif few or twice:
        verdict = failed(f"{'; '.join(missed(one) for one in few or twice)}.", _COUNT, evidence)
    elif off:
        told = "; ".join(missed(one) for one in off)
        verdict = inconclusive(f"{told}: others cause such events, too.", _QUIET, evidence)
    elif seen.left:
        verdict = failed(f"{seen.left}.", "Remove them by hand.", evidence)
    elif seen.left_out:
        told = ", ".join(f"{event} ({why})" for event, why in seen.left_out.items())
        permit = "Permit it for this environment (in the inventory: writes in bytebot_tests_allowed)."
        verdict = pending(f"{_good(moves)} Not caused here: {told}.".strip(), permit, evidence)
    return verdict


def _good(moves: Sequence[Move]) -> str:
    told = ", ".join(f"{one.counter} by {one.caused}" for one in moves)
    return f"Each counter moved by exactly the events that were caused, over all replicas: {told}." if told else ""


def _multiple(tries: Sequence[Sequence[Move]], move: Move) -> bool:
    """Whether each try counted the same whole multiple of what was caused."""
    same = [one for moves in tries for one in moves if one.counter == move.counter]
    factors = {(one.after - one.before) / one.caused for one in same if one.caused}
    return len(same) >= _EACH and len(factors) == 1 and next(iter(factors)).is_integer()


def _told(seen: BusinessSeen) -> dict[str, object]:
    return {
        "tries": [
            [
                {
                    "counter": str(one.counter),
                    "event": one.counter.event,
                    "caused": one.caused,
                    "counted": one.after - one.before,
                    "there": one.there,
                }
                for one in moves
            ]
            for moves in seen.tries
        ],
        "not_permitted": dict(seen.left_out),
    }
