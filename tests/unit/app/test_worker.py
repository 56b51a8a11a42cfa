# Workers and the scheduler: each task is done once, and none is lost.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bytebot_app.metrics import Metrics
from bytebot_app.scheduler import Scheduler
from bytebot_app.worker import Limits, Worker

from .memory import MemoryStore
from .work_memory import MemoryComputer, MemoryJobs, MemoryTurn, MemoryWork

LIMITS = Limits(lease=30, attempts=2, longest=5000, take=1)


@dataclass
class World:
    """Workers over the same store and queue."""

    store: MemoryStore = field(default_factory=MemoryStore)
    jobs: MemoryJobs = field(default_factory=MemoryJobs)
    turns: MemoryTurn = field(default_factory=MemoryTurn)
    computer: MemoryComputer = field(default_factory=MemoryComputer)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.work = MemoryWork(self.store)

    def worker(self, limits: Limits = LIMITS) -> Worker:
        return Worker(self.work, self.jobs, self.turns, self.computer, self.metrics, limits, "pod")

    async def add(self, description: str = "take a screenshot", **more: Any) -> str:
        given = {"description": description, "priority": "MEDIUM", "type": "IMMEDIATE", "model": None, "createdBy": "u"}
        task = await self.store.add_task({**given, "scheduledFor": None, **more})
        if task["type"] == "IMMEDIATE":
            await self.jobs.put(task["id"], task["priority"])
        return str(task["id"])

    def row(self, task_id: str) -> dict[str, Any]:
        return self.store.rows[task_id]

    def counted(self, status: str) -> float:
        labels = {"status": status, "type": "IMMEDIATE", "user_id": "u"}
        return self.metrics.registry.get_sample_value("bytebot_tasks_total", labels) or 0.0


@pytest.fixture
def world() -> World:
    return World()


