# The application's parts in memory: what PostgreSQL and Redis do in the sandbox, without either.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.exceptions import ConnectionError as CacheDown

from bytebot_app import passwords
from bytebot_app.store import ENDED, Row

ORIGIN = "https://app.bytebot.test"
PASSWORD = "Correct-Horse-42"
# Limits that a test reaches soon.
LIMITS = {"api_rate_limit_max_requests": 6, "auth_rate_limit_max_requests": 5, "task_rate_limit_max_requests": 3}
ROLES = ("ADMIN", "OPERATOR", "VIEWER", "API_CONSUMER")


class MemoryStore:
    """Users, one for each role and a second operator; sessions; tasks."""

    def __init__(self) -> None:
        known = passwords.hashed(PASSWORD, 4)
        names = {role.lower().replace("_", "-"): role for role in ROLES} | {"other": "OPERATOR"}
        self.users = {name: self._user(f"{name}@bytebot.test", role, known) for name, role in names.items()}
        self.sessions: dict[str, Row] = {}
        self.rows: dict[str, Row] = {}
        self.broken: Exception | None = None

    @staticmethod
    def _user(username: str, role: str, known: str) -> Row:
        user = {"id": str(uuid.uuid4()), "username": username, "email": username, "role": role, "isActive": True}
        return {**user, "passwordHash": known}

    def _asked(self) -> None:
        if self.broken:
            raise self.broken

    async def user_by_name(self, username: str) -> Row | None:
        self._asked()
        return next((user for user in self.users.values() if user["username"] == username), None)

    async def user(self, user_id: str) -> Row | None:
        return next((user for user in self.users.values() if user["id"] == user_id), None)

    async def signed_in(self, user_id: str) -> None: ...

    async def add_session(self, session: str, user_id: str, token_id: str, ends: datetime) -> None:
        self.sessions[session] = {"user": user_id, "token": token_id, "ends": ends, "revoked": False}

    async def rotate_session(self, session: str, used: str, token_id: str, ends: datetime) -> bool:
        row = self.sessions.get(session)
        if row is None or row["revoked"] or row["token"] != used:
            return False
        row.update(token=token_id, ends=ends)
        return True

    async def end_session(self, session: str) -> None:
        if session in self.sessions:
            self.sessions[session]["revoked"] = True

    async def session_lives(self, session: str) -> bool:
        return session in self.sessions and not self.sessions[session]["revoked"]

    async def live_sessions(self) -> int:
        self._asked()
        return sum(not row["revoked"] for row in self.sessions.values())

    async def add_task(self, task: Row) -> Row:
        now = datetime.now(UTC).replace(tzinfo=None)
        empty = dict.fromkeys(("error", "queuedAt", "executedAt", "completedAt"))
        made = {"id": str(uuid.uuid4()), "status": "PENDING", "control": "ASSISTANT", **empty, **task}
        self.rows[made["id"]] = {**made, "createdAt": now, "updatedAt": now}
        return dict(self.rows[made["id"]])

    async def tasks(self, user_id: str | None, page: int, limit: int, status: str | None) -> list[Row]:
        found = [
            row
            for row in reversed(self.rows.values())
            if user_id in (None, row["createdBy"]) and status in (None, row["status"])
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
