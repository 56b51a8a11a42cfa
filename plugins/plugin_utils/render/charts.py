# Draws the series in evidence as lines: only numbers are drawn, and every word is the evidence's text, escaped.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600, 120
MOST_POINTS, MOST_LINES, MOST_CHARTS = 2000, 8, 6
MOST = 1e15  # a number beyond that is no measurement
_UNITS = {"ms": "ms", "kib": "MiB", "requests": "", "failures": ""}
KIB = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its points as the attribute of a polyline has them, and its last value."""

    name: str
    points: str
    last: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time, with the greatest value and the last moment on its axes."""

    title: str
    most: str
    seconds: str
    lines: tuple[Line, ...]


def charts(observed: Any) -> list[Chart]:
    """What of evidence can be drawn: rows of numbers in ``series``, whose columns ``series_columns`` names.

    A column that ends with ``_ms`` or ``_kib`` is told in that unit; ``containers`` have a series each.
    """
    return list(_all(observed))[:MOST_CHARTS] if isinstance(observed, Mapping) else []


def _all(observed: Mapping[str, Any]) -> Iterator[Chart]:
    columns, rows = _table(observed)
    latencies = [name for name in columns[1:] if name.endswith("_ms")]
    counts = [name for name in columns[1:] if name in ("requests", "failures")]
    for title, names in (("Latency", latencies), ("Requests", counts)):
        yield from _drawn(title, [(name, _points(rows, columns.index(name))) for name in names])
    containers = observed.get("containers")
    if isinstance(containers, Sequence) and not isinstance(containers, str):
        yield from _drawn("Memory", list(_memory(containers)))


def _memory(containers: Sequence[Any]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    for one in containers:
        columns, rows = _table(one) if isinstance(one, Mapping) else ([], [])
        if "memory_kib" in columns[1:]:
            yield f"{one.get('container', '')}_kib", _points(rows, columns.index("memory_kib"))


def _table(given: Mapping[str, Any]) -> tuple[list[str], list[Sequence[Any]]]:
    """Columns and rows; empty where they are anything else than a table."""
    columns, rows = given.get("series_columns"), given.get("series")
    if not isinstance(columns, list) or not isinstance(rows, list) or not all(isinstance(one, str) for one in columns):
        return [], []
    return columns, [row for row in rows[:MOST_POINTS] if isinstance(row, list) and len(row) == len(columns)]


def _points(rows: Sequence[Sequence[Any]], column: int) -> list[tuple[float, float]]:
    return [(float(row[0]), float(row[column])) for row in rows if _number(row[0]) and _number(row[column])]


def _number(value: Any) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < MOST
    )


def _drawn(title: str, series: Sequence[tuple[str, list[tuple[float, float]]]]) -> Iterator[Chart]:
    """One chart of lines that share their axes; none where there is no line of two points."""
    series = [(name, points) for name, points in series if len(points) > 1][:MOST_LINES]
    if not series:
        return
    first = min(at for _name, points in series for at, _value in points)
    last = max(at for _name, points in series for at, _value in points)
    most = max(value for _name, points in series for _at, value in points)
    if last <= first:
        return
    top = most if most > 0 else 1.0

    def place(at: float, value: float) -> str:
        across, up = (at - first) / (last - first) * WIDTH, HEIGHT - max(0.0, value) / top * HEIGHT
        return f"{across:.1f},{up:.1f}"

    lines = tuple(
        Line(_name(name), " ".join(place(*point) for point in points), _told(name, points[-1][1]))
        for name, points in series
    )
    yield Chart(title, _told(series[0][0], most), f"{last:.0f} s", lines)


def _name(name: str) -> str:
    return name.removesuffix("_ms").removesuffix("_kib")


def _told(name: str, value: float) -> str:
    unit = next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")
    number = value / KIB if unit == "MiB" else value
    return f"{number:.4g} {unit}".strip()
