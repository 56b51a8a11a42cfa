# Redis: revoked tokens, and whether it answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from redis.asyncio import Redis

from bytebot_app.settings import Settings


class Cache:
    """The cache, under the documented key prefix."""

    def __init__(self, settings: Settings) -> None:
        seconds = settings.redis_timeout / 1000
        self._prefix = settings.redis_key_prefix
        self._redis: Redis = Redis(
            host=settings.redis_host,
            port=settings.redis_port,
            username=settings.redis_username or None,
            password=settings.redis_password.get_secret_value() or None,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            decode_responses=True,
        )

    async def ping(self) -> None:
        """Raise where Redis does not answer now."""
        await self._redis.ping()

    async def revoke(self, token_id: str, seconds: int) -> None:
        """Remember a token as revoked until it would have ended by itself."""
        await self._redis.set(f"{self._prefix}revoked:{token_id}", "1", ex=seconds)

    async def revoked(self, token_id: str) -> bool:
        """Whether a token was revoked."""
        return bool(await self._redis.exists(f"{self._prefix}revoked:{token_id}"))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
