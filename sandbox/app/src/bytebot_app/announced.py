# A store that tells of what changes in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

from bytebot_app.models import Task, moment_text
from bytebot_app.realtime import ADMINS
from bytebot_app.store import Row

Tell = Callable[[str, list[str], Any], None]
Kept = TypeVar("Kept")
# Which methods change something, wherever they are; each returns what it changed, a list of that, or None.
_CREATED, _UPDATED, _MESSAGE = "task_created", "task_updated", "new_message"
EVENTS: Mapping[str, str] = {
    "add_task": _CREATED,
    "add_message": _MESSAGE,
    **dict.fromkeys(("change_task", "claim", "finish", "leave", "lost", "queued", "again", "control"), _UPDATED),
}


class _Announced:
    def __init__(self, store: Any, tell: Tell) -> None:
        self._store, self._tell = store, tell

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        event = EVENTS.get(name)
        return self._telling(inner, event) if event else inner

    async def remove_task(self, task_id: str) -> bool:
        before = await self._store.task(task_id)
        removed: bool = await self._store.remove_task(task_id)
        if removed and before is not None:
            self._tell("task_deleted", [_room(task_id), *_owners(before)], {"id": task_id})
        return removed

    def _telling(self, inner: Any, event: str) -> Any:
        @wraps(inner)
        async def told(*given: Any, **named: Any) -> Any:
            changed = await inner(*given, **named)
            for row in changed if isinstance(changed, list) else [changed]:
                if row is not None:
                    self._one(event, row)
            return changed

        return told

    def _one(self, event: str, row: Row) -> None:
        if event == _MESSAGE:
            self._tell(event, [_room(row["taskId"])], {name: _plain(value) for name, value in row.items()})
            return
        joined = [_room(row["id"])] if event == _UPDATED else []
        self._tell(event, [*joined, *_owners(row)], Task(**row).model_dump(mode="json"))


def announced(store: Kept, tell: Tell) -> Kept:
    """The store, whose changes are told to those who may see them."""
    made: Any = _Announced(store, tell)
    return made  # type: ignore[no-any-return]


def _room(task_id: str) -> str:
    return f"task:{task_id}"


def _owners(task: Row) -> list[str]:
    team = [f"team:{task['teamId']}"] if task.get("teamId") else []
    return [f"user:{task['createdBy']}", *team, ADMINS]


def _plain(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return moment_text(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
