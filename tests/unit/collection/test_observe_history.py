# History asked of recorded answers: queries with their selectors, rules and their proofs, lines of each log store.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    SIGNALS,
    SPANS,
    Period,
    Room,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_errors import Place, errors_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import OK, SILENT, WRONG, Service, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_history import History, look_at_errors
from ansible_collections.bytebot.production.plugins.module_utils.review_inputs import actions_of, time_of
from ansible_collections.bytebot.production.plugins.modules import history_check

END = 1_796_000_400.0
Answer = Callable[[str, Mapping[str, str]], Any]


class Said:
    """A service in memory: each question is answered by a function."""

    url = "http://p"

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, []  # type: ignore[var-annotated]

    def json(self, path: str, query: Mapping[str, str] | None = None) -> Told:
        self.asked.append((path, dict(query or {})))
        found = self.answer(path, query or {})
        return found if isinstance(found, Told) else Told(OK, found, "", 200)

    text = post = json


def period(stage: str = "day") -> Period:
    return Period(stage, END - 40 * 86_400, "the inventory", SPANS[stage], END, END)


def success(kind: str, *rows: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": list(rows)}}


def history(said: Said, **labels: str) -> History:
    return History(Prometheus(cast(Service, said)), "prod", labels)


def test_figures_are_asked_with_their_selector_and_what_is_no_number_is_left_out() -> None:
    row = {"metric": {}, "values": [[END - 600, "0.1"], [END, "NaN"]]}
    said = Said(lambda _path, _query: success("matrix", row))
    (seen,) = history(said, cluster='a"b').signals(SIGNALS[:1], period())
    path, query = said.asked[0]
    assert path == "/api/v1/query_range"
    assert 'namespace="prod",cluster="a\\"b"' in query["query"]
    assert "[540s]" in query["query"]
    assert seen.points == ((END - 600, 0.1),)


def test_several_series_are_no_figure() -> None:
    said = Said(lambda _path, _query: success("matrix", {"metric": {"a": "1"}}, {"metric": {"a": "2"}}))
    (seen,) = history(said).signals(SIGNALS[:1], period())
    assert seen.told.kind == WRONG


def test_a_rule_on_a_metric_that_is_nowhere_is_told_apart_from_one_whose_counter_never_moved() -> None:
    rules = [
        {"type": "alerting", "name": "Gone", "query": "nowhere > 1", "health": "ok", "labels": {"severity": "warning"}},
        {"type": "alerting", "name": "Never", "query": "failed_total > 1", "health": "ok", "labels": {}},
        {"type": "alerting", "name": "Fired", "query": "x > 1", "health": "ok", "labels": {"severity": "critical"}},
        {"type": "recording", "name": "r", "query": "x"},
    ]

    def answer(path: str, query: Mapping[str, str]) -> Any:
        if path.startswith("/api/v1/rules"):
            return {"status": "success", "data": {"groups": [{"rules": rules}]}}
        if path.startswith("/api/v1/metadata"):
            return {"status": "success", "data": {"failed": [{}]} if query["metric"] == "failed" else {}}
        if "ALERTS" in query["query"]:
            fired = {"alertname": "Fired", "severity": "critical"}
            kind, value = ("values", [[END, "3"]]) if "range" in path else ("value", [END, "3"])
            return success("matrix" if "range" in path else "vector", {"metric": fired, kind: value})
        return success("vector")

    live = Said(answer)
    seen = history(Said(answer)).rules(Prometheus(cast(Service, live)), period())
    gone, never, fired = seen.rules
    assert gone.missing == ("nowhere",)
    assert never.missing == ()
    assert never.yields is not None
    assert never.yields.data == 0
    assert fired.fired


def test_rules_beyond_the_most_are_counted() -> None:
    one = {"type": "alerting", "name": "A", "query": "x > 1", "health": "err"}

    def answer(path: str, _query: Mapping[str, str]) -> Any:
        if path.startswith("/api/v1/rules"):
            return {"status": "success", "data": {"groups": [{"rules": [one] * 303}]}}
        return success("matrix")

    seen = history(Said(answer)).rules(Prometheus(cast(Service, Said(answer))), period())
    assert (len(seen.rules), seen.left) == (300, 3)


def test_firings_without_a_break_are_one() -> None:
    times = [END - 9000, END - 8700, END - 8400, END - 3000]
    row = {"metric": {"alertname": "A", "severity": "warning"}, "values": [[at, "1"] for at in times]}
    told, episodes = history(Said(lambda _p, _q: success("matrix", row))).episodes(period("day"))
    assert told.ok
    assert [(one.begin, one.end) for one in episodes] == [(END - 9300, END - 8400), (END - 3300, END - 3000)]


@pytest.mark.parametrize(("values", "kept"), [([], False), ([[END, "3"]], True)])
def test_where_nothing_fired_the_store_is_asked_whether_it_keeps_alerts(values: list[Any], kept: bool) -> None:
    def answer(_path: str, query: Mapping[str, str]) -> Any:
        rows = [{"metric": {}, "values": values}] if values and "firing" not in query["query"] else []
        return success("matrix", *rows)

    said = Said(answer)
    seen = history_check._all_alerts({"actions_file": None}, history(said, cluster="one"), period("month"))
    assert (seen.told.ok, seen.episodes, seen.kept) == (True, (), kept)
    assert said.asked[-1][1]["query"] == 'count(count_over_time(ALERTS{cluster="one"}[2592000s]))'


@pytest.mark.parametrize("of", ["used", "there"])
@pytest.mark.parametrize("by", ["", "disk"])
def test_what_may_run_out_is_not_judged_by_the_capacity_of_another(of: str, by: str) -> None:
    def answer(_path: str, query: Mapping[str, str]) -> Any:
        nodes = ("a", "b") if of in query["query"] else ("a",)
        return success("matrix", *({"metric": {"node": one, "disk": "1"}, "values": [[END, "1"]]} for one in nodes))

    room = Room("disk", "used", "there", by)
    seen = history(Said(answer)).growth([room], period("month"))
    assert seen.told.kind == WRONG
    assert "disk has 2 series" in seen.told.cause
    good = history(Said(answer)).growth([replace(room, by="node")], period("month"))
    assert good.told.ok


@pytest.mark.parametrize(("there", "steps", "named"), [(True, 3, True), (True, 2, False), (False, 3, False)])
def test_a_container_without_processor_or_memory_is_named(there: bool, steps: int, named: bool) -> None:
    def answer(_path: str, query: Mapping[str, str]) -> Any:
        asked = query["query"]
        names = ["api", "worker"] if "memory_working" in asked or ("_resource_" in asked and there) else ["api"]
        return success("matrix", *({"metric": {"pod": f"{one}-7d9f8c6b5d-abcde", "container": one, "resource": "cpu"},
                                    "values": [[END - 60 * at, "1"] for at in range(steps)[::-1]]}
                                   for one in names))  # fmt: skip

    seen = history(Said(answer)).use(period("week"))
    assert [one.where for one in seen.used] == ["api/api"]
    assert seen.halves == (("worker/worker",) if named else ()), "a rate needs two samples; a short Job has one"


def test_no_answer_is_told() -> None:
    silent = Said(lambda _path, _query: Told(SILENT, None, "nothing answers"))
    whole = history(silent)
    assert whole.use(period("week")).told.kind == SILENT
    assert whole.scalers(period("week")).told.kind == SILENT
    assert whole.episodes(period("month"))[0].kind == SILENT
    assert whole.rules(Prometheus(cast(Service, silent)), period()).groups.kind == SILENT


# ---------------------------------------------------------------------------- log stores

PLACE = Place("prod", ("error",), {"cluster": "one"})
LINE = {"_time": "t", "_msg": "task failed", "error": "TimeoutError"}


def stored(kind: str) -> tuple[Said, Any]:
    def answer(_path: str, query: Mapping[str, str]) -> Any:
        if kind == "victoria_logs":
            return json.dumps({"lines": "7"} if "stats" in query["query"] else LINE) + "\n"
        if kind == "loki":
            if "count_over_time" in query["query"]:
                return success("vector", {"metric": {}, "value": [END, "7"]})
            return success("streams", {"stream": {}, "values": [["1796000000000000000", json.dumps(LINE)]]})
        return {"count": 7, "hits": {"hits": [{"_source": {"@timestamp": "t", "message": json.dumps(LINE)}}]}}

    said = Said(answer)
    return said, errors_of(kind, cast(Service, said), "logs-*")


@pytest.mark.parametrize("kind", ["victoria_logs", "loki", "elasticsearch", "opensearch"])
def test_lines_with_errors_are_read_of_each_store(kind: str) -> None:
    said, store = stored(kind)
    seen = look_at_errors(store, "u", PLACE, period())
    assert seen.told.ok
    assert (seen.counts, seen.other) == ((1, 1), 7)
    (pattern,) = list(seen.after)
    assert pattern.text == "task failed TimeoutError"
    assert "one" in json.dumps(said.asked)
    assert "prod" in json.dumps(said.asked)


@pytest.mark.parametrize("kind", ["victoria_logs", "loki", "elasticsearch"])
def test_what_is_no_answer_of_a_store_is_told(kind: str) -> None:
    said = Said(lambda _path, _query: Told(OK, "<html>" if kind == "victoria_logs" else {"a": 1}, "", 200))
    store = errors_of(kind, cast(Service, said), "*")
    assert store.read(PLACE, END - 60, END).kind == WRONG
    assert store.count(PLACE, END - 60, END).kind == WRONG
    assert store.levelled(PLACE, END - 60, END).kind == WRONG


@pytest.mark.parametrize("kind", ["victoria_logs", "loki", "elasticsearch"])
@pytest.mark.parametrize("levelled", [False, True])
def test_where_no_line_is_an_error_the_store_is_asked_whether_lines_have_a_level(kind: str, levelled: bool) -> None:
    def answer(path: str, query: Mapping[str, Any]) -> Any:
        text = json.dumps(query)
        asks_level = '\\"level\\":*' in text or "level!=" in text or "exists" in text
        if kind == "victoria_logs":
            found = {"lines": "7"} if "stats" in text else LINE if asks_level and levelled else None
            return json.dumps(found) + "\n" if found else ""
        if kind == "loki":
            if "count_over_time" in text:
                return success("vector", {"metric": {}, "value": [END, "7"]})
            rows = [{"stream": {}, "values": [["1796000000000000000", "{}"]]}] if asks_level and levelled else []
            return success("streams", *rows)
        return {"count": (7 if levelled else 0) if asks_level else 7, "hits": {"hits": []}}

    store = errors_of(kind, cast(Service, Said(answer)), "*")
    seen = look_at_errors(store, "u", PLACE, period())
    assert (seen.told.ok, seen.counts, seen.other, seen.levelled) == (True, (0, 0), 7, levelled)


# ---------------------------------------------------------------------------- other inputs


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-30T09:00:00Z", 1_796_029_200.0),
        ("2026-11-30T10:00:00.123456789+01:00", 1_796_029_200.123456),
        ("2026-11-30 09:00:00", 1_796_029_200.0),
    ],
)
def test_times(text: str, at: float) -> None:
    assert time_of("at", text) == pytest.approx(at, abs=1e-5)


