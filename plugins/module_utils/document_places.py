# Where the documents of a control are, as an inventory says it in one of three forms, and what is wanted of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import (
    AGES,
    API,
    Wanted,
    usual,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import Place

_KEYS = ("where", "sections", "questions", "max_age", "version", "openapi")


def place_of(control: str, value: Any, max_age: int) -> Place:
    """The documents of a control, as they are given in one of three forms."""
    entry: Mapping[str, Any] = value if isinstance(value, Mapping) else {"where": value}
    at = f"documents, {control}"
    if unknown := sorted(set(map(str, entry)) - set(_KEYS)):
        raise InputError(f"{at}: {', '.join(unknown)} is not known. Known are: {', '.join(_KEYS)}.")
    where = entry.get("where")
    places = tuple(where) if isinstance(where, list) else (where,)
    if not places or not all(isinstance(one, str) and one.strip() for one in places):
        raise InputError(f"{at}: where is no path or URL, nor a list of them.")
    if entry.get("openapi") and control != API:
        raise InputError(f"{at}: openapi belongs to {API}.")
    wanted = replace(usual(control), max_age=_days(at, entry.get("max_age", AGES.get(control, max_age))))
    return Place(tuple(one.strip() for one in places), _other(at, entry, wanted), str(entry.get("openapi") or ""))


def _other(at: str, entry: Mapping[str, Any], wanted: Wanted) -> Wanted:
    """What the inventory wants in place of what is usual."""
    sections, questions = entry.get("sections"), entry.get("questions")
    if sections is not None:
        if not isinstance(sections, list) or not all(isinstance(one, str) and one.strip(" |") for one in sections):
            raise InputError(f"{at}: sections is no list of headings.")
        wanted = replace(wanted, sections=tuple(sections))
    if questions is not None:
        if not isinstance(questions, int) or isinstance(questions, bool) or questions < 0:
            raise InputError(f"{at}: questions is no number.")
        wanted = replace(wanted, questions=questions)
    if entry.get("version") is not None:
        if not isinstance(entry["version"], bool):
            raise InputError(f"{at}: version is neither true nor false.")
        wanted = replace(wanted, version=entry["version"])
    return wanted


def _days(at: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{at}: max_age is not a number of days.")
    return value
