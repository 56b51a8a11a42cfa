# Redis: marks that end by themselves, counted windows, and whether it answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as Unconnected
from redis.exceptions import TimeoutError as TimedOut

from bytebot_app.settings import Settings


class _Pool(BlockingConnectionPool):
    """Closes what more of its connections is idle than it may keep."""

    def __init__(self, max_idle: int, **options: Any) -> None:
        super().__init__(**options)
        self._max_idle = max_idle

    async def release(self, connection: AbstractConnection) -> None:
        await super().release(connection)
        if self.idle > self._max_idle:
            await connection.disconnect()

    @property
    def idle(self) -> int:
        """Connections that are open and not in use."""
        return sum(one.is_connected for one in self._available_connections)


class Cache:
    """The cache, under the documented key prefix."""

    def __init__(self, settings: Settings) -> None:
        self._prefix, self._warm = settings.redis_key_prefix, settings.redis_min_idle_connections
        self._redis = _client(
            settings, Retry(ConstantBackoff(settings.redis_retry_delay / 1000), settings.redis_max_retries)
        )
        # A probe asks once: what it says must be what is true now, not after some tries.
        self._prober = _client(settings, Retry(ConstantBackoff(0), 0), connections=2)
        # Nor does a limit wait for tries: a second one could count a request twice.
        self._counter = _client(settings, Retry(ConstantBackoff(0), 0))

    @property
    def redis(self) -> Redis:
        """The connections, for what has commands of its own."""
        return self._redis

    async def warm(self) -> None:
        """Open the connections that are kept from the start; where Redis is down, that is the probes' to tell."""
        await asyncio.gather(*(self._redis.ping() for _number in range(self._warm)), return_exceptions=True)

    async def ping(self) -> None:
        """Raise where Redis does not answer now."""
        await self._prober.ping()

    async def mark(self, key: str, seconds: int) -> None:
        """Set a mark for some seconds."""
        await self._redis.set(self._prefix + key, "1", ex=max(1, seconds))

    async def marked(self, *keys: str) -> bool:
        """Whether any of the marks is set."""
        return bool(await self._redis.exists(*(self._prefix + key for key in keys)))

    async def count(self, windows: Mapping[str, int]) -> list[tuple[int, int]]:
        """Count one more in each window of so many milliseconds; its number in it, and when the window ends.

        One transaction: no two replicas get the same number. A window without its end gets one: a server that lost the
        first request of it at a restart, and not those after it, would count on for ever.
        """
        async with self._counter.pipeline(transaction=True) as asked:
            for name, length in windows.items():
                key = f"{self._prefix}limit:{name}"
                asked.set(key, 0, px=length, nx=True)
                asked.incr(key)
                asked.pttl(key)
            said = await asked.execute()
        found = {
            name: (int(number), int(rest)) for name, number, rest in zip(windows, said[1::3], said[2::3], strict=True)
        }
        for name, (number, rest) in found.items():
            if rest < 0:
                await self._counter.pexpire(f"{self._prefix}limit:{name}", windows[name])
                found[name] = number, windows[name]
        return list(found.values())

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._prober.aclose()
        await self._counter.aclose()


def _client(settings: Settings, retry: Retry, connections: int = 0) -> Redis:
    pool = _Pool(
        settings.redis_max_idle_connections,
        host=settings.redis_host,
        port=settings.redis_port,
        db=settings.redis_database,
        username=settings.redis_username or None,
        password=settings.redis_password.get_secret_value() or None,
        max_connections=connections or settings.redis_max_connections,
        timeout=max(1, settings.redis_connection_timeout // 1000),
        socket_connect_timeout=settings.redis_connection_timeout / 1000,
        socket_timeout=settings.redis_socket_timeout / 1000,
        retry=retry,
        retry_on_error=[Unconnected, TimedOut],
        client_name=settings.pod_name,
        decode_responses=True,
    )
    client: Redis = Redis.from_pool(pool)
    return client
