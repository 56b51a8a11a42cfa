# How the tests of the faults ask: the same question to a right application and to a wrong one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from .memory import PASSWORD

TASKS, LOGIN, ME = "/api/v1/tasks", "/api/v1/auth/login", "/api/v1/auth/permissions"
Made = Callable[..., TestClient]


def bearer(client: TestClient, name: str = "operator") -> dict[str, str]:
    answer = client.post(LOGIN, json={"username": f"{name}@bytebot.test", "password": PASSWORD})
    client.cookies.clear()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def both(made: Made, fault: str, seen: Callable[[Callable[..., TestClient]], Any]) -> tuple[Any, Any]:
    """What is seen of a right application, and of a wrong one."""
    return seen(lambda *given, **changes: made("", *given, **changes)), seen(
        lambda *given, **changes: made(fault, *given, **changes)
    )


def burst(client: TestClient, headers: dict[str, str], times: int = 7) -> list[int]:
    return [client.get(TASKS, headers=headers).status_code for _ in range(times)]
