# Reviews of a day, a week and a month, judged by tables of what was observed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.history import CHECKS, STAGES
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    DAY_S,
    ROOMS,
    SIGNALS,
    SPANS,
    Action,
    Episode,
    EpisodesSeen,
    Growth,
    GrowthSeen,
    HistoryFacts,
    LogsSeen,
    Period,
    RuleSeen,
    RulesSeen,
    Scaler,
    ScalersSeen,
    SignalSeen,
    Used,
    UseSeen,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_sizes import MIB, difference, too_large
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_templates import mined
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import SILENT, Told

END = 1_796_000_000.0 // DAY_S * DAY_S
LATENCY = SIGNALS[0]


def period(stage: str = "day", live_days: float = 40.0, **other: Any) -> Period:
    found = Period(stage, END - live_days * DAY_S, "the inventory", SPANS[stage], END, END)
    return replace(found, **other)


def judged(item: str, facts: HistoryFacts) -> tuple[str, str]:
    control = next(one for ids in STAGES.values() for one in ids if one.endswith(f".{item}"))
    (result,) = CHECKS.judge(facts, [control])
    return result.verdict.state.value, result.verdict.summary


def series(days: float, step_s: float = 600.0, change: Callable[[float, float], float] | None = None) -> SignalSeen:
    """Response times with a day's cycle; ``change`` gets seconds before the end and the value."""
    chance = random.Random(5)
    points = []
    for number in range(int(days * DAY_S / step_s)):
        at = END - number * step_s
        value = (0.09 + 0.02 * math.sin(2 * math.pi * at / DAY_S)) * chance.uniform(0.95, 1.05)
        points.append((at, change(END - at, value) if change else value))
    return SignalSeen(LATENCY, Told(), tuple(sorted(points)), step_s)


def by_signal(seen: SignalSeen, stage: str = "day") -> HistoryFacts:
    return HistoryFacts(period(stage), signals=(seen,))


HOUR = 3600.0
DAYS: dict[str, tuple[SignalSeen, dict[str, str]]] = {
    "as it was": (series(8), {"performance": "pass", "spikes": "pass"}),
    "a spike": (
        series(8, change=lambda ago, value: 1.5 if 5 * HOUR < ago < 6 * HOUR else value),
        {"performance": "pass", "spikes": "fail"},
    ),
    "a spike long ago": (
        series(8, change=lambda ago, value: 1.5 if 50 * HOUR < ago < 51 * HOUR else value),
        {"performance": "pass", "spikes": "pass"},
    ),
    "worse for good": (
        series(8, change=lambda ago, value: value * (1.7 if ago < 20 * HOUR else 1)),
        {"performance": "fail", "spikes": "fail"},
    ),
    "better for good": (
        series(8, change=lambda ago, value: value * (0.5 if ago < 20 * HOUR else 1)),
        {"performance": "pass", "spikes": "pass"},
    ),
    "a little worse": (
        series(8, change=lambda ago, value: value * (1.1 if ago < 20 * HOUR else 1)),
        {"performance": "pass", "spikes": "pass"},
    ),
    "always above the limit": (
        series(8, change=lambda _ago, value: value * 3),
        {"performance": "fail", "spikes": "pass"},
    ),
    "no day before": (series(1), {"performance": "inconclusive", "spikes": "inconclusive"}),
    "no day before, and a spike": (
        series(1, change=lambda ago, value: 1.5 if 5 * HOUR < ago < 6 * HOUR else value),
        {"performance": "inconclusive", "spikes": "fail"},
    ),
    "hardly any values": (series(8, 4 * HOUR), {"performance": "inconclusive", "spikes": "inconclusive"}),
    "nothing at all": (replace(series(8), points=()), {"performance": "inconclusive", "spikes": "inconclusive"}),
    "no answer": (
        replace(series(8), told=Told(SILENT, None, "nothing answers")),
        {"performance": "error", "spikes": "error"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAYS)
@pytest.mark.parametrize("item", ["performance", "spikes"])
def test_a_day_of_figures(case: str, item: str) -> None:
    seen, states = DAYS[case]
    assert judged(item, by_signal(seen))[0] == states[item]


def test_the_test_and_the_effect_are_named() -> None:
    summary = judged("performance", by_signal(DAYS["worse for good"][0]))[1]
    assert "Mann-Whitney U" in summary
    assert "Cliff's delta" in summary


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_day_like_those_before_is_never_red(seed: int) -> None:
    chance = random.Random(seed)
    seen = series(8, change=lambda _ago, value: value * chance.uniform(0.9, 1.1))
    assert judged("performance", by_signal(seen))[0] == "pass"
    assert judged("spikes", by_signal(seen))[0] == "pass"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda _ago, value: value, "pass"),
        (lambda ago, value: value * (1 + 0.6 * (1 - ago / (7 * DAY_S))), "fail"),
        (lambda ago, value: value * (1.6 if ago < 3 * DAY_S else 1), "fail"),
        (lambda ago, value: value * (1.6 if 3 * DAY_S < ago < 4 * DAY_S else 1), "pass"),
        (lambda ago, value: value * (1 + 0.1 * (1 - ago / (7 * DAY_S))), "pass"),
        (lambda ago, value: value * (1 - 0.5 * (1 - ago / (7 * DAY_S))), "pass"),
    ],
)
def test_a_week_of_figures(change: Callable[[float, float], float], state: str) -> None:
    assert judged("trends", by_signal(series(7, HOUR, change), "week"))[0] == state


