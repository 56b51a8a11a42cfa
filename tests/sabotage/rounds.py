# Which faults are put in at once: those that the application has of itself, where no two declare the same control.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from sandbox.faults.fault import Fault

Variables = Mapping[str, Mapping[str, Any]]


def rounds(faults: Sequence[Fault], most: int, variables: Variables, seed: int | None = None) -> list[list[Fault]]:
    """The faults in rounds of at most so many; each is in one round, and those that must be are alone in theirs.

    :param variables: the inputs that go with each, by its name; those of a round are the same.
    :param seed: of a random order, so that others meet; None for the order of the registry.
    """
    ordered = list(faults)
    if seed is not None:
        random.Random(seed).shuffle(ordered)
    found: list[list[Fault]] = []
    for fault in ordered:
        place = next((one for one in found if len(one) < most and _fits(fault, one, variables)), None)
        if place is None:
            found.append([fault])
        else:
            place.append(fault)
    return found


def _fits(fault: Fault, others: Iterable[Fault], variables: Variables) -> bool:
    return all(_both(fault, other) and variables[fault.name] == variables[other.name] for other in others)


def _both(one: Fault, other: Fault) -> bool:
    """Two of the application's own that are judged in the same way, and by controls none of which blocks another."""
    ways = [(fault.shuts, fault.signed, fault.turns) for fault in (one, other)]
    free = all(fault.mark and fault.playbook == "verify" and not fault.before for fault in (one, other))
    return (
        free
        and ways[0] == ways[1]
        and not (_touches(one) & set(other.turns_red)) | (_touches(other) & set(one.turns_red))
    )


def _touches(fault: Fault) -> set[str]:
    """What a fault declares, and what that rests on: red there, it would be blocked."""
    controls = _catalogue().controls
    rests_on = (_catalogue().rests_on(control) for control in fault.turns_red if control in controls)
    return set(fault.turns_red).union(*rests_on)


@cache
def _catalogue() -> catalogue.Catalogue:
    return catalogue.load()
