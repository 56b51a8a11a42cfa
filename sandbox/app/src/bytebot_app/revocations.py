# Which sessions and tokens have ended: Redis answers, and the database where Redis cannot.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from redis.exceptions import RedisError

from bytebot_app.breaker import Breaker, Open
from bytebot_app.logs import logger
from bytebot_app.store import Store

PATIENCE_S = 1.0  # below the cache's own time-outs and tries: the database can answer meanwhile


class Marks(Protocol):
    """Marks that end by themselves, shared by all replicas."""

    async def mark(self, key: str, seconds: int) -> None: ...
    async def marked(self, *keys: str) -> bool: ...


class Revocations:
    """A session's end reaches all its access tokens at once, on every replica."""

    def __init__(self, marks: Marks, store: Store, lifetime: int, breaker: Breaker) -> None:
        # No access token of a session outlives the session by more than this.
        self._marks, self._store, self._lifetime = marks, store, lifetime
        self._breaker = breaker

    async def end(self, session: str, token: str | None = None) -> None:
        """End a session; where Redis does not answer this raises, and the caller must not be told that it is done."""
        await self._store.end_session(session)
        await self.revoke(session)
        if token:
            await self.revoke(token)

    async def end_all(self, user_id: str, but: str = "") -> None:
        """End a user's sessions, all but one."""
        for session in await self._store.end_sessions(user_id, but):
            await self.revoke(session)

    async def end_surplus(self, user_id: str, most: int) -> None:
        """End the oldest of a user's sessions above a number."""
        for session in await self._store.end_surplus(user_id, most):
            await self.revoke(session)

    async def end_user(self, user_id: str) -> None:
        """End whatever a user has who is to be removed; a session that begins meanwhile, too."""
        await self.revoke(user_id)
        await self.end_all(user_id)

    async def ended(self, claims: dict[str, Any]) -> bool:
        """Whether a token, or the session or the user that it belongs to, has been revoked."""
        names = [str(claims[name]) for name in ("jti", "sessionId", "sub") if name in claims]

        async def marked() -> bool:
            async with asyncio.timeout(PATIENCE_S):
                return await self._marks.marked(*(f"revoked:{name}" for name in names))

        try:
            return await self._breaker.ask(marked)
        except (RedisError, TimeoutError, Open) as exc:
            logger().warning("the database answers for the cache", error=type(exc).__name__)
            return not await self._store.session_lives(str(claims.get("sessionId", "")))

    async def revoke(self, name: str) -> None:
        """Mark a token, a session or a user as ended."""
        await self._marks.mark(f"revoked:{name}", self._lifetime)
