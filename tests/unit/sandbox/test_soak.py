# What a soak says of samples with a known leak, a restart, a gap and plain breathing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.soak.judging import Load, Part, Sample, parts

HOUR_S, EVERY_S = 3600, 20


def soaked(memory: Callable[[float], float], identity: Callable[[float], str | None] = lambda _: "1") -> Part:
    """What is said of a part with this memory (MiB) and identity at each second."""
    samples = []
    for at in range(0, HOUR_S + 1, EVERY_S):
        who = identity(at)
        there = {"part": who} if who is not None else {}
        samples.append(Sample(1000.0 + at, there, {name: memory(at) for name in there}))
    (found,) = parts(samples)
    return found


def breathing(at: float) -> float:
    """As a collected heap: up and down by a fifth, without a trend."""
    return 100 + 20 * (at % 300) / 300 + random.Random(at).uniform(-2, 2)


def test_breathing_and_single_peaks_are_no_leak() -> None:
    assert soaked(breathing).wrong == ""
    assert soaked(lambda at: breathing(at) + (400 if at % 900 == 0 else 0)).wrong == ""


def test_what_settles_in_the_first_third_is_no_leak() -> None:
    assert soaked(lambda at: min(at, 1200) / 10 + breathing(at)).wrong == ""


@pytest.mark.parametrize("mib_an_hour", [25.0, 200.0])
def test_a_leak_beneath_the_breathing_is_found_with_its_size(mib_an_hour: float) -> None:
    part = soaked(lambda at: breathing(at) + mib_an_hour * at / HOUR_S)
    assert part.grows
    assert part.low <= mib_an_hour <= part.high
    assert "grows by" in part.wrong


def test_a_small_absolute_growth_of_a_small_part_is_let_pass() -> None:
    assert not soaked(lambda at: 10 + 5 * at / HOUR_S).grows


def test_a_restart_does_not_hide_behind_small_memory() -> None:
    part = soaked(breathing, lambda at: "uid 0" if at < 2000 else "uid 1")
    assert part.starts == 2
    assert part.wrong == "started 2 times"


def test_a_part_that_is_gone_for_a_while_is_told() -> None:
    assert soaked(breathing, lambda at: None if 2000 <= at < 2100 else "uid 0").wrong == "missing in 5 samples"


def test_too_few_samples_are_not_judged() -> None:
    with pytest.raises(ValueError, match="too few"):
        parts([Sample(float(at), {"part": "1"}, {"part": 1.0}) for at in range(10)])


def test_failures_of_the_load_are_counted_by_kind_and_the_first_are_kept() -> None:
    load = Load()
    for number in range(30):
        load.count("read", "" if number % 2 else f"answered {500 + number}")
    assert (load.asked, load.failed) == ({"read": 30}, {"read": 15})
    assert load.first[0] == "read: answered 500"
    assert len(load.first) == 10
    assert str(load) == "30 requests, 15 failed"
