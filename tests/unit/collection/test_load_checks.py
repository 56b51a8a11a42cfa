# Load judged from tables of what was seen: each limit is red on its own, and what is not certain never green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.load import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.load_database import FULL
from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import (
    CONCURRENCY,
    DATABASE,
    LATENCY,
    LEAK,
    RESOURCES,
    Change,
    DatabaseSeen,
    LoadFacts,
    Moment,
    Replica,
    Sample,
    Statement,
    Table,
    Usage,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.load.histogram import Histogram
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import LEVEL, STEADY, WARM_UP, Phase, Plan
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Cell, Tally
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

MIB = 1024 * 1024
ENDPOINTS = (("readiness", False), ("tasks", True))
PHASES = (Phase(WARM_UP, 20, 5), Phase(STEADY, 20, 60), Phase(LEVEL, 20, 10), Phase(LEVEL, 30, 10))
STEADY_AT = 1


def histogram(number: int, seconds: float, slow: int = 0, slow_s: float = 2.0) -> Histogram:
    found = Histogram()
    for turn in range(number):
        found.add(slow_s if turn < slow else seconds)
    return found


def cell(number: int, seconds: float = 0.02, slow: int = 0, **failed: int) -> Cell:
    causes = {name.replace("_", " "): count for name, count in failed.items()}
    return Cell(histogram(number, seconds, slow), Counter(causes))


def tally(lag_s: float = 0.001, lagging: int = 0, **cells: Cell) -> Tally:
    """Good counts, but for those that are named: ``p1_e0`` is the first endpoint in the second phase."""
    found = Tally()
    for phase, one in enumerate(PHASES):
        for endpoint in range(len(ENDPOINTS)):
            found.cells[phase, endpoint] = cells.get(f"p{phase}_e{endpoint}") or cell(one.requests // 2)
        found.lag[phase] = histogram(100, lag_s, lagging, 0.3)
        found.beats[phase] = histogram(100, 0.001)
    return found


def samples(slope: float = 0.0, base: float = 70 * MIB, noise: float = 20_000, **changes: Any) -> tuple[Sample, ...]:
    dice = random.Random(2)
    return tuple(
        replace(
            Sample(
                float(at),
                int(base + slope * at + dice.gauss(0, noise)),
                int(base + slope * at) + 2 * MIB,
                at * 0.1,
                at * 10,
                at // 10,
                30,
            ),
            **changes,
        )
        for at in range(0, 86, 2)
    )


REPLICA = Replica("api", "api-1", "api", 256 * MIB, 1.0, 20_000, samples())
OTHER = replace(REPLICA, pod="api-2")
USAGE = Usage((REPLICA, OTHER), source="control groups")
DATABASE_SEEN = DatabaseSeen(
    most_connections=57,
    hits=5000,
    reads=10,
    tables=(Table("public.Task", 3, 90_000, 5000, 100), Table("public.users", 900, 3600, 4, 4)),
    statements=(Statement("SELECT 1", 400, 0.2), Statement("SELECT rare", 2, 900.0)),
    moments=(Moment(12, 0, 0.0), Moment(14, 1, 3.0)),
)
GOOD = LoadFacts(
    "https://api.shop.test",
    Wanted(leak_hours=0.25),
    plan=Plan(PHASES, (1.0, 1.0), 16),
    tally=tally(),
    endpoints=ENDPOINTS,
    users=16,
    sessions=16,
    asked_each=75,
    usage=USAGE,
    database=DATABASE_SEEN,
)


def judged(control: str, facts: LoadFacts) -> Verdict:
    (found,) = CHECKS.judge(facts, [control])
    return found.verdict


def state(control: str, facts: LoadFacts) -> str:
    return str(judged(control, facts).state)


def with_tally(**given: Any) -> LoadFacts:
    return replace(GOOD, tally=tally(**given))


def with_samples(found: tuple[Sample, ...], **changes: Any) -> LoadFacts:
    return replace(GOOD, usage=replace(USAGE, replicas=(replace(REPLICA, samples=found, **changes), OTHER)))


def with_database(**changes: Any) -> LoadFacts:
    return replace(GOOD, database=replace(DATABASE_SEEN, **changes))


def test_all_is_green_where_all_is_well() -> None:
    found = {one.control: one.verdict for one in CHECKS.judge(GOOD)}
    assert {control: str(one.state) for control, one in found.items()} == dict.fromkeys(CHECKS.controls, "pass")
    assert "0.25 hours" in found[LEAK].weaker[0]
    assert all(not found[one].weaker for one in (LATENCY, CONCURRENCY, RESOURCES, DATABASE))


def test_nothing_is_judged_where_nothing_was_sent() -> None:
    facts = LoadFacts("https://api.shop.test", unasked="Load is not permitted.", remedy="Permit it.")
    for result in CHECKS.judge(facts):
        assert result.verdict.state == "pending"
        assert result.verdict.remedy == "Permit it."


def test_a_broken_run_is_no_measurement() -> None:
    for result in CHECKS.judge(replace(GOOD, broken="a sending process ended before its time")):
        assert result.verdict.state == "inconclusive"


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (with_tally(p1_e0=cell(600, slow=120), p1_e1=cell(600, slow=120)), "fail"),  # stalls
        (with_tally(p1_e0=cell(600, 0.27), p1_e1=cell(600, 0.27)), "fail"),  # added
        (with_tally(p1_e1=cell(300, HTTP_500=300)), "fail"),  # half fail
        (with_tally(p1_e1=cell(580, timeout=20)), "fail"),
        (with_tally(p1_e1=cell(598, timeout=2)), "pass"),
        (with_tally(p1_e1=cell(40, 0.3), p1_e0=cell(1160)), "fail"),  # one endpoint alone, hidden in the whole
        (with_tally(p1_e0=cell(600, slow=32), p1_e1=cell(600, slow=30)), "inconclusive"),  # too near to tell
        (with_tally(p1_e0=cell(10), p1_e1=cell(10)), "inconclusive"),  # too few
        (with_tally(p1_e0=Cell(), p1_e1=Cell()), "inconclusive"),
        (with_tally(lagging=5, p1_e0=cell(600, 0.27), p1_e1=cell(600, 0.27)), "inconclusive"),  # whose fault is it
        (with_tally(lagging=5), "pass"),  # lag only adds
        (with_tally(lag_s=0.05), "pass"),
        (with_tally(lag_s=0.08, p1_e0=cell(600, 0.27), p1_e1=cell(600, 0.27)), "inconclusive"),
        (with_tally(lag_s=0.05, p1_e0=cell(600, 0.27), p1_e1=cell(600, 0.27)), "fail"),  # more than the lag
        (with_tally(lagging=5, p1_e0=cell(600, slow=120), p1_e1=cell(600, slow=120)), "fail"),
        (with_tally(lagging=5, p1_e1=cell(40, 0.3), p1_e0=cell(1160)), "inconclusive"),
        (with_tally(lagging=15), "inconclusive"),  # another load than the wanted one
        (with_tally(lagging=15, p1_e1=cell(300, HTTP_500=300)), "fail"),  # no lag makes a 500
        (with_tally(lagging=15, p1_e1=cell(300, timeout=300)), "inconclusive"),
        (replace(GOOD, no_users="no accounts are named"), "pending"),
    ],
)
def test_latency(facts: LoadFacts, wanted: str) -> None:
    assert state(LATENCY, facts) == wanted


