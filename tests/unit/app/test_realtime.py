# Socket.IO: who may connect, what they hear, and that replicas share it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from socketio.async_manager import AsyncManager
from socketio.async_pubsub_manager import AsyncPubSubManager
from starlette.testclient import WebSocketDenialResponse, WebSocketTestSession

from bytebot_app.api import Parts, create_app, metrics_app
from bytebot_app.settings import Settings

from .memory import LIMITS, ORIGIN, MemoryMarks, MemoryStore
from .test_http import EXPECTED
from .test_metrics import scraped, value

SOCKET = "/socket.io/?EIO=4&transport=websocket"
TASKS = "/api/v1/tasks"
SignIn = Callable[..., dict[str, Any]]


class Socket:
    """A Socket.IO client on a plain WebSocket."""

    def __init__(self, raw: WebSocketTestSession) -> None:
        self._raw, self._number = raw, 0
        self.heard: list[tuple[str, Any]] = []
        assert raw.receive_text().startswith("0")

    def connect(self, token: Any) -> str:
        """What the server says of the handshake: 40 for welcome, 44 for a refusal."""
        self._raw.send_text("40" + json.dumps({"token": token}))
        return self._raw.receive_text()

    def call(self, event: str, *values: Any) -> Any:
        """The server's answer; what is heard before it is kept."""
        self._number += 1
        self._raw.send_text(f"42{self._number}{json.dumps([event, *values])}")
        while not (said := self._raw.receive_text()).startswith(f"43{self._number}["):
            self.heard.append(self._event(said))
        return json.loads(said.removeprefix(f"43{self._number}"))[0]

    def until(self, name: str, **fields: Any) -> Any:
        """The next event of a name, and with these values."""
        while True:
            found, data = self.heard.pop(0) if self.heard else self._event(self._raw.receive_text())
            if found == name and fields.items() <= data.items():
                return data

    @staticmethod
    def _event(said: str) -> tuple[str, Any]:
        assert said.startswith("42["), said
        name, data = json.loads(said[2:])
        return name, data

    def leave(self) -> None:
        self._raw.send_text("41")

    def next_text(self) -> str:
        return self._raw.receive_text()


@contextmanager
def socket(client: TestClient, token: Any = None, **headers: str) -> Iterator[Socket]:
    with client.websocket_connect(SOCKET, headers={"upgrade": "websocket", **headers}) as raw:
        made = Socket(raw)
        if token is not None:
            assert made.connect(token).startswith("40{")
        yield made


@pytest.fixture
def pair(sign_in: SignIn) -> Callable[[str], tuple[str, dict[str, str]]]:
    def made(name: str) -> tuple[str, dict[str, str]]:
        token = sign_in(name)["access_token"]
        return token, {"Authorization": f"Bearer {token}"}

    return made


@pytest.mark.parametrize("token", ["", "nonsense", None, 7, {"a": 1}])
def test_nobody_connects_without_a_token(client: TestClient, token: Any) -> None:
    with socket(client) as one:
        said = one.connect(token)
        assert said.startswith("44")
        assert json.loads(said[2:])["data"]["code"] == "TOKEN_INVALID"
    assert value(scraped(client), "bytebot_websocket_connections_active") == 0


def test_a_refresh_token_is_none(client: TestClient, sign_in: SignIn) -> None:
    with socket(client) as one:
        assert one.connect(sign_in()["refresh_token"]).startswith("44")


def test_a_header_can_carry_the_token(client: TestClient, pair: Any) -> None:
    _token, headers = pair("operator")
    with socket(client, **headers) as one:
        assert one.connect(None).startswith("40{")


def left(client: TestClient, app: FastAPI, number: int) -> None:
    """Until the server has seen the end of a connection, which the client does not wait for."""

    async def seen() -> None:
        async with asyncio.timeout(10):
            while len(list(app.state.realtime.server.manager.get_participants("/", None))) != number:
                await asyncio.sleep(0)

    assert client.portal is not None
    client.portal.call(seen)


