# Puts the application together from its parts; tests give it other parts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import socketio
from fastapi import FastAPI, Response
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bytebot_app import auth_routes, errors, faults, faults_flow, faults_http, faults_injection, health, openapi, tasks
from bytebot_app.announced import announced
from bytebot_app.auth import Auth
from bytebot_app.breaker import Breaker
from bytebot_app.cache import Cache
from bytebot_app.cors import Cors
from bytebot_app.database import Database
from bytebot_app.events import redis_manager
from bytebot_app.fault_layer import Fault, Wrong
from bytebot_app.limits import Identity, Limited, LocalWindows, Windows
from bytebot_app.metrics import CONTENT_TYPE, Metrics
from bytebot_app.middleware import Caught, Guarded, Observed, Refused, security_headers
from bytebot_app.migrate import missing
from bytebot_app.realtime import PATH, Realtime
from bytebot_app.revocations import Marks, Revocations
from bytebot_app.scrape import Pool, Scrape
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore, Store
from bytebot_app.tokens import Keys, Tokens

WRONG = {**faults_http.FAULTS, **faults_flow.FAULTS, **faults_injection.FAULTS}
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_EXPOSITION: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@dataclass
class Parts:
    """What the routes stand on."""

    store: Store
    marks: Marks
    pool: Pool
    health: health.Health
    keys: Keys
    metrics: Metrics = field(default_factory=Metrics)
    windows: Windows = field(default_factory=LocalWindows)
    events: socketio.AsyncManager | None = None
    lifespan: Lifespan | None = None


def create_app(settings: Settings, parts: Parts) -> FastAPI:
    """The application with all its routes."""
    fault = os.environ.get(faults.MARK, "")
    wrong = WRONG[fault]() if fault in WRONG else Fault()
    settings = settings.model_copy(update=dict(wrong.settings))
    if wrong.windows:
        parts = replace(parts, windows=wrong.windows(parts.windows))
    if wrong.begin:
        wrong.begin()
    # The document stands at its path; a page that shows it would have to load scripts from elsewhere.
    document = settings.swagger_path if settings.enable_swagger else None
    app = FastAPI(
        title="Bytebot API",
        version=settings.app_version,
        openapi_url=document,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(parts),
    )
    revocations = Revocations(parts.marks, parts.store, settings.jwt_expires_in)
    tokens = Tokens(settings, parts.keys)
    auth = Auth(parts.store, tokens, revocations, parts.metrics, settings.bcrypt_rounds)
    app.state.realtime = realtime = Realtime(
        auth, tasks.reader(parts.store), parts.metrics, settings.cors_origins, parts.events
    )
    store = announced(parts.store, realtime.tell)
    errors.install(app)
    if settings.enable_health_checks:
        app.include_router(health.router(parts.health))
    app.include_router(auth_routes.router(auth))
    app.include_router(tasks.router(store, auth, parts.metrics))
    if settings.enable_metrics_collection:
        add_metrics(app, Scrape(parts.metrics, parts.pool, parts.store))
    app.mount(PATH, realtime)
    openapi.install(app, settings)

    def name(scope: Scope) -> str:
        return openapi.form_of(app, scope["path"])

    # The last one added stands outermost.
    app.add_middleware(Guarded, body_limit=settings.body_parser_limit, patience_ms=settings.request_timeout)
    if settings.enable_rate_limiting:
        app.add_middleware(
            Limited,
            settings=settings,
            windows=parts.windows,
            breaker=Breaker(settings),
            identify=Identity(tokens, revocations, settings.rate_limit_order),
            metrics=parts.metrics,
            name=name,
        )
    app.add_middleware(Caught)
    app.add_middleware(
        Cors, origins=settings.cors_origins, credentials=settings.api_cors_credentials, metrics=parts.metrics
    )
    app.add_middleware(Refused)
    app.add_middleware(Observed, metrics=parts.metrics, headers=security_headers(settings), name=name)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    if fault in faults.FAULTS:
        app.add_middleware(faults.Faulty, fault=fault)
    if wrong.before or wrong.after:
        app.add_middleware(Wrong, fault=wrong)
    return app


def _lifespan(parts: Parts) -> Lifespan:
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
    add_metrics(app, Scrape(parts.metrics, parts.pool, parts.store))
    app.add_middleware(Guarded, body_limit=settings.body_parser_limit, patience_ms=settings.request_timeout)
    app.add_middleware(Caught)
    app.add_middleware(Observed, metrics=Metrics(), headers=security_headers(settings))
    return app


def add_metrics(app: FastAPI, scrape: Scrape) -> None:
    """The exposition's route."""

    @app.get("/metrics", tags=["metrics"], response_class=Response, responses=_EXPOSITION)
    async def metrics() -> Response:
        return Response(await scrape.text(), headers={"Content-Type": CONTENT_TYPE})


def real_parts(settings: Settings, keys: Keys) -> Parts:
    """The parts on PostgreSQL and Redis."""
    database, cache = Database(settings), Cache(settings)

    async def asked() -> None:
        await database.rows("SELECT 1", timeout=health.PATIENCE_S)

    async def migrated() -> None:
        if await missing(database):
            raise RuntimeError("migrations are not complete")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await database.open()
        yield
        await cache.close()
        await database.close()

    state = health.Health(settings.app_version, asked, cache.ping, migrated)
    store, events = PostgresStore(database), redis_manager(settings)
    return Parts(store, cache, database, state, keys, windows=cache, events=events, lifespan=lifespan)
