# The goals of helm_release as named figures, and whether measured rows hold them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tests.benchmark.model import Row

MODULE_START_S = 0.4  # what starting one module costs: AnsiballZ, a Python, its imports
RAW_SHARE = 0.1  # of raw helm's time, where that is more than a module's start


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    :param quantity: the row that it is judged by; :param limit: the most that the row's median may be, None where
        the row lacks what it is compared with; :param source: where the figure comes from.
    """

    quantity: str
    says: str
    limit: Callable[[Row], float | None]
    source: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A goal against one row; ``holds`` is None where it cannot be judged."""

    name: str
    says: str
    source: str
    value: float
    limit: float | None
    unit: str

    @property
    def holds(self) -> bool | None:
        """Whether the median is within the limit."""
        return None if self.limit is None else self.value <= self.limit


def _fixed(limit: float) -> Callable[[Row], float | None]:
    return lambda row: limit


def _of_peer(row: Row) -> float | None:
    return row.peer.median if row.peer else None


def _over_raw(row: Row) -> float | None:
    return max(MODULE_START_S, RAW_SHARE * row.raw.median) if row.raw else None


GOALS = (
    Goal(
        "noop.processes",
        "a no-op starts at most 2 helm processes",
        _fixed(2),
        "one that renders, and one to spare",
    ),
    Goal(
        "noop.playbook",
        "a no-op's playbook is no slower than the peer's, though it looks at live drift",
        _of_peer,
        "the peer's median in the same run",
    ),
    Goal("noop.task", "a no-op's task is no slower than the peer's", _of_peer, "the peer's median in the same run"),
    Goal(
        "upgrade.processes",
        "an upgrade starts at most 3 helm processes",
        _fixed(3),
        "a no-op's two, and the upgrade itself",
    ),
    Goal(
        "upgrade.over_raw",
        "an upgrade's task costs over raw helm at most a module's start (0.4 s) or a tenth of raw helm's time",
        _over_raw,
        "raw helm's median in the same run",
    ),
    Goal(
        "failing.diagnosis",
        "a failing upgrade ends within 10 s of the first certain cause",
        _fixed(10),
        "the peer waits for its whole time-out",
    ),
)


def judge(rows: Iterable[Row], goals: Iterable[Goal] = GOALS) -> list[Judged]:
    """Every goal against each row that it speaks of, in the rows' order."""
    by_quantity: Mapping[str, Goal] = {goal.quantity: goal for goal in goals}
    return [
        Judged(row.name, goal.says, goal.source, row.ours.median, goal.limit(row), row.unit)
        for row in rows
        if (goal := by_quantity.get(row.quantity))
    ]
