# When a value that is kept has become too old, and how long the one before it still stays.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.secret.options import options

PREVIOUS = ".previous"  # ends the key under which the value before the last rotation stays
_SPAN = re.compile(  # ISO 8601 without years and months, whose length is not fixed
    r"P(?=.)(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,5})M)?(?:(?P<seconds>\d{1,6})S)?)?"
)


def previous(key: str) -> str:
    """The key that holds what ``key`` held before its last rotation."""
    return f"{key}{PREVIOUS}"


def span(where: str, given: Any) -> timedelta:
    """A span of time above nothing, written as P90D, P2W, PT36H or P1DT12H."""
    found = _SPAN.fullmatch(given) if isinstance(given, str) else None
    length = timedelta(**{unit: int(count) for unit, count in found.groupdict().items() if count}) if found else None
    if not length:
        raise InputError(f"{where} is not a span of time such as P90D, P2W or PT36H (weeks, days, hours, minutes).")
    return length


def told(length: timedelta) -> str:
    """A span of time in words: ``90 days``, ``36 hours``."""
    seconds = int(length.total_seconds())
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def stamp(time: datetime) -> str:
    """A time in UTC as RFC 3339 with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parsed(stamped: Any) -> datetime | None:
    """The time in an RFC 3339 text, or None where it is none."""
    try:
        time = datetime.fromisoformat(str(stamped))
    except ValueError:
        return None
    return time if time.tzinfo else None


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a generated value is rotated.

    :param max_age: after which the value is made anew; None where only ``replace`` does that.
    :param overlap: for which the value before stays, under :func:`previous`; zero where it goes at once.
    """

    max_age: timedelta | None = None
    overlap: timedelta = timedelta()

    @classmethod
    def parse(cls, where: str, given: Any) -> Rotation:
        """The rotation in an option ``rotate``; without one, nothing is ever too old and nothing stays."""
        if given is None:
            return cls()
        of = options(
            where,
            {key: value for key, value in given.items() if value is not None} if isinstance(given, Mapping) else given,
            {"max_age", "overlap"},
        )
        if not of:
            raise InputError(f"{where} says neither max_age nor overlap.")
        age = span(f"{where}.max_age", of["max_age"]) if "max_age" in of else None
        overlap = span(f"{where}.overlap", of["overlap"]) if "overlap" in of else timedelta()
        if age and overlap >= age:
            raise InputError(f"{where}.overlap is not shorter than max_age: two old values would be valid at once.")
        return cls(age, overlap)


NEVER = Rotation()  # made once and kept


@dataclass(frozen=True, slots=True)
class Clock:
    """The time now, and when each value of a Secret was made.

    :param recorded: what the Secret itself records of its keys.
    :param since: when the Secret was made. A value of which nothing is recorded counts as that old, the most it can be.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    recorded: Mapping[str, datetime] = field(default_factory=dict)
    since: datetime | None = None

    def made(self, key: str) -> datetime | None:
        """When a value that exists was made."""
        return self.recorded.get(key, self.since)
