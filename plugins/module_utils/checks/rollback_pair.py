# Judges the rollbacks of a release by the pair of versions that a go-live would go back between.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback, Side
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    passed,
    pending,
)

USUAL_WITHIN_S = 90 * 86_400.0  # as long as the result of the control itself holds
_AHEAD_S = 300.0  # clocks differ by less
_DRILL = "Roll back in a drill (playbooks/rollback.yml), deploy again what is to go live, and judge again."


@dataclass(frozen=True, slots=True)
class Pair:
    """What would be left, and where it would lead.

    :param before: the newest good version before the one that runs; None where helm knows none.
    :param rollbacks: of this release, the oldest first.
    """

    runs: Side
    before: Side | None
    rollbacks: tuple[Rollback, ...] = ()

    @property
    def own(self) -> tuple[Rollback, ...]:
        """The rollbacks of this very pair; where helm knows no version before, all from the one that runs."""
        left = [one for one in self.rollbacks if one.left.same(self.runs)]
        return tuple(one for one in left if self.before is None or one.back_to.same(self.before))


def judge(pair: Pair, source: str, *, within_s: float, now: float, at: str) -> Verdict:
    """The newest rollback of the pair passed, and not too long ago."""
    if not pair.rollbacks:
        return pending(f"No rollback of this release is recorded{_nowhere(pair)}.", _DRILL)
    newest = pair.own[-1] if pair.own else pair.rollbacks[-1]
    seen = Evidence(source, _told(pair, newest, within_s), at)
    if not pair.own:
        return _of_another(pair, newest, seen)
    if not newest.passed:
        return failed(f"The rollback {_way(newest)} did not pass{_why(newest)}.", _DRILL, seen)
    if pair.before is None:
        return pending("Helm's record holds no version before the one that runs.", _DRILL, seen)
    age = now - newest.at
    weaker = (
        (f"a rollback of at most {words(within_s)} ago wanted, usual: {words(USUAL_WITHIN_S)}",)
        if within_s > USUAL_WITHIN_S
        else ()
    )
    if not -_AHEAD_S <= age <= within_s:
        old = f"is {words(age)} old; {words(within_s)} are allowed" if age > 0 else f"is of {_time(newest.at)}, to come"
        return failed(f"The newest rollback {_way(newest)} {old}.", _DRILL, seen, weaker=weaker)
    text = f"The rollback {_way(newest)} passed at {_time(newest.at)}, in {newest.seconds:.3g} s"
    return passed(f"{text}.", seen, weaker=weaker)


def _of_another(pair: Pair, newest: Rollback, seen: Evidence) -> Verdict:
    """None is of this pair: the newest one led to what runs now, or says nothing of it."""
    if newest.back_to.same(pair.runs):
        if not newest.passed:
            return failed(f"The rollback {_way(newest)} did not pass{_why(newest)}.", _DRILL, seen)
        text = f"What runs is what the rollback {_way(newest)} led to"
        return pending(f"{text}.", "Deploy again what is to go live, and judge again.", seen)
    before = f", and {_name(pair.before)} before it" if pair.before else ""
    text = f"The newest rollback is of another pair of versions, {_way(newest)}"
    return failed(f"{text}; what runs is {_name(pair.runs)}{before}.", _DRILL, seen)


def _nowhere(pair: Pair) -> str:
    return "" if pair.before else ", and helm's record holds no version before the one that runs"


def _way(one: Rollback) -> str:
    return f"from {_name(one.left)} to {_name(one.back_to)}"


def _name(side: Side) -> str:
    return f"{side.app_version or '?'} (chart {side.chart_version or '?'})"


def _why(one: Rollback) -> str:
    return f" ({one.why.rstrip('.')})" if one.why else ""


def _told(pair: Pair, newest: Rollback, within_s: float) -> dict[str, Any]:
    return {
        "runs": _side(pair.runs),
        "before": _side(pair.before) if pair.before else None,
        "left": _side(newest.left),
        "back_to": _side(newest.back_to),
        "ended": _time(newest.at),
        "seconds": newest.seconds,
        "passed": newest.passed,
        "why": newest.why,
        "reason": newest.reason,
        "within_s": within_s,
        "recorded": len(pair.rollbacks),
    }


def _side(side: Side) -> dict[str, Any]:
    return {"chart_version": side.chart_version, "app_version": side.app_version, "images": sorted(side.images)}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
