# What rows a case has, from its samples; what is missing stays missing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmark.contenders import Told
from tests.benchmark.model import Row
from tests.benchmark.processes import Ended
from tests.benchmark.rows import names_cause, rows_of
from tests.benchmark.samples import Sample, Samples, Traced, rotations


def sample(seconds: float, task_s: float | None = None, *, sign_s: float | None = None, text: str = "") -> Sample:
    ended = Ended(0, "", seconds, 0.0, seconds / 2, 70.0)
    return Sample(ended, Told(False, task_s, None, text, {"render": 0.2} if task_s == 3.0 else {}), sign_s)


def samples(*, peer: bool = True) -> Samples:
    found = Samples()
    for _time in range(2):
        found.add("ours", sample(4.0, 3.0, sign_s=2.0, text="Pod p: image r/x:1 not found"))
        found.add("raw", sample(2.0, sign_s=28.0, text="context deadline exceeded"))
        found.add("start-ours", sample(0.5))
        found.add("start-peer", sample(0.6))
        if peer:
            found.add("peer", sample(5.0, 4.5, sign_s=29.0, text="context deadline exceeded"))
    found.traced["ours"] = Traced(("version", "upgrade"), 150.0, 2)
    return found


def named(rows: list[Row]) -> dict[str, Row]:
    return {row.quantity.split(".", 1)[1]: row for row in rows}


def medians(row: Row) -> list[float | None]:
    return [None if figure is None else figure.median for figure in (row.ours, row.peer, row.raw)]


def test_an_upgrade() -> None:
    rows = named(rows_of("upgrade", "upgrade", 4, samples()))
    assert medians(rows["playbook"]) == [4.0, 5.0, 2.0]
    assert medians(rows["net"]) == [3.5, 4.4, None]
    assert medians(rows["task"]) == [3.0, 4.5, 2.0]
    assert medians(rows["over_raw"]) == [1.0, 2.5, 2.0]
    assert medians(rows["cpu"]) == [pytest.approx(1.75), pytest.approx(2.2), 1.0]
    assert medians(rows["phase_render"]) == [0.2, None, None]
    assert medians(rows["processes"]) == [2, None, None]
    assert "diagnosis" not in rows


def test_a_failing_upgrade_says_when_and_whether_the_cause_was_named() -> None:
    rows = named(rows_of("failing", "failing", 3, samples(), missing="r/x:1"))
    assert medians(rows["diagnosis"]) == [2.0, 29.0, 28.0]
    assert medians(rows["named"]) == [1.0, 0.0, 0.0]
    assert rows["named"].name == "helm3.failing.named"


def test_without_a_peer_its_figures_are_missing_and_the_row_says_why() -> None:
    rows = rows_of("noop", "no-op", 4, samples(peer=False), note="no figures of peer: unknown flag")
    assert named(rows)["task"].peer is None
    assert "unknown flag" in named(rows)["task"].note
    assert "unknown flag" not in named(rows)["start"].note  # it has the peer's


@pytest.mark.parametrize(
    ("traced", "value", "says"),
    [
        (Traced(("a", "b"), 1.0, 2), 2, "the same"),
        (Traced(("a", "b"), 1.0, 3), 3, "ours: wrapper 2, strace 3"),
        (Traced(("a", "b", "c"), 1.0, 2), 3, "differ"),
        (Traced(("a",), 1.0, None), 1, "not cross-checked"),
    ],
)
def test_the_larger_count_stands_where_wrapper_and_strace_differ(traced: Traced, value: int, says: str) -> None:
    found = samples()
    found.traced["ours"] = traced
    row = named(rows_of("noop", "no-op", 4, found))["processes"]
    assert row.ours.median == value
    assert says in row.note


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("container main: image not found (ErrImagePull: r/x:1: not found)", True),
        ("values: image r/x:1; context deadline exceeded", False),
        ("ImagePullBackOff", False),
        ("", False),
    ],
)
def test_a_cause_is_named_by_object_and_reason(text: str, expected: bool) -> None:
    assert names_cause(text, "r/x:1") is expected


def test_everyone_is_first_in_turn() -> None:
    three: list[Any] = ["a", "b", "c"]
    assert list(rotations(three, 4)) == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
