# Health: each dependency's state against the three routes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app.api import Parts
from bytebot_app.health import Dependency

from .memory import Dependencies

LISTENING = {"websocket_server": "listening"}


async def hang() -> None:
    await asyncio.sleep(30)


DOWN = [OSError("down"), hang]


def test_all_is_well(client: TestClient) -> None:
    live, ready, startup = (client.get(f"/health/{name}") for name in ("live", "ready", "startup"))
    assert [answer.status_code for answer in (live, ready, startup)] == [200, 200, 200]
    assert live.json().keys() == {"status", "timestamp", "uptime", "version", "pid"}
    assert live.json()["version"] == "1.2.3"
    checks = ready.json()["checks"]
    assert checks.keys() == {"database", "redis"}
    assert all(check["status"] == "ok" and check["responseTime"].endswith("ms") for check in checks.values())
    assert startup.json()["initialization"] == {
        **LISTENING,
        "database_migrations": "completed",
        "job_queue": "connected",
    }


@pytest.mark.parametrize("failure", DOWN)
@pytest.mark.parametrize("down", ["database", "redis"])
def test_ready_names_what_is_down_and_live_does_not_care(
    client: TestClient, dependencies: Dependencies, down: str, failure: Any
) -> None:
    dependencies.failures[down] = failure
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "error")
    states = {name: check["status"] for name, check in ready.json()["checks"].items()}
    assert states == {"database": "ok", "redis": "ok"} | {down: "error"}
    assert client.get("/health/live").status_code == 200


def test_ready_again_at_once_when_it_heals(client: TestClient, dependencies: Dependencies) -> None:
    dependencies.failures["database"] = hang
    assert client.get("/health/ready").status_code == 503
    dependencies.failures.clear()
    assert client.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("down", "initialization"),
    [
        ("migrated", {**LISTENING, "database_migrations": "pending", "job_queue": "connected"}),
        ("redis", {**LISTENING, "database_migrations": "completed", "job_queue": "disconnected"}),
    ],
)
def test_startup_is_not_over(
    client: TestClient, dependencies: Dependencies, down: str, initialization: dict[str, str]
) -> None:
    dependencies.failures[down] = OSError("down")
    answer = client.get("/health/startup")
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert answer.json()["initialization"] == initialization


def test_a_pod_that_leaves_is_alive_and_not_ready(client: TestClient, parts: Parts) -> None:
    parts.health.draining = True
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_a_question_that_resists_its_end_does_not_delay_the_answer() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
            raise

    async def ask() -> float:
        began = time.monotonic()
        assert (await Dependency("database", stubborn, patience=0.05).check())[0] is False
        return time.monotonic() - began

    assert asyncio.run(ask()) < 0.4
