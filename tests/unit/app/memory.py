# The application's parts in memory: what PostgreSQL and Redis do in the sandbox, without either.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.exceptions import ConnectionError as CacheDown

from bytebot_app import passwords
from bytebot_app.store import ENDED, Row

from .memory_accounts import MemoryAccounts, MemorySessions, new_user

ORIGIN = "https://app.bytebot.test"
PASSWORD = "Correct-Horse-42"
# Limits that a test reaches soon.
LIMITS = {"api_rate_limit_max_requests": 6, "auth_rate_limit_max_requests": 5, "task_rate_limit_max_requests": 3}
ROLES = ("ADMIN", "OPERATOR", "VIEWER", "API_CONSUMER")


class MemoryStore(MemoryAccounts, MemorySessions):
    """Users, one for each role and a second operator; sessions; tasks."""

    def __init__(self) -> None:
        MemoryAccounts.__init__(self)
        MemorySessions.__init__(self)
        known = passwords.hashed(PASSWORD, 4)
        names = {role.lower().replace("_", "-"): role for role in ROLES} | {"other": "OPERATOR"}
        self.users = {name: new_user(f"{name}@bytebot.test", role, known) for name, role in names.items()}
        self.rows: dict[str, Row] = {}
        self.broken: Exception | None = None

    def _asked(self) -> None:
        if self.broken:
            raise self.broken

    async def add_task(self, task: Row) -> Row:
        now = datetime.now(UTC).replace(tzinfo=None)
        empty = dict.fromkeys(("error", "queuedAt", "executedAt", "completedAt"))
        made = {"id": str(uuid.uuid4()), "status": "PENDING", "control": "ASSISTANT", **empty, **task}
        self.rows[made["id"]] = {**made, "createdAt": now, "updatedAt": now}
        return dict(self.rows[made["id"]])

    async def tasks(
        self, user_id: str | None, page: int, limit: int, status: str | None, teams: Sequence[str] = ()
    ) -> list[Row]:
        found = [
            row
            for row in reversed(self.rows.values())
            if (user_id in (None, row["createdBy"]) or row.get("teamId") in teams) and status in (None, row["status"])
        ]
        return found[(page - 1) * limit : page * limit]

    async def task(self, task_id: str) -> Row | None:
        self._asked()
        found = self.rows.get(task_id)
        return dict(found) if found else None

    async def change_task(self, task_id: str, status: str | None, priority: str | None) -> Row | None:
        row = self.rows[task_id]
        row["status"], row["priority"] = status or row["status"], priority or row["priority"]
        if status == "IN_PROGRESS":
            row["executedAt"] = row["createdAt"]
        if status in ENDED:
            row["completedAt"] = row["createdAt"] + timedelta(seconds=7)
        return dict(row)

    async def remove_task(self, task_id: str) -> bool:
        return self.rows.pop(task_id, None) is not None


@dataclass
class MemoryMarks:
    """What Redis keeps."""

    kept: dict[str, int] = field(default_factory=dict)
    down: bool = False

    async def mark(self, key: str, seconds: int) -> None:
        self._asked()
        self.kept[key] = seconds

    async def marked(self, *keys: str) -> bool:
        self._asked()
        return any(key in self.kept for key in keys)

    def _asked(self) -> None:
        if self.down:
            raise CacheDown("down")

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.down = True
        yield
        self.down = False


@dataclass
class FixedPool:
    active: int = 3
    size: int = 5


@dataclass
class Dependencies:
    """What the health routes ask; a test breaks one by name."""

    failures: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str) -> Any:
        async def asked() -> None:
            if name in self.failures:
                failure = self.failures[name]
                if isinstance(failure, Exception):
                    raise failure
                await failure()

        return asked


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
