# The contract stub answers in the documented shapes, and passes queries on to a real HTTP server.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from sandbox.components.grafana_stub import DASHBOARDS
from sandbox.pods import web
from sandbox.pods.grafana_stub.__main__ import access, dashboards
from sandbox.pods.grafana_stub.api import MARK, VERSION, Stub
from sandbox.pods.grafana_stub.prometheus import Prometheus
from sandbox.pods.grafana_stub.ranges import time_range
from sandbox.pods.web import Answer, Request

NOW = 1_700_000_000.0
UIDS = ["bytebot-overview", "bytebot-performance", "bytebot-security"]
MATRIX = {"resultType": "matrix", "result": [{"metric": {"__name__": "up", "job": "a"}, "values": [[NOW, "1"]]}]}


class Played:
    """Plays Prometheus: keeps what was asked and answers what it was told."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.status, self.said = 200, {"status": "success", "data": MATRIX}

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        return Answer(self.status, json.dumps(self.said).encode(), web.JSON)

    @property
    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.asked[-1].body.decode()).items()}


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def stub(played: Played, tmp_path: Any) -> Iterator[Stub]:
    server = web.server(0, played.answer, "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "reader").write_text("r-token\n")
    (tmp_path / "limited").write_text("l-token\n")
    source = Prometheus(f"http://127.0.0.1:{server.server_port}")
    yield Stub(dashboards(DASHBOARDS), source, access(tmp_path), lambda: NOW)
    server.shutdown()
    server.server_close()


def ask(stub: Stub, path: str, *, token: str = "r-token", body: Any = None, **query: str) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    given = stub.answer(
        Request(
            "GET" if body is None else "POST",
            path,
            {key: [value] for key, value in query.items()},
            headers,
            b"" if body is None else json.dumps(body).encode(),
        )
    )
    assert given.headers == MARK
    return given.status, json.loads(given.body)


def a_query(**more: Any) -> dict[str, Any]:
    one = {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "up", **more}
    return {"queries": [one], "from": "now-5m", "to": "now"}


def test_health_needs_no_token_and_names_a_stub(stub: Stub) -> None:
    assert ask(stub, "/api/health", token="") == (
        200,
        {"commit": "contract-stub", "database": "ok", "version": VERSION},
    )
    assert VERSION == "0.0.0-contract-stub"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/search", None),
        ("/api/dashboards/uid/bytebot-overview", None),
        ("/api/datasources", None),
        ("/api/ds/query", {}),
        ("/api/datasources/proxy/uid/prometheus/api/v1/query", None),
    ],
)
@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic r-token", "r-token"])
def test_without_a_good_token_all_else_is_401(stub: Stub, path: str, body: Any, header: str, played: Played) -> None:
    method = "GET" if body is None else "POST"
    given = stub.answer(Request(method, path, {}, {"authorization": header}))
    assert (given.status, json.loads(given.body)) == (401, {"message": "Unauthorized"})
    assert played.asked == []


def test_a_token_without_the_permission_is_403(stub: Stub, played: Played) -> None:
    assert ask(stub, "/api/search", token="l-token")[0] == 200
    for path, body in (("/api/datasources", None), ("/api/ds/query", a_query())):
        status, said = ask(stub, path, token="l-token", body=body)
        assert status == 403
        assert said["title"] == "Access denied"
        assert "datasources:" in said["message"]
    assert played.asked == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/dashboards/uid/nothing", "Dashboard not found"),
        ("/api/datasources/uid/nothing", "Data source not found"),
        ("/api/datasources/proxy/uid/nothing/api/v1/query", "Data source not found"),
        ("/api/nothing", "Not found"),
        ("/", "Not found"),
    ],
)
def test_what_is_not_there_is_404(stub: Stub, path: str, said: str) -> None:
    assert ask(stub, path) == (404, {"message": said})


def test_dashboards_are_found_and_read(stub: Stub) -> None:
    assert [hit["uid"] for hit in ask(stub, "/api/search")[1]] == UIDS
    (hit,) = ask(stub, "/api/search", query="OVERVIEW", type="dash-db")[1]
    assert hit["url"] == "/d/bytebot-overview/bytebot-application-overview"
    assert [one["uid"] for one in ask(stub, "/api/search", tag="security")[1]] == ["bytebot-security"]
    assert [one["uid"] for one in ask(stub, "/api/search", limit="2", page="2")[1]] == ["bytebot-security"]
    assert ask(stub, "/api/search", type="dash-folder") == (200, [])
    assert ask(stub, "/api/search", limit="many")[0] == 400
    status, said = ask(stub, "/api/dashboards/uid/bytebot-overview")
    assert status == 200
    assert said["dashboard"]["uid"] == "bytebot-overview"
    assert said["meta"]["url"] == hit["url"]
    assert said["dashboard"]["id"] == hit["id"]


def test_the_data_source_is_told_and_tried(stub: Stub, played: Played) -> None:
    (one,) = ask(stub, "/api/datasources")[1]
    assert (one["uid"], one["type"], one["isDefault"]) == ("prometheus", "prometheus", True)
    assert ask(stub, "/api/datasources/uid/prometheus/health")[1]["status"] == "OK"
    played.status = 503
    assert ask(stub, "/api/datasources/uid/prometheus/health") == (
        400,
        {"status": "ERROR", "message": "it answers with 503"},
    )


def test_a_query_becomes_frames(stub: Stub, played: Played) -> None:
    status, said = ask(stub, "/api/ds/query", body=a_query(expr="rate(up[$__rate_interval])", intervalMs=30_000))
    assert status == 200
    (frame,) = said["results"]["A"]["frames"]
    assert frame["data"] == {"values": [[int(NOW * 1000)], [1.0]]}
    assert frame["schema"]["fields"][1]["labels"] == {"job": "a"}
    assert [one["type"] for one in frame["schema"]["fields"]] == ["time", "number"]
    assert played.asked[-1].path == "/api/v1/query_range"
    assert played.form == {
        "query": "rate(up[60s])",
        "start": f"{NOW - 300:.3f}",
        "end": f"{NOW:.3f}",
        "step": "30",
    }


def test_an_instant_query_asks_for_one_moment(stub: Stub, played: Played) -> None:
    played.said["data"] = {"resultType": "vector", "result": [{"metric": {}, "value": [NOW, "NaN"]}]}
    _, said = ask(stub, "/api/ds/query", body=a_query(instant=True))
    assert played.asked[-1].path == "/api/v1/query"
    assert said["results"]["A"]["frames"][0]["data"] == {
        "values": [[int(NOW * 1000)], [None]],
        "entities": [None, {"NaN": [0]}],
    }


def test_no_series_is_no_frame_and_no_error(stub: Stub, played: Played) -> None:
    played.said["data"] = {"resultType": "matrix", "result": []}
    assert ask(stub, "/api/ds/query", body=a_query()) == (200, {"results": {"A": {"status": 200, "frames": []}}})


def test_an_error_of_prometheus_is_handed_on(stub: Stub, played: Played) -> None:
    played.status, played.said = 400, {"status": "error", "errorType": "bad_data", "error": "parse error"}
    status, said = ask(stub, "/api/ds/query", body=a_query(expr="rate("))
    assert status == 400
    assert said["results"]["A"]["error"] == "bad_data: parse error"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"queries": []}, 400),
        ({}, 400),
        ([], 400),
        ({"queries": [{"refId": "A", "datasource": {"uid": "other"}, "expr": "up"}]}, 404),
        ({**a_query(), "from": "yesterday"}, 400),
        ({**a_query(), "from": "now", "to": "now-5m"}, 400),
        (a_query(maxDataPoints="many"), 400),
    ],
)
def test_a_query_that_is_none_is_refused(stub: Stub, body: Any, status: int, played: Played) -> None:
    assert ask(stub, "/api/ds/query", body=body)[0] == status
    assert played.asked == []


def test_a_prometheus_that_is_gone_is_told(stub: Stub) -> None:
    gone = Stub(stub.dashboards, Prometheus("http://127.0.0.1:1"), stub.access, stub.now)
    assert ask(gone, "/api/ds/query", body=a_query())[0] == 502
    assert ask(gone, "/api/datasources/proxy/uid/prometheus/api/v1/query", query="up") == (
        502,
        {"message": "Bad Gateway"},
    )


def test_the_proxy_passes_on_what_reads_and_nothing_else(stub: Stub, played: Played) -> None:
    status, said = ask(stub, "/api/datasources/proxy/uid/prometheus/api/v1/query_range", query="up", step="5")
    assert (status, said) == (200, played.said)
    assert (played.asked[-1].path, played.asked[-1].query) == ("/api/v1/query_range", {"query": ["up"], "step": ["5"]})
    for path in ("api/v1/admin/tsdb/delete_series", "-/reload", "api/v1/query/../../../-/quit"):
        assert ask(stub, f"/api/datasources/proxy/uid/prometheus/{path}")[0] == 403
    assert len(played.asked) == 1


@pytest.mark.parametrize(
    ("begin", "end", "interval", "points", "step"),
    [
        ("now-1h", "now", 1000, 100, 36),
        ("now-5m", "now", 15_000, 1000, 15),
        ("1699999000000", "1700000000000", 1000, 100, 10),
        ("now-1m", "now", 1, 100, 1),
        ("now-2w", "now", 1000, 10**9, 110),
    ],
)
def test_the_step_is_as_asked_unless_that_were_too_many_points(
    begin: str, end: str, interval: int, points: int, step: int
) -> None:
    assert time_range(begin, end, NOW, interval_ms=interval, points=points).step == step


# ------------------------------------------------------------------ the dashboards

DOCUMENTED = {
    "bytebot-overview": {
        "Request Rate", "Response Time Percentiles", "Error Rate", "Task Processing", "Computer-Use Operations",
        "System Performance",
    },
    "bytebot-performance": set(),
    "bytebot-security": set(),
}  # fmt: skip


@pytest.mark.parametrize("uid", UIDS)
def test_each_dashboard_has_the_documented_panels_and_asks_one_source(uid: str) -> None:
    board = dashboards(DASHBOARDS)[uid]
    titles = [panel["title"] for panel in board["panels"]]
    assert DOCUMENTED[uid] <= set(titles)
    assert len(titles) == len(set(titles))
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"prometheus"}
    known = {"__rate_interval", *(one["name"] for one in board["templating"]["list"])}
    for panel in board["panels"]:
        assert panel["targets"]
        for target in panel["targets"]:
            assert set(re.findall(r"\$\{?(\w+)", target["expr"])) <= known


def test_the_error_rate_has_the_documented_steps() -> None:
    (panel,) = [one for one in dashboards(DASHBOARDS)["bytebot-overview"]["panels"] if one["title"] == "Error Rate"]
    assert [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [0, 2, 5]
