# The sender against servers that misbehave, over sockets of this machine: each is bounded, and counted by its cause.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.load import workers as workers_module
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import EVEN, STEADY, Phase, Plan, Shot
from ansible_collections.bytebot.production.plugins.module_utils.load.sender import BODY_CAP, Target, sender
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Tally
from ansible_collections.bytebot.production.plugins.module_utils.load.workers import workers

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TIMEOUT_S = 0.5


class Served:
    """A server in a thread, which answers each request by a function; it counts them."""

    def __init__(self, serve: Serve) -> None:
        self._serve, self.heads = serve, [b""][:0]
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _run(self) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._serve(head, writer)
                await writer.drain()
                if writer.is_closing():
                    return

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x"


@contextlib.contextmanager
def served(serve: Serve) -> Iterator[Served]:
    server = Served(serve)
    try:
        yield server
    finally:
        server.end()


def says(data: bytes, close: bool = False) -> Serve:
    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if close:
            await writer.drain()
            writer.close()

    return serve


async def hangs(_head: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def streams(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def sends_much(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_head(_head: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"y" * 4000 + b"\r\n")
        await writer.drain()


def asked(url: str, times: int = 1, **changes: object) -> tuple[list[str], Tally]:
    """What the sender says of some requests in a row."""
    tally = Tally()
    target = replace(Target((url,), (False,), timeout_s=TIMEOUT_S), **changes)  # type: ignore[arg-type]

    async def ask() -> list[str]:
        async with sender(target, tally) as send:
            return [await send(Shot(0.0, 0, 0, 0)) for _turn in range(times)]

    return asyncio.run(ask()), tally


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (says(GOOD), ""),
        (hangs, "timeout"),
        (streams, "timeout"),
        (sends_much, "too large"),
        (endless_head, "protocol"),
        (says(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"), "HTTP 302"),
        (says(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"), "HTTP 500"),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", close=True), "protocol"),
        (says(b"", close=True), "connection"),
        (says(b"\x16\x03garbage that is no HTTP\r\n\r\n", close=True), "protocol"),
        (says(b"HTTP/1.1 abc OK\r\n\r\n", close=True), "protocol"),
    ],
    ids=[
        "good", "hangs", "streams for ever", "sends 2 GiB", "endless head", "redirects in a loop", "fails",
        "closes midway", "closes at once", "garbage", "no status",
    ],
)  # fmt: skip
def test_every_kind_of_server_is_bounded_and_named(serve: Serve, why: str) -> None:
    with served(serve) as server:
        assert asked(server.url, 2)[0] == [why, why]
        assert len(server.heads) >= 2


def test_a_redirect_is_not_followed() -> None:
    with served(says(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n")) as server:
        asked(server.url, 1)
        assert len(server.heads) == 1


def test_nobody_listens() -> None:
    with served(says(GOOD)) as server:
        url = server.url
    assert asked(url)[0] == ["refused"]


def test_a_body_up_to_the_cap_is_read() -> None:
    body = b"x" * BODY_CAP
    with served(says(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)) as server:
        assert asked(server.url, timeout_s=10.0)[0] == [""]


def test_a_limit_is_noted_and_what_is_no_number_is_not_taken_for_one() -> None:
    head = b"HTTP/1.1 429 No\r\nX-RateLimit-Limit: %s\r\ncontent-length: 0\r\n\r\n"
    for text, number in ((b"100", 100), (b"99999999999999999999", 0), (b"many", 0)):
        with served(says(head % text)) as server:
            found, tally = asked(server.url)
        assert found == ["HTTP 429"]
        assert dict(tally.limits) == {number: 1}


def test_tokens_go_where_one_is_signed_in_and_connections_are_kept() -> None:
    with served(says(GOOD)) as server:
        asked(server.url, 2, signed_in=(True,), tokens=("a-token",))
        assert all(b"Authorization: Bearer a-token" in head for head in server.heads)
        server.heads.clear()
        asked(server.url, 1, tokens=("a-token",))
        assert b"uthorization" not in server.heads[0]


def test_a_given_address_is_used_and_the_name_kept() -> None:
    with served(says(GOOD)) as server:
        url = f"http://api.shop.test:{server.port}/x"
        assert asked(url, resolve={"api.shop.test": "127.0.0.1"})[0] == [""]
        assert f"Host: api.shop.test:{server.port}".encode() in server.heads[0]


# ---------------------------------------------------------------------------- processes


def test_processes_share_the_plan_and_their_counts_are_added() -> None:
    told: list[int] = []
    with served(says(GOOD)) as server:
        plan = Plan((Phase(STEADY, 40, 1),), arrivals=EVEN)
        target = Target((server.url,), (False,), timeout_s=2.0)
        with workers(plan, target, 2) as made:
            sent = made.run(made.start(), lambda tally, _after: told.append(tally.done))
        assert len(server.heads) == 40
    assert not sent.broken
    assert sent.workers == 2
    assert sent.tally.done == 40
    assert sent.tally.failures == 0
    assert sent.tally.lag[0].count == 40


def test_new_tokens_reach_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "TELL_S", 0.1)
    with served(says(GOOD)) as server:
        plan = Plan((Phase(STEADY, 20, 2),), arrivals=EVEN)
        with workers(plan, Target((server.url,), (True,), ("old",), timeout_s=2.0), 2) as made:
            sent = made.run(made.start(), lambda _tally, _after: None, lambda: ["new"])
        told = [b"Bearer new" in head for head in server.heads]
    assert sent.tally.done == 40
    assert not told[0]
    assert told[-1]


def test_a_process_that_is_killed_is_told() -> None:
    with served(hangs) as server:
        plan = Plan((Phase(STEADY, 5, 2),))
        with workers(plan, Target((server.url,), (False,), timeout_s=1.0), 1) as made:
            made._processes[0].kill()
            sent = made.run(made.start(), lambda _tally, _after: None)
    assert "ended before its time" in sent.broken


def test_more_open_files_than_the_machine_allows_is_one_sentence() -> None:
    plan = Plan((Phase(STEADY, 1e9, 1e-9),))
    with (
        pytest.raises(InputError, match="lower the rate or the time-out"),
        workers(plan, Target(("http://x",), (False,)), 1),
    ):
        pass
