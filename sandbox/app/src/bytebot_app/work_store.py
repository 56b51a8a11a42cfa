# What working on tasks needs of the database: claims that end by themselves, messages, files.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from typing import Any, Protocol

import psycopg
from psycopg.types.json import Jsonb

from bytebot_app.database import Database
from bytebot_app.store import ENDED, TASK_COLUMNS, Row, shown_task, stored_status

# A worker may be faster than who notes that the task is in the queue.
_CLAIM = f"""
UPDATE "Task" SET status = 'RUNNING', "claimedBy" = %s, "claimedUntil" = now() + %s * interval '1 millisecond',
  attempts = attempts + 1, "queuedAt" = coalesce("queuedAt", now()), "executedAt" = now(), "completedAt" = NULL,
  error = NULL, result = NULL, "updatedAt" = now()
WHERE id = %s AND status = 'PENDING' AND control = 'ASSISTANT' RETURNING {TASK_COLUMNS}
"""
_MINE = """id = %s AND "claimedBy" = %s AND status = 'RUNNING'"""
_RENEW = f"""
UPDATE "Task" SET "claimedUntil" = now() + %s * interval '1 millisecond'
WHERE {_MINE} AND control = 'ASSISTANT' RETURNING id
"""
_FINISH = f"""
UPDATE "Task" SET status = %s, result = %s, error = %s, model = coalesce(model, %s), control = %s, "claimedBy" = NULL,
  "claimedUntil" = NULL, attempts = 0, "updatedAt" = now(),
  "completedAt" = CASE WHEN %s::text = ANY(%s) THEN now() END
WHERE {_MINE} RETURNING {TASK_COLUMNS}
"""
# Whoever took the task over keeps it running; else it waits again.
_LEAVE = f"""
UPDATE "Task" SET status = CASE WHEN control = 'ASSISTANT' THEN 'PENDING'::"TaskStatus" ELSE status END,
  "claimedBy" = NULL, "claimedUntil" = NULL, attempts = greatest(attempts - 1, 0), "updatedAt" = now()
WHERE {_MINE} RETURNING {TASK_COLUMNS}
"""
_LOST = f"""
UPDATE "Task" SET
  status = CASE WHEN attempts < %s THEN 'PENDING'::"TaskStatus" ELSE 'FAILED'::"TaskStatus" END,
  error = CASE WHEN attempts < %s THEN error ELSE 'The worker was lost, and so were those that tried again' END,
  "completedAt" = CASE WHEN attempts < %s THEN NULL ELSE now() END,
  "claimedBy" = NULL, "claimedUntil" = NULL, "updatedAt" = now()
WHERE id IN (
  SELECT id FROM "Task" WHERE status = 'RUNNING' AND control = 'ASSISTANT' AND "claimedUntil" < now()
  ORDER BY "claimedUntil" LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING {TASK_COLUMNS}
"""
# A task that was just made is put into the queue by who made it, after its files.
_UNQUEUED = f"""
SELECT {TASK_COLUMNS} FROM "Task" WHERE status = 'PENDING' AND control = 'ASSISTANT' AND (
  "queuedAt" < now() - interval '5 seconds' OR ("queuedAt" IS NULL AND type = 'IMMEDIATE'
  AND "createdAt" < now() - interval '5 seconds')) ORDER BY "createdAt" LIMIT 1000
"""
_DUE = f"""
SELECT {TASK_COLUMNS} FROM "Task" WHERE status = 'PENDING' AND type = 'SCHEDULED' AND "queuedAt" IS NULL
  AND control = 'ASSISTANT' AND "scheduledFor" <= now() ORDER BY "scheduledFor" LIMIT 1000
"""
_QUEUED = f"""
UPDATE "Task" SET "queuedAt" = now() WHERE id = %s AND status = 'PENDING' RETURNING {TASK_COLUMNS}
"""
_AGAIN = f"""
UPDATE "Task" SET status = 'PENDING', control = 'ASSISTANT', "queuedAt" = now(), "completedAt" = NULL, error = NULL,
  result = NULL, attempts = 0, "claimedBy" = NULL, "claimedUntil" = NULL, "updatedAt" = now()
WHERE id = %s AND (status <> 'RUNNING' OR "claimedBy" IS NULL) RETURNING {TASK_COLUMNS}
"""
_CONTROL = f"""
UPDATE "Task" SET control = %s, "updatedAt" = now() WHERE id = %s RETURNING {TASK_COLUMNS}
"""
_MESSAGE = 'id, content, role, "taskId", "createdAt", "updatedAt"'