# ---------------------------------------------------------------------------- due, and inputs


@pytest.mark.parametrize("stage", SPANS)
def test_what_is_not_due_says_when_it_is(stage: str) -> None:
    early = period(stage, live_days=SPANS[stage] / DAY_S - 0.5)
    for control in STAGES[stage]:
        (result,) = CHECKS.judge(HistoryFacts(early), [control])
        assert result.verdict.state == "pending"
        assert "It is not due before 2026-11-30T12:00Z" in result.verdict.summary


@pytest.mark.parametrize("stage", SPANS)
def test_what_is_due_names_the_input_that_is_missing(stage: str) -> None:
    for control in STAGES[stage]:
        (result,) = CHECKS.judge(HistoryFacts(period(stage)), [control])
        assert result.verdict.state == "pending"
        assert "bytebot_" in result.verdict.summary


def test_a_shorter_and_an_older_time_are_weaker_than_the_documents() -> None:
    assert period().weaker == ()
    short = replace(period(), span_s=HOUR)
    assert short.weaker == ("60m reviewed, document 24h",)
    assert "document until now" in replace(period(), now=END + 5 * HOUR).weaker[0]


# ---------------------------------------------------------------------------- rules


def rule(**other: Any) -> RuleSeen:
    return replace(RuleSeen("Down", "critical", "up == 0", health="ok"), **other)


@pytest.mark.parametrize(
    ("one", "tested", "state"),
    [
        (rule(fired=True), frozenset(), "pass"),
        (rule(yields=Told(data=3)), frozenset(), "pass"),
        (rule(yields=Told(data=0)), frozenset({"Down"}), "pass"),
        (rule(absent=True), frozenset(), "pass"),
        (rule(yields=Told(data=0), missing=("upp",)), frozenset(), "fail"),
        (rule(fired=True, health="err", trouble="many-to-many"), frozenset(), "fail"),
        (rule(yields=Told(data=0)), frozenset(), "inconclusive"),
        (rule(), frozenset(), "inconclusive"),
        (rule(yields=Told(SILENT, None, "nothing answers")), frozenset(), "inconclusive"),
    ],
)
def test_each_rule_is_proven(one: RuleSeen, tested: frozenset[str], state: str) -> None:
    seen = RulesSeen("u", Told(), rules=(rule(fired=True), one), tested=tested)
    assert judged("alerts", HistoryFacts(period(), rules=seen))[0] == state


def test_no_rule_and_a_test_that_does_not_hold_are_red() -> None:
    assert judged("alerts", HistoryFacts(period(), rules=RulesSeen("u", Told())))[0] == "fail"
    seen = RulesSeen("u", Told(), rules=(rule(fired=True),), tests={"a.yml": "FAILED"})
    assert judged("alerts", HistoryFacts(period(), rules=seen))[0] == "fail"


def test_rules_that_were_not_looked_at_are_no_pass() -> None:
    seen = RulesSeen("u", Told(), rules=(rule(fired=True),), left=7)
    state, summary = judged("alerts", HistoryFacts(period(), rules=seen))
    assert state == "inconclusive"
    assert "7 rules more are loaded than are looked at (1)" in summary


# ---------------------------------------------------------------------------- lines

OLD = [("2026-11-28T00:00:00Z", f"task {number} failed after 3s") for number in range(9)]
NEW = [*OLD, ("2026-11-30T00:00:00Z", "the index is broken at page 7")]


