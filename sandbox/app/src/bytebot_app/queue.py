# The queue in Redis: which task is next, and whose turn it is at the one desktop.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any, Protocol

from redis.asyncio import Redis

# The urgent ones first, and among equals the older one.
RANKS = {"URGENT": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3}
_RANK = 10**13  # above any time in milliseconds
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Jobs(Protocol):
    """The queue."""

    async def put(self, task_id: str, priority: str) -> None: ...
    async def take(self, seconds: float) -> str | None: ...
    async def drop(self, task_id: str) -> None: ...
    async def length(self) -> int: ...


class Turns(Protocol):
    """One at a time; a turn ends by itself where its owner is gone."""

    async def get(self, owner: str, ms: int) -> bool: ...
    async def keep(self, owner: str, ms: int) -> bool: ...
    async def end(self, owner: str) -> None: ...


class Queue:
    """A sorted set; what is in it twice is in it once. The database says which tasks wait, this says in which order."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis, self._key = redis, f"{prefix}tasks:queue"

    async def put(self, task_id: str, priority: str) -> None:
        """Queue a task; one that is there keeps its place."""
        await self._redis.zadd(self._key, {task_id: RANKS[priority] * _RANK + round(time.time() * 1000)}, nx=True)

    async def take(self, seconds: float) -> str | None:
        """The next one, or None where none comes within this time."""
        found: Any = await self._redis.bzpopmin(self._key, timeout=seconds)
        return str(found[1]) if found else None

    async def drop(self, task_id: str) -> None:
        """Take a task out."""
        await self._redis.zrem(self._key, task_id)

    async def length(self) -> int:
        """How many wait."""
        return int(await self._redis.zcard(self._key))


class Turn:
    """A key that only its owner keeps or removes."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis, self._key = redis, f"{prefix}desktop:turn"

    async def get(self, owner: str, ms: int) -> bool:
        """Whether the turn is this owner's now."""
        return bool(await self._redis.set(self._key, owner, nx=True, px=ms))

    async def keep(self, owner: str, ms: int) -> bool:
        """Whether it still is, for a while more."""
        asked: Any = self._redis.eval(_RENEW, 1, self._key, owner, str(ms))
        return bool(await asked)

    async def end(self, owner: str) -> None:
        """Let the next one have it."""
        asked: Any = self._redis.eval(_RELEASE, 1, self._key, owner)
        await asked
