# Runs a worker or the scheduler, with its health routes and its metrics beside it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from bytebot_app import errors, layers, tracing
from bytebot_app.announced import announced
from bytebot_app.api import add_metrics
from bytebot_app.cache import Cache
from bytebot_app.computer import HttpComputer
from bytebot_app.database import Database
from bytebot_app.events import Teller, redis_manager
from bytebot_app.health import PATIENCE_S, Health
from bytebot_app.logs import configure, logger
from bytebot_app.metrics import Metrics
from bytebot_app.migrate import missing
from bytebot_app.queue import Queue, Turn
from bytebot_app.scheduler import Scheduler
from bytebot_app.scrape import Scrape
from bytebot_app.serve import server
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore
from bytebot_app.work_store import PostgresWork
from bytebot_app.worker import Beat, Limits, Worker

# The loop comes round every second, and while it works on a task with every renewal of its claim.
FRESH_S, ALIVE_S = 15.0, 120.0


class Loop(Protocol):
    """What runs in the background."""

    beat: Beat
    stopping: asyncio.Event

    async def run(self) -> None: ...


Make = Callable[[Settings, PostgresWork, Queue, Cache, Metrics], Loop]


def work(settings: Settings) -> int:
    """A worker; 0 where it was asked to end."""

    def make(settings: Settings, store: PostgresWork, queue: Queue, cache: Cache, metrics: Metrics) -> Loop:
        computer = HttpComputer(settings, metrics)
        # Below the time after which the connection itself gives up.
        take = min(1000, settings.redis_socket_timeout // 2)
        limits = Limits(settings.task_lease, settings.task_attempts, settings.task_timeout, take)
        turn = Turn(cache.redis, settings.redis_key_prefix)
        return Worker(store, queue, turn, computer, metrics, limits, settings.pod_name)

    return _start(settings, make)


def schedule(settings: Settings) -> int:
    """The scheduler; 0 where it was asked to end."""
    return _start(settings, lambda _settings, store, queue, _cache, _metrics: Scheduler(store, queue))


def background_app(settings: Settings, loop: Loop, health: Health, scrape: Scrape) -> FastAPI:
    """Health as the beats of the loop tell it, and the metrics."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    errors.install(app)

    @app.get("/health/live")
    async def live() -> JSONResponse:
        """A loop that has not come round for long hangs: only a new process helps."""
        return _with_beat(200, health.live(), loop.beat, ALIVE_S, began=health.live()["uptime"])

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        status, body = await health.ready()
        return _with_beat(status, body, loop.beat, FRESH_S)

    @app.get("/health/startup")
    async def startup() -> JSONResponse:
        status, body = await health.startup()
        return JSONResponse(body, status)

    add_metrics(app, scrape)
    layers.install_few(app, settings)
    return app


def _with_beat(status: int, body: dict[str, Any], beat: Beat, limit: float, began: float = 0.0) -> JSONResponse:
    # Before the first beat, the process's own age counts.
    age = min(beat.age, began) if began else beat.age
    fresh = age <= limit
    told = {**body, "status": body["status"] if fresh else "error", "heartbeat": {"status": "ok" if fresh else "error"}}
    return JSONResponse(told, status if fresh else 503)


def _start(settings: Settings, make: Make) -> int:
    configure(settings.log_level, settings.app_version, settings.node_env, settings.log_format)
    tracing.configure(settings)
    try:
        return asyncio.run(_run(settings, make))
    finally:
        tracing.close()


async def _run(settings: Settings, make: Make) -> int:
    database, cache, metrics = Database(settings), Cache(settings), Metrics()
    tell = Teller(redis_manager(settings, write_only=True).emit).tell
    store, queue = announced(PostgresWork(database), tell), Queue(cache.redis, settings.redis_key_prefix)
    loop = make(settings, store, queue, cache, metrics)

    async def asked() -> None:
        await database.rows("SELECT 1", timeout=PATIENCE_S)

    async def migrated() -> None:
        if await missing(database):
            raise RuntimeError("migrations are not complete")

    health = Health(settings.app_version, asked, cache.ping, migrated)
    scrape = Scrape(metrics, database, PostgresStore(database), queue)
    app = background_app(settings, loop, health, scrape)
    servers = [server(app, port, settings) for port in (settings.port, settings.prometheus_metrics_port)]
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, loop.stopping.set)
    await database.open()
    running: list[Awaitable[Any]] = [asyncio.ensure_future(one.serve()) for one in servers]
    working = asyncio.create_task(_when_migrated(loop, migrated))
    await asyncio.wait([working, *map(asyncio.ensure_future, running)], return_when=asyncio.FIRST_COMPLETED)
    asked_to_end = loop.stopping.is_set()
    loop.stopping.set()
    for one in servers:
        one.should_exit = True
    ended = await asyncio.gather(working, *running, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, BaseException):
            logger().error("the loop has ended", exc_info=problem)
    await cache.close()
    await database.close()
    logger().info("shut down")
    return 0 if asked_to_end and not isinstance(ended[0], BaseException) else 1


async def _when_migrated(loop: Loop, migrated: Callable[[], Awaitable[None]]) -> None:
    """The API's pods migrate; until then there is nothing to work on."""
    while not loop.stopping.is_set():
        try:
            await migrated()
            break
        except Exception as exc:
            logger().info("waiting for the database's migrations", reason=type(exc).__name__)
            await asyncio.sleep(1)
    await loop.run()
