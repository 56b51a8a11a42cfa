# Patterns of log lines, and what is read of expressions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_promql import read
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_templates import (
    MOST,
    Patterns,
    masked,
    mined,
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("task 12 took 3.5s", "task <number> took <number>"),
        ("user dfa72523-9400-4664-aee5-141426dbea7d is gone", "user <uuid> is gone"),
        ("no answer from 10.0.3.7:5432", "no answer from <address>"),
        ("at 2026-11-30T09:06:28.610971Z it ended", "at <time> it ended"),
        ("mail to a.b@example.net was refused", "mail to <mail> was refused"),
        ("object 00ff00ff00ff00ff is broken", "object <hex> is broken"),
        ("cannot open 'a b'", "cannot open <text>"),
        ("HTTP2 is fine", "HTTP2 is fine"),
    ],
)
def test_what_varies_is_masked(text: str, left: str) -> None:
    assert masked(text) == left


def test_lines_of_one_kind_are_one_pattern() -> None:
    kinds = mined((f"t{number}", f"task {number} of alice{number} failed after {number}s") for number in range(50))
    (one,) = list(kinds)
    assert one.count == 50
    assert one.text == "task <number> of <*> failed after <number>"
    assert one.first == "t0"


def test_a_kind_that_was_not_there_is_told_apart() -> None:
    before = mined([("", "task 1 failed after 2s"), ("", "no answer from 10.0.0.1:5432")])
    after = mined([("", "task 7 failed after 90s"), ("", "the checksum of object 12 does not match")])
    assert [one.text for one in after if not before.knows(one)] == ["the checksum of object <number> does not match"]


def test_there_are_only_so_many_patterns() -> None:
    kinds = Patterns()
    for number in range(MOST + 50):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        kinds.put(" ".join([letters] * 3))
    assert kinds.full
    assert len(list(kinds)) == MOST


@given(st.lists(st.text(max_size=80), max_size=30))
def test_lines_are_known_once_they_were_put_in(lines: list[str]) -> None:
    kinds = mined(("", line) for line in lines)
    assert all(kinds.knows(one) for one in mined(("", line) for line in lines))
    assert sum(one.count for one in kinds) == len(lines)


@pytest.mark.parametrize(
    ("text", "left", "metrics"),
    [
        ("up == 0", "up", ("up",)),
        ("a / b > bool 0.5", "a / b", ("a", "b")),
        ('sum by (c) (rate(x_total{c=~"5..|>"}[5m])) >= 3', 'sum by (c) (rate(x_total{c=~"5..|>"}[5m]))', ("x_total",)),
        ("m / (n > 0) > 0.9", "m / (n > 0)", ("m", "n")),
        ("a > 1 and b < 2", "", ("a", "b")),
        ("a > 1 < 5", "", ("a",)),
        ("vector(1)", "", ()),
        ("absent(up)", "", ("up",)),
        ('{__name__="x:y", z="1"} offset 5m > 1', '{__name__="x:y", z="1"} offset 5m', ("x:y",)),
        ("a * on (node) group_left (pod) b > 1e3", "a * on (node) group_left (pod) b", ("a", "b")),
        ("a # > 5\n > 1", "a", ("a",)),
    ],
)  # fmt: skip
def test_what_is_read_of_an_expression(text: str, left: str, metrics: tuple[str, ...]) -> None:
    found = read(text)
    assert (found.left, found.metrics) == (left, metrics)
    assert found.absent is ("absent" in text)


@given(st.text(alphabet="abc(){}[]\"'><=! 0.5\n#", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    read(text)
