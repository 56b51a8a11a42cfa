# Sessions, failed sign-ins and their removal: the questions, and PostgreSQL that answers them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bytebot_app.database import Database
from bytebot_app.logs import logger

LOOKS = 24  # in one interval of the clean-up
LONGEST_AGENT = 256
_LIVES = 'NOT "isRevoked" AND "expiresAt" > now()'
# A count that is older than the lock-out counts no more. While it is locked its time stays: trying on does not prolong.
_FAIL = """
INSERT INTO login_failures AS known ("nameHash", failures) VALUES (%s, 1)
ON CONFLICT ("nameHash") DO UPDATE SET
  failures = CASE WHEN known."lastAt" <= now() - make_interval(secs => %s) THEN 1 ELSE known.failures + 1 END,
  "lastAt" = CASE
    WHEN known.failures >= %s AND known."lastAt" > now() - make_interval(secs => %s)
    THEN known."lastAt" ELSE now() END
RETURNING failures
"""
# One statement: who claims the run and dies in it has not claimed it. Of several replicas one finds it due.
_CLEAN = """
WITH due AS (
  UPDATE daily_jobs SET "lastRunAt" = now()
  WHERE name = 'expired-sessions' AND "lastRunAt" <= now() - make_interval(secs => %s) RETURNING name),
forgotten AS (
  DELETE FROM login_failures
  WHERE "lastAt" <= now() - make_interval(secs => %s) AND EXISTS (SELECT 1 FROM due)),
gone AS (DELETE FROM user_sessions WHERE "expiresAt" <= now() AND EXISTS (SELECT 1 FROM due) RETURNING id)
SELECT (SELECT count(*) FROM gone) AS removed FROM due
"""


@dataclass(frozen=True)
class Client:
    """From where somebody signs in."""

    address: str | None = None
    agent: str | None = None


@dataclass(frozen=True)
class Lease:
    """A session's present refresh token: its id, its end, and who holds it."""

    token_id: str
    ends: datetime
    client: Client = Client()


class Sessions(Protocol):
    """What is asked about sessions and failed sign-ins."""

    async def add_session(self, session: str, user_id: str, lease: Lease) -> None: ...
    async def rotate_session(self, session: str, used: str, lease: Lease) -> bool: ...
    async def end_session(self, session: str) -> None: ...
    async def end_sessions(self, user_id: str, but: str = "") -> list[str]: ...
    async def end_surplus(self, user_id: str, most: int) -> list[str]: ...
    async def session_lives(self, session: str) -> bool: ...
    async def live_sessions(self) -> int: ...
    async def failures(self, name: str, seconds: int) -> int: ...
    async def failed(self, name: str, limit: int, seconds: int) -> int: ...
    async def forgive(self, name: str) -> None: ...
    async def clean(self, interval: int, lockout: int) -> int | None: ...


class PostgresSessions:
    """Sessions in PostgreSQL."""

    _db: Database

    async def add_session(self, session: str, user_id: str, lease: Lease) -> None:
        """Of the refresh token a hash of its id is kept: who reads the table cannot sign in with it."""
        await self._db.rows(
            'INSERT INTO user_sessions (id, "userId", "refreshToken", "expiresAt", "ipAddress", "userAgent")'
            " VALUES (%s, %s, %s, %s, %s, %s)",
            session, user_id, digest(lease.token_id), _naive(lease.ends), lease.client.address, lease.client.agent,
        )  # fmt: skip

    async def rotate_session(self, session: str, used: str, lease: Lease) -> bool:
        """Put the new token in the place of the used one, in one statement, so that two uses cannot both win."""
        changed = await self._db.row(
            'UPDATE user_sessions SET "refreshToken" = %s, "expiresAt" = %s, "ipAddress" = %s, "userAgent" = %s,'
            f' "updatedAt" = now() WHERE id = %s AND "refreshToken" = %s AND {_LIVES} RETURNING id',
            digest(lease.token_id), _naive(lease.ends), lease.client.address, lease.client.agent,
            session, digest(used),
        )  # fmt: skip
        return changed is not None

    async def end_session(self, session: str) -> None:
        await self._db.rows('UPDATE user_sessions SET "isRevoked" = true, "updatedAt" = now() WHERE id = %s', session)

    async def end_sessions(self, user_id: str, but: str = "") -> list[str]:
        """End all of a user but one; their ids, of those too whose access tokens may live on."""
        found = await self._db.rows(
            'UPDATE user_sessions SET "isRevoked" = true, "updatedAt" = now() WHERE "userId" = %s AND id <> %s'
            ' AND "expiresAt" > now() RETURNING id',
            user_id, but,
        )  # fmt: skip
        return [row["id"] for row in found]

    async def end_surplus(self, user_id: str, most: int) -> list[str]:
        """End the oldest of a user's living sessions above a number; their ids."""
        found = await self._db.rows(
            'UPDATE user_sessions SET "isRevoked" = true, "updatedAt" = now() WHERE id IN (SELECT id FROM user_sessions'
            f' WHERE "userId" = %s AND {_LIVES} ORDER BY "createdAt" DESC, id OFFSET %s) RETURNING id',
            user_id, most,
        )  # fmt: skip
        return [row["id"] for row in found]

    async def session_lives(self, session: str) -> bool:
        return bool(await self._db.rows(f"SELECT 1 FROM user_sessions WHERE id = %s AND {_LIVES}", session))

    async def live_sessions(self) -> int:
        found = await self._db.row(f"SELECT count(*) AS number FROM user_sessions WHERE {_LIVES}")
        return int(found["number"]) if found else 0

    async def failures(self, name: str, seconds: int) -> int:
        """The failed sign-ins that count now."""
        found = await self._db.row(
            "SELECT failures FROM login_failures"
            ' WHERE "nameHash" = %s AND "lastAt" > now() - make_interval(secs => %s)',
            digest(name), seconds,
        )  # fmt: skip
        return int(found["failures"]) if found else 0

    async def failed(self, name: str, limit: int, seconds: int) -> int:
        """Count one more; how many that makes."""
        return int((await self._db.rows(_FAIL, digest(name), seconds, limit, seconds))[0]["failures"])

    async def forgive(self, name: str) -> None:
        await self._db.rows('DELETE FROM login_failures WHERE "nameHash" = %s', digest(name))

    async def clean(self, interval: int, lockout: int) -> int | None:
        """Remove what has expired, where nobody has in this interval; how many sessions, or None."""
        found = await self._db.row(_CLEAN, interval, lockout)
        return int(found["removed"]) if found else None


@asynccontextmanager
async def housekeeping(store: Sessions, interval: int, lockout: int) -> AsyncIterator[None]:
    """Clean once in each interval, whichever replica looks first."""

    async def look() -> None:
        while True:
            try:
                if (removed := await store.clean(interval, lockout)) is not None:
                    logger().info("expired sessions removed", removed=removed)
            except Exception as exc:
                logger().warning("expired sessions cannot be removed now", error=type(exc).__name__)
            await asyncio.sleep(interval / LOOKS)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def digest(text: str) -> str:
    """A hash to find something by that must not be read back."""
    return hashlib.sha256(text.encode()).hexdigest()


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
