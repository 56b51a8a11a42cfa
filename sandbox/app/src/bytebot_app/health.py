# The health routes: live (the process answers), ready (its dependencies answer now), startup (it began well).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from bytebot_app.logs import logger

CHECK_TIMEOUT_S = 2.0
Ask = Callable[[], Awaitable[Any]]


class Health:
    """Asks the dependencies when asked itself; nothing is cached."""

    def __init__(self, version: str, dependencies: Mapping[str, Ask], migrated: Ask) -> None:
        self._version, self._dependencies, self._migrated = version, dependencies, migrated
        self._began = time.monotonic()
        self.draining = False

    def live(self) -> dict[str, Any]:
        """The process answers. It depends on nothing outside."""
        return {
            "status": "ok",
            "timestamp": _now(),
            "uptime": round(time.monotonic() - self._began, 3),
            "version": self._version,
            "pid": os.getpid(),
        }

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Every dependency answers now, and the process is not shutting down."""
        names = list(self._dependencies)
        states = await asyncio.gather(*(_state(name, self._dependencies[name]) for name in names))
        checks = dict(zip(names, states, strict=True))
        fine = not self.draining and all(state["status"] == "ok" for state in states)
        return _answer(fine, {"checks": checks})

    async def startup(self) -> tuple[int, dict[str, Any]]:
        """Migrations are complete and the queue is connected."""
        migrations, queue = await asyncio.gather(
            _state("database_migrations", self._migrated), _state("job_queue", self._dependencies["redis"])
        )
        fine = migrations["status"] == "ok" and queue["status"] == "ok"
        initialization = {
            "database_migrations": "completed" if migrations["status"] == "ok" else "pending",
            "job_queue": "connected" if queue["status"] == "ok" else "disconnected",
        }
        return _answer(fine, {"initialization": initialization})


def router(health: Health) -> APIRouter:
    """The three routes of the contract's section 9."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/live")
    async def live() -> dict[str, Any]:
        return health.live()

    @routes.get("/ready", responses={503: {}})
    async def ready() -> JSONResponse:
        status, body = await health.ready()
        return JSONResponse(body, status)

    @routes.get("/startup", responses={503: {}})
    async def startup() -> JSONResponse:
        status, body = await health.startup()
        return JSONResponse(body, status)

    return routes


async def _state(name: str, ask: Ask) -> dict[str, str]:
    began = time.monotonic()
    try:
        await asyncio.wait_for(ask(), CHECK_TIMEOUT_S)
    except Exception as exc:
        logger().warning("dependency does not answer", dependency=name, error=type(exc).__name__)
        return {"status": "error", "responseTime": _elapsed(began)}
    return {"status": "ok", "responseTime": _elapsed(began)}


def _answer(fine: bool, more: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return (200 if fine else 503), {"status": "ok" if fine else "error", "timestamp": _now(), **more}


def _elapsed(began: float) -> str:
    return f"{round((time.monotonic() - began) * 1000)}ms"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
