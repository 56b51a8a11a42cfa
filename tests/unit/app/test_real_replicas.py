# Two replicas and a worker as the image runs them, over a real PostgreSQL and a real Redis: what they share.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket

from bytebot_app.migrate import migrate
from bytebot_app.tokens import Pair

from . import test_real_work
from .memory import PASSWORD
from .test_keys import put
from .test_real_work import MISSING, SOURCE, free_port, of, process, running, until
from .test_realtime import SOCKET, Socket

environment, desktop = test_real_work.environment, test_real_work.desktop
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"real stores need {', '.join(MISSING)}, which is not there")
TASKS, AUTH = "/api/v1/tasks", "/api/v1/auth"
ROLES = ("admin", "operator", "viewer")


@pytest.fixture
def variables(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """With keys, and with an account for some roles."""
    for kind in ("access", "refresh"):
        put(tmp_path, kind, Pair.throwaway())
    accounts = {}
    for role in ROLES:
        accounts[f"BOOTSTRAP_{role.upper()}_USERNAME"] = f"{role}@bytebot.test"
        accounts[f"BOOTSTRAP_{role.upper()}_PASSWORD"] = PASSWORD
    migrate(of({**environment, **accounts, "BOOTSTRAP_TEAM": "ours", "BCRYPT_ROUNDS": "10"}))
    more = {"JWT_KEYS_DIR": str(tmp_path), "SHUTDOWN_DRAIN_DELAY": "0", "AUTH_RATE_LIMIT_MAX_REQUESTS": "6"}
    more |= {"AUTH_RATE_LIMIT_WINDOW": "3600000"}  # the test may take its time
    return {**environment, **more}


@contextlib.contextmanager
def replica(variables: dict[str, str], name: str) -> Iterator[httpx.Client]:
    port = free_port()
    more = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "PORT": str(port), "POD_NAME": name}
    more |= {"PROMETHEUS_METRICS_PORT": str(free_port())}
    command = [sys.executable, "-m", "bytebot_app", "serve"]
    with (
        running(command, port, env={**variables, **more}) as child,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        until(lambda: client.get("/health/ready").status_code == 200, child)
        yield client


class Wire:
    """A connection, with the names that Socket knows."""

    def __init__(self, client: httpx.Client) -> None:
        self._raw = websocket.create_connection(f"ws://127.0.0.1:{client.base_url.port}{SOCKET}", timeout=60)
        self.send_text = self._raw.send

    def receive_text(self) -> str:
        while (said := str(self._raw.recv())) == "2":
            self._raw.send("3")  # a heartbeat
        return said

    def close(self) -> None:
        self._raw.close()


@contextlib.contextmanager
def connected(client: httpx.Client, token: str) -> Iterator[Socket]:
    wire: Any = Wire(client)
    one = Socket(wire)
    assert one.connect(token).startswith("40{")
    yield one
    wire.close()


def login(client: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    return client.post(f"{AUTH}/login", json={"username": f"{name}@bytebot.test", "password": password})


def bearer(client: httpx.Client, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {login(client, name).json()['access_token']}"}


def test_replicas_share_sessions_limits_and_events(variables: dict[str, str], desktop: Any) -> None:
    with (
        replica(variables, "one") as one,
        replica(variables, "two") as two,
        process(variables, "worker", desktop.url),
    ):
        operator, viewer = bearer(one, "operator"), bearer(two, "viewer")
        with connected(two, viewer["Authorization"].removeprefix("Bearer ")) as team:
            made = one.post(TASKS, json={"description": "take a screenshot"}, headers=operator).json()
            assert made["teamId"] == "ours"
            assert team.until("task_created")["id"] == made["id"]
            assert team.call("join_task", made["id"]) == {"joined": made["id"]}
            until(lambda: desktop.asked)
            desktop.go.set()
            assert team.until("new_message")["taskId"] == made["id"]
            assert team.until("task_updated", status="COMPLETED")["id"] == made["id"]
        told = two.get(f"{TASKS}/{made['id']}", headers=viewer).json()
        assert (told["status"], told["control"]) == ("COMPLETED", "ASSISTANT")
        assert told["messages"]
        assert one.post(f"{AUTH}/logout", headers=operator).status_code == 204
        refused = two.get(TASKS, headers=operator)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "TOKEN_INVALID")
        # Two sign-ins of six are counted; these are four more.
        said = [login(client, "nobody", "wrong").status_code for client in (one, two, one, two)]
        assert said == [401] * 4
        late = [login(client, "admin") for client in (one, two)]
        assert [answer.status_code for answer in late] == [429, 429]
        assert all(int(answer.headers["retry-after"]) > 0 for answer in late)
        assert json.loads(late[0].text)["error"]["code"] == "RATE_LIMIT_EXCEEDED"
