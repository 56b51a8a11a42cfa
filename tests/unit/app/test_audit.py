# The audit lines: who was let do what, and what bears on security, with the documented fields and no secret.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app import audit
from bytebot_app.security import RISK
from bytebot_app.sessions import LONGEST_AGENT, housekeeping

from .memory import PASSWORD, MemoryStore
from .test_logs import lines, quiet

__all__ = ["quiet"]

AUTHORIZATION = {
    "timestamp", "userId", "username", "resource", "action", "permission", "result", "reason", "ipAddress", "userAgent",
    "requestId",
}  # fmt: skip
SECURITY = {
    "timestamp", "level", "eventId", "eventType", "userId", "ipAddress", "userAgent", "endpoint", "method", "success",
    "message", "riskScore", "metadata",
}  # fmt: skip
NEW = "Another-Horse-43"
Captured = pytest.CaptureFixture[str]
SignIn = Callable[..., dict[str, Any]]


def events(found: list[dict[str, Any]]) -> list[str]:
    return [line["eventType"] for line in found if "riskScore" in line]


def headers(pair: dict[str, Any], **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}", **more}


def test_a_decision_has_its_line(quiet: TestClient, sign_in: SignIn, capsys: Captured) -> None:
    viewer = sign_in("viewer")
    more = {"User-Agent": "a browser", "x-correlation-id": "find-me"}
    quiet.get("/api/v1/tasks", headers=headers(viewer, **more))
    quiet.post("/api/v1/tasks", json={"description": "a"}, headers=headers(viewer, **more))
    granted, denied = [line for line in lines(capsys) if line["message"] == "authorization"]
    for line in (granted, denied):
        assert line.keys() >= AUTHORIZATION
        assert (line["userId"], line["username"]) == (viewer["user"]["id"], "viewer@bytebot.test")
        assert (line["resource"], line["userAgent"], line["requestId"]) == ("/api/v1/tasks", "a browser", "find-me")
    assert (granted["action"], granted["permission"], granted["result"]) == ("GET", "task:read", "granted")
    assert (denied["action"], denied["permission"], denied["result"]) == ("POST", "task:write", "denied")
    assert (granted["level"], denied["level"]) == ("info", "warn")
    assert denied["reason"] == "INSUFFICIENT_PERMISSIONS"


def test_anothers_task_has_its_line_and_the_id_is_not_in_it(
    quiet: TestClient, sign_in: SignIn, capsys: Captured
) -> None:
    task = quiet.post("/api/v1/tasks", json={"description": "a"}, headers=headers(sign_in())).json()["id"]
    lines(capsys)
    quiet.get(f"/api/v1/tasks/{task}", headers=headers(sign_in("other")))
    line = [line for line in lines(capsys) if line["message"] == "authorization"][-1]
    assert (line["result"], line["reason"]) == ("denied", "RESOURCE_ACCESS_DENIED")
    assert line["resource"] == "/api/v1/tasks/{task_id}"


def test_events_have_their_lines_in_their_order(quiet: TestClient, sign_in: SignIn, capsys: Captured) -> None:
    login = "/api/v1/auth/login"
    admin, pair = sign_in("admin"), sign_in()
    quiet.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    quiet.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    change = {"current_password": PASSWORD, "new_password": NEW}
    quiet.post("/api/v1/auth/change-password", json=change, headers=headers(admin))
    body = {"username": "jane@bytebot.test", "password": NEW}
    user = quiet.post("/api/v1/users", json=body, headers=headers(admin)).json()["id"]
    quiet.post(f"/api/v1/users/{user}/roles", json={"roleId": "viewer"}, headers=headers(admin))
    quiet.delete(f"/api/v1/users/{user}", headers=headers(admin))
    role = {"name": "one", "description": "d", "permissions": []}
    quiet.post("/api/v1/roles", json=role, headers=headers(admin))
    quiet.delete("/api/v1/roles/role_one", headers=headers(admin))
    quiet.post("/api/v1/auth/logout", headers=headers(admin))
    for _ in range(6):
        quiet.post(login, json={"username": "nobody", "password": "canary"}, headers={"User-Agent": "a browser"})
    text = capsys.readouterr().out
    found = [json.loads(line) for line in text.splitlines()]
    assert events(found) == [
        "AUTHENTICATION_SUCCESS", "AUTHENTICATION_SUCCESS", "TOKEN_REUSE", "PASSWORD_CHANGED", "USER_CREATED",
        "ROLES_CHANGED", "USER_DELETED", "ROLE_CREATED", "ROLE_DELETED", "LOGOUT", *["AUTHENTICATION_FAILURE"] * 5,
        "ACCOUNT_LOCKED",
    ]  # fmt: skip
    for line in found:
        if "riskScore" in line:
            assert line.keys() >= SECURITY
            assert line["riskScore"] == RISK[line["eventType"]]
            assert line["success"] == (line["level"] == "info")
    locked = found[-2] if found[-1]["message"] == "request" else found[-1]
    assert (locked["endpoint"], locked["method"], locked["userAgent"], locked["userId"]) == (
        login,
        "POST",
        "a browser",
        None,
    )
    for secret in ("canary", NEW, PASSWORD, pair["refresh_token"], admin["access_token"], "nobody"):
        assert secret not in text


def test_every_event_has_its_sentence() -> None:
    assert audit._SENTENCES.keys() == RISK.keys() - {"CORS_VIOLATION", "RATE_LIMIT_EXCEEDED"}
    assert all(0 <= risk <= 100 for risk in RISK.values())


def test_a_session_knows_where_it_came_from(client: TestClient, store: MemoryStore) -> None:
    given = {"username": "operator@bytebot.test", "password": PASSWORD}
    client.post("/api/v1/auth/login", json=given, headers={"User-Agent": "b" * 1000})
    [session] = store.sessions.values()
    assert session["lease"].client.address == "testclient"
    assert session["lease"].client.agent == "b" * LONGEST_AGENT


def test_what_happens_outside_of_a_request_can_be_told(capsys: Captured, client: TestClient) -> None:
    audit.security("LOGOUT", success=True)
    assert audit.client().address is None


# ---------------------------------------------------------------------------- the clean-up


class Counting(MemoryStore):
    """Tells when it was asked to clean, and fails where it is told to."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.asked, self.failures_left, self.done = asyncio.Event(), failures, 0

    async def clean(self, interval: int, lockout: int) -> int | None:
        if self.failures_left:
            self.failures_left -= 1
            raise ConnectionError("the database is away")
        self.done += 1
        self.asked.set()
        return await super().clean(interval, lockout)


def test_what_has_expired_is_removed_when_the_process_starts_and_not_only_once() -> None:
    async def run() -> None:
        store = Counting(failures=2)
        store.sessions["old"] = {"user": "u", "revoked": False, "lease": Old()}
        async with housekeeping(store, interval=0, lockout=900):
            while store.done < 3:
                store.asked.clear()
                await store.asked.wait()
        assert store.sessions == {}
        done = store.done
        await asyncio.sleep(0)
        assert store.done == done, "it goes on after the end"

    asyncio.run(asyncio.wait_for(run(), 30))


class Old:
    ends = datetime(2020, 1, 1, tzinfo=UTC)