def play(story: Coroutine[Any, Any, Any]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(bounded())


def test_a_task_goes_from_pending_to_completed(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        assert await world.worker().turn()
        row = world.row(task)
        assert (row["status"], row["error"], row["control"]) == ("COMPLETED", None, "ASSISTANT")
        assert row["result"]["steps"][0]["instruction"] == "take a screenshot"
        assert [message["role"] for message in world.work.said] == ["ASSISTANT"] * len(world.work.said) != []
        assert (world.counted("IN_PROGRESS"), world.counted("COMPLETED")) == (1, 1)
        seconds = {"type": "IMMEDIATE", "status": "COMPLETED"}
        assert world.metrics.registry.get_sample_value("bytebot_task_duration_seconds_count", seconds) == 1
        assert not await world.worker().turn()

    play(story())


def test_urgent_tasks_come_first(world: World) -> None:
    async def story() -> None:
        tasks = [await world.add(priority=priority) for priority in ("LOW", "MEDIUM", "URGENT", "MEDIUM")]
        assert world.jobs.ids == [tasks[2], tasks[1], tasks[3], tasks[0]]

    play(story())


def test_many_workers_do_each_task_once_and_one_at_a_time(world: World) -> None:
    async def story() -> None:
        tasks = [await world.add(f'write file "{number}" with "x"') for number in range(12)]
        for task in tasks:  # also where the queue tells a task twice
            world.jobs.heap.append((9, 100 + tasks.index(task), task))
        workers = [world.worker() for _ in range(4)]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        while any(world.row(task)["status"] != "COMPLETED" for task in tasks):
            await asyncio.sleep(0)
        for worker in workers:
            worker.stopping.set()
        await asyncio.gather(*running)
        written = [call["path"] for call in world.computer.calls if call["action"] == "write_file"]
        assert sorted(written) == sorted(str(number) for number in range(12))
        assert world.counted("IN_PROGRESS") == world.counted("COMPLETED") == 12
        assert len(world.turns.log) == 12

    play(story())


def test_the_task_of_a_killed_worker_is_taken_again(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        assert await world.work.claim(await world.jobs.take(0) or "", "killed", 1)
        worker = world.worker()
        await worker.sweep()
        assert world.row(task)["status"] == "IN_PROGRESS"  # its claim still holds
        world.work.ran_out.add(task)
        assert await worker.turn()
        assert world.row(task)["status"] == "COMPLETED"
        assert await world.work.finish(task, "killed", {"status": "FAILED", "result": None}) is None

    play(story())


def test_a_task_that_kills_its_workers_fails_in_the_end(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        for _ in range(LIMITS.attempts):
            await world.work.claim(task, "killed", 1)
            world.work.ran_out.add(task)
            await world.worker().sweep()
        assert world.row(task)["status"] == "FAILED"
        assert world.counted("FAILED") == 1

    play(story())


def test_what_the_queue_has_lost_comes_back(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        world.jobs.heap.clear()
        assert await world.worker().turn()
        assert world.row(task)["status"] == "COMPLETED"

    play(story())


@pytest.mark.parametrize(
    ("change", "status"),
    [({"status": "CANCELLED"}, "CANCELLED"), ({"control": "USER"}, "IN_PROGRESS"), (None, None)],
    ids=["cancelled", "taken over", "removed"],
)
def test_a_task_that_is_taken_away_is_not_worked_on(world: World, change: dict[str, str] | None, status: Any) -> None:
    async def story() -> None:
        task = await world.add("take a screenshot; press q")
        world.computer.hold = asyncio.Event()
        turn = asyncio.create_task(world.worker().turn())
        while not world.computer.calls:
            await asyncio.sleep(0)
        if change:
            world.row(task).update(change)
        else:
            del world.store.rows[task]
        assert await turn
        world.computer.hold.set()
        assert [call["action"] for call in world.computer.calls] == ["screenshot"]
        assert world.turns.owner == ""
        assert world.counted("COMPLETED") == 0
        assert (world.store.rows.get(task) or {}).get("status") == status
        assert world.jobs.ids == []

    play(story())


def test_a_worker_that_is_asked_to_end_gives_its_task_back(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        world.computer.hold = asyncio.Event()
        worker = world.worker()
        running = asyncio.create_task(worker.run())
        while not world.computer.calls:
            await asyncio.sleep(0)
        worker.stopping.set()
        await running
        assert (world.row(task)["status"], world.jobs.ids, world.turns.owner) == ("PENDING", [task], "")

    play(story())


def test_a_task_that_takes_too_long_fails(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        world.computer.hold = asyncio.Event()
        await world.worker(Limits(lease=30, longest=50, take=1)).turn()
        assert (world.row(task)["status"], world.row(task)["error"]) == ("FAILED", "The task took too long")
        assert world.turns.owner == ""

    play(story())


def test_who_needs_help_hands_over_and_goes_on_with_what_is_said(world: World) -> None:
    async def story() -> None:
        task = await world.add("Book a flight")
        worker = world.worker()
        await worker.turn()
        assert (world.row(task)["status"], world.row(task)["control"]) == ("NEEDS_HELP", "USER")
        await world.work.add_message(task, "USER", [{"type": "text", "text": "take a screenshot"}])
        await world.work.again(task)
        await world.jobs.put(task, "MEDIUM")
        await worker.turn()
        assert world.row(task)["status"] == "COMPLETED"

    play(story())


def test_an_outage_ends_neither_the_worker_nor_the_task(world: World) -> None:
    async def story() -> None:
        task = await world.add()
        world.jobs.down = True
        worker = world.worker()
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0.01)
        assert worker.beat.age == float("inf")  # it does not pass for one that works
        world.jobs.down = False
        while world.row(task)["status"] != "COMPLETED":
            await asyncio.sleep(0.01)
        worker.stopping.set()
        await running
        assert worker.beat.age < 20

    play(story())


def test_a_claim_that_cannot_be_kept_ends_the_work(world: World) -> None:
    async def story() -> None:
        task = await world.add("take a screenshot; press q")
        world.computer.hold = asyncio.Event()
        worker = world.worker()
        turn = asyncio.create_task(worker.turn())
        while not world.computer.calls:
            await asyncio.sleep(0)
        world.work.broken = psycopg.OperationalError("down")
        with pytest.raises(psycopg.OperationalError):
            await turn
        assert [call["action"] for call in world.computer.calls] == ["screenshot"]
        world.work.broken = None
        world.work.ran_out.add(task)
        world.computer.hold = None
        await world.worker().turn()
        assert world.row(task)["status"] == "COMPLETED"

    play(story())


def test_the_scheduler_queues_what_is_due_and_nothing_else(world: World) -> None:
    async def story() -> None:
        soon, past = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=1)
        later = await world.add(type="SCHEDULED", scheduledFor=soon)
        due = await world.add(type="SCHEDULED", scheduledFor=past)
        scheduler = Scheduler(world.work, world.jobs)
        assert await scheduler.turn() == 1
        assert (world.jobs.ids, world.row(due)["queuedAt"] is not None) == ([due], True)
        assert await scheduler.turn() == 0
        world.row(later)["scheduledFor"] = past
        running = asyncio.create_task(scheduler.run())
        while len(world.jobs.ids) < 2:
            await asyncio.sleep(0)
        scheduler.stopping.set()
        await running
        assert scheduler.beat.age < 20

    play(story())
