# Judges the registers for emergencies: who is called, how urgent what is, who is called next, and what others are told.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_routes import NotUnderstood, matchers_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import (
    CONFIRMED_AGE,
    ContactFacts,
    Register,
    mapping,
    minutes,
    pair_problems,
    text,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import age_problems, weaker_age
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import mark_in
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

ROLES = ("operations", "development", "security", "infrastructure")
SEVERITIES, TIMES, EXECUTIVE, CUSTOMER = (
    f"emergency.escalation.{item}" for item in ("severities", "timeframes", "executive", "customer")
)
MESSAGES = ("start", "update", "end")
_NAME = "Name a person and a deputy, each with a channel that reaches them at once (docs/documents.md shows the form)."
_CONFIRM = "Ask whether the contact still holds, and set `confirmed` to that day."
_OTHERS = "Name other people: one person cannot be called for everything."
_LEVELS = "Say of each severity what it means, and name every one that alerts and routes have."
_SPANS = "Say of each severity within which time somebody responds, and after which time who is called next."
_PLAN = "Say who is told of which severities within which time, by whom, and in which words."
_FEWEST = 2

CHECKS: Checks[ContactFacts] = Checks()


def _contact(facts: ContactFacts, role: str) -> Verdict:
    register = facts.contacts
    if not register.where:
        return _no_register("contacts", "bytebot_contacts")
    found, all_of = Found(), mapping(mapping(register.data).get("contacts"))
    one = mapping(all_of.get(role))
    if _readable(found, register):
        if not one:
            found.wrong(f"it has no entry {role}", _NAME)
        else:
            for problem in pair_problems(one, role):
                found.wrong(problem, _NAME)
            for problem in age_problems(text(one.get("confirmed")), "confirmed", facts.max_age, facts.today):
                found.wrong(f"{role}: {problem}", _CONFIRM)
        if alone := _everywhere(all_of):
            found.wrong(f"{alone} is the person of all {len(ROLES)} roles", _OTHERS)
    observed = {
        "title": text(one.get("title")),
        "person": _shown(one.get("person")),
        "deputy": _shown(one.get("deputy")),
        "confirmed": text(one.get("confirmed")),
    }
    good = f"{role} has a person and a deputy with channels, confirmed {text(one.get('confirmed'))}"
    weaker = weaker_age(facts.max_age, CONFIRMED_AGE, "a confirmation")
    return found.verdict(f"Contacts in {register.where}", good, [_evidence(facts, register, observed)], weaker)


def _everywhere(contacts: Mapping[str, Any]) -> str:
    """The name that is the person of every role; empty where there are several."""
    names = [text(mapping(mapping(contacts.get(role)).get("person")).get("name")) for role in ROLES]
    return names[0] if names[0] and len({name.lower() for name in names}) == 1 else ""


def _judge_of(role: str) -> Callable[[ContactFacts], Verdict]:
    return lambda facts: _contact(facts, role)


for _role in ROLES:
    CHECKS.settles(f"emergency.contacts.{_role}")(_judge_of(_role))


# ---------------------------------------------------------------------------- severities and times


@CHECKS.settles(SEVERITIES)
def severities(facts: ContactFacts) -> Verdict:
    """Each severity that alerts and routes have is a level with a meaning."""
    register = facts.escalation
    if not register.where:
        return _no_register("escalation", "bytebot_escalation")
    found, levels = Found(), _levels(register)
    if _readable(found, register):
        _dated(found, facts)
        if len(levels) < _FEWEST:
            found.wrong(f"it defines {len(levels)} levels, at least {_FEWEST} are wanted", _LEVELS)
        for name, level in levels.items():
            meaning = text(level.get("meaning"))
            if not meaning or mark_in(meaning):
                found.wrong(f"the level {name} has no meaning", _LEVELS)
    covered = {text(one) for level in levels.values() for one in level.get("alerts") or [level.get("name")]}
    used = {"routes": _of_routes(found, facts), "alerts": _of_alerts(found, facts)}
    for kind, names in used.items():
        if lost := sorted(set(names or ()) - covered - {""}):
            found.wrong(f"{kind} have the severity {', '.join(lost)}, which is no level here", _LEVELS)
    observed = {"levels": sorted(levels), **{f"severities_of_{kind}": names for kind, names in used.items()}}
    good = f"{len(levels)} levels ({', '.join(levels)}) cover what routes and alerts have"
    return found.verdict(f"Escalation in {register.where}", good, [_evidence(facts, register, observed)])


