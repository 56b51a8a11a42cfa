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

from bytebot_app.logs import configure

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
