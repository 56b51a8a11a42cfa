# Work on tasks over a real PostgreSQL and a real Redis, with workers that are processes and may be killed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from bytebot_app.cache import Cache
from bytebot_app.database import Database
from bytebot_app.metrics import Metrics
from bytebot_app.migrate import migrate, missing
from bytebot_app.queue import Queue, Turn
from bytebot_app.scheduler import Scheduler
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore
from bytebot_app.work_store import PostgresWork
from bytebot_app.worker import Limits, Worker

from .work_memory import PIXEL, MemoryComputer

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"))
MISSING = [name for name in ("initdb", "postgres") if not (POSTGRES / name).exists()]
MISSING += [name for name in ("redis-server", "runuser") if shutil.which(name) is None]
MISSING += [] if os.geteuid() == 0 else ["root"]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"real stores need {', '.join(MISSING)}, which is not there")
SOURCE = Path(__file__).parents[3] / "sandbox/app/src"
USER = "a-user"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(look: Callable[[], Any], child: subprocess.Popen[bytes] | None = None, tries: int = 600) -> Any:
    """Look again until it is so, within a bound; a process that has ended changes nothing any more."""
    for _ in range(tries):
        if found := look():
            return found
        assert child is None or child.poll() is None
        time.sleep(0.05)
    raise AssertionError("it does not come to be")


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: list[str], port: int, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        until(lambda: listens(port), child)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The variables that a process of the application needs for both stores, with all migrations done."""
    ports = {"postgres": free_port(), "redis": free_port()}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_postgres = ["runuser", "-u", "postgres", "--"]
        data = f"{folder}/data"
        init = [*as_postgres, str(POSTGRES / "initdb"), "-D", data, "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(init, check=True, capture_output=True, cwd=folder)
        server = [str(POSTGRES / "postgres"), "-D", data, "-k", folder, "-c", "fsync=off", "-p", str(ports["postgres"])]
        cache = ["redis-server", "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with (
            # Not by runuser, which would not hand the signal to end on.
            running(server, ports["postgres"], user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd=folder),
            running(cache, ports["redis"]),
        ):
            made = {
                "NODE_ENV": "test", "LOG_LEVEL": "info", "DATABASE_HOST": "127.0.0.1", "DATABASE_NAME": "postgres",
                "DATABASE_PORT": str(ports["postgres"]), "DATABASE_USER": "postgres", "DATABASE_PASSWORD": "none",
                "DATABASE_SSL_MODE": "disable", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(ports["redis"]),
                "TASK_LEASE": "1000",
            }  # fmt: skip
            settings = of(made)
            until(lambda: answers(settings))
            migrate(settings)
            with psycopg.connect(connection(settings), autocommit=True) as database:
                database.execute(
                    'INSERT INTO users (id, email, username, "passwordHash", role) VALUES (%s, %s, %s, %s, %s)',
                    (USER, USER, USER, "none", "OPERATOR"),
                )
            yield made


def of(environment: dict[str, str]) -> Settings:
    given: Any = {name.lower(): value for name, value in environment.items()}
    return Settings(**{**given, "database_password": SecretStr("none")})


def connection(settings: Settings) -> str:
    return f"host=127.0.0.1 port={settings.database_port} user=postgres dbname=postgres"


def answers(settings: Settings) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(connection(settings)):
        return True
    return False


@dataclass
class Stores:
    """Both stores, opened."""

    settings: Settings
    database: Database
    cache: Cache
    computer: MemoryComputer = field(default_factory=MemoryComputer)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        prefix = self.settings.redis_key_prefix
        self.store, self.work = PostgresStore(self.database), PostgresWork(self.database)
        self.queue, self.turn = Queue(self.cache.redis, prefix), Turn(self.cache.redis, prefix)

    async def add(self, description: str = "take a screenshot", **more: Any) -> str:
        given = {"priority": "MEDIUM", "type": "IMMEDIATE", "model": None, "scheduledFor": None, "createdBy": USER}
        task = await self.store.add_task({"description": description, **given, **more})
        if task["type"] == "IMMEDIATE":
            await self.queue.put(task["id"], task["priority"])
        return str(task["id"])

    async def row(self, task_id: str) -> dict[str, Any]:
        found = await self.store.task(task_id)
        assert found
        return found

    def worker(self, name: str = "pod") -> Worker:
        limits = Limits(lease=1000, attempts=3, longest=20000, take=50)
        return Worker(self.work, self.queue, self.turn, self.computer, self.metrics, limits, name)


def play(environment: dict[str, str], story: Callable[[Stores], Awaitable[None]]) -> None:
    async def opened() -> None:
        settings = of(environment)
        stores = Stores(settings, Database(settings), Cache(settings))
        await stores.database.open()
        try:
            async with asyncio.timeout(90):
                await stores.cache.redis.flushdb()
                await stores.database.rows('DELETE FROM "Task"')
                await story(stores)
        finally:
            await stores.cache.close()
            await stores.database.close()

    asyncio.run(opened())


def test_the_documented_tables_are_there(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        assert await missing(stores.database) == set()
        columns = await stores.database.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
        have = {(row["table_name"], row["column_name"]) for row in columns}
        documented = {
            "Task": "id description type status priority control createdAt createdBy scheduledFor updatedAt executedAt"
            " completedAt queuedAt error result model userId",
            "Message": "id content role createdAt updatedAt taskId summaryId",
            "Summary": "id content createdAt updatedAt taskId parentId",
            "File": "id name type size data createdAt updatedAt taskId",
        }
        assert {(table, name) for table, names in documented.items() for name in names.split()} <= have

    play(environment, story)


def test_of_many_who_claim_a_task_one_gets_it(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        task = await stores.add()
        claims = await asyncio.gather(*(stores.work.claim(task, f"w{number}", 1000) for number in range(20)))
        (won,) = [claim for claim in claims if claim]
        assert won["status"] == "IN_PROGRESS"
        assert won["executedAt"] >= won["queuedAt"]
        assert (await stores.row(task))["status"] == "IN_PROGRESS"

    play(environment, story)


def test_a_worker_that_lost_its_claim_changes_nothing_any_more(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        task = await stores.add()
        end = {"status": "COMPLETED", "result": {"a": 1}, "model": "m"}
        assert await stores.work.claim(task, "first", 1)
        await asyncio.sleep(0.05)
        assert [row["id"] for row in await stores.work.lost(3)] == [task]
        assert await stores.work.claim(task, "second", 60000)
        assert not await stores.work.renew(task, "first", 1000)
        assert await stores.work.finish(task, "first", end) is None
        assert await stores.work.leave(task, "first") is None
        assert await stores.work.lost(3) == []
        assert await stores.work.renew(task, "second", 1000)
        done = await stores.work.finish(task, "second", end)
        assert done
        assert (done["status"], done["result"], done["model"]) == ("COMPLETED", {"a": 1}, "m")
        assert done["completedAt"] >= done["executedAt"]
        assert await stores.work.again(task)
        assert (await stores.row(task))["result"] is None

    play(environment, story)


def test_a_task_that_was_lost_too_often_fails(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        task = await stores.add()
        for _ in range(2):
            assert await stores.work.claim(task, "killed", 0)
            await asyncio.sleep(0.01)
            await stores.work.lost(2)
        row = await stores.row(task)
        assert (row["status"], row["completedAt"] is not None) == ("FAILED", True)
        assert row["error"]

    play(environment, story)


def test_who_takes_over_keeps_the_task_and_gives_it_back(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        task = await stores.add()
        await stores.work.control(task, "USER")
        assert await stores.work.claim(task, "worker", 1000) is None
        await stores.work.control(task, "ASSISTANT")
        assert await stores.work.claim(task, "worker", 0)
        await stores.work.control(task, "USER")
        assert not await stores.work.renew(task, "worker", 1000)
        assert await stores.work.lost(3) == []
        left = await stores.work.leave(task, "worker")
        assert left
        assert (left["status"], left["control"]) == ("IN_PROGRESS", "USER")
        assert await stores.work.again(task)

    play(environment, story)


def test_messages_have_an_order_and_all_goes_with_the_task(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        task = await stores.add()
        for number in range(20):
            await stores.work.add_message(task, "ASSISTANT", [{"type": "text", "text": str(number)}])
        told = [message["content"][0]["text"] for message in await stores.work.messages(task)]
        assert told == [str(number) for number in range(20)]
        data = base64.b64encode(os.urandom(1000)).decode()
        await stores.work.add_file(task, {"name": "a", "type": "b", "size": 1000, "data": data})
        assert (await stores.work.files(task))[0]["data"] == data
        assert await stores.store.remove_task(task)
        assert await stores.work.messages(task) == await stores.work.files(task) == []
        assert await stores.work.add_message(task, "USER", []) is None

    play(environment, story)


def test_the_queue_has_an_order_and_no_task_twice(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        for name, priority in (("a", "LOW"), ("b", "URGENT"), ("c", "MEDIUM"), ("b", "LOW"), ("d", "HIGH")):
            await stores.queue.put(name, priority)
        await stores.queue.drop("d")
        assert await stores.queue.length() == 3
        assert [await stores.queue.take(0.1) for _ in range(4)] == ["b", "c", "a", None]

    play(environment, story)


def test_a_turn_is_its_owner_s_and_ends_by_itself(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        assert await stores.turn.get("one", 60000)
        assert not await stores.turn.get("two", 1000)
        await stores.turn.end("two")
        assert not await stores.turn.keep("two", 1000)
        assert await stores.turn.keep("one", 10)
        await asyncio.sleep(0.05)
        assert not await stores.turn.keep("one", 10)
        assert await stores.turn.get("two", 1000)
        await stores.turn.end("two")
        assert await stores.turn.get("one", 1000)

    play(environment, story)


def test_four_workers_do_forty_tasks_once_each(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        tasks = [await stores.add(f'write file "{number}" with "x"') for number in range(40)]
        workers = [stores.worker(str(number)) for number in range(4)]
        turning = [asyncio.create_task(worker.run()) for worker in workers]
        while len(await stores.store.tasks(USER, 1, 100, "COMPLETED")) < 40:
            await asyncio.sleep(0.05)
        for worker in workers:
            worker.stopping.set()
        await asyncio.gather(*turning)
        written = [call["path"] for call in stores.computer.calls if call["action"] == "write_file"]
        assert sorted(written, key=int) == [str(number) for number in range(40)]
        assert len({message["id"] for task in tasks for message in await stores.work.messages(task)}) == 40 * 4

    play(environment, story)


def test_what_is_due_is_queued_and_what_the_queue_lost_comes_back(environment: dict[str, str]) -> None:
    async def story(stores: Stores) -> None:
        now = datetime.now(UTC)
        due = await stores.add(type="SCHEDULED", scheduledFor=now - timedelta(seconds=1))
        await stores.add(type="SCHEDULED", scheduledFor=now + timedelta(hours=1))
        lost = await stores.add()
        await stores.queue.drop(lost)
        assert await Scheduler(stores.work, stores.queue).turn() == 1
        assert await Scheduler(stores.work, stores.queue).turn() == 0
        assert await stores.queue.take(0.1) == due
        await stores.worker().sweep()
        assert await stores.queue.length() == 0  # who made it may still be about to queue it
        await stores.database.rows('UPDATE "Task" SET "createdAt" = now() - interval \'1 minute\'')
        await stores.worker().sweep()
        assert await stores.queue.take(0.1) == lost

    play(environment, story)


class Desktop(BaseHTTPRequestHandler):
    """A desktop that holds every operation until it is let go."""

    asked: list[dict[str, Any]]
    go: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        self.go.wait(60)
        said = json.dumps({"success": True, "data": {"image": PIXEL}, "error": None}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(said)

    def log_message(self, *_given: Any) -> None: ...


@pytest.fixture
def desktop() -> Iterator[type[Desktop]]:
    kind = type("Held", (Desktop,), {"asked": [], "go": threading.Event(), "url": ""})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind
    kind.go.set()
    server.shutdown()


@contextlib.contextmanager
def process(environment: dict[str, str], kind: str, url: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A worker or the scheduler as the image runs it; ready when its own probe says so."""
    port = free_port()
    more = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "PORT": str(port), "POD_NAME": kind}
    more |= {"PROMETHEUS_METRICS_PORT": str(free_port()), "BYTEBOT_DESKTOP_BASE_URL": url}
    command = [sys.executable, "-m", "bytebot_app", kind]
    with running(command, port, env={**environment, **more}) as child:
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200, child)
        yield child, f"http://127.0.0.1:{more['PROMETHEUS_METRICS_PORT']}/metrics"