def _of_routes(found: Found, facts: ContactFacts) -> list[str] | None:
    """The severities that Alertmanager's routes ask for."""
    told = facts.routes
    if told is None or not told.ok:
        cause = told.cause if told else "nothing says where it is"
        found.unknown(
            f"which severities Alertmanager routes is not known ({cause})",
            "Say where Alertmanager is (in the inventory: bytebot_alertmanager), and let this machine reach it.",
        )
        return None
    try:
        config = load(str(told.data), "Alertmanager's configuration")
        return sorted(set(_values(mapping(mapping(config).get("route")), facts.label)))
    except (InputError, NotUnderstood) as exc:
        found.unknown(
            f"Alertmanager's routes cannot be read: {exc}", "Compare them by hand: amtool config routes show."
        )
        return None


def _values(route: Mapping[str, Any], label: str) -> Iterator[str]:
    for one in matchers_of(route) if any(route.get(key) for key in ("match", "match_re", "matchers")) else ():
        if one.name == label and one.how in ("=", "=~"):
            parts = one.value.split("|") if one.how == "=~" else [one.value]
            if not all(part.replace("_", "").replace("-", "").isalnum() for part in parts if part):
                raise NotUnderstood(f"the matcher {one} stands for more than names")
            yield from parts
    for child in route.get("routes") or []:
        yield from _values(mapping(child), label)


def _of_alerts(found: Found, facts: ContactFacts) -> list[str] | None:
    """The severities of the alerts' rules; without Prometheus the routes alone are compared, as the evidence says."""
    told = facts.rules
    if told is None:
        return None
    if not told.ok:
        found.unknown(f"Prometheus does not tell its rules ({told.cause})", "Let this machine reach it.")
        return None
    return sorted({one.severity for one in told.data if one.severity})


@CHECKS.settles(TIMES)
def timeframes(facts: ContactFacts) -> Verdict:
    """Each level that asks for an answer says within which time, and after which time who is called next."""
    register = facts.escalation
    if not register.where:
        return _no_register("escalation", "bytebot_escalation")
    found, levels = Found(), _levels(register)
    if _readable(found, register):
        _dated(found, facts)
        urgent = {name: level for name, level in levels.items() if level.get("informational") is not True}
        if not urgent:
            found.wrong("no level asks for an answer", _SPANS)
        for name, level in urgent.items():
            for problem in _time_problems(name, level):
                found.wrong(problem, _SPANS)
        spans = [span for level in urgent.values() if (span := minutes(level.get("respond_within"))) is not None]
        if spans != sorted(spans):
            found.wrong("a lower level is answered sooner than a higher one (the highest stands first)", _SPANS)
    observed = {
        name: {key: level.get(key) for key in ("respond_within", "update_every", "escalate", "informational")}
        for name, level in levels.items()
    }
    told = ", ".join(
        f"{name} within {text(level.get('respond_within'))}" for name, level in levels.items() if level.get("escalate")
    )
    return found.verdict(
        f"Escalation in {register.where}", f"answered are {told}", [_evidence(facts, register, observed)]
    )


def _time_problems(name: str, level: Mapping[str, Any]) -> Iterator[str]:
    if minutes(level.get("respond_within")) is None:
        yield f"the level {name} has no time within which somebody responds (respond_within, as 15m)"
    steps = [mapping(one) for one in level.get("escalate") or []]
    if not steps:
        yield f"the level {name} goes to nobody further (escalate)"
    last = 0
    for step in steps:
        after, to = minutes(step.get("after")), text(step.get("to"))
        if after is None:
            yield f"a step of the level {name} has no time (after, as 30m)"
        elif after < last:
            yield f"the steps of the level {name} are not in the order of their times"
        last = after or last
        if to not in (*ROLES, "executive", "customer"):
            yield f"a step of the level {name} goes to {to or 'nobody'}, which is no role of the register"


