# Which controls the healthy sandbox must show green, so that what faults turn red is their doing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sandbox.faults import FAULTS
from sandbox.faults.fault import Fault
from tests.sabotage.judging import CORE
from tests.sabotage.telling import SUMS


def _of(wanted: Callable[[Fault], bool]) -> frozenset[str]:
    return frozenset(control for fault in FAULTS.values() if wanted(fault) for control in fault.turns_red)


# Where no vertical autoscaler is served, that none fights is not applicable.
ONLY_WHEN_BROKEN = frozenset({"application_configuration.tuning.vpa"})
# What is judged in the windows after a go-live, before and in which users must ask.
WINDOWS = _of(lambda fault: fault.playbook == "window")
ALL = _of(lambda _: True) - ONLY_WHEN_BROKEN - SUMS - WINDOWS
# Judged in the stages of going live alone.
LATE = frozenset(one for one in _of(lambda fault: fault.playbook == "go_live") if one.startswith("go_live."))
# This says what a drill came to, which the sandbox need not have had.
DRILL_REGISTER = frozenset({"go_live.change.rollback_plan"})
WHEN_DRILLED = frozenset({"go_live.t_minus_2h.backup"}) | DRILL_REGISTER
# These are green in a healthy sandbox only once people have signed.
SIGNED = _of(lambda fault: fault.signed)
# A drill that signs everybody out: only the fault of its own has it made.
DRILLED = frozenset({"security_configuration.secrets.rotation"})
# Not due in a sandbox, which went live today; their faults set the time back.
WEEK = frozenset({"post_go_live.week_security.controls", "post_go_live.week_security.posture"})
# Judged by the role of another section than its own.
ELSEWHERE = {
    "infrastructure.database.backup": "backup",
    "post_go_live.week_security.controls": "security_testing",
    "post_go_live.week_security.posture": "security_testing",
}
# What was since a go-live, as history tells it.
REVIEWED = _of(lambda fault: fault.playbook == "review")


def section(control: str) -> str:
    """The section, and so the tag, of the role that judges a control."""
    return ELSEWHERE.get(control, control.partition(".")[0])


def sections(fault: Fault) -> list[str]:
    """What is judged with a fault, beside the core."""
    return sorted({*map(section, fault.turns_red), *fault.beside})


def green(faults: Iterable[Fault]) -> frozenset[str]:
    """What must pass before these faults are judged: the core, which the gate goes by, and their own sections.

    What is only judged beside them, or belongs to faults that are known already, may be as it is.
    """
    bitten = list(faults)
    own = {*CORE, *(section(control) for fault in bitten for control in fault.turns_red)}
    at_once = ALL - LATE - REVIEWED - WHEN_DRILLED - DRILLED - WEEK - SIGNED
    signed = {control for fault in bitten if fault.signed for control in fault.turns_red}
    return frozenset(control for control in at_once if section(control) in own) | signed


def late(faults: Sequence[Fault]) -> frozenset[str]:
    """What must pass in the last stages, where one of these faults is judged there."""
    return LATE - DRILL_REGISTER if any(fault.playbook == "go_live" for fault in faults) else frozenset()


def reviewed(faults: Sequence[Fault]) -> frozenset[str]:
    """What must pass of the reviews, where one of these faults is judged there."""
    return REVIEWED if any(fault.playbook == "review" for fault in faults) else frozenset()
