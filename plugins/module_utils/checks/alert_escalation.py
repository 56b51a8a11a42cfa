# Judges escalation: a critical alert that nobody answers is told again and to somebody else, and these are named.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_facts import (
    USUAL_REPEAT,
    AlertsFacts,
    Register,
    config_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_routes import (
    NotUnderstood,
    Reached,
    integrations,
    reached,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import seconds, words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

LEVELS = 2
_SECOND = "Give critical alerts a second way or receiver (a route with continue, or another integration)."
_AGAIN = (
    "Shorten repeat_interval of the route of critical alerts, so that who missed the first word hears a second one."
)
_NAME = "Name the persons of each level (in the inventory: bytebot_alert_escalation)."
_HAND = "Follow the routes by hand: amtool config routes test --alertmanager.url=URL severity=critical."
_PLACE = ("change-me", "changeme", "todo", "tbd", "[", "<", "xxx", "example")


def judge_escalation(facts: AlertsFacts) -> Verdict:
    """The verdict; names of persons stay out of it."""
    if facts.status is None:
        return no_input("alertmanager", "bytebot_alertmanager")
    if facts.register is None:
        return pending("Needs input escalation: nothing says who is told first and next.", _NAME)
    found, where = Found(), f"Alertmanager at {facts.url}"
    ways: dict[str, list[str]] = {}
    to: list[Reached] = []
    if found.asked(facts.status, "its configuration", "Start Alertmanager.", allow="the right to read its API"):
        ways, to = _ways(found, facts)
    count = sum(map(len, ways.values()))
    if to:
        _steps(found, facts, ways, to)
    if facts.register.problem:
        found.wrong(facts.register.problem, _NAME)
    else:
        _named(found, facts.register, ways if to else None)
    repeat = min([seconds(one.repeat) or 0.0 for one in to if ways.get(one.receiver)], default=0.0)
    good = (
        f"a critical alert goes out by {count} ways and again after {words(repeat)}, and each of "
        f"{len(facts.register.levels)} levels names persons"
    )
    weaker = [f"repeated within {facts.repeat}, usual {USUAL_REPEAT}"] if _weaker(facts) else []
    return found.verdict(where, good, [_evidence(facts, ways, to)], weaker)


def _weaker(facts: AlertsFacts) -> bool:
    return (seconds(facts.repeat) or 0.0) > (seconds(USUAL_REPEAT) or 0.0)


def _ways(found: Found, facts: AlertsFacts) -> tuple[dict[str, list[str]], list[Reached]]:
    """By receiver that a critical alert reaches, its kinds of notification."""
    try:
        config = load(config_of(facts.status) if facts.status else "", "Alertmanager's configuration")
        to = reached(root_of(config), facts.labels)
    except (InputError, NotUnderstood) as exc:
        found.unknown(str(exc).rstrip("."), _HAND)
        return {}, []
    known = receivers_of(config)
    return {one.receiver: known.get(one.receiver, []) for one in to}, to


def root_of(config: Any) -> Mapping[str, Any]:
    """The route at the top of a configuration.

    :raises NotUnderstood: it has none.
    """
    found = config.get("route") if isinstance(config, Mapping) else None
    if not isinstance(found, Mapping):
        raise NotUnderstood("the configuration that it tells has no route")
    return found


def receivers_of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """The kinds of notification of each receiver of a configuration."""
    given = [one for one in config.get("receivers") or [] if isinstance(one, Mapping)]
    return {str(one.get("name")): integrations(one) for one in given}


def _steps(found: Found, facts: AlertsFacts, ways: Mapping[str, list[str]], to: list[Reached]) -> None:
    if sum(map(len, ways.values())) < LEVELS:
        told = ", ".join(f"{name} by {' and '.join(kinds) or 'nothing'}" for name, kinds in ways.items())
        found.wrong(f"a critical alert has one way only ({told})", _SECOND)
    limit = seconds(facts.repeat) or 0.0
    repeats = [seconds(one.repeat) or 0.0 for one in to if ways.get(one.receiver)]
    if repeats and min(repeats) > limit:
        found.wrong(f"a critical alert is told again only after {words(min(repeats))}", _AGAIN)


def _named(found: Found, register: Register, ways: Mapping[str, list[str]] | None) -> None:
    levels = register.levels
    if len(levels) < LEVELS:
        found.wrong(f"the register names {len(levels)} level of escalation, {LEVELS} are wanted", _NAME)
    for number, one in enumerate(levels, start=1):
        if not one.persons:
            found.wrong(f"level {number} of the register names nobody", _NAME)
        elif any(mark in person.lower() for person in one.persons for mark in _PLACE):
            found.wrong(f"level {number} of the register holds a placeholder in place of a person", _NAME)
        if ways is not None and one.way not in ways.get(one.receiver, []):
            found.wrong(f"level {number}: a critical alert does not come to {one.receiver} by {one.way}", _SECOND)
    people = [frozenset(person.strip().lower() for person in one.persons) for one in levels]
    if len(people) >= LEVELS and len(set(people)) == 1 and people[0]:
        found.wrong("all levels of the register name the same persons", _NAME)


def _evidence(facts: AlertsFacts, ways: Mapping[str, list[str]], to: list[Reached]) -> Evidence:
    observed = {
        "reached": [
            {"receiver": one.receiver, "route": one.path, "ways": ways.get(one.receiver, []), "repeat": one.repeat}
            for one in to
        ],
        "levels": [
            {"receiver": one.receiver, "way": one.way, "persons": len(one.persons)}
            for one in (facts.register.levels if facts.register else ())
        ],
    }
    return Evidence(f"routes of Alertmanager {facts.url}, and the register", observed, facts.at)
