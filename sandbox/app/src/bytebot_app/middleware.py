# What every answer has: correlation id, security headers, metrics, a log line; and bounds on the body and the time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bytebot_app.addresses import address_of
from bytebot_app.errors import plain
from bytebot_app.logs import correlation_id, logger, user_id
from bytebot_app.metrics import Metrics
from bytebot_app.security import Asked, asking
from bytebot_app.settings import Settings
from bytebot_app.tracing import Span, span

SLOW_MS = 1000
_CORRELATION = re.compile(r"[A-Za-z0-9._-]{1,128}")
SOCKETS = "/socket.io"
_QUIET = ("/health/", "/metrics")
_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


Name = Callable[[Scope], str]


@dataclass
class Seen:
    """What one exchange came to."""

    status: int = 0
    received: int = 0
    sent: int = 0
    began: float = field(default_factory=time.perf_counter)


def security_headers(settings: Settings) -> dict[str, str]:
    """The headers of the contract's section 6."""
    policy = "default-src 'self'; frame-ancestors 'none'; upgrade-insecure-requests"
    if settings.security_csp_report_uri:
        policy += f"; report-uri {settings.security_csp_report_uri}"
    wanted = {
        "Strict-Transport-Security": f"max-age={settings.security_hsts_max_age}; includeSubDomains; preload",
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "X-XSS-Protection": "1; mode=block",
        "Referrer-Policy": "same-origin",
    }
    switches = {
        "Strict-Transport-Security": settings.security_helmet_hsts,
        "X-Content-Type-Options": settings.security_helmet_no_sniff,
        "X-XSS-Protection": settings.security_helmet_xss_filter,
    }
    return {
        name: value for name, value in wanted.items() if settings.security_helmet_enabled and switches.get(name, True)
    }


class Observed:
    """The outermost layer: whatever answers inside, the answer is marked, counted and logged."""

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: dict[str, str], name: Name | None = None) -> None:
        self._app, self._metrics, self._headers = app, metrics, headers
        self._name = name or (lambda _scope: "unmatched")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        stated = given.get("x-correlation-id", "")
        correlation = stated if _CORRELATION.fullmatch(stated) else str(uuid.uuid4())
        correlation_id.set(correlation)
        user_id.set(None)
        address, agent = address_of(scope), given.get("user-agent", "")[:200]
        asked = Asked(scope.get("method", "GET"), scope["path"][:200], address, agent, self._metrics.security)
        asking.set(asked)
        seen = Seen()

        async def counted() -> Message:
            message = await receive()
            seen.received += len(message.get("body", b""))
            return message

        async def mark(message: Message) -> None:
            if message["type"] in _STARTS:
                seen.status = message.get("status", 101)
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                headers["x-correlation-id"] = correlation
                headers.update(self._headers)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            seen.sent += len(message.get("body", b""))
            await send(message)

        with span("request", correlationId=correlation) as told:
            try:
                await self._app(scope, counted, mark)
            finally:
                self._note(scope, seen, address, told)

    def _note(self, scope: Scope, seen: Seen, address: str, told: Span) -> None:
        # The route's form and not the path: ids must not become label values.
        route = str(getattr(scope.get("route"), "path", None) or self._name(scope))
        method, seconds = scope.get("method", "GET"), time.perf_counter() - seen.began
        took = round(seconds * 1000, 1)
        told.name = f"{method} {route}"
        told.tags["http.status_code"] = str(seen.status)
        if scope["type"] == "http":
            self._metrics.observe(method, route, seen.status, seconds)
            self._metrics.sizes(method, route, seen.received, seen.sent)
            write = logger().debug if scope["path"].startswith(_QUIET) else logger().info
            write = logger().warning if took > SLOW_MS else write
            write("request", method=method, path=route, statusCode=seen.status, durationMs=took, ipAddress=address)
        else:
            logger().info("connection ended", path=SOCKETS, statusCode=seen.status, durationMs=took)


class Refused:
    """A handshake that is refused gets a whole answer; without words the server would send one of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or "websocket.http.response" not in scope.get("extensions", {}):
            await self._app(scope, receive, send)
            return
        answered = False

        async def worded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "websocket.close" and not answered:
                answered = True
                await plain(400 if scope["path"].startswith(SOCKETS) else 404)(scope, receive, send)
                return
            answered = True
            await send(message)

        await self._app(scope, receive, worded)


class Caught:
    """An error that nobody expected has no words."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as exc:
            if started:
                raise
            logger().error("unhandled error", exc_info=exc)
            await plain(500)(scope, receive, send)


class Guarded:
    """The innermost layer: a body that is too long is not read on, and nothing takes longer than it may."""

    def __init__(self, app: ASGIApp, body_limit: int, patience_ms: int) -> None:
        self._app, self._limit, self._patience = app, body_limit, patience_ms / 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        length = given.get("content-length", "0")
        if length.isdigit() and int(length) > self._limit:
            await plain(413)(scope, receive, send)
            return
        received, started = 0, False
        whole = length == "0" and "transfer-encoding" not in given

        async def limited() -> Message:
            nonlocal received, whole
            message = await receive()
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > self._limit:  # a chunked body tells its length by being read
                raise HTTPException(413)
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self._patience) as patience:
                await self._app(scope, limited, watched)
        except TimeoutError:
            if started or not patience.expired():
                raise
            # Whose fault it is: a client that does not send on, or what stands behind this application.
            logger().warning("request took too long", bodyReceived=whole)
            answer = plain(503, {"Retry-After": "5"}) if whole else plain(408, {"Connection": "close"})
            await answer(scope, receive, send)
