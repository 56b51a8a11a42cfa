# The load generator against theory, by a clock that only the test moves: queues, stalls, added latency, its own lag.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import math
import random
import selectors
import statistics
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.load.engine import LOST, Send, fire
from ansible_collections.bytebot.production.plugins.module_utils.load.histogram import ERROR, Histogram, least_number
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import EVEN, LEVEL, STEADY, Phase, Plan, Shot
from ansible_collections.bytebot.production.plugins.module_utils.load.slope import slope_of
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Tally


class _Moves(selectors.SelectSelector):
    """Instead of waiting, it moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self.moves = _Moves()
        super().__init__(self.moves)

    def time(self) -> float:
        return self.moves.now


def sent(plan: Plan, takes: Callable[[float], float], timeout_s: float = 60.0) -> Tally:
    """What the engine measures of a server that takes so long for what comes at a time."""
    loop, tally = VirtualLoop(), Tally()

    async def send(_shot: Shot) -> str:
        await asyncio.sleep(takes(loop.time()))
        return ""

    try:
        loop.run_until_complete(fire(plan.shots(), send, 0.0, timeout_s, tally))
    finally:
        loop.close()
    return tally


def fired(plan: Plan, send: Send, timeout_s: float = 5.0) -> Tally:
    loop, tally = VirtualLoop(), Tally()
    try:
        loop.run_until_complete(fire(plan.shots(), send, 0.0, timeout_s, tally))
    finally:
        loop.close()
    return tally


def md1_wait(share: float, arrivals: float, service: float) -> float:
    """The quantile of waiting in M/D/1, by Crommelin's formula (Erlang 1909), found by halving."""

    def waits_less(time: float) -> float:
        whole = int(time // service)
        terms = (
            (arrivals * (n * service - time)) ** n / math.factorial(n) * math.exp(-arrivals * (n * service - time))
            for n in range(whole + 1)
        )
        return (1 - arrivals * service) * math.fsum(terms)

    low, high = 0.0, 12 * service
    for _turn in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if waits_less(middle) < share else (low, middle)
    return high


@pytest.mark.parametrize("use", [0.3, 0.5, 0.7])
def test_a_queue_with_one_server_is_measured_as_theory_says(use: float) -> None:
    service = 0.01
    free = 0.0

    def takes(now: float) -> float:
        nonlocal free
        free = max(now, free) + service
        return free - now

    plan = Plan((Phase(STEADY, use / service, 60_000 * service / use / 2),), seed=7)
    seen = sent(plan, takes).cells[0, 0].answered
    assert seen.count == 30_000
    for share in (0.5, 0.9, 0.95):
        wanted = md1_wait(share, use / service, service) + service
        assert seen.quantile(share) == pytest.approx(wanted, rel=0.02), share


def test_a_stall_of_two_seconds_in_ten_is_measured_in_full() -> None:
    """A fifth waits for the rest of the stall: 1/5 (1 - x/2) of all wait longer than x, so p95 is 1.5 s."""
    plan = Plan((Phase(STEADY, 50, 200),), arrivals=EVEN)
    seen = sent(plan, lambda now: max(0.0, 2.0 - now % 10.0) + 0.005).cells[0, 0].answered
    assert seen.count == 10_000
    assert seen.quantile(0.95) == pytest.approx(1.505, rel=0.02)
    assert seen.quantile(0.85) == pytest.approx(0.505, rel=0.02)
    assert seen.quantile(0.75) == pytest.approx(0.005, rel=0.02)


def test_added_latency_is_measured_as_it_is() -> None:
    dice = random.Random(3)
    plan = Plan((Phase(STEADY, 40, 50),))
    plain = sent(plan, lambda _now: 0.01).cells[0, 0].answered
    slow = sent(plan, lambda _now: 0.26 + dice.random() * 1e-4).cells[0, 0].answered
    assert plain.quantile(0.95) == pytest.approx(0.01, rel=ERROR)
    assert slow.quantile(0.95) == pytest.approx(0.26, rel=0.01)


def test_who_lags_is_known_by_it() -> None:
    """The clock jumps while the sender does something else: requests leave late, and that counts as latency and lag."""
    loop, tally = VirtualLoop(), Tally()

    async def send(shot: Shot) -> str:
        if shot.at > 1.0 and not jumped:
            jumped.append(1)
            loop.moves.now += 0.5
        return ""

    jumped: list[int] = []
    plan = Plan((Phase(STEADY, 20, 2),), arrivals=EVEN)
    loop.run_until_complete(fire(plan.shots(), send, 0.0, 5.0, tally))
    loop.close()
    assert tally.lag[0].over(0.1) >= 7
    assert tally.cells[0, 0].answered.over(0.1) >= 7
    assert tally.beats[0].over(0.1) >= 1


def test_what_never_ends_is_counted_and_ends() -> None:
    async def send(shot: Shot) -> str:
        if shot.at > 1:
            await asyncio.Event().wait()
        return ""

    cell = fired(Plan((Phase(STEADY, 10, 2),), arrivals=EVEN), send).cells[0, 0]
    assert (cell.answered.count, dict(cell.failed)) == (10, {LOST: 10})


def test_a_defect_of_the_sender_is_a_failure_and_not_silence() -> None:
    async def send(_shot: Shot) -> str:
        raise KeyError("x")

    assert dict(fired(Plan((Phase(STEADY, 10, 1),)), send).cells[0, 0].failed) == {"sender KeyError": 10}


def test_nothing_to_send_ends_at_once() -> None:
    assert sent(Plan(()), lambda _now: 0.0).done == 0


# ---------------------------------------------------------------------------- the plan


def test_the_plan_is_the_same_for_the_same_seed_and_bounded_by_number() -> None:
    plan = Plan((Phase(STEADY, 7, 10), Phase(LEVEL, 10, 3)), (1.0, 3.0), users=5, seed=4)
    shots = plan.shots()
    assert shots == plan.shots()
    assert shots != Plan(plan.phases, plan.weights, 5, seed=5).shots()
    assert len(shots) == plan.requests == 100
    assert [one.at for one in shots] == sorted(one.at for one in shots)
    assert {one.user for one in shots} == set(range(5))
    assert all(one.at < 10 for one in shots[:70])
    assert all(10 <= one.at < 13 for one in shots[70:])
    assert 60 <= sum(one.endpoint for one in shots) <= 90


def test_a_ramp_sends_more_and_more() -> None:
    plan = Plan((Phase(LEVEL, 0, 10, to_rate=20),), arrivals=EVEN)
    times = [one.at for one in plan.shots()]
    assert len(times) == 100
    assert sum(at < 5 for at in times) == 25  # a quarter of the area
    poisson = [one.at for one in Plan((Phase(LEVEL, 10, 100, to_rate=30),)).shots()]
    assert sum(at < 50 for at in poisson) / len(poisson) == pytest.approx(0.375, abs=0.03)


def test_gaps_by_chance_are_exponential() -> None:
    times = [one.at for one in Plan((Phase(STEADY, 100, 200),)).shots()]
    gaps = [after - before for before, after in pairwise(times)]
    assert statistics.pstdev(gaps) / statistics.mean(gaps) == pytest.approx(1.0, rel=0.03)


# ---------------------------------------------------------------------------- the histogram


@given(st.floats(0, 3600))
def test_a_value_is_told_within_the_stated_error_and_never_less(seconds: float) -> None:
    one = Histogram()
    one.add(seconds)
    told = one.quantile(0.5)
    assert told is not None
    micros = round(seconds * 1e6) / 1e6
    assert micros <= told + 1e-12
    assert told <= micros * (1 + ERROR) + 1e-6


def test_failures_are_slower_than_all_answers() -> None:
    one = Histogram()
    for _turn in range(94):
        one.add(0.01)
    assert one.quantile(0.95) == pytest.approx(0.01, rel=ERROR)
    assert one.quantile(0.95, failed=6) is None
    assert one.interval(0.95, failed=1)[1] is None


def test_the_interval_holds_the_true_quantile_as_often_as_it_says() -> None:
    dice = random.Random(11)
    held = 0
    for _turn in range(400):
        one = Histogram()
        for _number in range(300):
            one.add(dice.random())
        low, high = one.interval(0.95)
        held += low is not None and (high is None or low <= 0.95 <= high * (1 + ERROR))
    assert 0.92 <= held / 400 <= 0.99


def test_how_many_are_needed_for_an_upper_bound() -> None:
    number = least_number(0.95)
    full, short = Histogram(), Histogram()
    for turn in range(number):
        full.add(0.01)
        if turn:
            short.add(0.01)
    assert full.interval(0.95)[1] is not None
    assert short.interval(0.95)[1] is None


def test_counts_travel_unchanged() -> None:
    tally = Tally()
    tally.sent(0, 0.001)
    tally.beat(0, 0.002)
    tally.outcome(0, 1, 3.0, 0.02)
    tally.outcome(0, 1, 7.0, 0.0, "timeout")
    tally.limits[100] += 1
    again = Tally.of(tally.plain())
    assert again.plain() == tally.plain()
    again.merge(tally)
    assert again.done == 4
    assert again.failures == 2


# ---------------------------------------------------------------------------- the slope


def test_a_trend_is_found_in_noise_and_outliers() -> None:
    dice = random.Random(5)
    series = [(float(at), 1e8 + 5e4 * at + dice.gauss(0, 2e5)) for at in range(60)]
    series[10] = (10.0, 9e9)
    found = slope_of(series)
    assert found is not None
    assert found.low < 5e4 < found.high
    assert found.median == pytest.approx(5e4, rel=0.2)


def test_no_trend_is_no_trend() -> None:
    dice = random.Random(6)
    low = high = 0
    for _turn in range(200):
        found = slope_of([(float(at), dice.gauss(0, 1)) for at in range(36)])
        assert found is not None
        low += found.low > 0
        high += found.high < 0
    assert low + high <= 20  # a twentieth of the cases


def test_too_few_points_tell_nothing() -> None:
    assert slope_of([(float(at), 1.0) for at in range(5)]) is None
