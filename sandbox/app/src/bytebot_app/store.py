# What the application keeps: users, sessions, tasks. The protocol, and PostgreSQL behind it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any, Protocol

from bytebot_app.database import Database

Row = dict[str, Any]
TASK = 'id, description, type, status, priority, control, "createdBy", "createdAt", "updatedAt"'


class Store(Protocol):
    """The questions that the routes ask."""

    async def user_by_name(self, username: str) -> Row | None: ...
    async def user(self, user_id: str) -> Row | None: ...
    async def signed_in(self, user_id: str) -> None: ...
    async def add_session(self, user_id: str, token_id: str, expires_at: datetime) -> None: ...
    async def take_session(self, token_id: str) -> Row | None: ...
    async def revoke_sessions(self, user_id: str) -> None: ...
    async def add_task(self, user_id: str, description: str, priority: str, kind: str) -> Row: ...
    async def tasks(self, user_id: str | None, page: int, limit: int, status: str | None) -> list[Row]: ...
    async def task(self, task_id: str) -> Row | None: ...
    async def change_task(self, task_id: str, changes: Row) -> Row | None: ...
    async def remove_task(self, task_id: str) -> bool: ...


class PostgresStore:
    """The store in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def user_by_name(self, username: str) -> Row | None:
        return await self._db.row("SELECT * FROM users WHERE username = %s", username)

    async def user(self, user_id: str) -> Row | None:
        return await self._db.row("SELECT * FROM users WHERE id = %s", user_id)

    async def signed_in(self, user_id: str) -> None:
        await self._db.rows('UPDATE users SET "lastLoginAt" = now() WHERE id = %s', user_id)

    async def add_session(self, user_id: str, token_id: str, expires_at: datetime) -> None:
        await self._db.rows(
            'INSERT INTO user_sessions (id, "userId", "refreshToken", "expiresAt") VALUES (%s, %s, %s, %s)',
            str(uuid.uuid4()), user_id, token_id, expires_at.astimezone(UTC).replace(tzinfo=None),
        )  # fmt: skip

    async def take_session(self, token_id: str) -> Row | None:
        """The live session of a refresh token, used up by this very call, so that two uses cannot both win."""
        return await self._db.row(
            'UPDATE user_sessions SET "isRevoked" = true WHERE "refreshToken" = %s AND NOT "isRevoked"'
            " AND \"expiresAt\" > (now() AT TIME ZONE 'utc') RETURNING *",
            token_id,
        )

    async def revoke_sessions(self, user_id: str) -> None:
        await self._db.rows('UPDATE user_sessions SET "isRevoked" = true WHERE "userId" = %s', user_id)

    async def add_task(self, user_id: str, description: str, priority: str, kind: str) -> Row:
        made = await self._db.row(
            'INSERT INTO "Task" (id, description, priority, type, "createdBy") VALUES (%s, %s, %s, %s, %s)'
            f" RETURNING {TASK}",
            str(uuid.uuid4()), description, priority, kind, user_id,
        )  # fmt: skip
        assert made is not None
        return made

    async def tasks(self, user_id: str | None, page: int, limit: int, status: str | None) -> list[Row]:
        return await self._db.rows(
            f'SELECT {TASK} FROM "Task" WHERE (%s::text IS NULL OR "createdBy" = %s)'
            ' AND (%s::text IS NULL OR status = %s) ORDER BY "createdAt" DESC, id LIMIT %s OFFSET %s',
            user_id, user_id, status, status, limit, (page - 1) * limit,
        )  # fmt: skip

    async def task(self, task_id: str) -> Row | None:
        return await self._db.row(f'SELECT {TASK} FROM "Task" WHERE id = %s', task_id)

    async def change_task(self, task_id: str, changes: Row) -> Row | None:
        return await self._db.row(
            'UPDATE "Task" SET status = coalesce(%s, status), priority = coalesce(%s, priority), "updatedAt" = now()'
            f" WHERE id = %s RETURNING {TASK}",
            changes.get("status"), changes.get("priority"), task_id,
        )  # fmt: skip

    async def remove_task(self, task_id: str) -> bool:
        return bool(await self._db.rows('DELETE FROM "Task" WHERE id = %s RETURNING id', task_id))