def test_the_gauge_follows_the_connections(client: TestClient, app: FastAPI, pair: Any) -> None:
    token, _ = pair("operator")
    with socket(client, token) as one, socket(client, token) as two:
        for leaving, number in ((one, 2), (two, 1), (None, 0)):
            assert value(scraped(client), "bytebot_websocket_connections_active") == number
            if leaving:
                leaving.leave()
                left(client, app, number - 1)


def test_a_task_is_heard_of_from_its_making_to_its_end(client: TestClient, pair: Any) -> None:
    token, headers = pair("operator")
    with socket(client, token) as one:
        made = client.post(TASKS, json={"description": "a"}, headers=headers).json()
        told = one.until("task_created", id=made["id"])
        assert told.keys() == made.keys()
        assert (told["description"], told["createdBy"]) == ("a", made["createdBy"])
        assert one.call("join_task", made["id"]) == {"joined": made["id"]}
        changed = client.patch(f"{TASKS}/{made['id']}", json={"status": "COMPLETED"}, headers=headers).json()
        assert one.until("task_updated", status="COMPLETED") == changed
        client.delete(f"{TASKS}/{made['id']}", headers=headers)
        assert one.until("task_deleted") == {"id": made["id"]}


def test_only_who_may_read_a_task_hears_of_it(client: TestClient, pair: Any) -> None:
    token, headers = pair("operator")
    stranger, _ = pair("other")
    admin, _ = pair("admin")
    with socket(client, token) as mine, socket(client, stranger) as other, socket(client, admin) as admins:
        made = client.post(TASKS, json={"description": "a"}, headers=headers).json()
        for one in (mine, admins):
            assert one.until("task_created")["id"] == made["id"]
        assert other.call("join_task", made["id"])["error"]["code"] == "RESOURCE_ACCESS_DENIED"
        assert other.call("join_task", "nothing")["error"]["code"] == "NOT_FOUND"
        assert other.call("join_task", {"id": made["id"]})["error"]["code"] == "NOT_FOUND"
        client.patch(f"{TASKS}/{made['id']}", json={"status": "COMPLETED"}, headers=headers)
        assert mine.until("task_updated", status="COMPLETED")["id"] == made["id"]
        assert other.call("leave_task", made["id"]) == {"left": made["id"]}
        assert other.heard == []


def test_an_ended_session_loses_its_connection(
    client: TestClient, app: FastAPI, pair: Any, store: MemoryStore, marks: MemoryMarks
) -> None:
    token, headers = pair("operator")
    with socket(client, token) as one:
        assert client.portal is not None
        client.portal.call(app.state.realtime.sweep)
        assert one.call("leave_task", "x") == {"left": "x"}
        client.post("/api/v1/auth/logout", headers=headers)
        assert one.call("join_task", "x")["error"]["code"] == "TOKEN_INVALID"
        client.portal.call(app.state.realtime.sweep)
        assert one.next_text() == "41"
        assert value(scraped(client), "bytebot_websocket_connections_active") == 0


def test_a_foreign_origin_is_refused_with_all_headers(client: TestClient, pair: Any) -> None:
    token, _ = pair("operator")
    with socket(client, token, origin=ORIGIN):
        pass
    with pytest.raises(WebSocketDenialResponse) as caught, socket(client, origin="https://evil.test"):
        pass
    answer = caught.value
    assert answer.status_code == 400
    assert {header: answer.headers[header] for header in EXPECTED} == EXPECTED
    assert answer.headers["x-correlation-id"]
    assert answer.json()["error"]["code"] == "VALIDATION_FAILED"
    series = scraped(client)
    assert value(series, "cors_violations_total", origin="https://evil.test") == 1
    assert value(series, "security_events_total", type="CORS_VIOLATION") == 1


