# Judges what a release's containers are told beside variables: the level of logs, what helps to debug, feature flags.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import NOT_ASKED
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Facts,
    Flag,
    Object,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    State,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

DEBUG_LEVELS = frozenset({"debug", "trace", "verbose", "silly", "finest", "all"})
ON = frozenset({"1", "true", "on", "yes", "enabled"})
OFF = frozenset({"0", "false", "off", "no", "disabled", ""})
# Of Node.js, Python, Java: what opens a debugger's port or a debugger's page.
_INSPECTS = re.compile(r"--inspect\b|--inspect-brk\b|--debug\b|-agentlib:jdwp|-Xdebug|\bdebugpy\b|\bpydevd\b")
_OPTIONS = ("NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JAVA_OPTS", "PYTHONBREAKPOINT", "PYTHONINSPECT")
_FULL = 100  # percent
_WHAT = "Deploy the release first, and let this account list its workloads and pods."


def unseen(facts: Facts) -> Verdict | None:
    """Where nothing of the release could be looked at."""
    for kind in ("Pod", "Deployment"):
        if kind in facts.denied:
            return pending(f"The release's {kind}s cannot be seen: {facts.denied[kind].rstrip('.')}.", _WHAT)
    if facts.nothing:
        return pending(facts.nothing, _WHAT)
    if not facts.running:
        return pending("No container of the release runs.", "Let its pods start first.")
    return None


def looked(facts: Facts) -> Object:
    blind = {f"{one.where} of pod {one.pod}": one.problem for one in facts.running if one.problem}
    return {
        "containers": [f"{one.where} of pod {one.pod}" for one in facts.running],
        "not_looked_inside": facts.not_looked or blind,
    }


# ---------------------------------------------------------------------------- log level


def log_level(facts: Facts) -> Verdict:
    """The level that is set is one for production, and no line below it is written."""
    if gap := unseen(facts):
        return gap
    wanted = facts.wanted
    told = {
        one.where: {name: one.variables[name] for name in wanted.level_variables if name in one.variables}
        for one in facts.running
    }
    problems = [
        f"{where} logs at the level {value}, by {name}"
        for where, values in told.items()
        for name, value in values.items()
        if value.strip().lower() not in wanted.levels
    ]
    read = [one for one in facts.lines if not one.problem]
    total = sum(one.count for one in read)
    levels: dict[str, dict[str, int]] = {}
    for one in read:
        mine = levels.setdefault(one.where, {})
        for level, count in one.levels.items():
            mine[level] = mine.get(level, 0) + count
    for where, counts in levels.items():
        below = {level: count for level, count in counts.items() if level in DEBUG_LEVELS}
        problems += [f"{where} has written {count} lines of the level {level}" for level, count in below.items()]
    unread = {f"{one.where} of pod {one.pod}": one.problem for one in facts.lines if one.problem}
    seen = facts.evidence(
        "variables and the last lines of logs",
        {"set": told, "lines": total, "levels": levels, "unread": unread, "problems": problems},
    )
    if problems:
        return failed(f"{some(problems)}.", "Set the level to info or warn, and write nothing below it.", seen)
    if unread:
        where, why = next(iter(unread.items()))
        return pending(f"The log of {where} cannot be read: {why.rstrip('.')}.", "Grant get on pods/log.", seen)
    known = sum(count for counts in levels.values() for level, count in counts.items() if level)
    if not total:
        return inconclusive("No container has written a line yet.", "Judge again when it is in use.", seen)
    if not known and not any(told.values()):
        return inconclusive(
            f"None of {total} lines tells its level, and no variable sets one.",
            "Name the variable that sets the level in application_configuration_level_variables.",
            seen,
        )
    names = sorted({level for counts in levels.values() for level in counts if level})
    told_levels = sorted({value for values in told.values() for value in values.values()})
    return passed(
        f"The level is {' and '.join(told_levels) or 'not set by a variable'}, and of the last {total} lines none is "
        f"of a level below (levels seen: {', '.join(names) or 'none'}).",
        seen,
    )


# ---------------------------------------------------------------------------- debug


def debug_off(facts: Facts) -> Verdict:
    """No switch for debugging is on, no error shows its stack, and no debugger listens."""
    if gap := unseen(facts):
        return gap
    problems = list(dict.fromkeys([*_switches(facts), *_ports(facts), *_shown(facts)]))
    errors = [
        one
        for one in facts.pages
        if one.kind == "error" and one.status >= HTTPStatus.BAD_REQUEST and one.status not in NOT_ASKED
    ]
    seen = facts.evidence(
        "variables, listening ports and provoked errors",
        {
            **looked(facts),
            "ports": {one.where: sorted(one.ports) for one in facts.running if one.ports is not None},
            "answers": [{"asked": one.asked, "status": one.status, "shows": one.shows} for one in facts.pages],
            "problems": problems,
        },
    )
    if problems:
        return failed(f"{some(problems)}.", "Switch off what is named, and answer errors without a stack.", seen)
    if open_question := _unasked(facts, errors):
        state, why, remedy = open_question
        return Verdict(state, why, remedy, (seen,))
    return passed(
        f"No switch for debugging is on in {len(facts.running)} containers, none of {len(errors)} errors shows a "
        "stack, no debugger listens, and no document of the API is served that is not wanted.",
        seen,
    )


