# What was observed of the registers of contacts and of escalation, and of the alerts that they have to fit.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import mark_in
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

CONFIRMED_AGE = 90  # days
CHANNELS = ("phone", "pager", "sms", "email", "chat", "on_call")
AT_ONCE = frozenset({"phone", "pager", "sms", "on_call"})  # what reaches somebody at night
_FORMS: Mapping[str, re.Pattern[str]] = {
    "phone": re.compile(r"\+?[0-9][0-9 ()./-]{5,}[0-9]"),
    "sms": re.compile(r"\+?[0-9][0-9 ()./-]{5,}[0-9]"),
    "email": re.compile(r"[^@\s<>\[\]]+@[^@\s<>\[\]]+\.[A-Za-z]{2,}"),
}
_SPAN = re.compile(r"(\d+)\s*(m|min|minutes?|h|hours?|d|days?)")
_UNITS = {"m": 1, "h": 60, "d": 1440}


@dataclass(frozen=True, slots=True)
class Register:
    """One file of data, or what the inventory itself says; ``problem`` where it cannot be read."""

    where: str = ""
    data: Mapping[str, Any] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """One observation.

    :param routes: the configuration that Alertmanager has loaded, as text; None where nothing says where it is.
    :param rules: the alerts of Prometheus; None where nothing says where it is.
    """

    contacts: Register = field(default_factory=Register)
    escalation: Register = field(default_factory=Register)
    routes: Told | None = None
    rules: Told | None = None
    label: str = "severity"
    max_age: int = CONFIRMED_AGE
    today: date = date.min
    at: str = field(default_factory=utc_now)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """The value as a text of one line; YAML may have made a day of it."""
    return " ".join(str(value).split()) if isinstance(value, (str, int, date)) and not isinstance(value, bool) else ""


def minutes(value: Any) -> int | None:
    """A time such as 15m, 4h or 2d in minutes; None where it is none."""
    found = _SPAN.fullmatch(text(value))
    return int(found[1]) * _UNITS[found[2][0]] if found and int(found[1]) > 0 else None


def person_problems(given: Any, who: str) -> Iterator[str]:
    """Why somebody cannot be called, each as a clause."""
    person = mapping(given)
    name = text(person.get("name"))
    if not name:
        yield f"{who} has no name"
    elif mark := mark_in(name):
        yield f"{who} is {mark}"
    channels = {kind: text(person[kind]) for kind in CHANNELS if person.get(kind)}
    for kind, value in channels.items():
        form = _FORMS.get(kind)
        if mark := mark_in(value):
            yield f"the {kind} of {who} is {mark}"
        elif form and not form.fullmatch(value):
            yield f"the {kind} of {who} is none"
    if not channels:
        yield f"{who} has no channel ({', '.join(CHANNELS)})"
    elif not AT_ONCE & channels.keys():
        yield f"{who} has no channel that reaches somebody at once ({', '.join(sorted(AT_ONCE))})"


def pair_problems(given: Mapping[str, Any], what: str) -> Iterator[str]:
    """Why a person and a deputy cannot be called."""
    person, deputy = mapping(given.get("person")), mapping(given.get("deputy"))
    if not person:
        yield f"{what} names no person"
    else:
        yield from person_problems(person, f"the person of {what}")
    if not deputy:
        yield f"{what} names no deputy"
        return
    yield from person_problems(deputy, f"the deputy of {what}")
    if text(person.get("name")).lower() == text(deputy.get("name")).lower() != "":
        yield f"the deputy of {what} is the same person"
