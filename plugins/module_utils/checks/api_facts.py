# What was seen of an API by its own description: single answers, whole lives of objects, limits that were met.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.http_security import HttpFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import Burst
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import SUCCESS
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, utc_now

AS_DESCRIBED, MISTAKE, ERROR = "as described", "mistake", "error"
BAD = 400
DOCUMENT_LIMIT = 100
# What only the inside of a program, or a database, says.
_STACK = r"Traceback \(most recent|\bFile \\?\"[^\"]+\\?\", line \d+|[\s\"]at [\w.<>]+ ?\([^)]*:\d+"
_STATEMENT = r"(?i)\bselect\b.{1,200}\bfrom\b|\binsert into\b|\bupdate\b.{1,80}\bset\b"
_DATABASE = r"(?i)syntax error at or near|sqlstate|psycopg|prismaclient|unterminated quoted"
_PATH = r"(?:^|[\s\"'(])/(?:app|usr|home|opt|srv|var)/[\w.-]+"
_INSIDE = (
    ("a stack trace", re.compile(_STACK)),
    ("a statement of the database", re.compile(_STATEMENT)),
    ("an error of the database", re.compile(_DATABASE)),
    ("a path of the server", re.compile(_PATH)),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer.

    :param operation: method and path, as described where it is described.
    :param kind: ``as described``, ``mistake`` (the request had one) or ``error`` (an error was asked for).
    :param case: what was asked, in words.
    :param described: the statuses that the description has for it.
    :param departures: how it departs from the description; :param form: what is wrong with an error's form.
    :param must: whether it had to succeed: what it asks for is there, and who asks may.
    :param wanted: the one status that refuses it; 0 where others do as well.
    """

    operation: str
    kind: str
    case: str = ""
    status: int = 0
    described: tuple[str, ...] = ()
    departures: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    must: bool = False
    problem: str = ""
    wanted: int = 0

    @property
    def succeeded(self) -> bool:
        return self.status in SUCCESS

    @property
    def what(self) -> str:
        return f"{self.operation} ({self.case})" if self.case else self.operation


@dataclass(frozen=True, slots=True)
class Life:
    """What became of an object that was made: read, changed, removed.

    :param unmade: why none was made.
    :param lost: fields that did not come back as they were sent, after making; :param unchanged: after changing.
    :param after: what reading it answers once it is removed; :param listed: whether the list still has it then.
    """

    resource: str
    unmade: str = ""
    lost: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: int = 0
    after: int = 0
    listed: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of the user that was refused.

    :param waited: the seconds that the answer said; :param status: what was answered after them.
    """

    waited: int = 0
    status: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LimitSeen:
    """A burst, and its end; ``no_burst`` says why there was none, ``remedy`` what to do then."""

    burst: Burst | None = None
    told: int | None = None
    recovery: Recovery | None = None
    no_burst: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """An input or a permission that is not there, and what to do."""

    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """What an error must look like: fields that hold a text, and the header that names the request."""

    fields: tuple[str, ...] = ("error.code", "error.message")
    header: str = "x-correlation-id"


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """What was asked and answered.

    :param operations: the names of all operations that are described, but for those that are left out.
    :param cors: what was seen of origins; None where that was not asked.
    :param missing: what the description's part lacks; :param limits_missing: what the burst lacks.
    :param left: objects of this check that are there after it; :param cleaned: of an earlier one that it removed.
    """

    base_url: str
    operations: tuple[str, ...] = ()
    seen: tuple[Seen, ...] = ()
    lives: tuple[Life, ...] = ()
    limits: LimitSeen = field(default_factory=LimitSeen)
    limit: int = DOCUMENT_LIMIT
    cors: HttpFacts | None = None
    missing: Missing | None = None
    limits_missing: Missing | None = None
    left: tuple[str, ...] = ()
    cleaned: int = 0
    unasked: str = ""
    observed_at: str = field(default_factory=utc_now)

    def evidence(self, observed: object) -> Evidence:
        return Evidence(f"answers of {self.base_url}", observed, self.observed_at)

    def of(self, *kinds: str) -> list[Seen]:
        return [one for one in self.seen if one.kind in kinds]


def form_of(status: int, headers: Mapping[str, str], body: str, sent: str, shape: ErrorShape) -> tuple[str, ...]:
    """What is wrong with an error's form; nothing where it is none."""
    if status < BAD:
        return ()
    found = []
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        found.append(f"is {kind or 'of no content type'} and not JSON")
    else:
        found += _lacks(body, shape)
    found += [f"shows {what}" for what, pattern in _INSIDE if pattern.search(body)]
    said = headers.get(shape.header.lower(), "") if shape.header else sent
    if said != sent:
        found.append(f"has another {shape.header} than the request" if said else f"has no {shape.header}")
    return tuple(found)


def _lacks(body: str, shape: ErrorShape) -> Sequence[str]:
    try:
        said = json.loads(body)
    except ValueError:
        return ["says JSON and is none"]
    missing = [name for name in shape.fields if not _has(said, name)]
    return [f"lacks {', '.join(missing)}"] if missing else []


def _has(said: Any, name: str) -> bool:
    for part in name.split("."):
        said = said.get(part) if isinstance(said, dict) else None
    return (isinstance(said, str) and bool(said)) or (isinstance(said, int) and not isinstance(said, bool))
