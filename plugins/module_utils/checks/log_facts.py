# What is observed of lines: what each pod wrote while known requests came, and what the log store has of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.log_search import Kept, Line
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

USUAL_KEPT = "30d"
FIELDS = ("timestamp", "level", "message", "service")
LEVELS = (
    "error", "warn", "warning", "info", "information", "debug", "verbose", "fatal", "trace", "critical", "notice",
    "emerg", "emergency", "alert", "crit", "err", "panic",  # RFC 5424, 6.2.1, by its keywords and names
)  # fmt: skip
NUMBERS = {10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal"}  # of pino and bunyan
ERRORS = ("error", "warn", "warning", "fatal", "critical")


def level_word(told: Any) -> str:
    """A level in small letters, its number told by its word; stores keep numbers as texts."""
    text = "" if told is None else str(told).strip().lower()
    return NUMBERS.get(int(text), text) if text.isdecimal() else text


@dataclass(frozen=True, slots=True)
class Wrote:
    """What one pod wrote since the first request.

    :param lines: as they were written; :param words: by which its lines are looked for in the store.
    """

    pod: str
    lines: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineNames:
    """The fields by which a line is understood, and what is wanted of it."""

    time: str = "timestamp"
    level: str = "level"
    correlation: str = "correlationId"
    codes: tuple[str, ...] = ("eventType", "code", "errorCode")
    wanted: tuple[str, ...] = FIELDS
    levels: tuple[str, ...] = LEVELS
    errors: tuple[str, ...] = ERRORS


@dataclass(frozen=True, slots=True)
class FlowSeen:
    """Known requests, what the pods wrote of them, and what the store found.

    :param ids: correlation ids that were sent, each with the one that the answer's header told.
    :param error_id: that of the induced error; :param error_status: how it was answered.
    :param planted: what must stand in no line, by kind; only kinds are ever told.
    :param found: the store's last answer; :param took_s: until the last pod's line was found.
    :param within_s: the bound of that.
    """

    workload: str
    ids: Mapping[str, str] = field(default_factory=dict)
    wrote: tuple[Wrote, ...] = ()
    found: Told = field(default_factory=Told)
    took_s: float = 0.0
    within_s: float = 0.0
    error_id: str = ""
    error_status: int = 0
    planted: Mapping[str, str] = field(default_factory=dict, repr=False)
    gap: str = ""
    remedy: str = ""
    broken: str = ""

    @property
    def lines(self) -> list[Line]:
        """What the store found."""
        return list(self.found.data or []) if self.found.ok else []


@dataclass(frozen=True, slots=True)
class LinesFacts:
    """One observation; ``url`` is empty where nothing says where the store is."""

    url: str = ""
    title: str = ""
    flow: FlowSeen | None = None
    kept: Kept | None = None
    names: LineNames = field(default_factory=LineNames)
    keep: str = USUAL_KEPT
    now: float = 0.0
    unasked: str = ""
    at: str = field(default_factory=utc_now)