def test_latency_tells_percentiles_and_a_series_to_draw() -> None:
    whole = tally()
    whole.slices[2] = cell(100, 0.02, HTTP_500=1)
    (evidence,) = judged(LATENCY, replace(GOOD, tally=whole)).evidence
    assert evidence.observed["all"]["requests"] == 1200
    assert evidence.observed["series"] == [[15.0, 101, 1, pytest.approx(20, rel=0.01), pytest.approx(20, rel=0.01)]]
    assert set(evidence.observed["all"]["latency_ms"]) == {"p50", "p90", "p95", "p99", "p99.9", "p100"}
    assert evidence.observed["endpoints"]["tasks"]["requests"] == 600


def test_the_warm_up_is_left_out() -> None:
    assert state(LATENCY, with_tally(p0_e0=cell(50, 3.0), p0_e1=cell(0, HTTP_500=50))) == "pass"


def test_a_higher_limit_than_the_document_s_is_told() -> None:
    found = judged(LATENCY, replace(GOOD, wanted=Wanted(latency_ms=500)))
    assert found.weaker == ("500 ms wanted, document 200 ms",)


# ---------------------------------------------------------------------------- limits of requests


def refused(limit: int, asked_each: float) -> LoadFacts:
    whole = tally(p1_e1=cell(500, HTTP_429=100), p3_e1=cell(100, HTTP_429=50))
    whole.limits[limit] = 150
    return replace(GOOD, tally=whole, asked_each=asked_each)


