# What the application keeps: users, sessions, tasks. The protocol, and PostgreSQL behind it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from bytebot_app.accounts import Accounts, PostgresAccounts
from bytebot_app.database import Database
from bytebot_app.sessions import PostgresSessions, Sessions

Row = dict[str, Any]
# The documented tables say RUNNING where the documented API says IN_PROGRESS.
_STORED, _SHOWN = {"IN_PROGRESS": "RUNNING"}, {"RUNNING": "IN_PROGRESS"}
TASK_COLUMNS = (
    'id, description, type, status, priority, control, model, error, result, "scheduledFor", "queuedAt", "executedAt",'
    ' "completedAt", "createdBy", "teamId", "createdAt", "updatedAt"'
)
_CHANGE = f"""
UPDATE "Task" SET
  status = coalesce(%s, status),
  priority = coalesce(%s, priority),
  "updatedAt" = now(),
  "executedAt" = CASE %s::text WHEN 'RUNNING' THEN coalesce("executedAt", now()) ELSE "executedAt" END,
  "completedAt" = CASE
    WHEN %s::text IS NULL THEN "completedAt"
    WHEN %s::text = ANY(%s) THEN coalesce("completedAt", now()) END
WHERE id = %s RETURNING {TASK_COLUMNS}
"""
ENDED = ("COMPLETED", "CANCELLED", "FAILED")


class Store(Accounts, Sessions, Protocol):
    """The questions that the routes ask."""

    async def add_task(self, task: Row) -> Row: ...
    async def tasks(
        self, user_id: str | None, page: int, limit: int, status: str | None, teams: Sequence[str] = ()
    ) -> list[Row]: ...
    async def task(self, task_id: str) -> Row | None: ...
    async def change_task(self, task_id: str, status: str | None, priority: str | None) -> Row | None: ...
    async def remove_task(self, task_id: str) -> bool: ...


class PostgresStore(PostgresAccounts, PostgresSessions):
    """The store in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add_task(self, task: Row) -> Row:
        made = await self._db.rows(
            'INSERT INTO "Task" (id, description, priority, type, model, "scheduledFor", "createdBy", "teamId")'
            f" VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING {TASK_COLUMNS}",
            str(uuid.uuid4()), task["description"], task["priority"], task["type"], task["model"],
            _naive(task["scheduledFor"]), task["createdBy"], task.get("teamId"),
        )  # fmt: skip
        return shown_task(made[0])

    async def tasks(
        self, user_id: str | None, page: int, limit: int, status: str | None, teams: Sequence[str] = ()
    ) -> list[Row]:
        """A user's own and those of the user's teams; everybody's where no user is given."""
        found = await self._db.rows(
            f'SELECT {TASK_COLUMNS} FROM "Task" WHERE (%s::text IS NULL OR "createdBy" = %s OR "teamId" = ANY(%s))'
            ' AND (%s::text IS NULL OR status::text = %s) ORDER BY "createdAt" DESC, id LIMIT %s OFFSET %s',
            user_id, user_id, list(teams), stored_status(status), stored_status(status), limit, (page - 1) * limit,
        )  # fmt: skip
        return [shown_task(row) for row in found]

    async def task(self, task_id: str) -> Row | None:
        found = await self._db.row(f'SELECT {TASK_COLUMNS} FROM "Task" WHERE id = %s', task_id)
        return shown_task(found) if found else None

    async def change_task(self, task_id: str, status: str | None, priority: str | None) -> Row | None:
        """The times of start and end follow the status; a task that runs again has not ended."""
        stored = stored_status(status)
        found = await self._db.row(
            _CHANGE,
            stored, priority, stored, stored, stored, list(ENDED), task_id,
        )  # fmt: skip
        return shown_task(found) if found else None

    async def remove_task(self, task_id: str) -> bool:
        return bool(await self._db.rows('DELETE FROM "Task" WHERE id = %s RETURNING id', task_id))


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def stored_status(status: str | None) -> str | None:
    return _STORED.get(status, status) if status else None


def shown_task(task: Row) -> Row:
    return {**task, "status": _SHOWN.get(task["status"], task["status"])}
