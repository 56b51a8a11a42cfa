# What a fault did, as a row, and the last line that counts them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.plugin_utils.record import derived
from sandbox.faults.fault import Fault
from tests.sabotage.judging import RED, Judged

SUMS = derived.CONTROLS  # red where one of those is that they sum up, so they say nothing of their own


@dataclass(frozen=True)
class Bite:
    """What one fault turned red.

    :param missed: controls that it declares and that stayed as they were; :param collateral: others that turned red.
    :param together: the other faults that were in at the same time, none of which declares a control of this one.
    """

    name: str
    turns_red: tuple[str, ...]
    missed: tuple[str, ...]
    collateral: tuple[str, ...]
    gate: str
    wanted_gate: str
    seconds: float
    together: tuple[str, ...] = ()

    @classmethod
    def of(cls, fault: Fault, judged: Judged, others: Sequence[Fault] = ()) -> Bite:
        """Compare what was declared with what was recorded.

        :param others: the faults that were in at the same time.
        """
        turned = (
            judged.red if fault.turns in RED else {one for one, state in judged.states.items() if state == fault.turns}
        )
        missed = tuple(sorted(set(fault.turns_red) - turned))
        declared = {control for one in (fault, *others) for control in one.turns_red}
        collateral = tuple(sorted(judged.red - declared - SUMS))
        shutting = [one for one in (fault, *others) if one.shuts and set(one.turns_red) - judged.beyond]
        wanted = "shut" if shutting else "open"
        if fault.playbook == "go_live":  # it judges the last stages alone, so that no gate may open
            wanted = "shut" if judged.gate == "open" else judged.gate
        if fault.playbook == "review":
            wanted = "not_assessed"
        found = (fault.name, fault.turns_red, missed, collateral, judged.gate, wanted, round(judged.seconds, 1))
        return cls(*found, tuple(other.name for other in others))

    @property
    def bitten(self) -> bool:
        """Whether all that it declares is red, and the gate says what it must."""
        return not self.missed and self.gate == self.wanted_gate


def row(bite: Bite) -> str:
    """One fault as one line."""
    said = "bitten" if bite.bitten else f"NOT BITTEN ({', '.join(bite.missed) or f'the gate is {bite.gate}'})"
    more = f"  COLLATERAL: {', '.join(bite.collateral)}" if bite.collateral else ""
    beside = f"  with {', '.join(bite.together)}" if bite.together else ""
    return f"{bite.name:<30} {said:<8} {bite.seconds:6.1f} s  {', '.join(bite.turns_red)}{more}{beside}"


def last_line(bites: Sequence[Bite], earlier: int = 0, between: int = 0) -> str:
    """How many were bitten of how many, and how many others turned red.

    :param earlier: how many of them were seen at earlier commits.
    :param between: how many were seen after the sources had changed under the call.
    """
    bitten = sum(bite.bitten for bite in bites)
    said = f"bitten {bitten} of {len(bites)}, collateral {sum(len(bite.collateral) for bite in bites)}"
    notes = [f"{earlier} of them seen at an earlier commit"] if earlier else []
    together = sum(bool(bite.together) for bite in bites)
    notes += [f"{together} of them seen only together with others"] if together else []
    notes += [f"{between} of them seen while the sources changed"] if between else []
    return f"{said} ({'; '.join(notes)})" if notes else said