@pytest.mark.parametrize("control", [LATENCY, CONCURRENCY])
@pytest.mark.parametrize(
    ("limit", "asked", "wanted"),
    [(100, 300, "inconclusive"), (100, 60, "fail"), (10, 300, "fail"), (0, 300, "fail")],
    ids=["the test itself sent too much", "less than the limit", "the limit is lower", "it tells no limit"],
)
def test_a_limit_that_the_test_itself_met(control: str, limit: int, asked: float, wanted: str) -> None:
    assert state(control, refused(limit, asked)) == wanted


# ---------------------------------------------------------------------------- concurrency


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (with_tally(p3_e1=cell(75, HTTP_500=75)), "fail"),  # errors past N users
        (with_tally(p3_e1=cell(150, 2.0), p3_e0=cell(150, 2.0)), "fail"),  # beyond the knee
        (with_tally(p3_e1=cell(150, 2.0), p3_e0=cell(150, 2.0), lagging=5), "fail"),
        (with_tally(p3_e1=cell(150, 1.2), p3_e0=cell(150, 1.2), lagging=5), "inconclusive"),
        (with_tally(p3_e1=cell(75, HTTP_500=75), lagging=5), "fail"),
        (with_tally(p2_e0=Cell(), p2_e1=Cell()), "fail"),
        (with_tally(lagging=15), "inconclusive"),
        (replace(GOOD, no_users="no accounts are named"), "pending"),
        (replace(GOOD, endpoints=(("readiness", False), ("live", False))), "pending"),
        (replace(GOOD, plan=Plan(PHASES[:2])), "inconclusive"),
    ],
)
def test_concurrency(facts: LoadFacts, wanted: str) -> None:
    assert state(CONCURRENCY, facts) == wanted


def test_the_knee_is_told() -> None:
    found = judged(CONCURRENCY, with_tally(p3_e1=cell(75, HTTP_500=75)))
    assert "With 24 users it no longer goes well" in found.summary
    assert "16 went well" in found.summary
    assert "up to 24 users" in judged(CONCURRENCY, GOOD).summary


# ---------------------------------------------------------------------------- resources


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (with_samples(samples(), memory_limit=80 * MIB), "fail"),  # limits halved
        (with_samples(samples(), cpu_limit=0.1), "fail"),
        (with_samples(samples(), files_limit=32), "fail"),
        (with_samples(tuple(replace(one, throttled=one.periods) for one in samples())), "fail"),
        (with_samples(samples(640_000.0)), "fail"),  # a leak that fills it within the quarter of an hour
        (with_samples((), problem="it has no sh"), "pending"),
        (with_samples(samples()[:20]), "pending"),
        (with_samples(samples(), memory_limit=None), "pending"),
        (with_samples(samples(), cpu_limit=None), "pending"),
        (with_samples(samples(periods=None)), "pending"),
        (with_samples(samples(cpu_s=None)), "pending"),
        (with_samples(samples(anonymous=None, working=None)), "pending"),
        (replace(GOOD, usage=Usage(problem="denied", remedy="Permit it.")), "pending"),
        (replace(GOOD, usage=replace(USAGE, changes=(Change("api-1/api", "was killed", killed=True),))), "fail"),
        (replace(GOOD, usage=replace(USAGE, changes=(Change("api-1/api", "is gone", gone=True),))), "inconclusive"),
    ],
)
def test_resources(facts: LoadFacts, wanted: str) -> None:
    assert state(RESOURCES, facts) == wanted


