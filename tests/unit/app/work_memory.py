# Work on tasks in memory: claims, messages, files, the queue, the turn at the desktop, and a desktop that is simple.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import heapq
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ConnectionError as CacheDown

from bytebot_app.computer import ComputerFailed
from bytebot_app.queue import RANKS
from bytebot_app.store import ENDED, Row

from .memory import MemoryStore

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class MemoryWork:
    """The same rules as the statements in PostgreSQL, on the rows of the store."""

    def __init__(self, store: MemoryStore) -> None:
        self._rows = store.rows
        self.said: list[Row] = []
        self.kept: dict[str, list[Row]] = {}
        self.claims: dict[str, str] = {}
        self.ran_out: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.broken: Exception | None = None

    def _mine(self, task_id: str, worker: str) -> Row | None:
        if self.broken:
            raise self.broken
        row = self._rows.get(task_id)
        return row if row and row["status"] == "IN_PROGRESS" and self.claims.get(task_id) == worker else None

    async def claim(self, task_id: str, worker: str, lease_ms: int) -> Row | None:
        row = self._rows.get(task_id)
        if not row or row["status"] != "PENDING" or row["control"] != "ASSISTANT":
            return None
        self.claims[task_id] = worker
        self.attempts[task_id] = self.attempts.get(task_id, 0) + 1
        row.update(status="IN_PROGRESS", executedAt=now(), completedAt=None, error=None)
        return dict(row)

    async def renew(self, task_id: str, worker: str, lease_ms: int) -> bool:
        row = self._mine(task_id, worker)
        return bool(row) and row["control"] == "ASSISTANT"

    async def finish(self, task_id: str, worker: str, end: Row) -> Row | None:
        row = self._mine(task_id, worker)
        if not row:
            return None
        del self.claims[task_id]
        row.update(end, completedAt=now() if end["status"] in ENDED else None)
        row["control"] = "USER" if end["status"] == "NEEDS_HELP" else "ASSISTANT"
        return dict(row)

    async def leave(self, task_id: str, worker: str) -> Row | None:
        row = self._mine(task_id, worker)
        if not row:
            return None
        del self.claims[task_id]
        row["status"] = "PENDING" if row["control"] == "ASSISTANT" else row["status"]
        return dict(row)

    async def lost(self, attempts: int) -> list[Row]:
        found = [self._rows[task_id] for task_id in self.ran_out if task_id in self.claims]
        for row in found:
            del self.claims[row["id"]]
            row["status"] = "PENDING" if self.attempts[row["id"]] < attempts else "FAILED"
            row["completedAt"] = None if row["status"] == "PENDING" else now()
        self.ran_out.clear()
        return [dict(row) for row in found]

    async def unqueued(self) -> list[Row]:
        return [dict(row) for row in self._rows.values() if row["status"] == "PENDING" and row["type"] == "IMMEDIATE"]

    async def due(self) -> list[Row]:
        return [
            dict(row)
            for row in self._rows.values()
            if (row["status"], row["type"], row["queuedAt"]) == ("PENDING", "SCHEDULED", None)
            and row["scheduledFor"] <= datetime.now(UTC)
        ]

    async def queued(self, task_id: str) -> Row | None:
        row = self._rows.get(task_id)
        if not row or row["status"] != "PENDING":
            return None
        row["queuedAt"] = now()
        return dict(row)

    async def again(self, task_id: str) -> Row | None:
        row = self._rows.get(task_id)
        if not row or task_id in self.claims:
            return None
        row.update(status="PENDING", control="ASSISTANT", queuedAt=now(), completedAt=None, error=None, result=None)
        return dict(row)

    async def control(self, task_id: str, role: str) -> Row | None:
        self._rows[task_id]["control"] = role
        return dict(self._rows[task_id])

    async def messages(self, task_id: str) -> list[Row]:
        return [row for row in self.said if row["taskId"] == task_id]

    async def add_message(self, task_id: str, role: str, content: list[Row]) -> Row | None:
        if task_id not in self._rows:
            return None
        made = {"id": str(uuid.uuid4()), "content": content, "role": role, "taskId": task_id}
        self.said.append({**made, "createdAt": now(), "updatedAt": now()})
        return self.said[-1]

    async def files(self, task_id: str) -> list[Row]:
        return self.kept.get(task_id, [])

    async def add_file(self, task_id: str, file: Row) -> None:
        if self.broken:
            raise self.broken
        self.kept.setdefault(task_id, []).append(file)


