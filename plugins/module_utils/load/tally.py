# What came of the requests: latencies, failures by their cause, the sender's own lag, and how they went over time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.load.histogram import Histogram

SLICE_S = 5.0  # of the series over time


@dataclass
class Cell:
    """Of one endpoint in one phase. :param failed: by cause: ``timeout``, ``HTTP 500``, ``protocol`` and the like."""

    answered: Histogram = field(default_factory=Histogram)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        return sum(self.failed.values())

    @property
    def sent(self) -> int:
        return self.answered.count + self.failures

    def merge(self, other: Cell) -> None:
        self.answered.merge(other.answered)
        self.failed.update(other.failed)


class Tally:
    """Everything that is counted; it does not grow with the number of requests.

    ``lag`` is by how much requests left later than they were due, by phase; ``beats`` how late a timer of the sender
    fired, which is how late an answer may have been noticed. ``limits`` are the limits that refusals (429) told.
    """

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Cell] = {}
        self.slices: dict[int, Cell] = {}
        self.lag: dict[int, Histogram] = {}
        self.beats: dict[int, Histogram] = {}
        self.limits: Counter[int] = Counter()

    def sent(self, phase: int, lag_s: float) -> None:
        self.lag.setdefault(phase, Histogram()).add(lag_s)

    def beat(self, phase: int, late_s: float) -> None:
        self.beats.setdefault(phase, Histogram()).add(late_s)

    def outcome(self, phase: int, endpoint: int, due_s: float, latency_s: float, failure: str = "") -> None:
        """Count one request; its latency is from when it was due."""
        cells = (
            self.cells.setdefault((phase, endpoint), Cell()),
            self.slices.setdefault(int(due_s // SLICE_S), Cell()),
        )
        for cell in cells:
            if failure:
                cell.failed[failure] += 1
            else:
                cell.answered.add(latency_s)

    def merge(self, other: Tally) -> None:
        for key, cell in other.cells.items():
            self.cells.setdefault(key, Cell()).merge(cell)
        for number, cell in other.slices.items():
            self.slices.setdefault(number, Cell()).merge(cell)
        for mine, theirs in ((self.lag, other.lag), (self.beats, other.beats)):
            for phase, histogram in theirs.items():
                mine.setdefault(phase, Histogram()).merge(histogram)
        self.limits.update(other.limits)

    @property
    def done(self) -> int:
        return sum(cell.sent for cell in self.cells.values())

    @property
    def failures(self) -> int:
        return sum(cell.failures for cell in self.cells.values())

    def plain(self) -> dict[str, Any]:
        """As plain data, for the way from a worker."""
        return {
            "cells": [[*key, *_plain(cell)] for key, cell in self.cells.items()],
            "slices": [[key, *_plain(cell)] for key, cell in self.slices.items()],
            "lag": [[phase, list(one.plain().items())] for phase, one in self.lag.items()],
            "beats": [[phase, list(one.plain().items())] for phase, one in self.beats.items()],
            "limits": list(self.limits.items()),
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Tally:
        """What :meth:`plain` told."""
        found = cls()
        for phase, endpoint, counts, failed in told["cells"]:
            found.cells[phase, endpoint] = Cell(Histogram(dict(counts)), Counter(failed))
        for number, counts, failed in told["slices"]:
            found.slices[number] = Cell(Histogram(dict(counts)), Counter(failed))
        found.lag = {phase: Histogram(dict(counts)) for phase, counts in told["lag"]}
        found.beats = {phase: Histogram(dict(counts)) for phase, counts in told["beats"]}
        found.limits = Counter(dict(told["limits"]))
        return found


def _plain(cell: Cell) -> tuple[list[tuple[int, int]], dict[str, int]]:
    return list(cell.answered.plain().items()), dict(cell.failed)
