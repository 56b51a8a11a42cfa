# Runs the API and the metrics listener, and leaves politely: unready first, then no new requests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import signal

import uvicorn
from fastapi import FastAPI, Response

from bytebot_app.api import Parts, create_app, real_parts
from bytebot_app.logs import configure, logger
from bytebot_app.metrics import CONTENT_TYPE
from bytebot_app.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure(settings.log_level, settings.app_version, settings.node_env)
    parts = real_parts(settings)
    servers = [
        _server(create_app(settings, parts), settings.port, settings),
        _server(_metrics_app(parts), settings.prometheus_metrics_port, settings),
    ]
    asyncio.run(_run(servers, parts, settings))


class _Server(uvicorn.Server):
    """Leaves signals to us: two servers share one process."""

    def capture_signals(self):  # type: ignore[no-untyped-def]
        import contextlib

        return contextlib.nullcontext()


async def _run(servers: list[_Server], parts: Parts, settings: Settings) -> None:
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    running = [asyncio.create_task(server.serve()) for server in servers]
    waiting = asyncio.create_task(leave.wait())
    await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    logger().info("shutting down")
    parts.health.draining = True
    if leave.is_set():
        await asyncio.sleep(settings.drain_delay / 1000)  # endpoints follow the readiness probe a moment later
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*running)


def _server(app: FastAPI, port: int, settings: Settings) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host="0.0.0.0",
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips="*",
            timeout_graceful_shutdown=settings.graceful_shutdown_timeout // 1000,
        )
    )


def _metrics_app(parts: Parts) -> FastAPI:
    app = FastAPI(docs_url=None, openapi_url=None, redoc_url=None)

    @app.get("/metrics")
    async def metrics() -> Response:
        parts.before_scrape()
        return Response(parts.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return app
