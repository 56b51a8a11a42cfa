# What Redis is asked to count: one transaction, a window that nobody prolongs, the same number for nobody twice.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from bytebot_app import cache
from bytebot_app.cache import Cache
from bytebot_app.settings import Settings

Ask = Callable[[Callable[[Cache, Cache, Any], Awaitable[Any]]], Any]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Two replicas and a look at what they share."""

    def asked(question: Callable[[Cache, Cache, Any], Awaitable[Any]]) -> Any:
        server = FakeServer()
        client = lambda *_given, **_named: FakeAsyncRedis(server=server, decode_responses=True)  # noqa: E731
        monkeypatch.setattr(cache, "_client", client)
        settings = Settings(redis_key_prefix="bytebot:test:")

        async def run() -> Any:
            return await question(Cache(settings), Cache(settings), client())

        return asyncio.run(run())

    return asked


def test_replicas_count_together_and_no_number_comes_twice(ask: Ask) -> None:
    async def question(one: Cache, two: Cache, _shared: Any) -> list[int]:
        said = await asyncio.gather(
            *(replica.count({"api:user:a": 60000}) for replica in (one, two) for _ in range(20))
        )
        return sorted(number for [(number, _rest)] in said)

    assert ask(question) == list(range(1, 41))


def test_a_window_keeps_its_end(ask: Ask) -> None:
    async def question(one: Cache, _two: Cache, shared: Any) -> tuple[Any, list[str]]:
        await one.count({"api:ip:a": 60000})
        await shared.pexpire("bytebot:test:limit:api:ip:a", 5000)
        return await one.count({"api:ip:a": 60000, "tasks:ip:a": 1000}), await shared.keys("*")

    [(second, rest), (first, other)], keys = ask(question)
    assert (second, first) == (2, 1)
    assert 0 < rest <= 5000
    assert 0 < other <= 1000
    assert sorted(keys) == ["bytebot:test:limit:api:ip:a", "bytebot:test:limit:tasks:ip:a"]


def test_a_window_that_is_over_begins_anew(ask: Ask) -> None:
    async def question(one: Cache, _two: Cache, shared: Any) -> Any:
        for _ in range(3):
            await one.count({"login:ip:a": 60000})
        await shared.delete("bytebot:test:limit:login:ip:a")  # as its end does
        return await one.count({"login:ip:a": 60000})

    assert ask(question)[0][0] == 1


def test_a_window_that_lost_its_end_gets_one(ask: Ask) -> None:
    """As where a server that was started anew had lost the first request of a window, and none after it."""

    async def question(one: Cache, _two: Cache, shared: Any) -> Any:
        await shared.set("bytebot:test:limit:api:ip:a", 5000)
        said = await one.count({"api:ip:a": 60000, "tasks:ip:a": 1000})
        return said, await shared.pttl("bytebot:test:limit:api:ip:a")

    [(number, rest), (other, _)], left = ask(question)
    assert (number, rest, other) == (5001, 60000, 1)
    assert 0 < left <= 60000
