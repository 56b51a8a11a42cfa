# Finds in what a webhook answers with success that it did not take the message all the same.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 200
_FIRST_ERROR = 400  # a code of HTTP, or of a service's own, in a body; those of success are smaller
# One word, as Slack answers: invalid_payload, no_team, channel_is_archived.
_WORD = re.compile(
    r"(?:(?:invalid|missing|unknown|no(?!_errors?$)|too)(?:_[a-z]+)+"
    r"|[a-z]+(?:_[a-z]+)*_(?:not_found|is_archived|denied|disabled|prohibited|error|failed|expired|revoked|limited))"
)
_SENTENCE = re.compile(r"(?i)^(?:error|failed|failure|invalid|unauthori[sz]ed|forbidden|bad request)\b|delivery failed")
_FALSE = ("ok", "success")  # where one of these is false, it failed
_STATES = ("status", "result")
_FAILED = frozenset({"error", "fail", "failed", "failure", "rejected"})
_ERRORS = ("error", "errors")
_CODES = (("errcode", 1), ("code", _FIRST_ERROR), ("status", _FIRST_ERROR))  # each with the first that is an error
_TOLD = ("error", "errors", "message", "msg", "errmsg", "description", "detail", "reason")


def error_in(body: str) -> str:
    """The error that the body of an answer tells of, in its own words where it has some; empty where there is none."""
    text = body.strip()
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = text
    if isinstance(told, str):
        found = told if _WORD.fullmatch(told.strip()) or _SENTENCE.search(told.strip()) else ""
    else:
        found = _of(told) if isinstance(told, Mapping) else ""
    return " ".join(found.split())[:_SHOWN]


def _of(told: Mapping[str, Any]) -> str:
    """What an object says that went wrong."""
    sign = next(_signs(told), "")
    if not sign:
        return ""
    return next((text for key in _TOLD for text in _texts(told.get(key))), sign)


def _signs(told: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key} is false" for key in _FALSE if told.get(key) is False)
    yield from (f"it has {key}" for key in _ERRORS if told.get(key))
    yield from (f"{key} is {told[key]}" for key in _STATES if str(told.get(key)).lower() in _FAILED)
    yield from (f"{key} is {told[key]}" for key, first in _CODES if _number(told.get(key)) >= first)


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value; of an object, first those that are messages."""
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=lambda name: name not in _TOLD):
            yield from _texts(value[key])
