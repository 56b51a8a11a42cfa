# What every answer has: correlation id, security headers, metrics, a log line, and a limit on the body.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bytebot_app.errors import plain
from bytebot_app.logs import correlation_id, logger, user_id
from bytebot_app.metrics import Metrics
from bytebot_app.settings import Settings

SLOW_MS = 1000
_CORRELATION = re.compile(r"[A-Za-z0-9._-]{1,128}")
_QUIET = ("/health/", "/metrics")


def security_headers(settings: Settings) -> dict[str, str]:
    """The headers of the contract's section 6."""
    return {
        "Strict-Transport-Security": f"max-age={settings.security_hsts_max_age}; includeSubDomains; preload",
        "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; upgrade-insecure-requests",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "X-XSS-Protection": "1; mode=block",
        "Referrer-Policy": "same-origin",
    }


class Observed:
    """The outermost layer: whatever answers inside, the answer is marked, counted and logged."""

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: dict[str, str]) -> None:
        self._app, self._metrics, self._headers = app, metrics, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-correlation-id", "")
        correlation = given if _CORRELATION.fullmatch(given) else str(uuid.uuid4())
        correlation_id.set(correlation)
        user_id.set(None)
        began, status = time.perf_counter(), 0

        async def mark(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-correlation-id"] = correlation
                headers.update(self._headers)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, mark)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's form and not the path: ids must not become label values.
        route = str(getattr(scope.get("route"), "path", "unmatched"))
        self._metrics.observe(scope["method"], route, status, seconds)
        took = round(seconds * 1000, 1)
        quiet = scope["path"].startswith(_QUIET)
        write = logger().warning if took > SLOW_MS else logger().debug if quiet else logger().info
        address = (scope.get("client") or (None,))[0]
        write("request", method=scope["method"], path=route, statusCode=status, durationMs=took, ipAddress=address)


class Guarded:
    """The innermost layer: a body that is too long is not read on, and an error that nobody expected has no words."""

    def __init__(self, app: ASGIApp, body_limit: int) -> None:
        self._app, self._limit = app, body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > self._limit:
            await plain(413)(scope, receive, send)
            return
        received, started = 0, False

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:  # a chunked body tells its length by being read
                raise HTTPException(413)
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, limited, watched)
        except Exception as exc:
            if started:
                raise
            logger().error("unhandled error", exc_info=exc)
            await plain(500)(scope, receive, send)
