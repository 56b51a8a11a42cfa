# What a fault of the HTTP side can take hold of: settings, counts, requests, answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bytebot_app.limits import Windows


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: MutableHeaders
    body: bytes

    @classmethod
    def made(cls, status: int, body: bytes, kind: str = "application/json") -> Answer:
        return cls(status, MutableHeaders({"content-type": kind}), body)


Before = Callable[[Scope, bytes], Awaitable[bytes | Answer]]
After = Callable[[Scope, Answer], None]


@dataclass(frozen=True)
class Fault:
    """One way to be wrong; what is not given stays right.

    :param inside: whether it stands where the metrics see it, and not outermost.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    windows: Callable[[Windows], Windows] | None = None
    begin: Callable[[], None] | None = None
    before: Before | None = None
    after: After | None = None
    inside: bool = False


class Wrong:
    """The layer where the fault changes whole requests and whole answers."""

    def __init__(self, app: ASGIApp, fault: Fault) -> None:
        self._app, self._fault = app, fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        changed = await self._fault.before(scope, body) if self._fault.before else body
        answer = changed if isinstance(changed, Answer) else await self._asked(scope, changed)
        if self._fault.after:
            self._fault.after(scope, answer)
        answer.headers["content-length"] = str(len(answer.body))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers.raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def _asked(self, scope: Scope, body: bytes) -> Answer:
        answer = Answer(500, MutableHeaders(), b"")
        given = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        length = [(b"content-length", str(len(body)).encode())] if body else []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], MutableHeaders(raw=list(message["headers"]))
            else:
                answer.body += message.get("body", b"")

        await self._app({**scope, "headers": given + length}, receive, keep)
        return answer


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
