# The feature flags of the contract: what each of them switches off; the breaker's is in test_breaker.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings

from .test_realtime import socket

Make = Callable[..., TestClient]


@pytest.fixture
def with_flag(settings: Settings, parts: Parts, written: None) -> Make:
    def made(**flags: Any) -> TestClient:
        return TestClient(create_app(settings.model_copy(update=flags), parts), base_url="https://api.bytebot.test")

    return made


def test_without_authentication_whoever_asks_is_the_first_administrator(with_flag: Make) -> None:
    client = with_flag(enable_authentication=False, authentication_off_as="admin@bytebot.test")
    assert client.get("/api/v1/auth/permissions").json()["roles"] == ["admin"]
    task = client.post("/api/v1/tasks", json={"description": "nobody's"})
    assert task.status_code == 201
    assert client.delete(f"/api/v1/tasks/{task.json()['id']}").status_code == 204
    assert client.get("/api/v1/tasks", headers={"Authorization": "Bearer forged"}).status_code == 401
    with client, socket(client, "") as raw:
        assert raw.call("leave_task", "x") == {"left": "x"}


def test_with_authentication_nobody_is_nobody(with_flag: Make) -> None:
    assert with_flag(authentication_off_as="admin@bytebot.test").get("/api/v1/tasks").status_code == 401


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        ("enable_metrics_collection", "/metrics"),
        ("enable_health_checks", "/health/live"),
        ("enable_swagger", "/api/docs"),
    ],
)
def test_what_is_switched_off_is_not_there(with_flag: Make, flag: str, path: str) -> None:
    assert with_flag(**{flag: True}).get(path).status_code == 200
    assert with_flag(**{flag: False}).get(path).status_code == 404


def test_without_limits_nothing_is_counted(with_flag: Make) -> None:
    few = {"api_rate_limit_max_requests": 1}
    limited, free = with_flag(**few), with_flag(**few, enable_rate_limiting=False)
    assert [limited.get("/api/v1/tasks").status_code for _time in range(2)] == [401, 429]
    answers = [free.get("/api/v1/tasks") for _time in range(2)]
    assert [one.status_code for one in answers] == [401, 401]
    assert not any("X-RateLimit-Limit" in one.headers for one in answers)
