# Behaves wrongly in named ways, for tests of those who judge; only a mark in the environment switches them on.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = "SANDBOX_FAULT"  # no chart and no ConfigMap sets it
PAGE = b"<!DOCTYPE html><html><body><h1>Bytebot</h1></body></html>"
HTML = "text/html; charset=utf-8"

Change = Callable[[MutableHeaders, bytes], bytes]


def marked() -> tuple[str, ...]:
    """The names that the mark gives: none, one, or several with a comma between them."""
    return tuple(name for name in os.environ.get(MARK, "").split(",") if name)


class Faulty:
    """Changes what one path gives; questions before a request of another origin are answered as ever."""

    def __init__(self, app: ASGIApp, fault: str) -> None:
        self._app = app
        self._path, self._change = FAULTS[fault][1]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", self._path):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def changed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = MutableHeaders(scope=start)
            said = self._change(headers, body)
            headers["content-length"] = str(len(said))
            await send({**start, "status": 200})
            await send({"type": "http.response.body", "body": said})

        await self._app(scope, receive, changed)


def _says(path: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> tuple[str, Change]:
    return path, lambda _headers, body: json.dumps(change(json.loads(body))).encode()


def _live_error() -> tuple[str, Change]:
    return _says("/health/live", lambda said: {**said, "status": "error"})


def _down_yet_200() -> tuple[str, Change]:
    down = {"status": "error", "responseTime": "2000ms"}
    return _says("/health/ready", lambda said: {**said, "checks": {**said["checks"], "database": down}})


def _never_started() -> tuple[str, Change]:
    pending = {"database_migrations": "pending", "websocket_server": "listening", "job_queue": "connected"}
    return _says("/health/startup", lambda said: {**said, "initialization": pending})


def _wrong_type() -> tuple[str, Change]:
    def change(headers: MutableHeaders, body: bytes) -> bytes:
        headers["content-type"] = HTML
        return body

    return "/metrics", change


def _page() -> tuple[str, Change]:
    def change(headers: MutableHeaders, _body: bytes) -> bytes:
        headers["content-type"] = HTML
        return PAGE

    return "/metrics", change


def _stale() -> tuple[str, Change]:
    first: list[bytes] = []

    def change(_headers: MutableHeaders, body: bytes) -> bytes:
        first.append(body)
        return first[0]

    return "/metrics", change


FAULTS: dict[str, tuple[str, Callable[[], tuple[str, Change]]]] = {
    "live_200_with_error_body": ("liveness is a 200 whose body says error", _live_error),
    "dependency_down_yet_200": ("readiness is a 200 while the database is said to be down", _down_yet_200),
    "startup_never_completed": ("startup is a 200 whose migrations stay pending", _never_started),
    "metrics_wrong_content_type": ("the metrics come as text/html", _wrong_type),
    "metrics_html_page": ("the metrics are a web page", _page),
    "metrics_stale": ("the metrics stay as they first were", _stale),
}
