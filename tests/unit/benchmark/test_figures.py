# Medians, ratios and pairs; what a row is named; which goals hold.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.benchmark.figures import Figure, differences, ratio
from tests.benchmark.goals import GOALS, judge
from tests.benchmark.model import Row


def figure(value: float) -> Figure:
    return Figure(value, value, value, 1)


def row(quantity: str, ours: float, peer: float | None = None, raw: float | None = None) -> Row:
    others = [None if other is None else figure(other) for other in (peer, raw)]
    return Row(f"helm4.{quantity}", "title", "s", figure(ours), *others)


def test_one_outlier_does_not_move_the_median() -> None:
    assert Figure.of([1.0, 9.0, 1.2]) == Figure(1.2, 1.0, 9.0, 3)
    assert Figure.of([]) is None


@pytest.mark.parametrize(
    ("value", "other", "expected"),
    [(figure(1), figure(2), 0.5), (figure(1), figure(0), None), (None, figure(1), None), (figure(1), None, None)],
)
def test_a_ratio_needs_both(value: Figure | None, other: Figure | None, expected: float | None) -> None:
    assert ratio(value, other) == expected


def test_pairs_are_of_the_same_repetition() -> None:
    assert differences([3.0, 5.0, 7.0], [1.0, 2.0]) == [2.0, 3.0]


def test_a_row_says_how_to_repeat_it() -> None:
    one = row("upgrade.over_raw", 0.3, raw=2)
    assert (one.case, one.quantity, one.repeat) == (
        "helm4.upgrade",
        "upgrade.over_raw",
        "make benchmark NAME=helm4.upgrade",
    )


@pytest.mark.parametrize(
    ("measured", "limit", "holds"),
    [
        (row("noop.processes", 2), 2, True),
        (row("noop.processes", 3), 2, False),
        (row("upgrade.processes", 4), 3, False),
        (row("noop.playbook", 1.0, peer=1.0), 1.0, True),
        (row("noop.playbook", 1.01, peer=1.0), 1.0, False),
        (row("noop.task", 1.0), None, None),
        (row("upgrade.over_raw", 0.41, raw=2.0), 0.4, False),  # a module's start is more than a tenth
        (row("upgrade.over_raw", 0.59, raw=6.0), 0.6, True),  # and here less
        (row("upgrade.over_raw", 0.1), None, None),
        (row("failing.diagnosis", 10.0, peer=29.0), 10, True),
        (row("failing.diagnosis", 10.1), 10, False),
    ],
)
def test_goals(measured: Row, limit: float | None, holds: bool | None) -> None:
    (judged,) = judge([measured])
    assert judged.limit == (None if limit is None else pytest.approx(limit))
    assert judged.holds is holds


def test_rows_without_a_goal_are_not_judged() -> None:
    assert judge([row("noop.memory_tree", 1)]) == []
    assert len({goal.quantity for goal in GOALS}) == len(GOALS)