class MemoryJobs:
    """The queue's order."""

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, str]] = []
        self.number = 0
        self.down = False

    async def put(self, task_id: str, priority: str) -> None:
        if self.down:
            raise CacheDown("down")
        if all(task_id != item[2] for item in self.heap):
            self.number += 1
            heapq.heappush(self.heap, (RANKS[priority], self.number, task_id))

    async def take(self, seconds: float) -> str | None:
        if self.down:
            raise CacheDown("down")
        await asyncio.sleep(0)
        return heapq.heappop(self.heap)[2] if self.heap else None

    async def drop(self, task_id: str) -> None:
        if self.down:
            raise CacheDown("down")
        self.heap = [item for item in self.heap if item[2] != task_id]
        heapq.heapify(self.heap)

    async def length(self) -> int:
        if self.down:
            raise CacheDown("down")
        return len(self.heap)

    @property
    def ids(self) -> list[str]:
        return [item[2] for item in sorted(self.heap)]


class MemoryTurn:
    """Whose turn it is."""

    def __init__(self) -> None:
        self.owner = ""
        self.log: list[str] = []

    async def get(self, owner: str, ms: int) -> bool:
        if self.owner:
            return False
        self.owner = owner
        self.log.append(owner)
        return True

    async def keep(self, owner: str, ms: int) -> bool:
        return self.owner == owner

    async def end(self, owner: str) -> None:
        if self.owner == owner:
            self.owner = ""


@dataclass
class MemoryComputer:
    """Files, a pointer, and an editor whose dialog comes late and takes the second Enter only."""

    files: dict[str, str] = field(default_factory=dict)
    calls: list[Row] = field(default_factory=list)
    at: Row = field(default_factory=lambda: {"x": 0, "y": 0})
    failure: ComputerFailed | None = None
    hold: asyncio.Event | None = None
    looks: int = 0
    enters: int = 0
    typed: list[str] = field(default_factory=list)
    dialog: bool = False

    async def act(self, action: str, **fields: Any) -> Row:
        self.calls.append({"action": action, **fields})
        if self.hold:
            await self.hold.wait()
        if self.failure:
            raise self.failure
        try:
            done = getattr(self, f"_{action}", self._nothing)(fields)
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise ComputerFailed(400, f"{action}: {exc}") from None
        return {"success": True, "error": None, "data": None, **done}

    def _nothing(self, _fields: Row) -> Row:
        return {}

    def _write_file(self, fields: Row) -> Row:
        self.files[fields["path"]] = fields["data"]
        return {"message": f"File written to {fields['path']}"}

    def _read_file(self, fields: Row) -> Row:
        if fields["path"] not in self.files:
            raise ComputerFailed(500, f"{fields['path']} cannot be read: No such file or directory")
        data = self.files[fields["path"]]
        return {"data": data, "name": fields["path"], "size": len(base64.b64decode(data)), "mediaType": "text/plain"}

    def _screenshot(self, _fields: Row) -> Row:
        return {"data": {"image": PIXEL}}

    def _move_mouse(self, fields: Row) -> Row:
        self.at = dict(fields["coordinates"])
        return {}

    def _cursor_position(self, _fields: Row) -> Row:
        return {"data": self.at}

    def _ocr(self, _fields: Row) -> Row:
        return {"result": {"text": "Hello"}}

    def _find_text(self, fields: Row) -> Row:
        if fields["text"] != "Encoding:":
            return {"result": {"found": fields["text"] == "Hello", "boundingBoxes": [{"x": 1}]}}
        self.looks += self.dialog
        return {"result": {"found": True, "boundingBoxes": [{"x": 1}] if self.dialog and self.looks > 1 else []}}

    def _type_text(self, fields: Row) -> Row:
        self.typed.append(fields["text"])
        return {}

    def _type_keys(self, fields: Row) -> Row:
        self.dialog = self.dialog or fields["keys"] == ["ctrl+s"]
        self.enters += fields["keys"] == ["enter"]
        if self.enters > 1 and self.dialog:
            self.files[self.typed[1]] = base64.b64encode(self.typed[0].encode()).decode()
            self.dialog = False
        return {}
