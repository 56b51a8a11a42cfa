# Takes secrets out of whatever leaves a module: learned values in any form, and texts that look like secrets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "********"
SHORTEST_LINE = 16  # of a value of many lines, only long lines are masked one by one
SHORTEST = 4  # shorter values would mask ordinary words

# A key that holds a secret ends so. What ends so and names a Secret object (existingSecret, imagePullSecret) does not.
_KEY = (
    r"(?<!existing)(?<!existing[_-])(?<!pull)(?<!pull[_-])"
    r"(?:password|passwd|passphrase|secret|token|(?:api|private|access|secret)[_-]?key)"
)
_SECRET_KEY = re.compile(rf"(?i){_KEY}$|^(?:proxy-)?authorization$|^(?:set-)?cookie$")
_PAIR = re.compile(
    rf"(?i)({_KEY})"
    r"([\"']?\s*[:=]\s*(?=[\"'])|[\"'][:=][ \t]*|[ \t]*[:=][ \t]*)"  # JSON, YAML, environment, and their like
    r"(\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'(?:[^']|'')*(?:'|\Z)"
    r"|(?![{\[](?:[\"'\s{\[\]}]|[\w.-]+:\s|\Z))(?:[^\s,;}\"']|[,;}\"'](?=[^\s\"',;}\]]))+)",
    re.DOTALL,
)
_NO_SECRET = frozenset({"null", "none", "true", "false", MASK, f"{MASK} (changed)"})
_SECRET_OBJECT = re.compile(r"\bSecret (?:[a-z0-9.-]+/)?[a-z0-9.-]*$")  # "Secret shop/db-secret: it is immutable"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?"
                r"(-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), MASK),  # JSON Web Token, RFC 7519
    (re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*(?:bearer|basic)\s+)[^\s'\",]+"), r"\1" + MASK),
    (re.compile(r"\b([Bb]earer\s+)(?![a-z]+(?![\w.~+/=-]))[A-Za-z0-9._~+/=-]{12,}"), r"\1" + MASK),
    (re.compile(r"(?i)\b((?:set-)?cookie:[ \t]*)[^\r\n]+"), r"\1" + MASK),
    # user:password@ in a URL; what stands between a port's colon and an @ in the path is none
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@]*:)(?!\d{1,5}(?:[/?#]|$))[^\s\"'<>]{1,500}(@)"),
     r"\1" + MASK + r"\2"),
    # a block of YAML under a key
    (re.compile(rf"(?im)^(([ \t]*)(?:- )?[\"']?[\w.-]*{_KEY}[\"']?:[ \t]*)[|>][+-]?[ \t]*\n(?:\2[ \t]+\S.*(?:\n|\Z))+"),
     r"\1" + MASK + "\n"),
    # a variable of a container: name and value are two fields
    (re.compile(rf"(?i)(\bname[\"']?\s*:\s*[\"']?[\w.-]*{_KEY}[\"']?\s*,?\s*[\"']?value[\"']?\s*:[ \t]*)"
                r"(?!null\b|\*{8}(?:[\s,}]|\Z))(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s\"'][^\n]*)"), r"\1" + MASK),
    # JSON inside a JSON text
    (re.compile(rf"(?i)({_KEY}\\+[\"']\s*[:=]\s*\\+[\"'])(?:(?!\\+[\"'])[^\n])+"), r"\1" + MASK),
    (re.compile(r"\bsk-(?:ant-)?[A-Za-z0-9_-]{16,}"), MASK),  # Anthropic's and OpenAI's key forms
)  # fmt: skip


class Word(str):
    """A word that is no secret, whatever a secret may be and whatever key it stands under: a control's id, the name of
    a Secret or of a key in one.
    """

    __slots__ = ()


class Redactor:
    """Masks secrets. It learns the values that a module has touched and knows the common shapes of others."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._folded: dict[str, re.Pattern[str]] = {}

    def learn(self, value: str | bytes | None) -> None:
        """Remember a secret value; its base64, URL-quoted and JSON-escaped forms are masked too."""
        if value is None:
            return
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        text = raw.decode("utf-8", "replace")
        if len(text.strip()) < SHORTEST or not text.strip().strip("*"):
            return
        forms = {form for one in (text, text.strip()) for form in _forms_of(one)} | {
            *_base64(raw),
            *_base64(raw.strip()),
        }
        for line in text.splitlines():
            if len(line.strip()) >= SHORTEST_LINE and not line.startswith("-----"):  # a log may show a key line by line
                forms.add(line.strip())
        self._forms |= {form for form in forms if len(form) >= SHORTEST}
        if len(words := text.split()) > 1:  # YAML folds and indents
            self._folded.setdefault(text, re.compile(r"\s+".join(re.escape(word) for word in words)))

    def learn_marked(self, value: Any, key: str = "") -> None:
        """Remember the texts in plain data, such as values of a chart, whose keys say that they are secret."""
        if isinstance(value, Mapping):
            for name, item in value.items():
                self.learn_marked(item, str(name))
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.learn_marked(item, key)
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and _SECRET_KEY.search(key):
            self.learn(str(value))

    def holds(self, value: str) -> bool:
        """Whether a learned value stands in the text, in any of its forms."""
        return any(form in value for form in self._forms) or any(p.search(value) for p in self._folded.values())

    def text(self, value: str) -> str:
        """The text without any secret."""
        while (masked := self._once(value)) != value:  # a mask may complete another learned value
            value = masked
        return value

    def data(self, value: Any) -> Any:
        """A copy of plain data (mappings, lists, texts) without any secret."""
        if isinstance(value, (Word, StrEnum)):
            return value
        if isinstance(value, (str, bytes)):
            return self.text(value if isinstance(value, str) else value.decode("utf-8", "replace"))
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._field(value, key, item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            items = [self.data(item) for item in value]
            return items if isinstance(value, (list, tuple)) else sorted(items, key=str)  # equal facts, equal hashes
        return value

    def _field(self, mapping: Mapping[Any, Any], key: Any, item: Any) -> Any:
        if isinstance(item, Word):
            return item
        named = str(mapping.get("name", "")) if key == "value" else str(key)
        hidden = isinstance(item, (str, bytes)) and len(item) >= SHORTEST and _SECRET_KEY.search(named)
        return MASK if hidden and str(item).lower() not in _NO_SECRET else self.data(item)

    def _once(self, value: str) -> str:
        for form in sorted(self._forms, key=len, reverse=True):
            if form in value:
                value = value.replace(form, MASK)
        for pattern in self._folded.values():
            value = pattern.sub(MASK, value)
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return _PAIR.sub(_pair, value)


def _pair(found: re.Match[str]) -> str:
    key, between, value = found.groups()
    mark = value[0] if value[0] in "\"'" else ""
    plain = value.strip(mark) if mark else value
    if len(plain) < SHORTEST or plain.lower() in _NO_SECRET:
        return found.group()
    if (
        between == ": "
        and not mark
        and _SECRET_OBJECT.search(found.string[max(0, found.start() - 300) : found.start()])
    ):
        return found.group()
    return f"{key}{between}{mark}{MASK}{mark}"


def _forms_of(text: str) -> Iterator[str]:
    yield from (text, quote(text, safe=""), quote(text), quote_plus(text), text.replace("'", "''"))
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])


def _base64(raw: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")  # with or without padding
