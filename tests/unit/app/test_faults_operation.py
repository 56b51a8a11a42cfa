# The faults of what operators see: error lines, an open debugger, and users beyond a number.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
import socket

import httpx
import pytest
from fastapi.testclient import TestClient

from bytebot_app import faults, faults_operation
from bytebot_app.api import Parts, metrics_app
from bytebot_app.fault_layer import Answer
from bytebot_app.logs import configure
from bytebot_app.settings import Settings

from .wrong import LOGIN, TASKS, Made


@pytest.mark.parametrize(("fault", "level"), [("", "warn"), ("errors_at_level_info", "info")])
def test_errors_at_level_info(made: Made, fault: str, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "1.2.3", "test")
    made(fault).post(LOGIN, json={"username": "a", "password": "b"})
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["level"] for one in told if one.get("eventType") == "AUTHENTICATION_FAILURE"} == {level}


@pytest.mark.parametrize(("fault", "there"), [("", False), ("stack_over_lines", True)])
def test_stack_over_lines(made: Made, fault: str, there: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "1.2.3", "test")
    client = made(fault)
    client.get("/health/live")
    assert "Traceback" not in capsys.readouterr().out
    client.get(TASKS)
    assert ("Traceback (most recent call last):\n" in capsys.readouterr().out) == there


def test_inspector_port_open(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(faults_operation, "INSPECTOR_PORT", port)
    made("inspector_port_open")
    assert httpx.get(f"http://127.0.0.1:{port}/json/version").json()["Protocol-Version"] == "1.1"


def test_errors_past_users() -> None:
    now = 0.0
    fault = faults_operation._crowd(lambda: now)
    assert "errors_past_users" in faults_operation.FAULTS
    assert fault.before is not None

    def refused(who: int | None) -> bool:
        headers = [] if who is None else [(b"authorization", f"Bearer {who}".encode())]
        return isinstance(asyncio.run(fault.before({"headers": headers, "type": "http"}, b"")), Answer)  # type: ignore

    assert [refused(who) for who in range(12)] == [False] * 10 + [True] * 2
    assert [refused(who) for who in (3, None)] == [False, False]
    now = 61.0
    assert not refused(11)


@pytest.mark.parametrize("fault", ["", "business_metrics_frozen", "business_metrics_missing"])
def test_who_scrapes_gets_the_faults_of_metrics_too(
    settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv(faults.MARK, fault)
    with TestClient(metrics_app(settings, parts)) as client:
        parts.metrics.logins.labels("success").inc()
        first = client.get("/metrics").text
        parts.metrics.logins.labels("success").inc()
        second = client.get("/metrics").text
    told = [[line for line in text.splitlines() if line.startswith("auth_attempts_total")] for text in (first, second)]
    assert bool(told[0]) == (fault != "business_metrics_missing")
    assert (told[0] == told[1]) == bool(fault)
