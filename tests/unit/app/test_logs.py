# Log lines: one JSON object each, with the documented fields, and no secret in any.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from bytebot_app import middleware
from bytebot_app.logs import configure, redacted

from .memory import PASSWORD, MemoryStore

FIELDS = {"timestamp", "level", "message", "service", "version", "environment", "correlationId", "userId"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def quiet(client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TestClient:
    """The client, with the log bound to this test's output."""
    bound = logging.getLogger().handlers[0]
    assert isinstance(bound, logging.StreamHandler)
    monkeypatch.setattr(bound, "stream", Now())
    capsys.readouterr()
    return client


class Now:
    """Standard output as it is when a line is written: pytest puts another in its place for each phase of a test."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


def test_every_line_has_the_documented_fields(
    quiet: TestClient, sign_in: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    me = sign_in()
    headers = {"Authorization": f"Bearer {me['access_token']}", "x-correlation-id": "find-me"}
    quiet.get("/api/v1/tasks", headers=headers)
    quiet.get("/api/broken", headers=headers)
    logging.getLogger("uvicorn.error").warning("a line of the server's own")
    found = lines(capsys)
    assert found
    assert all(line.keys() >= FIELDS for line in found)
    assert {(line["service"], line["version"], line["environment"]) for line in found} == {
        ("bytebot-api", "1.2.3", "test")
    }
    request = next(line for line in found if line.get("path") == "/api/v1/tasks")
    assert (request["correlationId"], request["userId"]) == ("find-me", me["user"]["id"])
    assert (request["method"], request["statusCode"], request["level"]) == ("GET", 200, "info")
    broken = next(line for line in found if line["message"] == "unhandled error")
    assert (broken["level"], broken["correlationId"]) == ("error", "find-me")
    assert "RuntimeError" in broken["error"]


def test_probes_are_quiet(quiet: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("/health/live", "/health/ready", "/health/startup", "/metrics"):
        quiet.get(path)
    assert {line["level"] for line in lines(capsys) if line["message"] == "request"} == {"debug"}
    configure("info", "1.2.3", "test")
    quiet.get("/health/live")
    assert lines(capsys) == []


def test_no_secret_is_in_any_line(
    quiet: TestClient, sign_in: Callable[..., Any], store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = sign_in()
    wrong = {"username": "operator@bytebot.test", "password": "canary-wrong"}
    quiet.post("/api/v1/auth/login", json=wrong)
    quiet.post("/api/v1/auth/login", json={**wrong, "extra": "canary-extra"})
    quiet.get("/api/v1/tasks?token=canary-query", headers={"Authorization": f"Bearer {pair['access_token']}"})
    quiet.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    quiet.get("/api/v1/tasks", headers={"Authorization": f"Bearer {pair['access_token']}x"})
    store.broken = psycopg.OperationalError("postgresql://user:canary-url@host/db password=canary-dsn")
    quiet.post("/api/v1/auth/login", json=wrong)
    text = capsys.readouterr().out
    assert text
    secrets = (PASSWORD, "canary", pair["access_token"], pair["refresh_token"], pair["access_token"].split(".")[2])
    assert not [secret for secret in secrets if secret in text]


def test_a_foreign_origin_and_a_refusal_are_noted(
    quiet: TestClient, as_user: Callable[..., dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    quiet.get("/health/live", headers={"Origin": "https://evil.test"})
    quiet.post("/api/v1/tasks", json={"description": "a"}, headers=as_user("viewer"))
    quiet.post("/api/v1/auth/login", json={"username": "a", "password": "b"})
    found = lines(capsys)
    assert {"CORS_VIOLATION", "AUTHENTICATION_FAILURE"} <= {line.get("eventType") for line in found}
    refusal = next(line for line in found if line["message"] == "authorization")
    assert (refusal["permission"], refusal["result"]) == ("task:write", "denied")


def test_every_line_of_a_request_has_its_correlation_id(
    quiet: TestClient, as_user: Callable[..., dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    headers = as_user("viewer")
    capsys.readouterr()
    for number, (method, path) in enumerate([("POST", "/api/v1/tasks"), ("GET", "/api/broken"), ("GET", "/nothing")]):
        quiet.request(method, path, json={"description": "a"}, headers={**headers, "x-correlation-id": f"id-{number}"})
    found = lines(capsys)
    assert {line["correlationId"] for line in found} == {"id-0", "id-1", "id-2"}
    assert len(found) > 3  # the refusal and the stack have lines of their own


def test_a_security_line_is_complete(quiet: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"username": "a", "password": "b"}
    quiet.post("/api/v1/auth/login", json=body, headers={"User-Agent": "curious/1", "Origin": "https://evil.test"})
    found = {line["eventType"]: line for line in lines(capsys) if "eventType" in line}
    assert found.keys() == {"AUTHENTICATION_FAILURE", "CORS_VIOLATION"}
    for line in found.values():
        assert line.keys() >= FIELDS | {
            "eventId",
            "riskScore",
            "ipAddress",
            "userAgent",
            "endpoint",
            "method",
            "success",
        }
        assert (line["endpoint"], line["method"]) == ("/api/v1/auth/login", "POST")
        assert (line["userAgent"], line["ipAddress"], line["success"]) == ("curious/1", "testclient", False)
    assert found["CORS_VIOLATION"]["origin"] == "https://evil.test"
    assert len({line["eventId"] for line in found.values()}) == 2


def test_slow_requests_are_warnings(
    quiet: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet.get("/nothing")
    monkeypatch.setattr(middleware, "SLOW_MS", 0)
    quiet.get("/nothing")
    assert [line["level"] for line in lines(capsys)] == ["info", "warn"]


def test_a_stack_stands_in_one_line_of_the_log_and_nowhere_else(
    quiet: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = quiet.get("/api/broken")
    found = [line for line in lines(capsys) if line["level"] == "error"]
    assert len(found) == 1
    assert "Traceback" in found[0]["error"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:canary@host/db",
        "connection failed: password=canary host=x",
        "{'api_key': 'canary'}",
        "x-api-key: canary",
        "Authorization: Bearer canary.canary",
        "Authorization: Basic canary==",
        "sk-ant-canary-0123456789",
        "eyJhbGciOiJSUzI1NiJ9.canary.canary",
        "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncanary",
        "/path?refresh_token=canary&page=1",
    ],
)
def test_what_looks_like_a_secret_is_redacted(text: str) -> None:
    event = redacted(None, "", {"message": text, "more": {"deep": [text]}, "authToken": "canary", "page": 1})
    assert "canary" not in json.dumps(event)
    assert event["page"] == 1


def test_what_does_not_is_kept() -> None:
    text = "a user asked for tasks/6e1a4c5e with page=1, and basically bearers of news tell no secrets"
    assert redacted(None, "", {"message": text, "n": None, "more": [1, {"a": True}]}) == {
        "message": text, "n": None, "more": [1, {"a": True}],
    }  # fmt: skip