def test_memory_without_a_limit_is_judged_by_the_budget() -> None:
    facts = with_samples(samples(), memory_limit=None)
    assert state(RESOURCES, replace(facts, wanted=Wanted(memory_budget=256 * MIB))) == "pass"
    assert state(RESOURCES, replace(facts, wanted=Wanted(memory_budget=80 * MIB))) == "fail"


# ---------------------------------------------------------------------------- leaks


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (with_samples(samples(640_000.0)), "fail"),  # 64 KiB for each request
        (with_samples(samples()[:20]), "pending"),  # not looked at to the end
        (with_samples(samples()[::8]), "inconclusive"),  # too few to tell
        (with_samples(samples(noise=9e6)), "inconclusive"),  # too much noise to tell
        (with_samples((), problem="it has no sh"), "pending"),
        (with_samples(samples(), memory_limit=None), "pending"),
        (replace(GOOD, usage=Usage(problem="denied")), "pending"),
        (replace(GOOD, usage=replace(USAGE, changes=(Change("api-1/api", "was killed", killed=True),))), "fail"),
        (replace(GOOD, usage=replace(USAGE, changes=(Change("api-1/api", "ended"),))), "fail"),
        (replace(GOOD, usage=replace(USAGE, changes=(Change("api-1/api", "is gone", gone=True),))), "inconclusive"),
    ],
)
def test_leak(facts: LoadFacts, wanted: str) -> None:
    assert state(LEAK, facts) == wanted


def test_a_soak_too_short_says_how_long_it_must_be() -> None:
    found = judged(LEAK, replace(with_samples(samples(noise=2e5)), wanted=Wanted(leak_hours=24)))
    assert found.state == "inconclusive"
    seconds = float(found.remedy.split(" s or longer")[0].split()[-1])
    assert 100 < seconds < 2000


def test_memory_that_shrinks_is_no_leak() -> None:
    assert state(LEAK, with_samples(samples(-10_000.0))) == "pass"


# ---------------------------------------------------------------------------- the database


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (with_database(statements=(Statement("SELECT slow", 400, 90.0),)), "fail"),
        (with_database(tables=(Table("public.Task", 300, 300 * 20_000, 20_000, 0),)), "fail"),  # an index is missing
        (with_database(tables=(Table("public.Task", 300, 300 * 200, 200, 0),)), "pass"),
        (with_database(tables=(Table("public.Task", 0, 0, 6000, 5000),)), "fail"),
        (with_database(moments=(Moment(12, 3, 5000.0),)), "fail"),  # a lock is held
        (with_database(moments=(Moment(50, 0, 0.0),)), "fail"),  # nearly used up
        (with_database(hits=100, reads=5000), "fail"),
        (with_database(deadlocks=1), "fail"),
        (with_database(statements=None, no_statements="no extension"), "pending"),
        (with_database(statements=()), "inconclusive"),
        (with_database(moments=()), "inconclusive"),
        (replace(GOOD, database=None, no_database="no way"), "pending"),
        (replace(GOOD, database=DatabaseSeen("the password is refused")), "pending"),
        (replace(GOOD, database=DatabaseSeen(FULL)), "fail"),
    ],
)
def test_database(facts: LoadFacts, wanted: str) -> None:
    assert state(DATABASE, facts) == wanted


WEAKER: tuple[tuple[str, Callable[[], Wanted]], ...] = (
    (CONCURRENCY, lambda: Wanted(head_room=1.0)),
    (CONCURRENCY, lambda: Wanted(knee_ms=3000)),
    (LATENCY, lambda: Wanted(error_share=0.5)),
    (RESOURCES, lambda: Wanted(memory_share=0.95)),
    (DATABASE, lambda: Wanted(statement_ms=500)),
    (DATABASE, lambda: Wanted(cache_share=0.1)),
)


@pytest.mark.parametrize(("control", "wanted"), WEAKER)
def test_weaker_limits_are_told(control: str, wanted: Callable[[], Wanted]) -> None:
    assert judged(control, replace(GOOD, wanted=wanted())).weaker
