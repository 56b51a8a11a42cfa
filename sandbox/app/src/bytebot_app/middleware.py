# What every answer has: correlation id, security headers, metrics, a log line, and a limit on the body.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from bytebot_app.errors import envelope
from bytebot_app.logs import correlation_id, logger, user_id
from bytebot_app.metrics import Metrics

SLOW_MS = 1000
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; upgrade-insecure-requests",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "same-origin",
}
_CORRELATION = re.compile(r"[A-Za-z0-9._-]{1,128}")
_QUIET = ("/health/", "/metrics")


def install(app: FastAPI, metrics: Metrics, body_limit: int) -> None:
    """Wrap every request."""

    @app.middleware("http")
    async def wrap(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.headers.get("x-correlation-id", "")
        correlation = given if _CORRELATION.fullmatch(given) else str(uuid.uuid4())
        correlation_id.set(correlation)
        user_id.set(None)
        began = time.perf_counter()
        response = await _answer(request, call_next, body_limit)
        seconds = time.perf_counter() - began
        response.headers["x-correlation-id"] = correlation
        response.headers.update(SECURITY_HEADERS)
        metrics.observe(request.method, _route(request), response.status_code, seconds)
        _log(request, response, seconds)
        return response


async def _answer(request: Request, call_next: Callable[[Request], Awaitable[Response]], body_limit: int) -> Response:
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > body_limit:
        return envelope(413, "PAYLOAD_TOO_LARGE", "Body too large")
    try:
        return await call_next(request)
    except Exception as exc:
        logger().error("unhandled error", error=type(exc).__name__, exc_info=exc)
        return envelope(500, "INTERNAL_ERROR", "Something went wrong")


def _route(request: Request) -> str:
    """The route's template, so that ids do not become label values."""
    return str(getattr(request.scope.get("route"), "path", "unmatched"))


def _log(request: Request, response: Response, seconds: float) -> None:
    took = round(seconds * 1000, 1)
    quiet = request.url.path.startswith(_QUIET)
    write = logger().warning if took > SLOW_MS else logger().debug if quiet else logger().info
    write(
        "request",
        method=request.method,
        path=_route(request),
        statusCode=response.status_code,
        durationMs=took,
        userId=getattr(request.state, "user_id", None),
    )
