# The register of recovery: the procedure and the plan for disasters, judged by content, age, owner and placeholders.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found

REVIEW_S, EXERCISE_S = 90 * 86_400.0, 365 * 86_400.0
STEPS, SITES, CONTACTS = 3, 2, 2
_EMPTY = re.compile(
    r"(?i)\b(?:TODO|TBD|FIXME|CHANGE-?ME|XXX+|lorem ipsum|to be (?:defined|done))\b|\[[^\]\n]*\]|<[^>\n]*>"
)
_FILL = "Complete the register of recovery (docs/backup.md shows one), and let its owner review it."


@dataclass(frozen=True, slots=True)
class Plan:
    """The register, and where it stands."""

    source: str
    content: Mapping[str, Any]

    def told(self, part: str) -> dict[str, Any]:
        """What a report shows of it: no ways to reach people."""
        given = self.content.get(part)
        if not isinstance(given, Mapping):
            return {"part": part, "there": False}
        shown = {
            key: given.get(key) for key in ("document", "owner", "reviewed", "steps", "sites", "order", "last_exercise")
        }
        contacts = [str(one.get("role")) for one in given.get("contacts") or [] if isinstance(one, Mapping)]
        return {**{key: value for key, value in shown.items() if value}, **({"contacts": contacts} if contacts else {})}


def judged_part(plan: Plan | None, part: str, now: float, found: Found) -> None:
    """What is wrong with one part; that there is no register at all is unknown, and an empty part is wrong."""
    if plan is None:
        found.unknown(
            "Needs input recovery_plan", "Name the register of recovery (in the inventory: bytebot_recovery_plan)."
        )
        return
    given = plan.content.get(part)
    if not isinstance(given, Mapping):
        found.wrong(f"{plan.source} has no part {part}", _FILL)
        return
    for key in ("owner", "document"):
        if not str(given.get(key) or "").strip():
            found.wrong(f"{part} names no {key}", _FILL)
    _dated(given, part, ("reviewed", REVIEW_S), now, found)
    if held := sorted(_placeholders(given)):
        found.wrong(f"{part} still has the placeholder {held[0]}", _FILL)
    if part == "recovery":
        if len(_texts(given.get("steps"))) < STEPS:
            found.wrong(f"recovery has fewer than {STEPS} steps", _FILL)
    else:
        _disaster(given, now, found)


def _disaster(given: Mapping[str, Any], now: float, found: Found) -> None:
    sites = _entries(given.get("sites"), ("name", "role", "location"))
    if len(sites) < SITES:
        found.wrong(f"disaster names fewer than {SITES} sites with role and location", _FILL)
    elif len({one["location"] for one in sites}) < SITES:
        found.wrong("disaster has all its sites at one location", _FILL)
    if len(_entries(given.get("contacts"), ("name", "role", "reach"))) < CONTACTS:
        found.wrong(f"disaster names fewer than {CONTACTS} people with role and how to reach them", _FILL)
    if len(_texts(given.get("order"))) < STEPS:
        found.wrong("disaster does not say in which order parts come back", _FILL)
    _dated(given, "disaster", ("last_exercise", EXERCISE_S), now, found)


def _dated(given: Mapping[str, Any], part: str, wanted: tuple[str, float], now: float, found: Found) -> None:
    key, limit = wanted
    at = _day(given.get(key))
    if at is None:
        found.wrong(f"{part} has no date {key}", _FILL)
    elif at > now + 86_400.0:
        found.wrong(f"{part}: {key} is in the future", _FILL)
    elif now - at > limit:
        found.wrong(f"{part}: {key} was {words(now - at)} ago, {words(limit)} is the most", _FILL)


def _day(given: Any) -> float | None:
    try:
        day = given if isinstance(given, date) else date.fromisoformat(str(given))
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _texts(given: Any) -> list[str]:
    return [str(one) for one in given if str(one).strip()] if isinstance(given, list) else []


def _entries(given: Any, keys: tuple[str, ...]) -> list[dict[str, str]]:
    rows = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    return [
        {key: str(one[key]) for key in keys} for one in rows if all(str(one.get(key) or "").strip() for key in keys)
    ]


def _placeholders(given: Any) -> set[str]:
    if isinstance(given, Mapping):
        return {held for value in given.values() for held in _placeholders(value)}
    if isinstance(given, list):
        return {held for value in given for held in _placeholders(value)}
    return set(_EMPTY.findall(given)) if isinstance(given, str) else set()
