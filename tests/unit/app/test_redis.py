# What the application asks of Redis, asked of a real one: marks that end, and a revocation that all replicas see.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bytebot_app.breaker import Breaker
from bytebot_app.cache import Cache
from bytebot_app.http_settings import HttpSettings
from bytebot_app.revocations import Revocations
from bytebot_app.settings import Settings
from tests.unit.real_servers import redis

from .memory import MemoryStore


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with redis() as port:
        yield Settings(redis_host="127.0.0.1", redis_port=port)


def test_a_mark_is_there_under_the_prefix_and_ends(settings: Settings) -> None:
    async def asked() -> None:
        cache = Cache(settings)
        await cache.ping()
        await cache.mark("one", 60)
        assert await cache.marked("other", "one")
        assert not await cache.marked("other")
        assert 0 < await cache._redis.ttl(f"{settings.redis_key_prefix}one") <= 60
        await cache.close()

    asyncio.run(asked())


def test_what_one_replica_ends_has_ended_on_another(settings: Settings) -> None:
    async def asked() -> None:
        store, caches = MemoryStore(), [Cache(settings), Cache(settings)]
        here, there = (Revocations(cache, store, 900, Breaker(HttpSettings())) for cache in caches)
        token = {"jti": "t", "sessionId": "s", "sub": "u"}
        assert not await there.ended(token)
        await here.end("s", "t")
        assert await there.ended(token)
        assert await there.ended({"jti": "another", "sessionId": "s", "sub": "u"})
        assert not await there.ended({"jti": "another", "sessionId": "another", "sub": "u"})
        await here.end_user("u")
        assert await there.ended({"jti": "another", "sessionId": "another", "sub": "u"})
        for cache in caches:
            await cache.close()

    asyncio.run(asked())


def test_connections_are_kept_as_configured(settings: Settings) -> None:
    """So many are open from the start, and of many that were in use only so many stay."""

    async def asked() -> None:
        numbers = {"redis_min_idle_connections": 3, "redis_max_idle_connections": 4}
        cache = Cache(settings.model_copy(update=numbers))
        pool: Any = cache.redis.connection_pool
        await cache.warm()
        assert pool.idle == 3
        await asyncio.gather(*(cache.redis.blpop([f"nothing-{number}"], timeout=0.2) for number in range(9)))
        assert pool.idle == 4
        await cache.close()

    asyncio.run(asked())


def test_a_redis_that_is_down_keeps_nothing_from_living() -> None:
    asyncio.run(Cache(Settings(redis_host="127.0.0.1", redis_port=1, redis_max_retries=0)).warm())