def test_the_task_of_a_killed_worker_is_done_by_another(environment: dict[str, str], desktop: Any) -> None:
    ids: list[str] = []

    async def add(stores: Stores) -> None:
        ids.append(await stores.add())
        ids.append(
            await stores.add(type="SCHEDULED", scheduledFor=datetime.now(UTC) + timedelta(seconds=1), priority="HIGH")
        )

    def status(task: str) -> str:
        with psycopg.connect(connection(of(environment))) as database:
            found = database.execute('SELECT status, attempts FROM "Task" WHERE id = %s', (task,)).fetchone()
        assert found
        return str(found[0])

    play(environment, add)
    with process(environment, "worker", desktop.url) as (first, _):
        until(lambda: desktop.asked)
        assert status(ids[0]) == "RUNNING"
        first.kill()
    assert status(ids[0]) == "RUNNING"
    desktop.go.set()
    with process(environment, "worker", desktop.url) as (second, metrics):
        until(lambda: status(ids[0]) == "COMPLETED", second)
        with process(environment, "scheduler", desktop.url) as (scheduler, _):
            until(lambda: status(ids[1]) == "COMPLETED", scheduler)
        series = httpx.get(metrics).text
        labels = f'status="COMPLETED",type="IMMEDIATE",user_id="{USER}"'
        assert f"bytebot_tasks_total{{{labels}}} 1.0" in series
        assert 'bytebot_computer_operations_total{operation_type="screenshot",status="success"} 4.0' in series
        assert 'bytebot_task_duration_seconds_count{status="COMPLETED",type="SCHEDULED"} 1.0' in series
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=20) == 0
