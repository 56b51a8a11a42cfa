# What the deterministic task runner understands: a few forms of sentences, and nothing else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_QUOTED = r'(?:"([^"]*)"|“([^”]*)”|\'([^\']*)\')'
_POINT = r"(\d{1,5})\s*,\s*(\d{1,5})"
_SEPARATOR = re.compile(r"\s*(?:[;\n]|,?\s+(?:and\s+)?then\s+)\s*", re.IGNORECASE)
_ANY_QUOTED = re.compile(_QUOTED)
APPLICATIONS = {"editor": "vscode", "files": "directory", "file manager": "directory", "browser": "firefox"}
UNDERSTOOD = (
    "take a screenshot",
    'write file "NAME" with "TEXT"',
    'read file "NAME"',
    'type "TEXT" into the editor and save as "NAME"',
    'type "TEXT"',
    "press KEY",
    "move the mouse to X,Y",
    "click at X,Y",
    "open the terminal (or editor, directory, desktop, firefox, thunderbird, 1password)",
    "read the screen",
    'find "TEXT" on the screen',
    "wait N ms (or seconds)",
)


@dataclass(frozen=True)
class Instruction:
    """One thing to do."""

    kind: str
    values: dict[str, Any]
    text: str


Maker = Callable[[list[str]], dict[str, Any]]


def _named(*names: str) -> Maker:
    return lambda found: dict(zip(names, found, strict=True))


def _point(found: list[str]) -> dict[str, Any]:
    return {"x": int(found[0]), "y": int(found[1])}


def _wait(found: list[str]) -> dict[str, Any]:
    return {"duration": int(found[0]) * (1 if found[1].lower().startswith("m") else 1000)}


def _application(found: list[str]) -> dict[str, Any]:
    name = found[0].lower()
    return {"application": APPLICATIONS.get(name, name)}


_FORMS: tuple[tuple[str, str, Maker], ...] = (
    ("screenshot", r"(?:take |make )?(?:a )?screenshot", _named()),
    ("write", rf"(?:write|create) (?:a |the )?file {_QUOTED} with (?:the text )?{_QUOTED}", _named("path", "text")),
    ("read", rf"read (?:the )?file {_QUOTED}", _named("path")),
    (
        "edit",
        rf"type {_QUOTED} in(?:to)? (?:the|an|a new) editor,? and save (?:it |this )?as {_QUOTED}",
        _named("text", "path"),
    ),
    ("type", rf"type {_QUOTED}", _named("text")),
    ("press", r"press ([\w+]{1,40})", _named("key")),
    ("move", rf"move (?:the )?(?:mouse|pointer|cursor) to {_POINT}", _point),
    ("click", rf"click (?:at|on) {_POINT}", _point),
    (
        "open",
        r"open (?:the |a )?(terminal|editor|files|file manager|browser|directory|desktop|vscode|firefox|thunderbird"
        r"|1password)",
        _application,
    ),
    ("look", r"read the screen", _named()),
    ("find", rf"find {_QUOTED} on (?:the )?screen", _named("text")),
    ("wait", r"wait (?:for )?(\d{1,5}) ?(ms|milliseconds?|s|seconds?)", _wait),
)


def understood(text: str) -> list[Instruction] | None:
    """All that a text tells to do, or None where one part of it has no known form."""
    found = []
    for part in _parts(text):
        instruction = _instruction(part)
        if instruction is None:
            return None
        found.append(instruction)
    return found or None


def _instruction(text: str) -> Instruction | None:
    plain = re.sub(r"^(?:please|and|then)\s+", "", text.strip().rstrip(".!"), flags=re.IGNORECASE)
    for kind, form, made in _FORMS:
        if match := re.fullmatch(form, plain, re.IGNORECASE | re.DOTALL):
            # Of a quotation's three groups one is set; an empty text between quotes is one, too.
            return Instruction(kind, made([group for group in match.groups() if group is not None]), plain)
    return None


def _parts(text: str) -> list[str]:
    """The sentences between separators; what is quoted is not looked into."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    parts = _SEPARATOR.split(_ANY_QUOTED.sub(keep, text.replace("\0", "")).strip())
    return [re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], part) for part in parts if part.strip()]
