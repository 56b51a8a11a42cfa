# The lines in the report: drawn from numbers alone, bounded, and deaf to what else evidence may say.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
import report_fixtures as fixtures
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.plugin_utils.render import html
from ansible_collections.bytebot.production.plugins.plugin_utils.render.charts import (
    MOST_CHARTS,
    MOST_LINES,
    MOST_POINTS,
    charts,
)

COLUMNS = ["seconds", "requests", "failures", "p50_ms", "p95_ms"]
LOAD = {"series_columns": COLUMNS, "series": [[5.0, 100, 0, 7.5, 20.0], [10.0, 98, 2, 8.0, 40.0]]}
HOSTILE = '"/><script>alert(1)</script>'


def memory(name: str = "api-1/api") -> dict[str, Any]:
    return {"container": name, "series_columns": ["seconds", "memory_kib"], "series": [[0, 71680], [2, 73728]]}


def test_latency_and_requests_are_drawn() -> None:
    latency, requests = charts(LOAD)
    assert (latency.title, latency.most, latency.seconds) == ("Latency", "40 ms", "10 s")
    assert [(one.name, one.last) for one in latency.lines] == [("p50", "8 ms"), ("p95", "40 ms")]
    assert latency.lines[1].points == "0.0,60.0 600.0,0.0"
    assert [one.name for one in requests.lines] == ["requests", "failures"]


def test_memory_is_drawn_for_each_container() -> None:
    (chart,) = charts({"containers": [memory(), memory("api-2/api")]})
    assert (chart.title, chart.most) == ("Memory", "72 MiB")
    assert [one.name for one in chart.lines] == ["api-1/api", "api-2/api"]


@pytest.mark.parametrize(
    "observed",
    [
        None, "text", [], {}, {"series": "x", "series_columns": COLUMNS}, {"series": [[1]], "series_columns": 5},
        {"series": [[5.0, 100, 0, None, None]], "series_columns": COLUMNS}, {"containers": "many"}, {"containers": [5]},
        {"series": [[1, 2], [1, 3]], "series_columns": ["seconds", "p50_ms"]},
        {"series": [[1, HOSTILE], [HOSTILE, 3]], "series_columns": ["seconds", "p50_ms"]},
        {"series": [[1, True], [2, False]], "series_columns": ["seconds", "p50_ms"]},
        {"series": [[1, float("nan")], [2, float("inf")]], "series_columns": ["seconds", "p50_ms"]},
    ],
)  # fmt: skip
def test_what_is_no_series_is_not_drawn(observed: Any) -> None:
    assert charts(observed) == []


def test_what_is_missing_is_left_out_of_the_line() -> None:
    rows = [[0, 1.0], [1, None], [2, 3.0]]
    (chart,) = charts({"series_columns": ["seconds", "p95_ms"], "series": rows})
    assert len(chart.lines[0].points.split()) == 2


def test_it_is_bounded() -> None:
    rows = [[at, at] for at in range(MOST_POINTS * 2)]
    found = charts({"series_columns": ["seconds", "p95_ms"], "series": rows, "containers": [memory()] * 50})
    assert len(found) <= MOST_CHARTS
    assert len(found[0].lines[0].points.split()) == MOST_POINTS
    assert len(found[1].lines) == MOST_LINES


@given(st.lists(st.lists(st.floats() | st.integers() | st.text() | st.none(), min_size=2, max_size=2), max_size=20))
def test_points_are_numbers_whatever_comes(rows: list[Any]) -> None:
    for chart in charts({"series_columns": ["seconds", "p95_ms"], "series": rows}):
        for line in chart.lines:
            assert re.fullmatch(r"(-?\d+\.\d,-?\d+\.\d ?)+", line.points)


def test_the_report_draws_them_and_escapes_their_names() -> None:
    document = fixtures.mixed()
    control = next(one for one in document["controls"] if one["evidence"])
    control["evidence"][0]["observed"] = {**LOAD, "containers": [memory(HOSTILE)]}
    page = html.render(document)
    assert page.count("<polyline") == 10, "once in the evidence, once among the figures"
    assert 'aria-label="Latency up to 40 ms"' in page
    assert "<script>alert" not in page