def test_what_is_no_time_is_one_clear_sentence() -> None:
    with pytest.raises(InputError, match="go_live: 'soon' is no time"):
        time_of("go_live", "soon")


def test_the_record_of_actions(tmp_path: Path) -> None:
    assert actions_of(None) == (None, "")
    file = tmp_path / "actions.yml"
    file.write_text("- {alert: A, at: 2026-11-30T09:00:00Z, action: acknowledged}\n", encoding="utf-8")
    actions, problem = actions_of(str(file))
    assert actions
    assert (actions[0].alert, actions[0].at, problem) == ("A", 1_796_029_200.0, "")
    file.write_text("- {alert: A}\n", encoding="utf-8")
    assert "entry 1" in actions_of(str(file))[1]
    assert "cannot be read" in actions_of(str(tmp_path / "no"))[1]


GIVEN: dict[str, Any] = {name: told.get("default") for name, told in history_check.ARGUMENTS.items()}
FIGURE = {"name": "queue", "query": "q", "unit": "", "floor": 0.0, "limit": None, "worse": "higher"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"signals": []}, "at least one"),
        ({"signals": [FIGURE | {"limit": float("nan")}]}, "of queue must be numbers"),
        ({"signals": [FIGURE | {"limit": float("inf")}]}, "of queue must be numbers"),
        ({"signals": [FIGURE | {"floor": float("nan")}]}, "of queue must be numbers"),
        ({"signals": [FIGURE, FIGURE | {"floor": float("inf")}]}, "of queue must be numbers"),
        ({"known_errors": ["^upstream closed$", ""]}, "'' is found in each line"),
        ({"known_errors": [".*"]}, "is found in each line"),
        ({"precision": float("nan")}, "not above 0"),
    ],
)
def test_inputs_that_could_never_be_red_are_refused(given: dict[str, Any], words: str) -> None:
    assert history_check._wanted(GIVEN | {"signals": [FIGURE], "known_errors": ["^upstream .* closed"]})
    with pytest.raises(InputError, match=words):
        history_check._wanted(GIVEN | given)
