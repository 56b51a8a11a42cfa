# What a store tells, and whom: of each change once, and of nothing that did not change.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from bytebot_app.announced import announced
from bytebot_app.events import Teller
from bytebot_app.store import Row

from .memory import MemoryStore

GIVEN = {
    "description": "a",
    "priority": "LOW",
    "type": "IMMEDIATE",
    **dict.fromkeys(("model", "scheduledFor", "teamId", "result")),
}


class Work:
    """What works on tasks, with rows as a database gives them."""

    def __init__(self, task: Row) -> None:
        self.task = task

    async def claim(self, _task_id: str, _worker: str) -> Row | None:
        return self.task

    async def finish(self, _task_id: str, _worker: str) -> Row | None:
        return None

    async def lost(self, _attempts: int) -> list[Row]:
        return [self.task, self.task]

    async def renew(self, _task_id: str) -> bool:
        return True

    async def add_message(self, task_id: str, role: str, content: list[Row]) -> Row | None:
        moment = datetime(2026, 1, 31, 12, 0)  # noqa: DTZ001 - as the database has it
        return {"id": "m", "taskId": task_id, "role": role, "content": content, "createdAt": moment}


def test_the_store_tells_of_a_task() -> None:
    heard: list[tuple[str, list[str], Any]] = []

    async def live() -> str:
        store = announced(MemoryStore(), lambda *event: heard.append(event))
        task = await store.add_task({**GIVEN, "createdBy": "me"})
        await store.task(task["id"])
        await store.tasks(None, 1, 10, None)
        await store.change_task(task["id"], "IN_PROGRESS", None)
        assert await store.remove_task(task["id"])
        assert not await store.remove_task(task["id"])
        return str(task["id"])

    one = asyncio.run(live())
    assert [(event, rooms) for event, rooms, _data in heard] == [
        ("task_created", ["user:me", "admins"]),
        ("task_updated", [f"task:{one}", "user:me", "admins"]),
        ("task_deleted", [f"task:{one}", "user:me", "admins"]),
    ]
    assert heard[1][2]["status"] == "IN_PROGRESS"
    assert heard[2][2] == {"id": one}


def test_the_team_of_a_task_is_told_as_its_maker_is() -> None:
    heard: list[list[str]] = []

    async def live() -> None:
        store = announced(MemoryStore(), lambda _event, rooms, _data: heard.append(rooms))
        task = await store.add_task({**GIVEN, "createdBy": "me", "teamId": "ours"})
        await store.change_task(task["id"], None, "HIGH")
        await store.remove_task(task["id"])

    asyncio.run(live())
    assert len(heard) == 3
    assert all(rooms[-3:] == ["user:me", "team:ours", "admins"] for rooms in heard)


def test_so_does_what_works_on_tasks() -> None:
    heard: list[tuple[str, list[str], Any]] = []

    async def live() -> None:
        task = await MemoryStore().add_task({**GIVEN, "createdBy": "me"})
        work = announced(Work(task), lambda *event: heard.append(event))
        await work.claim(task["id"], "w")
        await work.finish(task["id"], "w")
        assert len(await work.lost(3)) == 2
        assert await work.renew(task["id"])
        await work.add_message(task["id"], "ASSISTANT", [{"type": "text", "text": "a"}])

    asyncio.run(live())
    assert [event for event, _rooms, _data in heard] == ["task_updated"] * 3 + ["new_message"]
    _event, rooms, message = heard[-1]
    assert rooms == [f"task:{message['taskId']}"]
    assert message["createdAt"] == "2026-01-31T12:00:00.000Z"


@pytest.fixture
def sent() -> list[str]:
    return []


def test_events_keep_their_order_and_a_failure_loses_only_its_own(sent: list[str], written: None) -> None:
    async def emit(event: str, data: Any, room: list[str]) -> None:
        if event == "2":
            raise ConnectionError
        await asyncio.sleep(0)
        sent.append(event)

    async def live() -> None:
        teller = Teller(emit)
        for number in range(5):
            teller.tell(str(number), ["a"], None)
        while len(sent) < 4:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(live(), 10))
    assert sent == ["0", "1", "3", "4"]


def test_too_many_events_are_not_kept(sent: list[str], written: None) -> None:
    async def emit(event: str, data: Any, room: list[str]) -> None:
        await asyncio.Event().wait()

    async def live() -> int:
        teller = Teller(emit)
        for number in range(1500):
            teller.tell(str(number), ["a"], None)
        return teller._events.qsize()

    assert asyncio.run(live()) == 1000