# ---------------------------------------------------------------------------- who is told


@CHECKS.settles(EXECUTIVE)
def executive(facts: ContactFacts) -> Verdict:
    """Who is told of the executives, by whom, at which severities, how soon and in which words."""
    return _told(facts, "executive", ("template",))


@CHECKS.settles(CUSTOMER)
def customer(facts: ContactFacts) -> Verdict:
    """Who tells customers, at which severities, how soon, by which channels and in which words."""
    return _told(facts, "customer", tuple(f"templates.{name}" for name in MESSAGES), channels=True)


def _told(facts: ContactFacts, key: str, messages: tuple[str, ...], *, channels: bool = False) -> Verdict:
    register = facts.escalation
    if not register.where:
        return _no_register("escalation", "bytebot_escalation")
    found, plan = Found(), mapping(mapping(register.data).get(key))
    if _readable(found, register):
        _dated(found, facts)
        for problem in _plan_problems(key, plan, set(_levels(register)), messages) if plan else (f"it has no {key}",):
            found.wrong(problem, _PLAN)
        if (
            plan
            and channels
            and not [one for one in plan.get("channels") or [] if text(one) and not mark_in(text(one))]
        ):
            found.wrong(f"{key} names no channels", _PLAN)
    observed = {
        "person": _shown(plan.get("person")),
        "deputy": _shown(plan.get("deputy")),
        "severities": plan.get("severities"),
        "within": plan.get("within"),
        "messages": {name: bool(_message(plan, name)) for name in messages},
    }
    good = f"{key}: {_words(plan.get('severities'))} within {text(plan.get('within'))}, with people and messages"
    return found.verdict(f"Escalation in {register.where}", good, [_evidence(facts, register, observed)])


def _plan_problems(key: str, plan: Mapping[str, Any], levels: set[str], messages: tuple[str, ...]) -> Iterator[str]:
    yield from pair_problems(plan, key)
    named = plan.get("severities")
    names = [text(one) for one in named] if isinstance(named, list) else []
    if not names:
        yield f"{key} says of no severity that it is told (severities)"
    elif lost := sorted(set(names) - levels):
        yield f"{key} is told of {', '.join(lost)}, which is no level here"
    if minutes(plan.get("within")) is None:
        yield f"{key} has no time within which it is told (within, as 1h)"
    for name in messages:
        message = _message(plan, name)
        if not message:
            yield f"{key} has no message ({name})"
        elif mark := mark_in(message):
            yield f"the message of {key} ({name}) still has {mark}"


def _message(plan: Mapping[str, Any], name: str) -> str:
    group, _dot, own = name.rpartition(".")
    return text((mapping(plan.get(group)) if group else plan).get(own))


# ---------------------------------------------------------------------------- shared


def _no_register(name: str, variable: str) -> Verdict:
    return pending(
        f"Needs input {name}: nothing says where the register is.", f"Name it (in the inventory: {variable})."
    )


def _readable(found: Found, register: Register) -> bool:
    if register.data is None:
        found.wrong(register.problem, "Write the register: docs/documents.md shows its form.")
    return register.data is not None


def _dated(found: Found, facts: ContactFacts) -> None:
    written = text(mapping(facts.escalation.data).get("reviewed"))
    for problem in age_problems(written, "reviewed", facts.max_age, facts.today):
        found.wrong(problem, "Have its owner read it, correct it, and set `reviewed` to that day.")


def _levels(register: Register) -> dict[str, Mapping[str, Any]]:
    given = mapping(register.data).get("severities")
    entries = [mapping(one) for one in given] if isinstance(given, list) else []
    return {text(one.get("name")): one for one in entries if text(one.get("name"))}


def _shown(person: Any) -> dict[str, Any]:
    """That somebody is there and can be called, without numbers and addresses."""
    given = mapping(person)
    return {"name": text(given.get("name")), "channels": sorted(str(key) for key in given if key != "name")}


def _words(given: Any) -> str:
    return ", ".join(map(text, given)) if isinstance(given, list) else ""


def _evidence(facts: ContactFacts, register: Register, observed: Mapping[str, Any]) -> Evidence:
    return Evidence(f"register {register.where}", {"problem": register.problem, **observed}, facts.at)
