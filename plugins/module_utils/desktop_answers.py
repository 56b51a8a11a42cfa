# What a desktop and its tasks answer, and the forms that actions take.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import body_of


@dataclass(frozen=True, slots=True)
class Reply:
    """What an action answered; ``problem`` where it failed."""

    status: int
    body: Mapping[str, Any]
    problem: str = ""


def rows_of(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """The objects of a list of tasks, which may stand under ``tasks``."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return []
    found = found.get("tasks", []) if isinstance(found, dict) else found
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def why(answer: Answer) -> str:
    """Why an answer is none of a success, in words."""
    if answer.failure:
        return answer.failure.sentence.rstrip(".")
    said = body_of(answer).get("error")
    message = said.get("message") if isinstance(said, dict) else said
    return f"answers {answer.status}" + (f" ({message})" if isinstance(message, str) and message else "")


def xy(place: tuple[int, int]) -> dict[str, int]:
    """A place as actions take it."""
    return {"x": place[0], "y": place[1]}


def place_of(data: Any) -> tuple[int, int] | None:
    """The place that an answer tells."""
    if not isinstance(data, dict) or not all(isinstance(data.get(key), int | float) for key in ("x", "y")):
        return None
    return round(data["x"]), round(data["y"])


def encoded(text: str) -> str:
    """A text as actions take it for a file."""
    return base64.b64encode(text.encode()).decode()


def bytes_of(body: Mapping[str, Any]) -> bytes | None:
    """The bytes of a file that was read."""
    try:
        return base64.b64decode(str(body.get("data", "")), validate=True)
    except ValueError:
        return None
