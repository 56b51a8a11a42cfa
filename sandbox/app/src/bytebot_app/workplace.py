# What the routes do with tasks that are worked on: queue them, change them, talk to them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass

from redis.exceptions import RedisError

from bytebot_app.computer import Computer
from bytebot_app.counting import count
from bytebot_app.errors import not_found
from bytebot_app.logs import logger
from bytebot_app.metrics import Metrics
from bytebot_app.queue import Jobs
from bytebot_app.store import Row, Store
from bytebot_app.work_store import Work


@dataclass(frozen=True)
class Workplace:
    """What working on tasks stands on."""

    work: Work
    jobs: Jobs
    computer: Computer


class Desk:
    """Changes of tasks, as users ask for them; the workers' own are in worker.py."""

    def __init__(self, store: Store, metrics: Metrics, place: Workplace) -> None:
        self._store, self._metrics, self._work, self._jobs = store, metrics, place.work, place.jobs

    async def create(self, given: Row, user: str, files: list[Row]) -> Row:
        """A new task with its files; an immediate one is queued at once."""
        task = await self._store.add_task({**given, "createdBy": user})
        try:
            for file in files:
                await self._work.add_file(task["id"], file)
        except Exception:
            await self._store.remove_task(task["id"])
            raise
        count(self._metrics, task)
        return await self._queue(task) if task["type"] == "IMMEDIATE" else task

    async def change(self, before: Row, status: str | None, priority: str | None, control: str | None) -> Row:
        """Another status, priority, or who acts."""
        task: Row | None = before
        if status or priority:
            task = await self._store.change_task(before["id"], status, priority)
        if task and control and control != task["control"]:
            task = await self._work.control(before["id"], control)
            if task and control == "ASSISTANT" and not status and task["status"] in {"IN_PROGRESS", "NEEDS_HELP"}:
                # Who gives a task back wants it to be gone on with.
                task = await self._work.again(before["id"])
        if task is None:
            raise not_found("Task")
        if task["status"] != before["status"]:
            count(self._metrics, task)
        await self._follow(before, task)
        return task

    async def execute(self, task: Row) -> Row:
        """Let the task be worked on now, whatever became of it before; one that a worker has stays as it is."""
        again = await self._work.again(task["id"])
        if again is None:
            now = await self._store.task(task["id"])
            if now is None:
                raise not_found("Task")
            return now
        if again["status"] != task["status"]:
            count(self._metrics, again)
        await self._jobs.put(again["id"], again["priority"])
        return again

    async def remove(self, task: Row) -> None:
        """Remove a task with all that belongs to it."""
        if not await self._store.remove_task(task["id"]):
            raise not_found("Task")
        await self._drop(task)

    async def say(self, task: Row, text: str) -> Row:
        """A message of the user's."""
        made = await self._work.add_message(task["id"], "USER", [{"type": "text", "text": text}])
        if made is None:
            raise not_found("Task")
        return made

    async def _queue(self, task: Row) -> Row:
        try:
            await self._jobs.put(task["id"], task["priority"])
        except RedisError as exc:
            # The task is kept, and a worker's sweep finds it.
            logger().warning("a task cannot be queued now", taskId=task["id"], error=type(exc).__name__)
            return task
        return await self._work.queued(task["id"]) or task

    async def _follow(self, before: Row, task: Row) -> None:
        waits = task["status"] == "PENDING" and task["control"] == "ASSISTANT"
        due = task["type"] == "IMMEDIATE" or task["queuedAt"] is not None or before["status"] != "PENDING"
        if not waits:
            await self._drop(task)
        elif due:
            if task["priority"] != before["priority"]:
                await self._drop(task)  # it gets another place
            await self._queue(task)

    async def _drop(self, task: Row) -> None:
        try:
            await self._jobs.drop(task["id"])
        except RedisError as exc:
            # A worker that meets it there cannot claim it.
            logger().warning("a task stays in the queue", taskId=task["id"], error=type(exc).__name__)
