# Judges a day of lines with errors: none is of a kind that was not there before.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_common import (
    missing,
    untold,
    verdict,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    HistoryFacts,
    LogsSeen,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_templates import Pattern
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

_SHOWN = 20
_LONG = 200


def judge_logs(facts: HistoryFacts) -> Verdict:
    """Errors of the reviewed time are of kinds that were there before, or are known."""
    seen, period = facts.logs, facts.period
    if seen is None:
        return missing("bytebot_log_store")
    if not seen.told.ok:
        return untold("The log store", seen.told, facts)
    known = [re.compile(text) for text in facts.wanted.known]
    new = sorted(
        (one for one in seen.after if not seen.before.knows(one) and not _known(one, known)),
        key=lambda one: -one.count,
    )
    unsure = _unsure(seen)
    shown = [
        {"pattern": _cut(one.text), "lines": one.count, "first": one.first, "example": _cut(one.example)} for one in new
    ]
    found = {
        "levels": list(seen.levels), "lines_with_errors": seen.counts[1], "before": seen.counts[0],
        "patterns": sum(1 for one in seen.after), "patterns_before": sum(1 for one in seen.before),
        "lines_of_all_kinds": seen.other, "new": shown[:_SHOWN],
        "method": "patterns by Drain: numbers, addresses, identifiers and texts masked, words that differ left out",
    }  # fmt: skip
    # Where lines of before are missing, what seems new may be old.
    certain = new and not (seen.cut[0] and unsure)
    red = [_told(new)] if certain else []
    if new and not certain:
        unsure.insert(0, f"{len(new)} kinds of errors seem new")
    return verdict(
        facts, f"log store {seen.url}, levels {', '.join(seen.levels)}, since {stamp(period.earliest)}", found,
        red=red, unsure=unsure,
        good=f"{seen.counts[1]} lines with errors, all of kinds that were there before or are expected",
        remedy="Mend what makes them, or name them as expected (post_go_live_known_errors) with the reason beside it.",
    )  # fmt: skip


def _unsure(seen: LogsSeen) -> list[str]:
    found = []
    if not seen.other:
        found.append("no line at all is in the store for this time")
    if not seen.levelled:
        found.append("no line of this time has a level (post_go_live_level_field), so none could tell of an error")
    times = ("before", "reviewed")
    found += [
        f"there are more lines of the time {time} than are read"
        for time, cut in zip(times, seen.cut, strict=True)
        if cut
    ]
    if seen.after.full or seen.before.full:
        found.append("the lines have too many patterns to tell them apart")
    return found


def _told(new: list[Pattern]) -> str:
    first = new[0]
    more = f", and {len(new) - 1} kinds more" if len(new) > 1 else ""
    since = first.first or "at an unknown time"
    return f"a kind of error is new: {_cut(first.text)!r} ({first.count} lines, first {since}){more}"


def _known(one: Pattern, known: list[re.Pattern[str]]) -> bool:
    return any(pattern.search(one.example) or pattern.search(one.text) for pattern in known)


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else text[:_LONG] + "…"
