# The windows after a go-live, judged by tables of series, and by what must hold for any of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.window import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import (
    ALERTS,
    ERRORS,
    FUNCTIONALITY,
    LATE_ERRORS,
    PERFORMANCE,
    STABILITY,
    TRAFFIC,
    Alert,
    Restart,
    Stretch,
    Wanted,
    WindowFacts,
    WindowSeen,
    moment,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_series import (
    Durations,
    Points,
    blocks,
    durations,
    moved,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, SILENT, Told

START, LENGTH, STEP, STEPS = 1_796_000_000.0, 1800.0, 30.0, 60
EDGES = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
TEST = "functional_testing.authentication.login"
WANTED = Wanted(late_s=LENGTH, traffic=(60, 6000), functions=(TEST,))


def stretch(number: int = 30, took: float | list[float] = 0.02, errors: float | list[float] = 0.0) -> Stretch:
    """A window in which so many requests come in each step and take so long, and a share of them are errors."""
    times = took if isinstance(took, list) else [took] * STEPS
    failing = errors if isinstance(errors, list) else [errors] * STEPS
    bad = tuple(float(round(number * share)) for share in failing)
    edges = {str(edge): tuple(float(number) if one <= edge else 0.0 for one in times) for edge in EDGES}
    return Stretch(
        START,
        STEP,
        {"200": tuple(number - one for one in bad), "500": bad},
        {**edges, "+Inf": (float(number),) * STEPS},
    )


def seen(after: Stretch | None = None, **other: Any) -> WindowSeen:
    counted = {"restarts": 4, "rules": 5}
    return replace(WindowSeen(LENGTH, stretch(), after or stretch(), counted=counted), **other)


def facts(window: WindowSeen | None = None, **other: Any) -> WindowFacts:
    window = window or seen()
    result = {"control": TEST, "state": "pass", "summary": "It works.", "started": "2026-12-01T08:00:00Z"}
    made = WindowFacts(
        "https://p",
        "https://a",
        Told(data=START + 3 * LENGTH),
        START,
        "as given",
        early=window,
        late=window,
        functions=(result,),
        wanted=WANTED,
    )
    return replace(made, **other)


def told(control: str, given: WindowFacts) -> tuple[str, str]:
    (found,) = CHECKS.judge(given, [control])
    return str(found.verdict.state), found.verdict.summary


@pytest.mark.parametrize("control", [ERRORS, LATE_ERRORS])
@pytest.mark.parametrize("which", ["before", "after"])
def test_requests_without_a_status_code_are_no_requests_without_errors(control: str, which: str) -> None:
    bare = replace(stretch(), codes={"": (30.0,) * STEPS})
    state, summary = told(control, facts(seen(**{which: bare})))
    assert state == "pending", summary
    assert "1800 requests are counted without a status code" in summary


@pytest.mark.parametrize(
    ("code", "pattern", "state"),
    [("OK", "5..", "pending"), ("2xx", "5..", "pass"), ("OK", "OK|5..", "fail"), ("200", "5..", "pass")],
)
def test_a_label_that_is_no_status_code_tells_no_error(code: str, pattern: str, state: str) -> None:
    odd = replace(stretch(), codes={code: (30.0,) * STEPS})
    found = told(ERRORS, facts(seen(after=odd), wanted=replace(WANTED, errors=pattern)))
    assert found[0] == state, found
    assert (state == "pending") == ("1800 requests are counted without a status code (OK)" in found[1])


@pytest.mark.parametrize("control", CHECKS.controls)
def test_a_healthy_window_passes(control: str) -> None:
    state, summary = told(control, facts())
    assert state == "pass", summary


def test_parts_that_are_slower_than_the_histogram_tells_are_no_steady_window() -> None:
    slow = stretch(number=1000)
    late = {
        edge: tuple(steps[at] - (0 if at < 56 or edge == "+Inf" else 90) for at in range(STEPS))
        for edge, steps in slow.buckets.items()
    }
    state, summary = told(PERFORMANCE, facts(seen(replace(slow, buckets=late), before=slow)))
    assert state == "inconclusive", summary
    assert "in 1 of 12 parts of the window the 95th percentile is more than the histogram tells" in summary


SLOWER = [0.02 + 0.004 * step for step in range(STEPS)]
SOME: dict[str, Any] = {"restarts": (Restart("worker-1", "worker", 1, "OOMKilled"),)}


@pytest.mark.parametrize(
    ("control", "window", "state", "words"),
    [
        (STABILITY, seen(stretch(took=0.3)), "fail", "100 % of 1800 requests took more than 100 ms, 0 % of"),
        (STABILITY, seen(**SOME), "fail", "1 restarts of containers (worker of worker-1 (OOMKilled))"),
        (STABILITY, seen(counted={"rules": 1}), "pending", "no series tell of restarts"),
        (STABILITY, seen(stretch(number=0)), "inconclusive", "no request was timed"),
        (STABILITY, seen(before=stretch(number=0)), "inconclusive", "no request was timed in the window before"),
        (STABILITY, seen(before=stretch(took=9.0)), "inconclusive", "has no edge above"),
        (STABILITY, seen(stretch(number=0), before=stretch(number=0), **SOME), "fail", "restarts"),
        (STABILITY, seen(replace(stretch(), blind=0.4)), "inconclusive", "40 % of the window is without metrics"),
        (STABILITY, seen(replace(stretch(), dark={"a": 0.4, "b": 0.3, "c": 0.1})), "inconclusive",
         "a, b are without metrics for up to 40 % of the window"),
        (TRAFFIC, seen(replace(stretch(10), dark={"a": 0.4})), "inconclusive", "a is without metrics for up to 40 %"),
        (ALERTS, seen(replace(stretch(), dark={"a": 0.4})), "pass", "no alert"),
        (STABILITY, seen(refused={"durations": Told(SILENT, None, "nothing listens")}), "error", "nothing listens"),
        (STABILITY, seen(refused={"pods": Told(DENIED, None, "it answers 403")}), "pending", "it answers 403"),
        (STABILITY, seen(refused={"durations": Told("none", None, "no series of x")}), "pending", "no series of x"),
        (ERRORS, seen(stretch(errors=0.2)), "fail", "360 of 1800 requests failed (20 %), 0 of 1800 before"),
        (ERRORS, seen(stretch(errors=0.2), before=stretch(errors=0.2)), "fail", "1 % are allowed"),
        (ERRORS, seen(stretch(1), before=stretch(1)), "inconclusive", "it may be a rise by"),
        (ERRORS, seen(stretch(0)), "inconclusive", "no request was counted"),
        (ERRORS, seen(before=stretch(0)), "inconclusive", "in the window before"),
        (ERRORS, seen(alerts=(Alert("Down", "critical", "Prometheus"),)), "fail", "Down (critical) fired"),
        (ERRORS, seen(alerts=(Alert("Busy", "warning", "Prometheus"),)), "pass", "not counted: Busy (warning)"),
        (ERRORS, seen(counted={"restarts": 1}), "pending", "silence tells nothing"),
        (ERRORS, seen(refused={"alertmanager": Told(SILENT, None, "nothing listens")}), "error", "nothing listens"),
        (ALERTS, seen(alerts=(Alert("Down", "critical", "Alertmanager"),)), "fail", "Down (critical) fired"),
        (ALERTS, seen(refused={"rules": Told(DENIED, None, "it answers 403")}), "pending", "it answers 403"),
        (TRAFFIC, seen(stretch(0)), "fail", "no request came"),
        (TRAFFIC, seen(stretch(10)), "fail", "20 requests came in a minute; 60 to 6000 are expected"),
        (TRAFFIC, seen(stretch(9000)), "fail", "60 to 6000 are expected"),
        (PERFORMANCE, seen(stretch(took=0.3)), "fail", "200 ms are wanted"),
        (PERFORMANCE, seen(stretch(took=0.2), before=stretch(took=0.2)), "inconclusive", "does not tell it"),
        (PERFORMANCE, seen(stretch(took=SLOWER)), "fail", "Theil and Sen"),
        (PERFORMANCE, seen(stretch(1), before=stretch(1)), "inconclusive", "too few parts"),
        (LATE_ERRORS, seen(stretch(errors=0.1)), "fail", "Fisher's exact test"),
        (LATE_ERRORS, seen(stretch(300, errors=[step / 6000 for step in range(STEPS)])), "fail", "Armitage"),
        (LATE_ERRORS, seen(refused={"requests": Told(SILENT, None, "nothing listens")}), "error", "nothing listens"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_not_known(control: str, window: WindowSeen, state: str, words: str) -> None:
    found = told(control, facts(window))
    assert found[0] == state, found[1]
    assert words in found[1]


def test_a_trend_is_red_though_the_mean_is_as_before() -> None:
    """What takes longer and longer now took less and less before."""
    window = seen(stretch(took=SLOWER), before=stretch(took=SLOWER[::-1]))
    state, summary = told(PERFORMANCE, facts(window, wanted=replace(WANTED, latency_ms=2000)))
    assert (state, "the 95th percentile changes by" in summary) == ("fail", True)
    assert told(STABILITY, facts(window))[0] == "pass"


def test_a_gap_in_the_traffic_is_red_only_where_many_requests_were_expected_in_it() -> None:
    codes = {"200": (60.0,) * 50 + (0.0,) * 10}
    window = seen(replace(stretch(), codes=codes))
    assert told(TRAFFIC, facts(window)) == ("fail", told(TRAFFIC, facts(window))[1])
    assert "1 of 6 parts" in told(TRAFFIC, facts(window))[1]
    rare = replace(WANTED, traffic=(1, 6000))
    assert told(TRAFFIC, facts(window, wanted=rare))[0] == "pass"


@pytest.mark.parametrize("control", sorted(set(CHECKS.controls) - {FUNCTIONALITY}))
@pytest.mark.parametrize(
    ("other", "state", "words"),
    [
        ({"clock": Told(data=START + 60)}, "pending", "is over at 2026-11-30 01:23:20 UTC"),
        ({"clock": Told(data=START - 60)}, "pending", "begins at"),
        ({"start": None, "missing": ("Needs input started.", "")}, "pending", "Needs input started"),
        ({"url": ""}, "pending", "prometheus"),
        ({"clock": Told(SILENT, None, "nothing listens")}, "error", "nothing listens"),
        ({"clock": Told(DENIED, None, "it answers 403")}, "pending", "not permitted"),
    ],
)  # fmt: skip
def test_what_is_not_due_waits(control: str, other: dict[str, Any], state: str, words: str) -> None:
    found = told(control, facts(**other))
    assert found[0] == state
    if control != TRAFFIC or state != "pending":
        assert words in found[1]


def test_functions_need_no_metrics() -> None:
    others: list[dict[str, Any]] = [
        {"url": "", "clock": Told()},
        {"clock": Told(SILENT, None, "nothing listens")},
    ]
    for other in others:
        assert told(FUNCTIONALITY, facts(local=START + LENGTH, **other))[0] == "pass"
        assert told(FUNCTIONALITY, facts(local=START + 60, **other))[0] == "pending"


def test_what_is_not_scraped_is_not_told_as_nothing() -> None:
    for control in (TRAFFIC, ALERTS, ERRORS):
        assert told(control, facts(seen(replace(stretch(0), blind=1.0))))[0] == "inconclusive"


@pytest.mark.parametrize(
    ("result", "state", "words"),
    [
        ({"state": "fail", "summary": "Nobody signs in."}, "fail", "Nobody signs in"),
        ({"state": "error", "summary": "It broke."}, "error", "It broke"),
        ({"state": "inconclusive", "summary": "It is slow."}, "inconclusive", "It is slow"),
        ({"state": "pending", "summary": "No user is named."}, "pending", "No user is named"),
        ({"state": "not_applicable", "summary": "No."}, "pending", "is not_applicable"),
        ({"started": "2026-11-30T00:00:00Z"}, "pending", "before the window was over"),
        ({"started": ""}, "pending", "at a time that is not told"),
        ({"control": "another.one.here"}, "pending", "was not tested"),
    ],
)
def test_functions(result: dict[str, str], state: str, words: str) -> None:
    whole = {"control": TEST, "state": "pass", "summary": "", "started": "2026-12-01T08:00:00Z", **result}
    found = told(FUNCTIONALITY, facts(functions=(whole,)))
    assert found[0] == state
    assert words in found[1]
    assert told(FUNCTIONALITY, facts(wanted=replace(WANTED, functions=())))[0] == "pending"


def test_missing_inputs_are_named() -> None:
    assert "bytebot_expected_traffic" not in told(TRAFFIC, facts())[1]
    (found,) = CHECKS.judge(facts(wanted=replace(WANTED, traffic=None)), [TRAFFIC])
    assert (str(found.verdict.state), "bytebot_expected_traffic" in found.verdict.remedy) == ("pending", True)
    (found,) = CHECKS.judge(facts(alertmanager=""), [ALERTS])
    assert (str(found.verdict.state), "bytebot_alertmanager" in found.verdict.remedy) == ("pending", True)


def test_weaker_thresholds_are_told() -> None:
    wanted = replace(
        WANTED, early_s=120, late_s=120, error_share=0.1, error_rise=0.1, slow_rise=0.2, latency_rise=1, floor_ms=100,
        drift_ms=200, latency_ms=500, restarts=2,
    )  # fmt: skip
    window = replace(seen(), length=120.0)
    by = {one.control: one.verdict.weaker for one in CHECKS.judge(facts(window, wanted=wanted))}
    assert "a window of 2m observed, document 30m" in by[STABILITY]
    assert "a window of 2m observed, document 2h" in by[PERFORMANCE]
    assert "a drift by 200 ms allowed, usual 50 ms" in by[PERFORMANCE]
    assert "500 ms wanted, document 200 ms" in by[PERFORMANCE]
    assert "10 % of errors allowed, usual 1 %" in by[ERRORS]
    assert "2 restarts allowed, usual 0" in by[STABILITY]
    assert "tested 2m after the go-live, document 30m" in by[FUNCTIONALITY]
    assert len(by[STABILITY]) == 5
    assert not any(one.verdict.weaker for one in CHECKS.judge(facts(wanted=replace(WANTED, late_s=7200.0))) if
                   one.control in (STABILITY, ERRORS, TRAFFIC, FUNCTIONALITY))  # fmt: skip


# ---------------------------------------------------------------------------- what must hold for any window

TIMES = st.lists(st.sampled_from([0.01, 0.04, 0.09, 0.2, 0.4, 0.9, 5.0]), min_size=STEPS, max_size=STEPS)
STATES = ("pass", "inconclusive", "fail")


@given(TIMES, st.integers(0, 200), st.floats(0, 0.009))
@settings(max_examples=60)
def test_windows_that_are_alike_are_never_red(times: list[float], number: int, errors: float) -> None:
    one = stretch(number, times, errors)
    assume(one.errors("5..").value <= WANTED.error_share)
    for control in (STABILITY, ERRORS):
        assert told(control, facts(seen(one, before=one)))[0] in {"pass", "inconclusive"}


@given(st.integers(20, 200), st.integers(0, 50), st.integers(0, 10))
@settings(max_examples=60)
def test_more_errors_are_never_better(number: int, bad: int, more: int) -> None:
    def state(share: float) -> int:
        return STATES.index(told(ERRORS, facts(seen(stretch(number, errors=min(1.0, share)))))[0])

    assert state((bad + more) / number) >= state(bad / number)


@given(st.integers(20, 200), st.integers(0, STEPS), st.integers(0, STEPS))
@settings(max_examples=60)
def test_more_slow_requests_are_never_better(number: int, slow: int, more: int) -> None:
    def state(steps: int) -> int:
        times = [0.9] * min(STEPS, steps) + [0.02] * max(0, STEPS - steps)
        return STATES.index(told(STABILITY, facts(seen(stretch(number, times))))[0])

    assert state(slow + more) >= state(slow)


# ---------------------------------------------------------------------------- counters and histograms

POINTS = Points(100.0, 10.0, 5)
ONE, TWO = {"job": "a", "instance": "1", "pod": "x"}, {"job": "a", "instance": "2", "pod": "y"}


def series(
    labels: dict[str, str], code: str, *values: float | None
) -> tuple[dict[str, str], list[tuple[float, float]]]:
    return {**labels, "code": code}, [(100.0 + 10 * at, value) for at, value in enumerate(values) if value is not None]


@pytest.mark.parametrize(
    ("rows", "starts", "steps"),
    [
        ([series(ONE, "200", 5, 7, 9, 9, 12)], [], (2, 2, 0, 3)),
        ([series(ONE, "200", 5, 7, 2, 3, 4)], [], (2, 2, 1, 1)),
        ([series(ONE, "200", 5, None, None, 9, 9)], [], (0, 0, 4, 0)),
        ([series(ONE, "200", 5, float("nan"), 6, 7, 8)], [], (0, 1, 1, 1)),
        ([series(TWO, "200", None, None, 40, 41, 42)], [], (0, 0, 1, 1)),
        ([series(TWO, "200", None, None, 40, 41, 42)], [series(TWO, "", None, None, 105, 105, 105)], (0, 40, 1, 1)),
        ([series(TWO, "200", None, None, 40, 41, 42)], [series(TWO, "", None, None, 9, 9, 9)], (0, 0, 1, 1)),
    ],
)
def test_counters(rows: list[Any], starts: list[Any], steps: tuple[float, ...]) -> None:
    assert moved(POINTS, rows, "code", starts)["200"] == steps


def test_a_series_that_comes_later_in_a_process_has_begun_at_nothing() -> None:
    """The first error is counted, though a rate would not see it."""
    found = moved(POINTS, [series(ONE, "200", 5, 6, 7, 8, 9), series(ONE, "500", None, None, 1, 1, 2)], "code")
    assert found["500"] == (0, 1, 0, 1)


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.integers(0, 1000))
def test_what_is_counted_is_what_came(steps: list[int], begun: int) -> None:
    values = [float(begun + sum(steps[:number])) for number in range(5)]
    assert moved(POINTS, [series(ONE, "200", *values)], "code")["200"] == tuple(float(one) for one in steps)


def test_histograms() -> None:
    whole = durations({"10": [3.0, 3.0], "100": [8.0, 10.0], "+Inf": [10.0, 10.0], "odd": [1.0, 1.0]}, 0.001)
    assert (whole.total, whole.edges[:2]) == (20, (0.01, 0.1))
    assert whole.slower(0.1).hits == 2
    assert whole.quantile(0.5) == pytest.approx(0.04)
    assert whole.quantile(0.95) is None
    assert (whole.edge_above(0.02), whole.edge_above(0.2)) == (0.1, None)
    assert durations({"1": [2.0]}) == Durations()
    assert durations({}).quantile() is None
    assert durations({"1": [5.0], "+Inf": [4.0]}).within == (5.0, 5.0)


@pytest.mark.parametrize(("number", "sizes"), [(0, []), (5, [1] * 5), (24, [2] * 12), (13, [2] * 6 + [1])])
def test_parts(number: int, sizes: list[int]) -> None:
    assert [one.stop - one.start for one in blocks(number, 12)] == sizes


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01 01:01:00+01:00", 60.0),
        ("1970-01-01T00:01:00.123456789Z", 60.123456),
        ("1970-01-01T00:01:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_moments(text: str, at: float | None) -> None:
    assert moment(text) == at
