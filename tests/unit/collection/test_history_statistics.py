# Statistics of series: against what scipy says, and what must hold for any series.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks import history_statistics as statistics

VALUES = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=40)


def noise(count: int, seed: int = 1, middle: float = 0.0) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(middle, 1.0) for _number in range(count)]


def test_two_samples_are_compared_as_scipy_does() -> None:
    scipy = pytest.importorskip("scipy.stats")
    before, after = noise(60), [round(value) for value in noise(50, 2, 0.6)]
    told = statistics.compared(before, after)
    known = scipy.mannwhitneyu(after, before, method="asymptotic")
    assert told.p == pytest.approx(known.pvalue, rel=1e-6)
    assert told.delta == pytest.approx(2 * known.statistic / (60 * 50) - 1)


def test_quantiles_of_students_t_are_those_of_scipy() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for degrees in (8, 12, 28, 100):
        assert statistics.student(0.975, degrees) == pytest.approx(scipy.t.ppf(0.975, degrees), rel=2e-3)


def test_a_line_and_its_certainty_are_those_of_scipy() -> None:
    scipy = pytest.importorskip("scipy.stats")
    times = [float(day) for day in range(30)]
    values = [0.05 * day + value for day, value in zip(times, noise(30), strict=True)]
    line, known = statistics.line(times, values), scipy.linregress(times, values)
    assert line.slope == pytest.approx(known.slope)
    assert line.at(0.0) == pytest.approx(known.intercept)
    assert line.slope_p == pytest.approx(known.pvalue, rel=0.1)


def test_the_interval_holds_what_it_promises() -> None:
    held = 0
    for seed in range(300):
        values = noise(31, seed)
        line = statistics.line([float(day) for day in range(30)], values[:30])
        held += abs(values[30] - line.at(30.0)) <= line.margin(30.0)
    assert 0.92 <= held / 300 <= 0.98


@pytest.mark.parametrize(
    ("values", "places"),
    [
        (noise(200), []),
        ([5.0] * 100, []),
        ([5.0] * 60 + [9.0] * 60, [60]),
        (noise(150) + noise(60, 2, 4.0), [150]),
        (noise(100) + noise(40, 2, 5.0) + noise(100, 3), [100, 140]),
        ([1.0, 9.0], []),
    ],
)
def test_changes_of_level(values: list[float], places: list[int]) -> None:
    assert statistics.change_points(values) == pytest.approx(places, abs=2)


def test_one_that_is_steady_has_no_change_however_small_its_noise() -> None:
    values = [1.0 + 1e-9 * (place > 50) for place in range(100)]
    assert statistics.change_points(values, least_noise=0.01) == []


@pytest.mark.parametrize(
    ("slope", "season", "certain"), [(0.0, 0.0, False), (0.05, 0.0, True), (0.0, 24.0, False), (0.02, 24.0, True)]
)
def test_trends(slope: float, season: float, certain: bool) -> None:
    times = [float(hour) for hour in range(168)]
    wave = [5 * math.sin(2 * math.pi * hour / 24) if season else 0.0 for hour in times]
    values = [10 + slope * at + up + value for at, up, value in zip(times, wave, noise(168), strict=True)]
    trend = statistics.trend(times, values, season)
    assert (trend.p < 0.01) is certain
    if certain:
        assert trend.slope == pytest.approx(slope, rel=0.4)


@given(VALUES, VALUES)
def test_comparing_the_other_way_round_turns_the_effect_and_keeps_p(one: list[float], other: list[float]) -> None:
    there, back = statistics.compared(one, other), statistics.compared(other, one)
    assert there.delta == pytest.approx(-back.delta)
    assert there.p == pytest.approx(back.p)
    assert 0 <= there.p <= 1
    assert -1 <= there.delta <= 1


@given(VALUES, st.integers(1, 1000))
def test_a_sample_differs_from_itself_by_nothing(values: list[float], more: int) -> None:
    same = statistics.compared(values, values)
    assert same.delta == pytest.approx(0)
    assert same.p == pytest.approx(1)
    assert statistics.compared(values, [value + 101 * more for value in values]).delta == 1


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_within_the_values(values: list[float], share: float) -> None:
    assert min(values) <= statistics.quantile(values, share) <= max(values)


@given(st.lists(st.booleans(), max_size=60))
def test_runs_cover_the_marks_and_nothing_else(marks: list[bool]) -> None:
    covered = {place for first, last in statistics.runs(marks) for place in range(first, last + 1)}
    assert covered == {place for place, mark in enumerate(marks) if mark}


@given(st.lists(st.integers(0, 9).map(float), min_size=12, max_size=80))
def test_levels_change_in_order_and_never_too_soon(values: list[float]) -> None:
    edges = [0, *statistics.change_points(values), len(values)]
    assert all(later - earlier >= statistics.SHORTEST for earlier, later in pairwise(edges))