class Work(Protocol):
    """The questions of those who work on tasks, and of those who watch."""

    async def claim(self, task_id: str, worker: str, lease_ms: int) -> Row | None: ...
    async def renew(self, task_id: str, worker: str, lease_ms: int) -> bool: ...
    async def finish(self, task_id: str, worker: str, end: Row) -> Row | None: ...
    async def leave(self, task_id: str, worker: str) -> Row | None: ...
    async def lost(self, attempts: int) -> list[Row]: ...
    async def unqueued(self) -> list[Row]: ...
    async def due(self) -> list[Row]: ...
    async def queued(self, task_id: str) -> Row | None: ...
    async def again(self, task_id: str) -> Row | None: ...
    async def control(self, task_id: str, role: str) -> Row | None: ...
    async def messages(self, task_id: str) -> list[Row]: ...
    async def add_message(self, task_id: str, role: str, content: list[Row]) -> Row | None: ...
    async def files(self, task_id: str) -> list[Row]: ...
    async def add_file(self, task_id: str, file: Row) -> None: ...


class PostgresWork:
    """The same in PostgreSQL: each step is one statement that does nothing where it comes too late."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def claim(self, task_id: str, worker: str, lease_ms: int) -> Row | None:
        """The task where it still waits; of many who ask, one gets it."""
        return await self._task(_CLAIM, worker, lease_ms, task_id)

    async def renew(self, task_id: str, worker: str, lease_ms: int) -> bool:
        """Whether the task is still this worker's to work on."""
        return bool(await self._db.rows(_RENEW, lease_ms, task_id, worker))

    async def finish(self, task_id: str, worker: str, end: Row) -> Row | None:
        """End the work; None where the task is no longer this worker's."""
        status = stored_status(end["status"])
        control = "USER" if status == "NEEDS_HELP" else "ASSISTANT"
        result = None if end.get("result") is None else Jsonb(end["result"])
        given = (status, result, end.get("error"), end["model"], control, status, list(ENDED))
        return await self._task(_FINISH, *given, task_id, worker)

    async def leave(self, task_id: str, worker: str) -> Row | None:
        """Give the task back."""
        return await self._task(_LEAVE, task_id, worker)

    async def lost(self, attempts: int) -> list[Row]:
        """Take tasks from workers that are gone."""
        return await self._tasks(_LOST, attempts, attempts, attempts)

    async def unqueued(self) -> list[Row]:
        """Tasks that wait and should be in the queue, whether or not they are."""
        return await self._tasks(_UNQUEUED)

    async def due(self) -> list[Row]:
        """Scheduled tasks whose time has come."""
        return await self._tasks(_DUE)

    async def queued(self, task_id: str) -> Row | None:
        """Note that the task is in the queue."""
        return await self._task(_QUEUED, task_id)

    async def again(self, task_id: str) -> Row | None:
        """Let the task wait from the beginning; None where a worker has it."""
        return await self._task(_AGAIN, task_id)

    async def control(self, task_id: str, role: str) -> Row | None:
        """Who acts on the task."""
        return await self._task(_CONTROL, role, task_id)

    async def messages(self, task_id: str) -> list[Row]:
        return await self._db.rows(f'SELECT {_MESSAGE} FROM "Message" WHERE "taskId" = %s ORDER BY number', task_id)

    async def add_message(self, task_id: str, role: str, content: list[Row]) -> Row | None:
        """The message; None where its task is gone."""
        try:
            return await self._db.row(
                f'INSERT INTO "Message" (id, content, role, "taskId") VALUES (%s, %s, %s, %s) RETURNING {_MESSAGE}',
                str(uuid.uuid4()), Jsonb(content), role, task_id,
            )  # fmt: skip
        except psycopg.errors.ForeignKeyViolation:
            return None

    async def files(self, task_id: str) -> list[Row]:
        return await self._db.rows('SELECT name, type, size, data FROM "File" WHERE "taskId" = %s', task_id)

    async def add_file(self, task_id: str, file: Row) -> None:
        await self._db.rows(
            'INSERT INTO "File" (id, name, type, size, data, "taskId") VALUES (%s, %s, %s, %s, %s, %s)',
            str(uuid.uuid4()), file["name"], file["type"], file["size"], file["data"], task_id,
        )  # fmt: skip

    async def _task(self, query: str, *given: Any) -> Row | None:
        found = await self._db.row(query, *given)
        return shown_task(found) if found else None

    async def _tasks(self, query: str, *given: Any) -> list[Row]:
        return [shown_task(row) for row in await self._db.rows(query, *given)]
