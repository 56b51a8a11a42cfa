# Which faults are put in at once: those whose inputs agree, and of which no two declare the same control.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import random
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from sandbox.faults.fault import DOCUMENTS_COPY, Fault, nothing
from tests.sabotage import wanted
from tests.sabotage.judging import CORE

# What a run may do; where it says nothing, it may do more.
ALLOWED = "bytebot_tests_allowed"
# What others are seen by is not there with these, so that a round with one of them would be judged twice.
ALONE = frozenset(
    {
        "admission_refuses", "chart_template_broken", "cni_ignores_policies", "default_backend_answers",
        "dns_differs_inside", "dns_host_missing", "dns_points_elsewhere", "helm_2", "helm_missing",
        "ingress_class_wrong", "ingress_controller_scaled_to_zero", "ingress_service_no_endpoints", "login_fails",
        "node_cordoned", "node_not_ready", "other_application_answers", "pooler_stopped", "postgres_stopped",
        "prometheus_bad_config", "prometheus_stopped", "rate_limit_does_not_recover", "redis_aof_write_failed",
        "redis_stopped", "requests_hog", "restart_loop", "service_selector_typo", "service_target_port_wrong",
    }
)  # fmt: skip
Variables = Mapping[str, Mapping[str, Any]]


def rounds(faults: Sequence[Fault], most: int, variables: Variables, seed: int | None = None) -> list[list[Fault]]:
    """The faults in rounds of at most so many; each is in one round, and those that must be are alone in theirs.

    :param variables: the inputs that go with each, by its name; one of which they are not known is alone.
    :param seed: of a random order, so that others meet; None for the order of the registry.
    """
    ordered = list(faults)
    if seed is not None:
        random.Random(seed).shuffle(ordered)
    found: list[list[Fault]] = []
    for fault in ordered:
        places = [one for one in found if len(one) < most and _fits(fault, one, variables)]
        if places:
            min(places, key=lambda one: len(_judged([*one, fault])) - len(_judged(one))).append(fault)
        else:
            found.append([fault])
    return found


def parts(several: Sequence[Fault], unbitten: Container[str]) -> list[list[Fault]]:
    """What a round that was not as declared is judged in next: those that did not bite apart from the others.

    :param unbitten: their names; halves where it was none or all.
    """
    apart = [[one for one in several if (one.name in unbitten) is wrong] for wrong in (False, True)]
    half = len(several) // 2
    return apart if all(apart) else [list(several[:half]), list(several[half:])]


def _judged(faults: Iterable[Fault]) -> set[str]:
    """The sections that are judged for these: each takes its time, whatever is looked for."""
    return {section for fault in faults for section in wanted.sections(fault)} - {*CORE}


def _fits(fault: Fault, others: Iterable[Fault], variables: Variables) -> bool:
    return all(_both(fault, other) and _agree(fault, other, variables) for other in others)


def _both(one: Fault, other: Fault) -> bool:
    """Two that are judged in the same way, by controls none of which blocks another, and that change other things."""
    ways = [(fault.shuts, fault.signed, fault.turns) for fault in (one, other)]
    return (
        one.sociable
        and other.sociable
        and not {one.name, other.name} & ALONE
        and (one.heal is not other.heal or one.heal is nothing)
        and ways[0] == ways[1]
        and not (_touches(one) & set(other.turns_red)) | (_touches(other) & set(one.turns_red))
    )


def _agree(one: Fault, other: Fault, variables: Variables) -> bool:
    """Whether neither gets another input by the other's; what each spoils in its own copy of a file is not shared."""
    if not (one.name in variables and other.name in variables):
        return False
    mine, theirs = variables[one.name], variables[other.name]
    if mine.get(ALLOWED) != theirs.get(ALLOWED):
        return False
    return all(mine[key] == theirs[key] and not _of_its_own(mine[key]) for key in mine.keys() & theirs.keys())


def _of_its_own(value: Any) -> bool:
    text = json.dumps(value)
    return "FOLDER" in text and text != f'"FOLDER/{DOCUMENTS_COPY}"'


def _touches(fault: Fault) -> set[str]:
    """What a fault declares, and what that rests on: red there, it would be blocked."""
    controls = _catalogue().controls
    rests_on = (_catalogue().rests_on(control) for control in fault.turns_red if control in controls)
    return set(fault.turns_red).union(*rests_on)


@cache
def _catalogue() -> catalogue.Catalogue:
    return catalogue.load()