@pytest.mark.parametrize("path", ["/ws", "/api/v1/tasks", "/socket.io"])
def test_elsewhere_there_are_no_sockets(client: TestClient, settings: Settings, parts: Parts, path: str) -> None:
    with TestClient(metrics_app(settings, parts)) as listener:
        for one in (client, listener):
            with pytest.raises(WebSocketDenialResponse) as caught, one.websocket_connect(path):
                pass
            answer = caught.value
            assert answer.status_code == (400 if path == "/socket.io" else 404)
            assert {header: answer.headers[header] for header in EXPECTED} == EXPECTED


def test_polling_is_refused_in_the_documented_shape(client: TestClient) -> None:
    answer = client.get("/socket.io/?EIO=4&transport=polling")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


def test_handshakes_are_limited(settings: Settings, parts: Parts, written: None) -> None:
    with TestClient(create_app(settings.model_copy(update=LIMITS), parts)) as client:
        for _ in range(6):
            with socket(client):
                pass
        with pytest.raises(WebSocketDenialResponse) as caught, socket(client):
            pass
        assert caught.value.status_code == 429
        assert caught.value.headers["Retry-After"]


class Bus:
    """What Redis does for the managers of several replicas."""

    def __init__(self) -> None:
        self.subscribed: list[asyncio.Queue[Any]] = []

    def manager(self) -> AsyncManager:
        bus = self

        class Manager(AsyncPubSubManager):  # type: ignore[misc]
            async def _publish(self, data: Any) -> None:
                for queue in bus.subscribed:
                    queue.put_nowait(json.dumps(data))

            async def _listen(self) -> Any:
                queue: asyncio.Queue[Any] = asyncio.Queue()
                bus.subscribed.append(queue)
                while True:
                    yield await queue.get()

        return Manager()


def test_replicas_share_events(settings: Settings, parts: Parts, written: None, pair: Any) -> None:
    bus = Bus()
    token, headers = pair("operator")
    apps = [create_app(settings, replace(parts, events=bus.manager())) for _ in range(2)]

    # One loop for both, as the bus of this test has no network.
    async def both(scope: Any, receive: Any, send: Any) -> None:
        chosen = next((value for name, value in scope.get("headers", []) if name == b"x-replica"), b"0")
        await apps[int(chosen)](scope, receive, send)

    with (
        TestClient(both, base_url="https://api.bytebot.test") as client,
        socket(client, token) as one,
        socket(client, token, **{"x-replica": "1"}) as two,
    ):
        made = client.post(TASKS, json={"description": "a"}, headers={**headers, "x-replica": "1"}).json()
        for socket_of_one in (one, two):
            assert socket_of_one.until("task_created")["id"] == made["id"]


def test_a_team_hears_of_its_tasks_and_others_do_not(client: TestClient, store: MemoryStore, pair: Any) -> None:
    store.users["other"]["teamIds"] = store.users["viewer"]["teamIds"] = ["ours"]
    store.users["operator"]["teamIds"] = ["theirs"]
    maker, member, stranger = pair("other"), pair("viewer"), pair("operator")
    with socket(client, member[0]) as one, socket(client, stranger[0]) as two:
        made = client.post(TASKS, json={"description": "a"}, headers=maker[1]).json()
        assert made["teamId"] == "ours"
        assert one.until("task_created")["id"] == made["id"]
        assert client.delete(f"{TASKS}/{made['id']}", headers=maker[1]).status_code == 204
        assert one.until("task_deleted") == {"id": made["id"]}
        own = client.post(TASKS, json={"description": "b"}, headers=stranger[1]).json()
        assert two.until("task_created")["id"] == own["id"]


def test_who_may_read_no_task_hears_of_none(client: TestClient, store: MemoryStore, pair: Any) -> None:
    store.users["other"]["teamIds"] = store.users["viewer"]["teamIds"] = ["ours"]
    store.users["viewer"].update(role=None, roles=[])
    (token, _), (_, maker) = pair("viewer"), pair("other")
    with socket(client, token) as one:
        made = client.post(TASKS, json={"description": "a"}, headers=maker).json()
        assert one.call("join_task", made["id"])["error"]["code"] == "ROLE_NOT_ASSIGNED"
        assert one.heard == []
