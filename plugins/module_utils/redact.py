# Takes secrets out of whatever leaves a module: learned values in any form, and texts that look like secrets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MASK = "********"
SHORTEST_LINE = 16  # of a value of many lines, only long lines are masked one by one
SHORTEST = 4  # shorter values would mask ordinary words

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), MASK),  # JSON Web Token, RFC 7519
    (re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*(?:bearer|basic)\s+)[^\s'\",]+"), r"\1" + MASK),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{12,}"), r"\1" + MASK),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(@)"), r"\1" + MASK + r"\2"),  # user:password@ in a URL
    (
        re.compile(
            r"(?i)([\"']?\b[\w.-]*(?:password|passwd|secret|token|api[_-]?key|private[_-]?key)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\*{4}|null\b|true\b|false\b)[^\s\"',;}]{4,}"
        ),
        r"\1" + MASK,
    ),
    (re.compile(r"\bsk-(?:ant-)?[A-Za-z0-9_-]{16,}"), MASK),  # Anthropic's and OpenAI's key forms
)


class Redactor:
    """Masks secrets. It learns the values that a module has touched and knows the common shapes of others."""

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def learn(self, value: str | bytes | None) -> None:
        """Remember a secret value; its base64, URL-quoted and JSON-escaped forms are masked too."""
        if value is None:
            return
        raw = value if isinstance(value, bytes) else value.encode()
        text = raw.decode("utf-8", "replace")
        if len(text.strip()) < SHORTEST:
            return
        forms = {text, text.strip(), quote(text, safe=""), json.dumps(text)[1:-1], _b64(raw), _b64(raw.strip())}
        for line in text.splitlines():
            if len(line.strip()) >= SHORTEST_LINE:  # a log may show a key line by line
                forms.add(line.strip())
        self._forms |= {form for form in forms if len(form) >= SHORTEST and not form.startswith("-----")}

    def text(self, value: str) -> str:
        """The text without any secret."""
        for form in sorted(self._forms, key=len, reverse=True):
            if form in value:
                value = value.replace(form, MASK)
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value

    def data(self, value: Any) -> Any:
        """A copy of plain data (mappings, lists, texts) without any secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.data(item) for item in value]
        return value


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
