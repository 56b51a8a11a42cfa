# Time ranges as dashboards write them, and the variables that depend on them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
RELATIVE = re.compile(r"now(?:-(\d+)([smhdw]))?")
# So often Prometheus scrapes at least; a rate needs four of these to have two samples whatever happens.
SCRAPE_S = 15
MOST_POINTS = 11_000


@dataclass(frozen=True)
class Range:
    """From and to in seconds since 1970, and the step between two points."""

    start: float
    end: float
    step: int

    @property
    def variables(self) -> dict[str, str]:
        rate = max(self.step + SCRAPE_S, 4 * SCRAPE_S)
        return {
            "__interval_ms": str(self.step * 1000),
            "__interval": f"{self.step}s",
            "__rate_interval": f"{rate}s",
            "__range_s": str(int(self.end - self.start)),
            "__range": f"{int(self.end - self.start)}s",
        }

    def fill(self, expression: str) -> str:
        """Both ways of writing a variable; another one than these stays as it is."""
        for name, value in self.variables.items():
            expression = re.sub(rf"\$\{{{name}\}}|\${name}\b", value, expression)
        return expression


def moment(text: str, now: float) -> float:
    """Milliseconds since 1970, or `now-5m`.

    :raises ValueError: it is neither.
    """
    if text.isdecimal():
        return int(text) / 1000
    found = RELATIVE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no time")
    count, unit = found.groups()
    return now - (int(count) * UNITS[unit] if count else 0)


def time_range(begin: str, end: str, now: float, *, interval_ms: int, points: int) -> Range:
    """The step is at least what was asked for, and large enough for no more than so many points.

    :raises ValueError: it is no range.
    """
    first, last = moment(begin, now), moment(end, now)
    if last <= first:
        raise ValueError("the range ends before it begins")
    smallest = (last - first) / max(1, min(points, MOST_POINTS))
    return Range(first, last, max(1, round(interval_ms / 1000), round(smallest)))
