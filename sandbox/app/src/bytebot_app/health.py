# The health routes: live (the process answers), ready (its dependencies answer now), startup (it began well).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from bytebot_app.logs import logger
from bytebot_app.models import Live, Ready, Startup, moment_text

PATIENCE_S = 2.0  # below the probes' own time-out, so that the answer names what is down
Ask = Callable[[], Awaitable[Any]]


class Dependency:
    """Something that must answer. Those who ask at the same time share one question; no answer is kept."""

    def __init__(self, name: str, ask: Ask, patience: float = PATIENCE_S) -> None:
        self._name, self._ask, self._patience = name, ask, patience
        self._asking: asyncio.Task[float] | None = None

    async def check(self) -> tuple[bool, str]:
        """Whether it answers now, and in which time."""
        began = time.monotonic()
        asking = self._asking
        if asking is None or asking.done():
            asking = self._asking = asyncio.create_task(self._timed())
        # Not wait_for: a cancelled question to a database that is gone takes seconds to end.
        done, _ = await asyncio.wait({asking}, timeout=self._patience)
        problem: BaseException | None = TimeoutError()
        if not done:
            asking.cancel()
            self._asking = None
        else:
            problem = asyncio.CancelledError() if asking.cancelled() else asking.exception()
        if problem is None:
            return True, _text(asking.result())
        logger().warning("dependency does not answer", dependency=self._name, error=type(problem).__name__)
        return False, _text(time.monotonic() - began)

    async def _timed(self) -> float:
        began = time.monotonic()
        await self._ask()
        return time.monotonic() - began


class Health:
    """Asks the dependencies when asked itself."""

    def __init__(self, version: str, database: Ask, redis: Ask, migrated: Ask, patience: float = PATIENCE_S) -> None:
        self._version, self._began = version, time.monotonic()
        self._checks = {
            "database": Dependency("database", database, patience),
            "redis": Dependency("redis", redis, patience),
        }
        self._migrated = Dependency("database_migrations", migrated, patience)
        self.draining = False
        self.steps: dict[str, str] = {}  # what else this process had to begin, and has

    def live(self) -> dict[str, Any]:
        """The process answers. It depends on nothing outside."""
        uptime = round(time.monotonic() - self._began, 3)
        return {"status": "ok", "timestamp": _now(), "uptime": uptime, "version": self._version, "pid": os.getpid()}

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Every dependency answers now, and the process is not shutting down."""
        answers = await asyncio.gather(*(dependency.check() for dependency in self._checks.values()))
        checks = {
            name: {"status": "ok" if fine else "error", "responseTime": took}
            for name, (fine, took) in zip(self._checks, answers, strict=True)
        }
        return _answer(not self.draining and all(fine for fine, _took in answers), {"checks": checks})

    async def startup(self) -> tuple[int, dict[str, Any]]:
        """Migrations are complete and the queue is connected."""
        (migrated, _), (queue, _) = await asyncio.gather(self._migrated.check(), self._checks["redis"].check())
        initialization = {
            "database_migrations": "completed" if migrated else "pending",
            **self.steps,
            "job_queue": "connected" if queue else "disconnected",
        }
        return _answer(migrated and queue, {"initialization": initialization})


def router(health: Health) -> APIRouter:
    """The three routes of the contract's section 9."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/live", response_model=Live)
    async def live() -> dict[str, Any]:
        return health.live()

    @routes.get("/ready", response_model=Ready, responses={503: {"model": Ready}})
    async def ready() -> JSONResponse:
        status, body = await health.ready()
        return JSONResponse(body, status)

    @routes.get("/startup", response_model=Startup, responses={503: {"model": Startup}})
    async def startup() -> JSONResponse:
        status, body = await health.startup()
        return JSONResponse(body, status)

    return routes


def _answer(fine: bool, more: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return (200 if fine else 503), {"status": "ok" if fine else "error", "timestamp": _now(), **more}


def _text(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _now() -> str:
    return moment_text(datetime.now(UTC))
