# Gauges that are asked for when somebody scrapes, not kept up in between.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Protocol

from prometheus_client import Gauge

from bytebot_app.logs import logger
from bytebot_app.metrics import Metrics
from bytebot_app.queue import Jobs
from bytebot_app.store import Store

FRESH_S = 5.0  # the route is open to all, so scraping it must not become a load on the database
PATIENCE_S = 1.0


class Pool(Protocol):
    """What is known of the database's connections."""

    @property
    def active(self) -> int: ...

    @property
    def size(self) -> int: ...


class Scrape:
    """The exposition, with the gauges of now."""

    def __init__(self, metrics: Metrics, pool: Pool, store: Store, jobs: Jobs) -> None:
        self._metrics, self._pool, self._store, self._jobs = metrics, pool, store, jobs
        self._asked = -FRESH_S

    async def text(self) -> bytes:
        self._metrics.connections.set(self._pool.active)
        self._metrics.connections_max.set(self._pool.size)
        if time.monotonic() - self._asked >= FRESH_S:
            self._asked = time.monotonic()
            await self._count(self._metrics.sessions, self._store.live_sessions(), "sessions")
            await self._count(self._metrics.queue_length, self._jobs.length(), "queued tasks")
        return self._metrics.text()

    async def _count(self, gauge: Gauge, question: Awaitable[int], what: str) -> None:
        asking = asyncio.ensure_future(question)
        try:
            # Not wait_for: that would also wait for the end of a cancelled question to a database that is gone.
            done, _ = await asyncio.wait({asking}, timeout=PATIENCE_S)
            gauge.set(asking.result() if done else float("nan"))
        except Exception as exc:
            logger().warning(f"{what} cannot be counted", error=type(exc).__name__)
            gauge.set(float("nan"))
        finally:
            asking.cancel()
