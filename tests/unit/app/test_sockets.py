# The component websocket: it has the live events and its health, and nothing of the API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from socketio.async_manager import AsyncManager

from bytebot_app.api import Parts
from bytebot_app.settings import Settings
from bytebot_app.sockets import sockets_app

from .test_http import EXPECTED
from .test_realtime import socket


@pytest.fixture
def sockets(settings: Settings, parts: Parts, written: None) -> TestClient:
    return TestClient(sockets_app(settings, parts), base_url="https://api.bytebot.test")


def test_it_hears_who_is_signed_in_elsewhere(
    sockets: TestClient, parts: Parts, sign_in: Callable[..., dict[str, Any]]
) -> None:
    token = sign_in()["access_token"]
    with sockets, socket(sockets, token):
        assert b"bytebot_websocket_connections_active 1.0" in parts.metrics.text()
    with sockets, socket(sockets) as nobody:
        assert nobody.connect("forged").startswith("44")


def test_its_health_is_its_own(sockets: TestClient) -> None:
    assert sockets.get("/health/live").json()["status"] == "ok"
    said = sockets.get("/health/startup")
    assert said.json()["initialization"]["websocket_server"] == "listening"
    assert {name: said.headers[name] for name in EXPECTED} == EXPECTED


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/auth/permissions", "/metrics", "/"])
def test_it_has_no_route_of_the_api(sockets: TestClient, path: str) -> None:
    assert sockets.get(path).status_code == 404


def test_events_reach_it_by_the_manager_that_it_is_given(settings: Settings, parts: Parts) -> None:
    parts.events = AsyncManager()
    assert sockets_app(settings, parts).state.realtime.server.manager is parts.events
