# Who may use the desktop, where a token is wanted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from bytebot_desktop.access import Access
from bytebot_desktop.api import Parts, computer_app
from bytebot_desktop.settings import Settings

from .fakes import FakeTools

URL = "https://api.bytebot.test/api/v1/auth/check-permission"
RIGHTS = {"operator": {"computer:control", "computer:view"}, "viewer": {"computer:view"}, "nobody": set()}
MOVE = {"action": "move_mouse", "coordinates": {"x": 1, "y": 2}}


@dataclass
class Application:
    """Answers as the application's own route does."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        assert (request.method, str(request.url)) == ("POST", URL)
        name = request.headers["authorization"].removeprefix("Bearer ")
        wanted = json.loads(request.content)["permission"]
        self.asked.append((name, wanted))
        if name not in RIGHTS:
            return httpx.Response(401, json={"error": {"code": "TOKEN_INVALID"}})
        body = {"hasPermission": wanted in RIGHTS[name], "permission": wanted, "reason": ""}
        return httpx.Response(200, json=body)


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def guarded(parts: Parts, settings: Settings, application: Application) -> Iterator[TestClient]:
    wanted = dataclasses.replace(settings, permission_url=URL, service_token="service")
    access = Access(wanted, httpx.MockTransport(application))
    with TestClient(computer_app(dataclasses.replace(parts, access=access))) as made:
        yield made


def ask(guarded: TestClient, name: str, action: Any) -> int:
    headers = {"Authorization": f"Bearer {name}"} if name else {}
    answer = guarded.post("/computer-use", json=action, headers=headers)
    if answer.status_code != 200:
        assert answer.json()["success"] is False
    return answer.status_code


@pytest.mark.parametrize(
    ("name", "control", "view"),
    [("operator", 200, 200), ("viewer", 403, 200), ("nobody", 403, 403), ("stranger", 401, 401), ("", 401, 401)],
)
def test_looking_and_acting_need_their_own_permission(
    guarded: TestClient, tools: FakeTools, name: str, control: int, view: int
) -> None:
    assert ask(guarded, name, MOVE) == control
    assert bool(tools.steps) == (control == 200)
    for action in ("screenshot", "cursor_position", "ocr", "enhanced_screenshot"):
        assert ask(guarded, name, {"action": action}) == view


def test_the_permission_is_asked_for_before_the_parameters_are_judged(guarded: TestClient) -> None:
    assert ask(guarded, "viewer", {"action": "move_mouse"}) == 403
    assert ask(guarded, "operator", {"action": "move_mouse"}) == 400
    assert ask(guarded, "operator", {"action": ["screenshot"]}) == 400


def test_the_release_s_own_components_have_a_token_of_their_own(guarded: TestClient, application: Application) -> None:
    assert ask(guarded, "service", MOVE) == 200
    assert application.asked == []
    assert ask(guarded, "servic", MOVE) == 401


def test_nobody_passes_while_nobody_can_be_asked(guarded: TestClient, application: Application) -> None:
    application.down = True
    assert ask(guarded, "operator", MOVE) == 503


def test_the_other_routes_are_guarded_too(guarded: TestClient) -> None:
    for method, path in (
        ("POST", "/input-tracking/start"),
        ("POST", "/input-tracking/stop"),
        ("GET", "/test-surface/events"),
        ("DELETE", "/test-surface/events"),
        ("POST", "/test-surface/show"),
        ("POST", "/test-surface/hide"),
    ):
        assert guarded.request(method, path).status_code == 401, path
    assert guarded.get("/health/ready").status_code == 200
