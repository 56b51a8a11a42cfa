# The server itself, on a real socket: what is no request is answered like all else, and it says nothing of itself.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from bytebot_app.serve import server
from bytebot_app.settings import Settings

from .test_http import EXPECTED

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
BIG = b"f" * 70000
Ask = Callable[[bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture
def ask(app: FastAPI, settings: Settings, written: None) -> Ask:
    """One connection on which some bytes are sent, and the answer read until its end."""

    async def asked(sent: bytes) -> bytes:
        one = server(app, 0, settings)
        running = asyncio.create_task(one.serve())
        while not one.started:
            await asyncio.sleep(0.01)
        port = one.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.lower().splitlines() if b"-length:" in line), 0)
            body = await reader.readexactly(0 if sent.startswith(b"HEAD") else length)
        writer.close()
        one.should_exit = True
        await running
        return head + body

    def answer(sent: bytes) -> tuple[int, dict[str, str], bytes]:
        head, _, body = asyncio.run(asked(sent)).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers, body

    return answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"HEAD /health/live HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"no request\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad header: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + BIG, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (UPGRADE + b"Sec-WebSocket-Version: 13\r\n\r\n", 400),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 7\r\n\r\n", 426),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.test\r\n\r\n", 400),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 13\r\n\r\n", 101),
    ],
)
def test_every_answer_has_its_headers(ask: Ask, sent: bytes, status: int) -> None:
    found, headers, body = ask(sent)
    assert found == status, body
    assert {name: headers[name.lower()] for name in EXPECTED} == EXPECTED
    assert headers["x-correlation-id"]
    assert not {"server", "x-powered-by"} & headers.keys()
    if body and status >= 400:
        assert json.loads(body)["error"].keys() == {"code", "message", "details"}


def test_a_chunked_body_that_is_too_long_is_not_read_to_its_end(ask: Ask) -> None:
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    found, headers, body = ask(head + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 5)  # and no last chunk
    assert (found, json.loads(body)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert headers["x-frame-options"] == "DENY"
