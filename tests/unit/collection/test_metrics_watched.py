# Targets, series, panels and counters, judged by tables of what was observed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_watched import (
    BUSINESS,
    CHECKS,
    DASHBOARDS,
    SCRAPED,
    SYSTEM,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    Asked,
    BoardSeen,
    BoardsSeen,
    BusinessSeen,
    Counter,
    Move,
    Pod,
    ReleaseSeen,
    ScrapesSeen,
    Source,
    SystemSeen,
    WatchedFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.observe_panels import names_in

NOW = 1_796_008_634.0
RELEASE = ReleaseSeen(
    "prod",
    "bytebot",
    (Source("bytebot-api", "api-1", "10.0.0.1", 9090), Source("bytebot-api", "api-2", "10.0.0.2", 9090)),
    (Pod("api-1", "node-1", "192.0.2.1"), Pod("api-2", "node-1", "192.0.2.1")),
)


def target(number: int, **other: Any) -> dict[str, Any]:
    return {
        "labels": {"job": "api", "instance": f"10.0.0.{number}:9090"},
        "scrapeUrl": f"http://10.0.0.{number}:9090/metrics",
        "health": "up",
        "lastScrape": "2026-11-30T03:17:12.123456789Z",
        "scrapeInterval": "5s",
        **other,
    }


def scrapes(*targets: dict[str, Any], exceeded: str = "0") -> ScrapesSeen:
    return ScrapesSeen("http://p", Told(data=list(targets)), Told(data=[({}, str(NOW))]), Told(data=[({}, exceeded)]))


def told(control: str, facts: WatchedFacts) -> tuple[str, str]:
    (found,) = CHECKS.judge(facts, [control])
    return str(found.verdict.state), found.verdict.summary


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (scrapes(target(1), target(2)), "pass", "all 2 targets"),
        (scrapes(target(1)), "fail", "no target for pod api-2"),
        (scrapes(target(1), target(2, health="down", lastError="refused")), "fail", "is down (refused)"),
        (scrapes(target(1), target(2, lastScrape="2026-11-30T03:10:00Z")), "fail", "was scraped"),
        (scrapes(target(1), target(2), exceeded="3"), "fail", "3 scrapes were refused for a limit"),
        (scrapes(target(1), target(2, scrapeUrl="", labels={"namespace": "prod", "pod": "api-2"})), "pass", ""),
        (scrapes(target(1), target(2, scrapeUrl="", labels={"namespace": "so", "pod": "api-2"})), "fail", ""),
        (ScrapesSeen("http://p", Told(DENIED, None, "it answers 403")), "pending", "not permitted"),
        (ScrapesSeen("http://p", Told("silent", None, "nothing listens")), "fail", "nothing listens"),
    ],
)  # fmt: skip
def test_targets(seen: ScrapesSeen, state: str, words: str) -> None:
    found = told(SCRAPED, WatchedFacts(release=RELEASE, scrapes=seen))
    assert found[0] == state, found
    assert words in found[1]


def test_what_is_not_said_or_permitted_is_pending() -> None:
    assert told(SCRAPED, WatchedFacts())[0] == "pending"
    assert told(SYSTEM, WatchedFacts())[0] == "pending"
    assert told(DASHBOARDS, WatchedFacts())[0] == "pending"
    assert told(BUSINESS, WatchedFacts())[0] == "pending"
    denied = replace(RELEASE, denied="Not permitted to list pods")
    assert told(SCRAPED, WatchedFacts(release=denied, scrapes=scrapes(target(1))))[0] == "pending"


def test_a_release_without_metrics_is_red() -> None:
    bare = replace(RELEASE, sources=())
    assert told(SCRAPED, WatchedFacts(release=bare, scrapes=scrapes(target(1))))[0] == "fail"


def series(*pods: str) -> Told:
    return Told(data=[({"namespace": "prod", "pod": pod}, "1") for pod in pods])


@pytest.mark.parametrize(
    ("containers", "states", "nodes", "state"),
    [
        (series("api-1", "api-2"), series("api-1", "api-2"), [{"nodename": "node-1"}], "pass"),
        (series("api-1", "api-2"), series("api-1", "api-2"), [{"instance": "192.0.2.1:9100"}], "pass"),
        (series("api-1"), series("api-1", "api-2"), [{"node": "node-1"}], "fail"),
        (series("api-1", "api-2"), series(), [{"node": "node-1"}], "fail"),
        (series("api-1", "api-2"), series("api-1", "api-2"), [{"node": "node-2"}], "fail"),
    ],
)
def test_series_of_pods_and_nodes(containers: Told, states: Told, nodes: list[dict[str, str]], state: str) -> None:
    seen = SystemSeen("http://p", containers, states, Told(data=[(labels, "1") for labels in nodes]))
    assert told(SYSTEM, WatchedFacts(running=RELEASE, system=seen))[0] == state


