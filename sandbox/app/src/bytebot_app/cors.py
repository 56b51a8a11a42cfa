# Cross-origin requests: exact origins only, and a foreign one is named in the log.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bytebot_app.errors import plain
from bytebot_app.logs import logger
from bytebot_app.metrics import Metrics

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
_HEADERS = ("Origin", "Content-Type", "Accept", "Authorization")
_READABLE = ("x-correlation-id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")


class Cors(CORSMiddleware):
    """The library's rules with the contract's error shape."""

    def __init__(
        self, app: ASGIApp, origins: Sequence[str], credentials: bool, metrics: Metrics, development: bool = False
    ) -> None:
        methods = (*_METHODS, "OPTIONS") if development else _METHODS
        headers = (*_HEADERS, "X-Requested-With", "X-API-Key") if development else _HEADERS
        super().__init__(app, origins, methods, headers, credentials, expose_headers=_READABLE)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            given = Headers(scope=scope)
            origin = given.get("origin")
            own = f"{scope['scheme'].replace('ws', 'http')}://{given.get('host')}"
            if origin and origin != own and not self.is_allowed_origin(origin):
                self._metrics.foreign(origin)
                logger().warning("foreign origin", eventType="CORS_VIOLATION", success=False, origin=origin[:200])
        await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The library answers a refusal in plain text."""
        response = super().preflight_response(request_headers)
        return response if response.status_code < HTTPStatus.BAD_REQUEST else plain(400, {"Vary": "Origin"})
