# Puts the application together from its parts; tests give it other parts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import socketio
from fastapi import FastAPI, Response

from bytebot_app import (
    audit,
    auth_faults,
    auth_routes,
    computer_routes,
    errors,
    faults,
    health,
    layers,
    openapi,
    tasks,
    user_routes,
)
from bytebot_app.announced import announced
from bytebot_app.auth import Auth
from bytebot_app.breaker import Breaker
from bytebot_app.cache import Cache
from bytebot_app.computer import HttpComputer
from bytebot_app.database import Database
from bytebot_app.events import redis_manager
from bytebot_app.limits import Identity, LocalWindows, Windows
from bytebot_app.metrics import CONTENT_TYPE, Metrics
from bytebot_app.middleware import SOCKETS
from bytebot_app.migrate import missing
from bytebot_app.queue import Queue
from bytebot_app.reading import reader
from bytebot_app.realtime import Realtime
from bytebot_app.revocations import Marks, Revocations
from bytebot_app.scrape import Pool, Scrape
from bytebot_app.sessions import housekeeping
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore, Store
from bytebot_app.tokens import KeyRing, Tokens
from bytebot_app.users import Users
from bytebot_app.work_store import PostgresWork
from bytebot_app.workplace import Workplace

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_EXPOSITION: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@dataclass
class Parts:
    """What the routes stand on."""

    store: Store
    marks: Marks
    pool: Pool
    health: health.Health
    keys: KeyRing
    workplace: Workplace = field(kw_only=True)
    metrics: Metrics = field(default_factory=Metrics)
    windows: Windows = field(default_factory=LocalWindows)
    events: socketio.AsyncManager | None = None
    lifespan: Lifespan | None = None


def create_app(settings: Settings, parts: Parts) -> FastAPI:
    """The application with all its routes."""
    wrong = layers.planted()
    settings = settings.model_copy(update=dict(layers.changed(wrong)))
    # The document stands at its path; a page that shows it would have to load scripts from elsewhere.
    document = settings.swagger_path if settings.enable_swagger else None
    app = FastAPI(
        title="Bytebot API",
        version=settings.app_version,
        openapi_url=document,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan_of(parts),
    )
    revocations = Revocations(parts.marks, parts.store, settings.jwt_expires_in, Breaker(settings))
    tokens = Tokens(settings, parts.keys)
    auth = Auth(settings, parts.store, tokens, revocations, parts.metrics)
    users = Users(settings, parts.store, auth)
    for name in faults.marked():
        auth_faults.put(name, auth, users)
    app.state.realtime = realtime = Realtime(
        auth, reader(parts.store), parts.metrics, settings.cors_origins, parts.events
    )
    store = announced(parts.store, realtime.tell)
    errors.install(app)
    if settings.enable_health_checks:
        app.include_router(health.router(parts.health))
    app.include_router(auth_routes.router(auth, users))
    app.include_router(user_routes.router(auth, users))
    place = replace(parts.workplace, work=announced(parts.workplace.work, realtime.tell))
    app.include_router(tasks.router(store, auth, parts.metrics, place))
    app.include_router(computer_routes.router(auth, place.computer))
    if settings.enable_metrics_collection:
        add_metrics(app, Scrape(parts.metrics, parts.pool, parts.store, place.jobs))
    app.mount(SOCKETS, realtime)
    parts.health.steps["websocket_server"] = "listening"
    openapi.install(app, settings)
    identify = Identity(tokens, revocations, settings.rate_limit_order)
    app.add_middleware(audit.Seen)
    layers.install(app, settings, parts.metrics, parts.windows, identify, wrong)
    return app


def lifespan_of(parts: Parts) -> Lifespan:
    """The parts' own, and what is looked after all the time."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with parts.lifespan(app) if parts.lifespan else nullcontext():
            watching = [
                asyncio.create_task(task) for task in (app.state.realtime.sweep_on(), parts.metrics.lag.watch())
            ]
            yield
            for task in watching:
                task.cancel()

    return lifespan


def metrics_app(settings: Settings, parts: Parts) -> FastAPI:
    """The listener for Prometheus. It counts nothing: its own scrapes are not the application's requests."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    errors.install(app)
    if settings.enable_metrics_collection:
        add_metrics(app, Scrape(parts.metrics, parts.pool, parts.store, parts.workplace.jobs))
    layers.install_few(app, settings)
    return app


def add_metrics(app: FastAPI, scrape: Scrape) -> None:
    """The exposition's route."""

    @app.get("/metrics", tags=["metrics"], response_class=Response, responses=_EXPOSITION)
    async def metrics() -> Response:
        return Response(await scrape.text(), headers={"Content-Type": CONTENT_TYPE})


def real_parts(settings: Settings, keys: KeyRing) -> Parts:
    """The parts on PostgreSQL and Redis."""
    database, cache, metrics = Database(settings), Cache(settings), Metrics()
    store = PostgresStore(database)
    computer = HttpComputer(settings, metrics)
    place = Workplace(PostgresWork(database), Queue(cache.redis, settings.redis_key_prefix), computer)

    async def asked() -> None:
        await database.rows("SELECT 1", timeout=health.PATIENCE_S)

    async def migrated() -> None:
        if await missing(database):
            raise RuntimeError("migrations are not complete")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await database.open()
        warming = asyncio.create_task(cache.warm())
        async with housekeeping(store, settings.auth_session_cleanup_interval, settings.auth_lockout_duration):
            yield
        warming.cancel()
        await computer.close()
        await cache.close()
        await database.close()

    state = health.Health(settings.app_version, asked, cache.ping, migrated)
    events = redis_manager(settings)
    return Parts(
        store,
        cache,
        database,
        state,
        keys,
        workplace=place,
        metrics=metrics,
        windows=cache,
        events=events,
        lifespan=lifespan,
    )
