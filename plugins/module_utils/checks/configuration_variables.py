# Judges the variables of a release's containers: those that are wanted are there, as their sources say them now.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import looked, unseen
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Facts,
    Running,
    Variable,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

_NAME = re.compile(r"[A-Za-z_]\w*")  # others a shell does not tell
_SHELLS = frozenset({"_", "OLDPWD", "PWD", "SHLVL"})  # which a shell sets for itself
_SHORT = 6  # letters of a name below which one other letter is another name
_EDITS = 2


def variables(facts: Facts) -> Verdict:
    """Every container has the wanted variables, under their right names, as their sources say them now."""
    if gap := unseen(facts):
        return gap
    wanted = facts.wanted.variables
    problems = [*_drift(facts)]
    if wanted is not None:
        problems = [*_missing(facts.running, wanted), *problems]
    seen = facts.evidence(
        "variables of running containers, by name",
        {
            **looked(facts),
            "wanted": [one.name for one in wanted or ()],
            "variables": {one.where: sorted(one.variables) for one in facts.running},
            "problems": problems,
        },
    )
    if problems:
        return failed(
            f"{some(problems)}.",
            "Set what is missing under its right name, and roll the workloads so that new pods read what has changed.",
            seen,
        )
    if wanted is None:
        return pending("What variables are wanted is not known.", "Set bytebot_variables.", seen)
    if open_question := _unsure(facts, wanted):
        return inconclusive(*open_question, seen)
    if compared := _not_compared(facts):
        how = f"compared by times, since {compared}"
    else:
        how = "as their sources say them now"
    return passed(
        f"{len(facts.running)} running containers have the {len(wanted)} wanted variables that are theirs, {how}.", seen
    )


def _unsure(facts: Facts, wanted: tuple[Variable, ...]) -> tuple[str, str] | None:
    """Why it is not known that all have what they must have, and what to do."""
    if not wanted:
        return "The list of wanted variables is empty.", "Name them in bytebot_variables."
    there = {one.workload.rpartition(" ")[2] for one in facts.running}
    if away := list(dict.fromkeys(name for one in wanted for name in one.workloads if name not in there)):
        told = f"Variables are wanted of {some(away)}, of which nothing runs."
        return told, "Let it run, or correct its name in bytebot_variables."
    if late := [
        f"{source} was changed after {one.where} had read it" for one in _blind(facts) for source in one.changed
    ]:
        told = f"{some(late)}, and whether what it reads has changed was not seen: {_not_compared(facts)}."
        return told, "Grant create on pods/exec, or roll the workload."
    return None


def _missing(running: tuple[Running, ...], wanted: tuple[Variable, ...]) -> list[str]:
    names = {one.name for one in wanted}
    found: dict[str, None] = {}
    for container in (one for one in running if not one.injected):
        workload = container.workload.rpartition(" ")[2]
        mine = [one for one in wanted if not one.workloads or workload in one.workloads]
        for one in mine:
            value = container.variables.get(one.name)
            if value is None or not value.strip():
                near = _near(one.name, [name for name in container.variables if name not in names])
                what = "is empty" if value is not None else f"is not there{f', and {near} is like it' if near else ''}"
                found[f"{one.name} {what} in {container.where}"] = None
            elif one.pattern and not re.fullmatch(one.pattern, value):
                found[f"{one.name} in {container.where} is not of the wanted form"] = None
    return list(found)


def _near(name: str, others: list[str]) -> str:
    """The name among others that is one slip or two away; names of a few letters have no such neighbours."""
    if len(name) < _SHORT:
        return ""
    return next((one for one in others if 0 < distance(name, one) <= _EDITS), "")


def distance(one: str, other: str) -> int:
    """How many letters must be put in, taken out, replaced or swapped with their neighbour."""
    if abs(len(one) - len(other)) > _EDITS:
        return _EDITS + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, right in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


def _drift(facts: Facts) -> Iterator[str]:
    """What containers have otherwise than their sources say now, each once for all pods of a workload."""
    found: dict[str, None] = {}
    for one in facts.running:
        if one.has is None:
            continue
        same = sorted(name for name in set(one.told) - one.unknown - _SHELLS if _NAME.fullmatch(name))
        stale = [name for name in same if name in one.has and one.has[name] != one.told[name]]
        late = [name for name in same if name not in one.has]
        for name in (*stale, *late):
            found[f"{one.where} still has another {name} than its source says now"] = None
    return iter(found)


def _blind(facts: Facts) -> list[Running]:
    return [one for one in facts.running if one.has is None]


def _not_compared(facts: Facts) -> str:
    if facts.not_looked:
        return facts.not_looked
    return next((f"{one.where}: {one.problem.rstrip('.')}" for one in facts.running if one.has is None), "")
