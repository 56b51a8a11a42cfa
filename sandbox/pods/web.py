# A small HTTP server for the sandbox's own pods: one function answers every request.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON = "application/json; charset=UTF-8"
LARGEST_BODY = 4 << 20


@dataclass(frozen=True)
class Request:
    """What was asked; header names in small letters."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(data: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(data).encode(), JSON)


def server(port: int, answer: Callable[[Request], Answer], address: str = "") -> ThreadingHTTPServer:
    """A server that is not yet serving; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "bytebot-sandbox", ""

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LARGEST_BODY:
                self.close_connection = True
                self._send(Answer(413, b"too large\n"))
                return
            asked = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            query = parse_qs(asked.query, keep_blank_values=True)
            self._send(answer(Request(self.command, asked.path, query, headers, body)))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - as the base class names them

        def _send(self, given: Answer) -> None:
            self.send_response(given.status)
            for name, value in {"Content-Type": given.content_type, **given.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Scrapes and probes are not worth a line."""

    made = ThreadingHTTPServer((address, port), Handler)
    made.daemon_threads = True
    return made


def serve(port: int, answer: Callable[[Request], Answer]) -> None:
    """Until SIGTERM, which a pod's first process must take itself."""

    def end(_: int, __: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    server(port, answer).serve_forever()
