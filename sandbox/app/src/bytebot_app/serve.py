# Runs the API and the metrics listener, and leaves politely: unready first, then no new requests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from bytebot_app import tracing
from bytebot_app.api import Parts, create_app, metrics_app, real_parts
from bytebot_app.health import Health
from bytebot_app.logs import configure, logger
from bytebot_app.middleware import security_headers
from bytebot_app.protocols import protocols
from bytebot_app.realtime import LONGEST_MESSAGE
from bytebot_app.settings import Settings
from bytebot_app.tokens import key_ring

Make = Callable[[Settings, Parts], FastAPI]


def serve(settings: Settings, make: Make = create_app) -> int:
    """Serve the API, or what else is made, until SIGTERM or SIGINT; 1 where a listener ended by itself."""
    configure(settings.log_level, settings.app_version, settings.node_env, settings.log_format)
    tracing.configure(settings)
    parts = real_parts(settings, key_ring(settings, signs=make is create_app))
    servers = [
        server(make(settings, parts), settings.port, settings),
        server(metrics_app(settings, parts), settings.prometheus_metrics_port, settings),
    ]
    try:
        return asyncio.run(_run(servers, parts.health, settings.shutdown_drain_delay / 1000))
    finally:
        tracing.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are caught once for both servers, which share this process."""
        yield


async def _run(servers: list[_Server], health: Health, delay: float) -> int:
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    running = [asyncio.create_task(server.serve()) for server in servers]
    waiting = asyncio.create_task(leave.wait())
    await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    asked = leave.is_set()
    health.draining = True
    logger().info("shutting down")
    if asked:
        # Who sends requests learns a moment later that this pod is leaving; until then they are served.
        await asyncio.sleep(delay)
    waiting.cancel()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*running)
    logger().info("shut down")
    return 0 if asked else 1


def server(app: FastAPI, port: int, settings: Settings) -> _Server:
    http, sockets = protocols(security_headers(settings))
    return _Server(
        uvicorn.Config(
            app,
            http=http,
            ws=sockets,
            host="0.0.0.0",
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the application reads them itself
            ws_max_size=LONGEST_MESSAGE,
            timeout_graceful_shutdown=max(1, settings.graceful_shutdown_timeout // 1000),
        )
    )
