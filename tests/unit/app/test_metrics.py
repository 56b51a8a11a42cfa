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

from .memory import MemoryStore

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
    assert value(series, "process_cpu_seconds_total") > 0


def test_what_cannot_be_counted_has_no_number(client: TestClient, store: MemoryStore) -> None:
    store.broken = psycopg.OperationalError("down")
    found = scraped(client)[("active_sessions_total", frozenset())]
    assert found != found  # noqa: PLR0124 - not a number


def test_a_failed_answer_is_counted(client: TestClient) -> None:
    client.get("/api/broken")
    series = scraped(client)
    assert value(series, "bytebot_api_requests_total", method="GET", endpoint="/api/broken", status_code="500") == 1
