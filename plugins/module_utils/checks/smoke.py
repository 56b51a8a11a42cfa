# Judges a visit as a user makes it: sign in, have a task done, see the screen, and leave nothing behind.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import Missing
from ansible_collections.bytebot.production.plugins.module_utils.checks.computer import (
    COMPLETED,
    Shot,
    Worked,
    shot_flaws,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    passed,
    pending,
    utc_now,
)

SMOKE = "go_live.t_zero.smoke"
_LOOK = "Look at the application's log at that time, and go back where it does not work for users."


@dataclass(frozen=True, slots=True)
class SmokeFacts:
    """One visit.

    :param unasked: why nothing was sent; :param missing: what is missing for a visit.
    :param user: the role of who signed in. :param refused: why nobody could sign in; empty where somebody did.
    :param task: None where none was made. :param wanted: the screen's size. :param shot: a screenshot, after
        ``drawn`` was drawn; that is empty where nothing was, for the reason in ``unstarted``.
    """

    base_url: str
    unasked: str = ""
    missing: Missing | None = None
    user: str = ""
    refused: str = ""
    task: Worked | None = None
    wanted: tuple[int, int] = (0, 0)
    shot: Shot = field(default_factory=Shot)
    drawn: str = ""
    unstarted: str = ""
    seconds: float = 0.0
    at: str = field(default_factory=utc_now)


CHECKS: Checks[SmokeFacts] = Checks()


@CHECKS.settles(SMOKE)
def smoke(facts: SmokeFacts) -> Verdict:
    """Somebody signs in, a task is completed with its effect and removed, and a screenshot shows the screen."""
    if facts.unasked:
        return pending(facts.unasked, "Run without --check.")
    if facts.missing:
        return pending(facts.missing.why, facts.missing.remedy)
    observed = {
        "user": facts.user,
        "refused": facts.refused,
        "task": asdict(facts.task) if facts.task else None,
        "screenshot": asdict(facts.shot),
        "screen": list(facts.wanted),
        "drawn": facts.drawn,
        "seconds": round(facts.seconds, 1),
    }
    seen = Evidence(f"a visit to {facts.base_url}", observed, facts.at)
    wrong = list(_wrong(facts))
    if wrong:
        return failed(f"As a user: {'; '.join(wrong)}.", _LOOK, seen)
    took = f"{facts.task.seconds:.0f} s" if facts.task else ""
    shown = "and a screenshot shows what was drawn just before"
    return passed(f"The {facts.user} signs in, a task is completed after {took}, {shown}.", seen)


def _wrong(facts: SmokeFacts) -> Iterator[str]:
    if facts.refused:
        yield f"nobody can sign in ({facts.refused.rstrip('.')})"
        return
    yield from _of_task(facts.task or Worked(problem="none was made"))
    if facts.unstarted:
        yield f"no program can be used on the desktop ({facts.unstarted.rstrip('.')})"
    else:
        yield from (f"a screenshot {flaw}" for flaw in shot_flaws(facts.shot, facts.wanted, facts.drawn))


def _of_task(task: Worked) -> Iterator[str]:
    if not task.status:
        yield f"a task cannot be made ({task.problem.rstrip('.')})"
        return
    if task.status != COMPLETED:
        why = f" ({task.problem.rstrip('.')})" if task.problem else ""
        yield f"a task is {task.status} after {task.seconds:.0f} s{why}"
    elif (task.got or "").rstrip("\r\n") != task.wanted:
        yield "a task is completed and has not done what it was asked for"
    if task.stays:
        yield f"the task cannot be removed ({task.stays.rstrip('.')})"
