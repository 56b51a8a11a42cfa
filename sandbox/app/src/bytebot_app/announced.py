# A store that tells of what changes in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bytebot_app.models import Task
from bytebot_app.realtime import ADMINS
from bytebot_app.store import Row, Store

Tell = Callable[[str, list[str], Any], None]


class _Announced:
    def __init__(self, store: Store, tell: Tell) -> None:
        self._store, self._tell = store, tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def add_task(self, task: Row) -> Row:
        made = await self._store.add_task(task)
        self._tell("task_created", _owners(made), _shown(made))
        return made

    async def change_task(self, task_id: str, *changes: Any, **named: Any) -> Row | None:
        made = await self._store.change_task(task_id, *changes, **named)
        if made is not None:
            self._tell("task_updated", [_room(task_id), *_owners(made)], _shown(made))
        return made

    async def remove_task(self, task_id: str) -> bool:
        before = await self._store.task(task_id)
        removed = await self._store.remove_task(task_id)
        if removed and before is not None:
            self._tell("task_deleted", [_room(task_id), *_owners(before)], {"id": task_id})
        return removed


def announced(store: Store, tell: Tell) -> Store:
    """The store, whose changes of tasks are told to those who may see them."""
    return cast(Store, _Announced(store, tell))


def _room(task_id: str) -> str:
    return f"task:{task_id}"


def _owners(task: Row) -> list[str]:
    return [f"user:{task['createdBy']}", ADMINS]


def _shown(task: Row) -> dict[str, Any]:
    return Task(**task).model_dump(mode="json")
