# Metrics: each series moves with what it counts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from bytebot_app import scrape
from bytebot_app.api import Parts, create_app, metrics_app
from bytebot_app.logs import configure
from bytebot_app.runtime import Lag
from bytebot_app.settings import Settings

from .memory import ORIGIN, MemoryStore

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "FRESH_S", 0.0)


def scraped(client: TestClient) -> Series:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(series: Series, name: str, **labels: str) -> float:
    return series.get((name, frozenset(labels.items())), 0.0)


def test_known_traffic_moves_the_series(client: TestClient, sign_in: Callable[..., Any]) -> None:
    me = sign_in()
    headers, user = {"Authorization": f"Bearer {me['access_token']}"}, me["user"]["id"]
    client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    task = client.post("/api/v1/tasks", json={"description": "a"}, headers=headers).json()
    for status in ("IN_PROGRESS", "COMPLETED", "COMPLETED"):
        client.patch(f"/api/v1/tasks/{task['id']}", json={"status": status}, headers=headers)
    client.get("/no/such/path")
    client.request("CURIOUS", "/no/such/path")
    series = scraped(client)
    assert value(series, "auth_attempts_total", status="success") == 1
    assert value(series, "auth_attempts_total", status="failure") == 1
    assert value(series, "active_sessions_total") == 1
    assert value(series, "bytebot_database_connections_active") == 3
    assert value(series, "bytebot_database_connections_max") == 5
    for status in ("PENDING", "IN_PROGRESS", "COMPLETED"):
        assert value(series, "bytebot_tasks_total", status=status, type="IMMEDIATE", user_id=user) == 1
    assert value(series, "bytebot_task_duration_seconds_sum", type="IMMEDIATE", status="COMPLETED") == 7
    assert value(series, "bytebot_api_requests_total", method="POST", endpoint="/api/v1/tasks", status_code="201") == 1
    path = "/api/v1/tasks/{task_id}"
    assert value(series, "http_requests_total", method="PATCH", route=path, code="200") == 3
    assert value(series, "http_request_duration_seconds_count", method="PATCH", route=path) == 3
    assert value(series, "http_request_duration_ms_count", method="PATCH", route=path) == 3
    assert value(series, "http_requests_total", method="GET", route="unmatched", code="404") == 1
    assert value(series, "http_requests_total", method="other", route="unmatched", code="404") == 1
    assert value(series, "bytebot_http_requests_total", method="PATCH", route=path, status_code="200") == 3
    assert value(series, "bytebot_http_request_duration_seconds_count", method="PATCH", route=path) == 3
    assert value(series, "process_cpu_seconds_total") > 0


def test_what_cannot_be_counted_has_no_number(client: TestClient, store: MemoryStore) -> None:
    store.broken = psycopg.OperationalError("down")
    found = scraped(client)[("active_sessions_total", frozenset())]
    assert found != found  # noqa: PLR0124 - not a number


def test_a_failed_answer_is_counted(client: TestClient) -> None:
    client.get("/api/broken")
    series = scraped(client)
    assert value(series, "bytebot_api_requests_total", method="GET", endpoint="/api/broken", status_code="500") == 1


def test_sizes_are_those_of_the_bodies(client: TestClient) -> None:
    sent = b'{"username": "a", "password": "b"}'
    answer = client.post("/api/v1/auth/login", content=sent, headers={"Content-Type": "application/json"})
    series, where = scraped(client), {"method": "POST", "route": "/api/v1/auth/login"}
    assert value(series, "http_request_size_bytes_sum", **where) == len(sent)
    assert value(series, "http_response_size_bytes_sum", **where) == len(answer.content)
    assert value(series, "http_response_size_bytes_count", **where) == 1


def test_events_of_security_are_counted(client: TestClient, sign_in: Callable[..., Any]) -> None:
    assert value(scraped(client), "security_events_total", type="AUTHENTICATION_FAILURE") == 0
    client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    for origin in ("https://evil.test", "https://evil.test", ORIGIN, "https://api.bytebot.test"):
        client.get("/health/live", headers={"Origin": origin})
    used = sign_in()["refresh_token"]
    for _ in range(2):
        client.post("/api/v1/auth/refresh", json={"refresh_token": used})
        client.cookies.clear()
    series = scraped(client)
    assert value(series, "cors_violations_total", origin="https://evil.test") == 2
    assert sum(number for (name, _), number in series.items() if name == "cors_violations_total") == 2
    for kind, number in (("AUTHENTICATION_FAILURE", 1), ("CORS_VIOLATION", 2), ("TOKEN_REUSE", 1)):
        assert value(series, "security_events_total", type=kind) == number


def test_an_event_counts_below_the_level_of_the_log(client: TestClient) -> None:
    configure("error", "1.2.3", "test")
    client.get("/health/live", headers={"Origin": "https://evil.test"})
    assert value(scraped(client), "security_events_total", type="CORS_VIOLATION") == 1


def test_nobody_fills_the_memory_with_origins(client: TestClient) -> None:
    for number in range(200):
        client.get("/health/live", headers={"Origin": f"https://{number}.evil.test"})
    found = {labels: n for (name, labels), n in scraped(client).items() if name == "cors_violations_total"}
    assert len(found) == 51
    assert found[frozenset({("origin", "other")})] == 150


def test_the_runtime_shows_itself(client: TestClient) -> None:
    series = scraped(client)
    used, total = (value(series, f"nodejs_heap_size_{name}_bytes") for name in ("used", "total"))
    assert 1e7 < used < total
    assert value(series, "nodejs_external_memory_bytes") > 0
    assert {name for name, _ in series if name.startswith("nodejs_eventloop_lag")} == {
        f"nodejs_eventloop_lag_{part}seconds" for part in ("", "min_", "max_", "mean_", "stddev_")
    }


def test_the_lag_is_what_the_loop_was_late() -> None:
    lag = Lag()
    for seconds in (0.1, 0.3):
        lag.note(seconds)
    assert (lag.last, lag.least, lag.most) == (0.3, 0.1, 0.3)
    assert (round(lag.mean, 9), round(lag.deviation, 9)) == (0.2, 0.1)


def test_without_collection_there_are_no_metrics(settings: Settings, parts: Parts, written: None) -> None:
    without = settings.model_copy(update={"enable_metrics_collection": False})
    with TestClient(create_app(without, parts)) as closed:
        assert closed.get("/metrics").status_code == 404
        assert closed.get("/health/live").status_code == 200
    with TestClient(metrics_app(without, parts)) as listener:
        assert listener.get("/metrics").status_code == 404


def test_without_health_checks_there_are_none(settings: Settings, parts: Parts, written: None) -> None:
    with TestClient(create_app(settings.model_copy(update={"enable_health_checks": False}), parts)) as closed:
        assert closed.get("/health/ready").status_code == 404
        assert closed.get("/metrics").status_code == 200