@pytest.mark.parametrize(
    ("after", "more", "known", "state"),
    [
        (OLD, {}, (), "pass"),
        ([], {}, (), "pass"),
        (NEW, {}, (), "fail"),
        (NEW, {}, ("index is broken",), "pass"),
        (NEW, {"cut": (True, False)}, (), "inconclusive"),
        (OLD, {"cut": (False, True)}, (), "inconclusive"),
        (OLD, {"other": 0}, (), "inconclusive"),
        ([], {"levelled": False}, (), "inconclusive"),
        (NEW, {"told": Told(SILENT, None, "nothing answers")}, (), "error"),
    ],
)
def test_new_errors(after: list[tuple[str, str]], more: dict[str, Any], known: tuple[str, ...], state: str) -> None:
    seen = LogsSeen("u", Told(), mined(OLD), mined(after), (len(OLD), len(after)), 900, levels=("error",))
    facts = HistoryFacts(period(), Wanted(known), logs=replace(seen, **more))
    assert judged("logs", facts)[0] == state


# ---------------------------------------------------------------------------- use

FITS = Used("bytebot-api", "api", 0.2, 400 * MIB, 160, 0.3, 512 * MIB, 1.0, 1024 * MIB, 0.01)


@pytest.mark.parametrize(
    ("change", "opportunities", "utilization"),
    [
        ({}, "pass", "pass"),
        ({"cpu_request": 3.0}, "fail", "pass"),
        ({"memory_request": 4096 * MIB}, "fail", "pass"),
        ({"cpu_request": 0.1}, "pass", "fail"),
        ({"memory_limit": 420 * MIB}, "pass", "fail"),
        ({"throttled": 0.5}, "pass", "fail"),
        ({"cpu": 0.001, "cpu_request": 0.05}, "pass", "pass"),
        ({"points": 20}, "inconclusive", "inconclusive"),
        ({"points": 20, "cpu_request": 3.0}, "inconclusive", "inconclusive"),
        ({"cpu_request": None, "memory_request": None}, "inconclusive", "inconclusive"),
    ],
)
def test_requests_against_use(change: dict[str, Any], opportunities: str, utilization: str) -> None:
    seen = UseSeen("u", Told(), (replace(FITS, **change),), 168)
    assert judged("opportunities", HistoryFacts(period("week"), use=seen))[0] == opportunities
    assert judged("utilization", HistoryFacts(period("week"), use=seen))[0] == utilization
    both = {opportunities, utilization}
    wanted = "fail" if "fail" in both else "inconclusive" if "inconclusive" in both else "pass"
    assert judged("resources", HistoryFacts(period("month"), use=seen))[0] == wanted


@pytest.mark.parametrize("used", [(FITS,), ()])
def test_a_container_of_which_half_is_told_is_no_pass(used: tuple[Used, ...]) -> None:
    seen = UseSeen("u", Told(), used, 168, ("bytebot-worker/worker",))
    state, summary = judged("utilization", HistoryFacts(period("week"), use=seen))
    assert state == "inconclusive"
    assert "of bytebot-worker/worker only one of processor and memory is told" in summary


def test_the_proposal_is_a_difference_of_values() -> None:
    found = too_large(replace(FITS, cpu_request=3.0))
    assert difference(found, {"bytebot-api": "resources.api"}) == (
        "-resources.api.requests.cpu: 3000m\n+resources.api.requests.cpu: 260m"
    )
    assert difference(found, {}).startswith("-bytebot-api/api: resources.requests.cpu")


@given(st.floats(0.001, 64), st.floats(1, 65_536))
def test_what_is_proposed_is_never_too_large_or_too_small(cpu: float, memory: float) -> None:
    used = replace(FITS, cpu=cpu, memory=memory * MIB, cpu_limit=None, memory_limit=None)
    (asked,) = too_large(replace(used, cpu_request=9 * cpu + 9, memory_request=None))
    assert not too_large(replace(used, cpu_request=asked.proposed, memory_request=None))
    assert asked.proposed >= cpu


# ---------------------------------------------------------------------------- autoscalers


def scaler(values: list[float], most: float = 6) -> HistoryFacts:
    step = 7 * DAY_S / len(values)
    points = tuple((END - 7 * DAY_S + number * step, value) for number, value in enumerate(values))
    return HistoryFacts(period("week"), scalers=ScalersSeen("u", Told(), (Scaler("hpa", points, 2, most),), step))


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([2.0] * 5040, "pass"),
        (([2.0] * 2000 + [3.0] * 520) * 2, "pass"),
        ([2.0] * 4000 + [2.0, 4.0] * 100 + [2.0] * 840, "fail"),
        ([2.0] * 4000 + [2.0, 4.0] * 3 + [2.0] * 1034, "pass"),
        ([2.0, 3.0, 4.0, 5.0, 4.0, 3.0] * 2 + [2.0] * 5028, "pass"),
        ([6.0] * 3000 + [2.0] * 2040, "fail"),
    ],
)
def test_autoscalers(values: list[float], state: str) -> None:
    assert judged("autoscaling", scaler(values))[0] == state


