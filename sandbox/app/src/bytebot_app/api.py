# Puts the application together from its parts; tests give it other parts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware

from bytebot_app import auth, errors, health, middleware, tasks
from bytebot_app.cache import Cache
from bytebot_app.database import Database
from bytebot_app.metrics import CONTENT_TYPE, Metrics
from bytebot_app.migrate import available
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore, Store
from bytebot_app.tokens import Revocations, Tokens

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass
class Parts:
    """What the routes stand on."""

    store: Store
    revocations: Revocations
    health: health.Health
    metrics: Metrics
    before_scrape: Callable[[], None]
    lifespan: Lifespan | None = None


def create_app(settings: Settings, parts: Parts) -> FastAPI:
    """The application with all its routes."""
    app = FastAPI(
        title="Bytebot API",
        version=settings.app_version,
        docs_url=settings.swagger_path if settings.enable_swagger else None,
        openapi_url=f"{settings.swagger_path}.json" if settings.enable_swagger else None,
        redoc_url=None,
        lifespan=parts.lifespan,
    )
    tokens = Tokens(settings, parts.revocations)
    known = auth.Auth(parts.store, tokens, parts.metrics, settings.bcrypt_rounds, settings.jwt_expires_in)
    errors.install(app)
    middleware.install(app, parts.metrics, settings.body_parser_limit)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "DELETE", "PATCH"],
            allow_headers=["Origin", "Content-Type", "Accept", "Authorization"],
        )
    app.include_router(health.router(parts.health))
    app.include_router(auth.router(known))
    app.include_router(tasks.router(parts.store, known, parts.metrics))

    @app.get("/metrics", tags=["metrics"])
    async def metrics() -> Response:
        parts.before_scrape()
        return Response(parts.metrics.text(), media_type=None, headers={"Content-Type": CONTENT_TYPE})

    return app


def real_parts(settings: Settings) -> Parts:
    """The parts on PostgreSQL and Redis."""
    database, cache, metrics = Database(settings), Cache(settings), Metrics()
    metrics.connections_max.set(database.size)
    state = health.Health(
        settings.app_version,
        {"database": _asks(lambda: database.rows("SELECT 1", timeout=health.CHECK_TIMEOUT_S)), "redis": cache.ping},
        lambda: _migrated(database),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await database.open()
        yield
        await cache.close()
        await database.close()

    return Parts(
        PostgresStore(database), cache, state, metrics, lambda: metrics.connections.set(database.active), lifespan
    )


def _asks(ask: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    return ask


async def _migrated(database: Database) -> None:
    """Raise unless every migration that this version brings is finished."""
    rows = await database.rows("SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL")
    missing = {name for name, _sql in available()} - {row["migration_name"] for row in rows}
    if missing:
        raise RuntimeError("migrations are not complete")