@pytest.mark.parametrize(
    ("asked", "state", "words"),
    [
        (Asked("Rate", "rate(a[1m])", Told(data=(NOW - 5, 2))), "pass", "1 queries of 1 dashboards"),
        (Asked("Rate", "rate(a[1m])", Told(data=(NOW - 500, 2))), "fail", "its newest value is"),
        (Asked("Rate", "rate(a[1m])", Told(data=(NOW - 500, 2)), quiet=("a",)), "pass", "of a no event has come yet"),
        (Asked("Rate", "rate(a[1m])", Told(data=(0.0, 0))), "fail", "shows nothing"),
        (Asked("Rate", "rate(a[1m])", Told(data=(0.0, 0)), (), ("a",)), "pass", "of a no event has come yet"),
        (Asked("Rate", "rate(a[1m])", Told(data=(NOW, 1)), ("a",)), "fail", "nothing is stored under a"),
        (Asked("Rate", "rate(a[1m])", Told("absent", None, "it answers 404")), "fail", "404"),
        (Asked("Rate", "rate(a[1m])", Told(DENIED, None, "it answers 403")), "pending", "403"),
    ],
)
def test_panels(asked: Asked, state: str, words: str) -> None:
    boards = BoardsSeen("http://g", (BoardSeen("Overview", (asked,)),), NOW, Told(data=[]))
    found = told(DASHBOARDS, WatchedFacts(boards=boards, wanted_boards=("Overview",)))
    assert found[0] == state, found
    assert words in found[1]


def test_a_dashboard_that_is_gone_or_has_no_query_is_red() -> None:
    for board in (BoardSeen("Overview", problem=Told("absent", None, "it is not there")), BoardSeen("Overview")):
        seen = BoardsSeen("http://g", (board,), NOW, Told(data=[]))
        assert told(DASHBOARDS, WatchedFacts(boards=seen, wanted_boards=("Overview",)))[0] == "fail"


COUNTER = Counter("tasks_total", "task", {"status": "PENDING"})


def moved(*counted: float, **other: Any) -> BusinessSeen:
    return BusinessSeen(tuple((Move(COUNTER, 2, 10.0, 10.0 + one),) for one in counted), **other)


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (moved(2.0), "pass"),
        (moved(3.0, 2.0), "pass"),
        (moved(0.0), "fail"),
        (moved(1.0), "fail"),
        (moved(4.0, 4.0, 4.0), "fail"),
        (moved(3.0, 5.0, 4.0), "inconclusive"),
        (moved(2.0, trouble="not all targets were scraped again in time"), "inconclusive"),
        (moved(0.0, trouble="a replica began anew meanwhile"), "inconclusive"),
        (moved(2.0, left="1 tasks of this check could not be removed"), "fail"),
        (moved(2.0, left_out={"task": "not permitted"}), "pending"),
        (BusinessSeen(gap="Needs input accounts."), "pending"),
        (BusinessSeen(broken="the login answers 429"), "inconclusive"),
        (BusinessSeen(((Move(COUNTER, 2, there=False),),)), "fail"),
    ],
)
def test_counters_move_by_what_was_caused(seen: BusinessSeen, state: str) -> None:
    assert told(BUSINESS, WatchedFacts(release=RELEASE, scrapes=scrapes(target(1)), business=seen))[0] == state


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (method, endpoint) (rate(api_total{code=~"5..", a="b"}[5m]))', ["api_total"]),
        ("100 * (sum(rate(a_total[1m])) or vector(0)) / sum(rate(b_total[1m] offset 5m))", ["a_total", "b_total"]),
        ("histogram_quantile(0.95, sum by (le) (rate(x_ms_bucket[1m]))) > 2e3", ["x_ms_bucket"]),
        ("a / on (pod) group_left (node) b unless c and ignoring(x) d", ["a", "b", "c", "d"]),
        ("vector(1)", []),
    ],
)
def test_metrics_are_found_in_expressions(expression: str, names: list[str]) -> None:
    assert names_in(expression) == names