def test_no_autoscaler_and_gaps_are_no_pass() -> None:
    assert judged("autoscaling", HistoryFacts(period("week"), scalers=ScalersSeen("u", Told())))[0] == "pending"
    facts = scaler([2.0] * 5040)
    assert facts.scalers
    (one,) = facts.scalers.scalers
    few = replace(facts.scalers, scalers=(replace(one, points=one.points[:900]),))
    assert judged("autoscaling", replace(facts, scalers=few))[0] == "inconclusive"


def test_an_autoscaler_whose_bound_is_not_told_is_no_pass() -> None:
    facts = scaler([6.0] * 5040)
    assert facts.scalers
    (one,) = facts.scalers.scalers
    state, summary = judged(
        "autoscaling", replace(facts, scalers=replace(facts.scalers, scalers=(replace(one, most=None),)))
    )
    assert state == "inconclusive"
    assert "nothing tells how many replicas hpa may have" in summary


# ---------------------------------------------------------------------------- a month


def fired(count: int, acted: int, **other: Any) -> HistoryFacts:
    episodes = tuple(Episode("A", "warning", END - day * DAY_S, END - day * DAY_S + 600) for day in range(1, count + 1))
    actions = tuple(Action("A", one.begin + 60) for one in episodes[:acted])
    seen = EpisodesSeen("u", Told(), episodes, actions, "actions.yml")
    return HistoryFacts(period("month"), alerts=replace(seen, **other))


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (fired(0, 0), "pass"),
        (fired(0, 0, kept=False), "inconclusive"),
        (fired(2, 0, covered=0.79), "inconclusive"),
        (fired(2, 0, covered=0.8), "pass"),
        (fired(6, 2, covered=0.1), "fail"),
        (fired(2, 0), "pass"),
        (fired(6, 3), "pass"),
        (fired(6, 2), "fail"),
        (fired(6, 6, actions=tuple(Action("A", END - day * DAY_S - 9) for day in range(1, 7))), "fail"),
        (fired(6, 6, actions=tuple(Action("B", END - day * DAY_S + 9) for day in range(1, 7))), "fail"),
        (fired(6, 0, actions=None), "pending"),
        (fired(6, 0, problem="it is no list"), "error"),
        (replace(fired(6, 0), wanted=Wanted(unjudged=frozenset({"A"}))), "pass"),
    ],
)
def test_alerts_that_nobody_acts_on(facts: HistoryFacts, state: str) -> None:
    assert judged("thresholds", facts)[0] == state


@pytest.mark.parametrize(
    ("item", "facts", "wanted", "words"),
    [
        ("thresholds", fired(6, 3), Wanted(precision=0.01), "0.01 of firings acted on, usual 0.5"),
        ("autoscaling", scaler([2.0] * 5040), Wanted(flaps=1000), "1000 changes of direction in an hour are too many"),
    ],
)
def test_what_is_wanted_and_weaker_than_usual_is_told(
    item: str, facts: HistoryFacts, wanted: Wanted, words: str
) -> None:
    control = next(one for ids in STAGES.values() for one in ids if one.endswith(f".{item}"))
    (result,) = CHECKS.judge(replace(facts, wanted=wanted), [control])
    assert words in "".join(result.verdict.weaker)
    assert CHECKS.judge(facts, [control])[0].verdict.weaker == ()


def growing(each_day: float, capacity: float | None = 1000.0, days: int = 30, noise: float = 5.0) -> HistoryFacts:
    chance = random.Random(2)
    points = tuple(
        (END - (days - 1 - day) * DAY_S, 300 + each_day * day + chance.uniform(0, noise)) for day in range(days)
    )
    growth = Growth(ROOMS[0], "volume files", points, capacity)
    return HistoryFacts(period("month"), growth=GrowthSeen("u", Told(), (growth,)))


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (growing(0.0), "pass"),
        (growing(0.5), "pass"),
        (growing(10.0), "fail"),
        (growing(-5.0), "pass"),
        (growing(0.05, noise=200.0), "pass"),
        (growing(0.0, capacity=200.0), "fail"),
        (growing(10.0, days=6), "inconclusive"),
        (growing(10.0, capacity=None), "inconclusive"),
        (HistoryFacts(period("month"), growth=GrowthSeen("u", Told(), (), ("volume",))), "pending"),
    ],
)
def test_what_grows_runs_out(facts: HistoryFacts, state: str) -> None:
    assert judged("planning", facts)[0] == state


def test_the_date_stands_between_its_bounds() -> None:
    summary = judged("planning", growing(10.0, noise=60.0))[1]
    dates = [word.rstrip(",") for word in summary.split() if word.startswith(("2026", "2027"))][:3]
    likely, soonest, latest = dates
    assert soonest <= likely <= latest
    assert soonest < latest