def _unasked(facts: Facts, errors: list[Page]) -> tuple[State, str, str] | None:
    """What of it could not be seen: the state, why, and what to do."""
    if facts.unasked:
        return State.PENDING, f"No error was provoked: {facts.unasked}", "Judge without check mode."
    if silent := [one for one in facts.pages if one.problem]:
        why = f"{silent[0].asked} was not answered: {silent[0].problem.rstrip('.')}."
        return State.PENDING, why, "Let the public address answer."
    if not errors:
        return State.INCONCLUSIVE, "No error could be provoked.", "Name a path that fails in error_paths."
    if blind := _without_ports(facts):
        return State.PENDING, f"Who listens in the containers is not known: {blind}.", "Grant create on pods/exec."
    return None


def _without_ports(facts: Facts) -> str:
    if facts.not_looked:
        return facts.not_looked.rstrip(".")
    where = {one.where for one in facts.running if one.ports is not None}
    return next((f"{one.where}: {one.problem.rstrip('.')}" for one in facts.running if one.where not in where), "")


def _switches(facts: Facts) -> Iterator[str]:
    wanted = facts.wanted
    for one in facts.running:
        for name in wanted.debug_variables:
            value = one.variables.get(name)
            if value is not None and value.strip().lower() not in OFF:
                yield f"{name} is on in {one.where}"
        for name in _OPTIONS:
            if _INSPECTS.search(one.variables.get(name, "")):
                yield f"{name} starts a debugger in {one.where}"
        for name, right in wanted.production.items():
            value = one.variables.get(name)
            if value is not None and value.strip().lower() != right.lower():
                yield f"{name} is not {right} in {one.where}"


def _ports(facts: Facts) -> Iterator[str]:
    for one in facts.running:
        for port in sorted(set(one.ports or ()) & set(facts.wanted.debug_ports)):
            yield f"port {port}, a debugger's, is open in {one.where}"


def _shown(facts: Facts) -> Iterator[str]:
    for page in facts.pages:
        if page.kind == "document":
            if page.shows and not facts.wanted.documents:
                yield f"{page.asked} answers {page.status} with {page.shows}"
        elif page.shows:
            yield f"the answer {page.status} to {page.asked} shows {page.shows}"


# ---------------------------------------------------------------------------- feature flags


def feature_flags(facts: Facts) -> Verdict:
    """The flags that are live are those of the register, each with an owner and at its share."""
    if gap := unseen(facts):
        return gap
    register = facts.wanted.flags
    live = _live(facts)
    seen = facts.evidence(
        "variables of running containers, and the register of feature flags",
        {
            "live": live,
            "register": [
                {"name": one.name, "owner": one.owner, "default": one.default, "rollout": one.rollout}
                for one in register or ()
            ],
        },
    )
    if register is None:
        return pending(
            f"There is no register of feature flags, and {len(live)} are live.", "Set bytebot_feature_flags.", seen
        )
    problems = [*_flag_problems(register, live)]
    if problems:
        return failed(
            f"{some(problems)}.", "Set the flag to what the register says, or correct the register by its owner.", seen
        )
    if not live and not register:
        return inconclusive(
            "No flag is live, and the register is empty.", "Name the variables of flags by their prefixes.", seen
        )
    full = sum(one.rollout == _FULL for one in register)
    return passed(
        f"The {len(live)} live flags are those of the register of {len(register)}, each at its share ({full} at 100).",
        seen,
    )


def _live(facts: Facts) -> dict[str, dict[str, list[str]]]:
    """By flag and value, the containers that have it; a value that is no share is not told."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in facts.running:
        for name, value in one.variables.items():
            if name.startswith(facts.wanted.flag_prefixes):
                share = share_of(value)
                text = "(no share)" if share is None else f"{share} %"
                places = found.setdefault(name, {}).setdefault(text, [])
                if one.where not in places:
                    places.append(one.where)
    return found


def share_of(value: str) -> int | None:
    """The share that a flag's value says: on is 100, off is 0, a number with or without % is itself."""
    text = value.strip().lower()
    if text in ON and text != "1":
        return 100
    if text in OFF and text != "0":
        return 0
    digits = text.removesuffix("%").strip()
    if not digits.isdecimal() or int(digits) > _FULL:
        return None
    return 100 if text == "1" else int(digits)


def _flag_problems(register: tuple[Flag, ...], live: dict[str, dict[str, list[str]]]) -> Iterator[str]:
    known = {one.name: one for one in register}
    for name in sorted(live.keys() - known.keys()):
        yield f"the flag {name} is live and in no register"
    for one in register:
        if not one.owner.strip():
            yield f"the flag {one.name} has no owner"
        values = live.get(one.name)
        if values is None:
            if one.default != one.rollout:
                yield f"the flag {one.name} is nowhere set: its default {one.default} % holds and not {one.rollout} %"
            continue
        for text, places in values.items():
            if text != f"{one.rollout} %":
                yield f"the flag {one.name} is at {text} in {places[0]}, and {one.rollout} % by the register"
