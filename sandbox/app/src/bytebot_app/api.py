# Puts the application together from its parts; tests give it other parts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from bytebot_app import auth_routes, computer_routes, errors, faults, health, tasks
from bytebot_app.auth import Auth
from bytebot_app.cache import Cache
from bytebot_app.computer import HttpComputer
from bytebot_app.cors import Cors
from bytebot_app.database import Database
from bytebot_app.metrics import CONTENT_TYPE, Metrics
from bytebot_app.middleware import Guarded, Observed, security_headers
from bytebot_app.migrate import missing
from bytebot_app.queue import Queue
from bytebot_app.revocations import Marks, Revocations
from bytebot_app.scrape import Pool, Scrape
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore, Store
from bytebot_app.tokens import Keys, Tokens
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
    keys: Keys
    workplace: Workplace = field(kw_only=True)
    metrics: Metrics = field(default_factory=Metrics)
    lifespan: Lifespan | None = None


def create_app(settings: Settings, parts: Parts) -> FastAPI:
    """The application with all its routes."""
    # The document stands at its path; a page that shows it would have to load scripts from elsewhere.
    document = settings.swagger_path if settings.enable_swagger else None
    app = FastAPI(
        title="Bytebot API",
        version=settings.app_version,
        openapi_url=document,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=parts.lifespan,
    )
    revocations = Revocations(parts.marks, parts.store, settings.jwt_expires_in)
    auth = Auth(parts.store, Tokens(settings, parts.keys), revocations, parts.metrics, settings.bcrypt_rounds)
    errors.install(app)
    app.include_router(health.router(parts.health))
    app.include_router(auth_routes.router(auth))
    app.include_router(tasks.router(parts.store, auth, parts.metrics, parts.workplace))
    app.include_router(computer_routes.router(auth, parts.workplace.computer))
    add_metrics(app, Scrape(parts.metrics, parts.pool, parts.store, parts.workplace.jobs))
    # The last one added stands outermost.
    app.add_middleware(Guarded, body_limit=settings.body_parser_limit)
    if settings.cors_origins:
        app.add_middleware(Cors, origins=settings.cors_origins, credentials=settings.api_cors_credentials)
    app.add_middleware(Observed, metrics=parts.metrics, headers=security_headers(settings))
    if (fault := os.environ.get(faults.MARK, "")) in faults.FAULTS:
        app.add_middleware(faults.Faulty, fault=fault)
    _document(app)
    return app


def metrics_app(settings: Settings, parts: Parts) -> FastAPI:
    """The listener for Prometheus. It counts nothing: its own scrapes are not the application's requests."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    errors.install(app)
    add_metrics(app, Scrape(parts.metrics, parts.pool, parts.store, parts.workplace.jobs))
    app.add_middleware(Guarded, body_limit=settings.body_parser_limit)
    app.add_middleware(Observed, metrics=Metrics(), headers=security_headers(settings))
    return app


def add_metrics(app: FastAPI, scrape: Scrape) -> None:
    """The exposition's route."""

    @app.get("/metrics", tags=["metrics"], response_class=Response, responses=_EXPOSITION)
    async def metrics() -> Response:
        return Response(await scrape.text(), headers={"Content-Type": CONTENT_TYPE})


def real_parts(settings: Settings, keys: Keys) -> Parts:
    """The parts on PostgreSQL and Redis."""
    database, cache, metrics = Database(settings), Cache(settings), Metrics()
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
        yield
        await computer.close()
        await cache.close()
        await database.close()

    state = health.Health(settings.app_version, asked, cache.ping, migrated)
    return Parts(
        PostgresStore(database), cache, database, state, keys, workplace=place, metrics=metrics, lifespan=lifespan
    )


def _document(app: FastAPI) -> None:
    """The framework documents a 422 that this API never answers."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            for path in made["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                made["components"]["schemas"].pop(name, None)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
