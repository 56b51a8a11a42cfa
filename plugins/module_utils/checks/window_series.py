# Counts what counters of many processes have moved by between points of time, and reads histograms; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.checks.two_shares import Share

Labels = Mapping[str, str]
Row = tuple[Labels, Sequence[tuple[float, float]]]  # labels, and values by time
PROCESS = ("job", "instance", "pod")  # labels that tell processes apart
GRACE_S = 60.0  # a process that starts or ends does not answer for a moment
SLACK_S = 30.0  # a process may run so long before it is found and scraped
P95 = 0.95


@dataclass(frozen=True, slots=True)
class Points:
    """Evenly spaced times, both ends among them."""

    start: float
    step: float
    number: int

    @property
    def end(self) -> float:
        return self.start + self.step * (self.number - 1)

    def at(self, time: float) -> int:
        """The number of the point that a time belongs to."""
        return round((time - self.start) / self.step)

    def placed(self, values: Iterable[tuple[float, float]]) -> dict[int, float]:
        """Values by the number of their point, without those that are no number."""
        found = {self.at(time): value for time, value in values if math.isfinite(value)}
        return {point: value for point, value in found.items() if 0 <= point < self.number}


def dark(points: Points, rows: Sequence[Row]) -> dict[str, float]:
    """By the name of a process, the share of all points at which it was a target and did not answer (``up`` is 0)."""
    found: dict[str, float] = {}
    for labels, values in rows:
        down = sum(1 for value in points.placed(values).values() if value == 0)
        name = labels.get("pod") or labels.get("instance") or labels.get("job") or "a target without a name"
        if down * points.step > GRACE_S:
            found[name] = max(found.get(name, 0.0), down / points.number)
    return found


def process_of(labels: Labels) -> tuple[str, ...]:
    """By what a process is known."""
    return tuple(labels.get(name, "") for name in PROCESS)


def moved(points: Points, rows: Sequence[Row], label: str, starts: Sequence[Row] = ()) -> dict[str, tuple[float, ...]]:
    """By the value of a label, what was counted in each step between two points, over all processes.

    A counter that falls has begun anew. One that appears in a process that was there before has begun at nothing, since
    a process tells all of its series at once; so has one of a process that has started since the last point. Of a
    process that appears and has run before, what it counted before is not known, and not counted.

    :param starts: when each process has started, by time, in Unix time.
    """
    known = {process_of(labels): points.placed(values) for labels, values in starts}
    placed = [(process_of(labels), labels.get(label, ""), points.placed(values)) for labels, values in rows]
    seen: dict[tuple[str, ...], set[int]] = {}
    for process, _name, values in placed:
        seen.setdefault(process, set()).update(values)
    found: dict[str, list[float]] = {}
    for process, name, values in placed:
        steps = found.setdefault(name, [0.0] * (points.number - 1))
        for point, more in _moves(points, values, seen[process], known.get(process, {})):
            steps[point - 1] += more
    return {name: tuple(steps) for name, steps in found.items()}


def _moves(
    points: Points, values: Mapping[int, float], seen: set[int], started: Mapping[int, float]
) -> Iterator[tuple[int, float]]:
    """What one series has moved by, with the number of the point at which that is known."""
    last: float | None = None
    before = False  # whether the process was seen at an earlier point
    for point in range(points.number):
        value = values.get(point)
        if value is not None and point:
            if last is not None:
                yield point, value - last if value >= last else value
            elif before or _young(points, point, started):
                yield point, value
        last = value if value is not None else last
        before = before or point in seen


def _young(points: Points, point: int, started: Mapping[int, float]) -> bool:
    """Whether a process has started since the point before."""
    at = started.get(point)
    return at is not None and at >= points.start + (point - 1) * points.step - SLACK_S


@dataclass(frozen=True, slots=True)
class Durations:
    """How long requests took. :param edges: in seconds, rising; :param within: how many took as long, or less."""

    edges: tuple[float, ...] = ()
    within: tuple[float, ...] = ()

    @property
    def total(self) -> int:
        return round(self.within[-1]) if self.within else 0

    def slower(self, edge: float) -> Share:
        """How many took longer than an edge."""
        return Share(max(0, self.total - round(self.within[self.edges.index(edge)])), self.total)

    def edge_above(self, seconds: float) -> float | None:
        """The least edge that is not below; None where the histogram has none."""
        return next((edge for edge in self.edges if edge >= seconds and math.isfinite(edge)), None)

    def quantile(self, share: float = P95) -> float | None:
        """As Prometheus reads it: evenly spread within a bucket; None above the last edge, and of nothing."""
        if not self.total:
            return None
        rank, low, below = share * self.within[-1], 0.0, 0.0
        for edge, count in zip(self.edges, self.within, strict=True):
            if count >= rank:
                return low + (edge - low) * (rank - below) / (count - below) if math.isfinite(edge) else None
            low, below = edge, count
        return None


def durations(buckets: Mapping[str, Sequence[float]], unit: float = 1.0, steps: slice | None = None) -> Durations:
    """A histogram out of the steps of its buckets, by their upper edges (``le``).

    :param unit: seconds of one of the histogram's units; :param steps: which ones count; all where it is not given.
    """
    sums: dict[float, float] = {}
    for text, counted in buckets.items():
        try:
            edge = float(text) * unit
        except ValueError:
            continue
        sums[edge] = sums.get(edge, 0.0) + sum(counted[steps] if steps else counted)
    edges = sorted(sums)
    if not edges or math.isfinite(edges[-1]):
        return Durations()
    within: list[float] = []
    for edge in edges:
        within.append(max(sums[edge], within[-1] if within else 0.0))
    return Durations(tuple(edges), tuple(within))


def blocks(number: int, most: int) -> list[slice]:
    """Steps in at most so many stretches of the same length, one after the other."""
    size = max(1, math.ceil(number / most))
    return [slice(first, min(first + size, number)) for first in range(0, number, size)]
