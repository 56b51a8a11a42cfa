# What every answer has: the error shape, the correlation id, the security headers, the origins.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app, metrics_app
from bytebot_app.settings import Settings

from .memory import ORIGIN, MemoryStore

EXPECTED = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "same-origin",
}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
ANSWERS: dict[str, tuple[int, Callable[[TestClient], Any]]] = {
    "200": (200, lambda c: c.get("/health/live")),
    "metrics": (200, lambda c: c.get("/metrics")),
    "preflight": (200, lambda c: c.options("/api/v1/tasks", headers={"Origin": ORIGIN, **PREFLIGHT})),
    "foreign preflight": (
        400,
        lambda c: c.options("/api/v1/tasks", headers={"Origin": "https://evil.test", **PREFLIGHT}),
    ),
    "400": (400, lambda c: c.post("/api/v1/auth/login", json={})),
    "401": (401, lambda c: c.get("/api/v1/tasks")),
    "404": (404, lambda c: c.get("/nothing/here")),
    "404 with a slash": (404, lambda c: c.get("/health/live/")),
    "405": (405, lambda c: c.delete("/api/v1/tasks")),
    "413": (413, lambda c: c.post("/api/v1/auth/login", content=b"x" * 5000)),
    "415": (415, lambda c: c.post("/api/v1/auth/login", content=b"x")),
    "500": (500, lambda c: c.get("/api/broken")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_kind_of_answer_has_its_headers(client: TestClient, name: str) -> None:
    status, ask = ANSWERS[name]
    answer = ask(client)
    assert answer.status_code == status
    assert {header: answer.headers[header] for header in EXPECTED} == EXPECTED
    policy = answer.headers["Content-Security-Policy"]
    assert all(part in policy for part in ("default-src 'self'", "frame-ancestors 'none'", "upgrade-insecure-requests"))
    assert uuid.UUID(answer.headers["x-correlation-id"]).version == 4
    assert not {"server", "x-powered-by"} & set(answer.headers)
    if status >= 400:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json().keys() == {"error"}
        assert answer.json()["error"].keys() == {"code", "message", "details"}
        assert not any(word in answer.text for word in ("Traceback", "SELECT", "bytebot_app", ".py"))


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("security_helmet_hsts", {"Strict-Transport-Security"}),
        ("security_helmet_no_sniff", {"X-Content-Type-Options"}),
        ("security_helmet_xss_filter", {"X-XSS-Protection"}),
        ("security_helmet_enabled", set(EXPECTED)),
    ],
)
def test_a_header_can_be_switched_off(settings: Settings, parts: Parts, switch: str, gone: set[str]) -> None:
    with TestClient(create_app(settings.model_copy(update={switch: False}), parts)) as client:
        found = client.get("/health/live").headers
    assert {name for name in EXPECTED if name not in found} == gone


def test_violations_of_the_policy_can_be_reported(settings: Settings, parts: Parts) -> None:
    wanted = settings.model_copy(update={"security_csp_report_uri": "https://reports.test/csp"})
    with TestClient(create_app(wanted, parts)) as client:
        policy = client.get("/health/live").headers["Content-Security-Policy"]
    assert policy.endswith("upgrade-insecure-requests; report-uri https://reports.test/csp")


def test_without_origins_all_are_foreign(settings: Settings, parts: Parts) -> None:
    with TestClient(create_app(settings.model_copy(update={"api_cors_origins": ""}), parts)) as client:
        assert "access-control-allow-origin" not in client.get("/health/live", headers={"Origin": ORIGIN}).headers


@pytest.mark.parametrize(("environment", "wanted"), [("production", 400), ("development", 200)])
def test_development_admits_more_headers(settings: Settings, parts: Parts, environment: str, wanted: int) -> None:
    asking = {"Origin": ORIGIN, **PREFLIGHT, "Access-Control-Request-Headers": "X-API-Key, X-Requested-With"}
    with TestClient(create_app(settings.model_copy(update={"node_env": environment}), parts)) as client:
        assert client.options("/api/v1/tasks", headers=asking).status_code == wanted


def test_a_script_of_an_allowed_origin_can_read_the_limits(client: TestClient) -> None:
    answer = client.get("/api/v1/tasks", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "X-RateLimit-Remaining" in answer.headers["access-control-expose-headers"]


def test_the_metrics_listener_answers_in_the_same_shape(settings: Settings, parts: Parts) -> None:
    with TestClient(metrics_app(settings, parts)) as client:
        assert "http_requests_total" in client.get("/metrics").text
        lost = client.get("/api/v1/tasks")
        assert (lost.status_code, lost.json()["error"]["code"]) == (404, "NOT_FOUND")
        assert lost.headers["X-Frame-Options"] == "DENY"


def test_a_405_tells_all_methods_of_the_path(client: TestClient) -> None:
    assert client.put("/api/v1/tasks").headers["allow"] == "GET, POST"
    assert client.put(f"/api/v1/tasks/{uuid.uuid4()}").headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize("given", ["abc-123", "A" * 128])
def test_a_given_correlation_id_comes_back(client: TestClient, given: str) -> None:
    for path in ("/health/live", "/nothing", "/api/broken"):
        assert client.get(path, headers={"x-correlation-id": given}).headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", ["", "A" * 129, 'a"b', "a b", "<script>"])
def test_a_correlation_id_that_is_not_one_is_replaced(client: TestClient, given: str) -> None:
    found = client.get("/health/live", headers={"x-correlation-id": given}).headers["x-correlation-id"]
    assert uuid.UUID(found).version == 4


def test_a_known_origin_is_echoed(client: TestClient) -> None:
    answer = client.get("/health/live", headers={"Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    asked = client.options("/api/v1/tasks", headers={"Origin": ORIGIN, **PREFLIGHT})
    methods = set(asked.headers["access-control-allow-methods"].split(", "))
    assert methods == {"GET", "POST", "PUT", "DELETE", "PATCH"}


@pytest.mark.parametrize("origin", ["https://evil.test", f"{ORIGIN}.evil.test", "http://app.bytebot.test", "null"])
def test_a_foreign_origin_is_not(client: TestClient, origin: str) -> None:
    for answer in (
        client.get("/health/live", headers={"Origin": origin}),
        client.options("/api/v1/tasks", headers={"Origin": origin, **PREFLIGHT}),
    ):
        assert "access-control-allow-origin" not in answer.headers


def test_an_outage_of_the_database_is_a_503(client: TestClient, store: MemoryStore) -> None:
    store.broken = psycopg.OperationalError("connection to server at 10.0.0.1 failed: password=hunter2")
    answer = client.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "5"
    assert "10.0.0.1" not in answer.text
