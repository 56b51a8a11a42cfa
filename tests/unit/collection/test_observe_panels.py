# Panels are asked once; where a metric has just been counted for the first time, until it is shown.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import BoardsSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.observe_panels import Wanted, look_at_boards

RATE = "sum(rate(tasks_total[1m]))"


class Boards:
    """Grafana with two dashboards, the second of which shows a rate from a number of asks on."""

    url = "https://grafana.shop.test"

    def __init__(self, shown_after: int) -> None:
        self.service = self
        self.shown_after = shown_after
        self.asks: dict[str, int] = {}

    def dashboards(self) -> Told:
        return Told(data=[{"uid": name, "title": name} for name in ("steady", "tasks")])

    def sources(self) -> Told:
        return Told(data=[{"uid": "prometheus", "type": "prometheus", "isDefault": True}])

    def dashboard(self, uid: str) -> Told:
        expression = RATE if uid == "tasks" else "sum(up)"
        return Told(data={"panels": [{"title": uid, "targets": [{"expr": expression}]}]})

    def panel_query(self, _source: Any, expression: str, *, instant: bool) -> Told:
        self.asks[expression] = self.asks.get(expression, 0) + 1
        shown = expression != RATE or self.asks[expression] > self.shown_after
        return Told(data=(1.0, 1) if shown and not instant else (0.0, 0))


class Stored:
    """Prometheus, which has a metric of tasks for as long as is said."""

    def __init__(self, *, young: bool) -> None:
        self.young = young

    def query(self, expression: str) -> Told:
        before = " offset 60s)" in expression
        names = ["up", *([] if before and self.young else ["tasks_total"])]
        return Told(data=[({"__name__": name}, "1") for name in names])


class Nothing:
    """Prometheus, which knows of tasks by their description alone."""

    def query(self, _expression: str) -> Told:
        return Told(data=[({"__name__": "up"}, "1")])

    def describes(self, _name: str) -> Told:
        return Told(data=True)


def looked(boards: Boards, *, young: bool, settle_s: float = 60.0) -> BoardsSeen:
    wanted = Wanted(("steady", "tasks"), lambda: (), settle_s)
    server, stored = cast("Grafana", boards), cast("Prometheus", Stored(young=young))
    return look_at_boards(server, stored, wanted, pause=lambda _: None)


@pytest.mark.parametrize(("young", "asks", "series"), [(True, 3, 1), (False, 1, 0)])
def test_a_panel_is_waited_for_where_its_metric_has_just_come(young: bool, asks: int, series: int) -> None:
    boards = Boards(shown_after=2)
    seen = looked(boards, young=young)
    assert boards.asks == {"sum(up)": 1, RATE: asks}
    assert seen.boards[1].asked[0].told.data[1] == series


def test_it_is_not_waited_for_any_longer_than_it_may_take() -> None:
    boards = Boards(shown_after=1)
    assert looked(boards, young=True, settle_s=0.0).boards[1].asked[0].told.data[1] == 0


@pytest.mark.parametrize(
    ("missed", "lost", "quiet"), [((), (), ("tasks_total",)), (("tasks_total",), ("tasks_total",), ())]
)
def test_what_is_only_described_is_quiet_as_long_as_no_event_of_it_came(
    missed: tuple[str, ...], lost: tuple[str, ...], quiet: tuple[str, ...]
) -> None:
    wanted = Wanted(("tasks",), lambda: (), missed=missed)
    seen = look_at_boards(cast("Grafana", Boards(9)), cast("Prometheus", Nothing()), wanted, pause=lambda _: None)
    assert (seen.boards[0].asked[0].lost, seen.boards[0].asked[0].quiet) == (lost, quiet)


@pytest.mark.parametrize(("stored_at", "lost", "shown"), [(3, (), 1), (None, ("tasks_total",), 0)])
def test_what_is_exported_is_waited_for_until_it_is_stored(
    stored_at: int | None, lost: tuple[str, ...], shown: int
) -> None:
    """New pods, as after a roll-out, have counted their first event since they were scraped."""
    clock = [0]

    class Scraped(Nothing):
        def query(self, expression: str) -> Told:
            there = stored_at is not None and clock[0] >= stored_at and " offset " not in expression
            return Told(data=[({"__name__": name}, "1") for name in ("up", *(["tasks_total"] if there else []))])

    class Showing(Boards):
        def panel_query(self, _source: Any, expression: str, *, instant: bool) -> Told:
            shown = expression != RATE or (stored_at is not None and clock[0] > stored_at)
            return Told(data=(1.0, 1) if shown and not instant else (0.0, 0))

    def pause(_seconds: float) -> None:
        clock[0] += 1

    wanted = Wanted(("tasks",), lambda: ("tasks_total",), settle_s=0.5 if stored_at is None else 60.0)
    seen = look_at_boards(cast("Grafana", Showing(0)), cast("Prometheus", Scraped()), wanted, pause=pause)
    (one,) = seen.boards[0].asked
    assert (one.lost, one.quiet, one.told.data[1]) == (lost, (), shown)
