# A worker: takes tasks from the queue, one at a time, and does each of them once.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
from redis.exceptions import RedisError

from bytebot_app.computer import Computer
from bytebot_app.counting import count
from bytebot_app.faults_work import worked
from bytebot_app.logs import correlation_id, logger
from bytebot_app.metrics import Metrics
from bytebot_app.queue import Jobs, Turns
from bytebot_app.runner import End, Runner
from bytebot_app.store import Row
from bytebot_app.tracing import span
from bytebot_app.work_store import Work

OUTAGES = (psycopg.OperationalError, RedisError, TimeoutError)
SWEEP_S = 3.0
TURN_PAUSE_S = 0.2
CALM_S = 1.0


class Beat:
    """When the loop last came round."""

    def __init__(self) -> None:
        self._last = -float("inf")

    def mark(self) -> None:
        self._last = time.monotonic()

    @property
    def age(self) -> float:
        return time.monotonic() - self._last


@dataclass(frozen=True)
class Limits:
    """How long a claim lasts, how often a lost task is tried, how long a task may take; in milliseconds."""

    lease: int = 30000
    attempts: int = 3
    longest: int = 300000
    # How long the queue is asked for a task before the loop comes round.
    take: int = 1000


class Lost(Exception):
    """The task is no longer this worker's."""


class Worker:
    """Claims in the database decide who has a task; the queue only says which is next."""

    def __init__(
        self, work: Work, jobs: Jobs, turns: Turns, computer: Computer, metrics: Metrics, limits: Limits, name: str
    ) -> None:
        self._work, self._jobs, self._turns, self._computer = work, jobs, turns, computer
        self._metrics, self._limits = metrics, limits
        # A pod that comes back under its old name is another worker.
        self.name = f"{name}:{uuid.uuid4().hex[:8]}"
        self.beat = Beat()
        self.stopping = asyncio.Event()
        self._swept = -SWEEP_S

    async def run(self) -> None:
        """Work until it is asked to stop; an outage is waited for, not died of."""
        while not self.stopping.is_set():
            try:
                await self.turn()
                self.beat.mark()
            except OUTAGES as exc:
                logger().warning("the worker cannot go on", error=type(exc).__name__)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CALM_S):
                        await self.stopping.wait()

    async def turn(self) -> bool:
        """Take one task where there is one."""
        if time.monotonic() - self._swept >= SWEEP_S:
            await self.sweep()
            self._swept = time.monotonic()
        found = await self._jobs.take(self._limits.take / 1000)
        if found is None:
            return False
        task = await self._work.claim(found, self.name, self._limits.lease)
        if task is None:
            return False
        with span("task.process", taskId=task["id"], taskType=task["type"]):
            await self._do(task)
        return True

    async def sweep(self) -> None:
        """Bring back what a worker, or the queue, has lost."""
        for task in await self._work.lost(self._limits.attempts):
            logger().warning("a worker was lost", taskId=task["id"], status=task["status"])
            count(self._metrics, task)
        for task in await self._work.unqueued():
            await self._jobs.put(task["id"], task["priority"])
            if task["queuedAt"] is None:
                await self._work.queued(task["id"])

    async def _do(self, task: Row) -> None:
        correlation_id.set(task["id"])
        count(self._metrics, task)
        logger().info("task begun", taskId=task["id"], taskType=task["type"])
        working = asyncio.create_task(self._end(task))
        stopped = asyncio.create_task(self.stopping.wait())
        try:
            await self._watch(task, working, stopped)
            end = working.result()
        except Lost:
            end = None
        finally:
            stopped.cancel()
            working.cancel()
            await asyncio.wait({working})
        if end is None:
            await self._leave(task)
            return
        ended = await self._finish(task, end)
        if ended:
            count(self._metrics, ended)
            logger().info("task ended", taskId=task["id"], taskType=task["type"], status=ended["status"])

    async def _leave(self, task: Row) -> None:
        logger().info("task left", taskId=task["id"])
        left = await self._work.leave(task["id"], self.name)
        if left and left["status"] == "PENDING":
            await self._jobs.put(left["id"], left["priority"])

    async def _finish(self, task: Row, end: End) -> Row | None:
        """Note the end; a short outage must not make others do the task once more."""
        until = time.monotonic() + self._limits.lease / 2000
        while True:
            try:
                return await self._work.finish(task["id"], self.name, end.row)
            except OUTAGES:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(TURN_PAUSE_S)

    async def _watch(self, task: Row, working: asyncio.Task[End], stopped: asyncio.Task[Any]) -> None:
        """Keep the claim while the work goes on; end the work where the claim is gone."""
        pause = self._limits.lease / 3000
        while True:
            await asyncio.wait({working, stopped}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return
            if stopped.done():
                raise Lost
            self.beat.mark()
            try:
                mine = await self._work.renew(task["id"], self.name, self._limits.lease)
                mine = mine and await self._keep_turn()
            except OUTAGES as exc:
                # Others may take the task now or soon: it must not be worked on twice.
                logger().warning("a claim cannot be kept", taskId=task["id"], error=type(exc).__name__)
                raise Lost from exc
            if not mine:
                raise Lost

    async def _end(self, task: Row) -> End:
        """The work itself, with every error worded."""
        try:
            async with asyncio.timeout(self._limits.longest / 1000), self._turn():
                files = await self._work.files(task["id"])
                text = await self._wanted(task)

                async def tell(blocks: list[Row]) -> None:
                    await self._work.add_message(task["id"], "ASSISTANT", blocks)

                return await worked(lambda: Runner(self._computer, tell, files).run(text))
        except TimeoutError:
            return End("FAILED", error="The task took too long")
        except OUTAGES:
            raise
        except Exception as exc:
            logger().error("a task failed unexpectedly", taskId=task["id"], exc_info=exc)
            return End("FAILED", error="Something went wrong")

    async def _wanted(self, task: Row) -> str:
        """The last thing that the user said, else the description."""
        said = [message for message in await self._work.messages(task["id"]) if message["role"] == "USER"]
        texts = [block["text"] for message in said[-1:] for block in message["content"] if block.get("type") == "text"]
        return "\n".join(texts) or str(task["description"])

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The one desktop is for one worker at a time."""
        while not await self._turns.get(self.name, self._limits.lease):
            await asyncio.sleep(TURN_PAUSE_S)
        self._has_turn = True
        try:
            yield
        finally:
            self._has_turn = False
            await self._turns.end(self.name)

    _has_turn = False

    async def _keep_turn(self) -> bool:
        return not self._has_turn or await self._turns.keep(self.name, self._limits.lease)
