# Socket.IO: who is signed in joins tasks and hears what becomes of them, whichever replica they are connected to.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
import socketio
from redis.exceptions import RedisError
from socketio.exceptions import ConnectionRefusedError as Unwelcome
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from bytebot_app.auth import Auth, Caller
from bytebot_app.errors import ApiError, plain
from bytebot_app.events import Teller, library_logger
from bytebot_app.logs import logger
from bytebot_app.metrics import Metrics
from bytebot_app.roles import ADMIN

SWEEP_S = 15.0  # how long a connection outlives its token at most
LONGEST_MESSAGE = 65536
ADMINS = "admins"
_DOWN = (RedisError, psycopg.OperationalError, TimeoutError)
Readable = Callable[[Caller, str], Awaitable[Any]]


class Realtime:
    """The Socket.IO server with its connections."""

    def __init__(
        self,
        auth: Auth,
        readable: Readable,
        metrics: Metrics,
        origins: Sequence[str],
        manager: socketio.AsyncManager | None = None,
    ) -> None:
        self._auth, self._readable, self._metrics = auth, readable, metrics
        self._tokens: dict[str, str] = {}
        self.server = socketio.AsyncServer(
            async_mode="asgi",
            client_manager=manager,
            # Polling would need each client to stay with one replica.
            transports=["websocket"],
            # None admits the own origin only; an empty list would switch the check off.
            cors_allowed_origins=list(origins) or None,
            max_http_buffer_size=LONGEST_MESSAGE,
            logger=library_logger(),
            engineio_logger=library_logger("engineio", logging.CRITICAL),  # its errors are the clients'
        )
        self.tell = Teller(self.server.emit).tell
        self._asgi = socketio.ASGIApp(self.server, socketio_path=None)
        for name, handler in (
            ("connect", self._connect),
            ("disconnect", self._disconnect),
            ("join_task", self._join),
            ("leave_task", self._leave),
        ):
            self.server.on(name, handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._asgi(scope, receive, send)
        else:
            wanted = [{"field": "transport", "message": "websocket is the only transport"}]
            await plain(400, details=wanted)(scope, receive, send)

    async def sweep(self) -> None:
        """End the connections whose tokens have ended."""
        for sid, token in list(self._tokens.items()):
            try:
                await self._who(token)
            except ApiError:
                await self.server.disconnect(sid)
            except _DOWN as exc:
                logger().warning("connections cannot be checked", error=type(exc).__name__)
                return

    async def sweep_on(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def _who(self, token: str) -> Caller:
        return await (self._auth.caller(token) if token else self._auth.unknown())

    async def _connect(self, sid: str, environ: dict[str, Any], said: Any = None) -> None:
        token = _token(environ, said)
        try:
            caller = await self._who(token)
        except ApiError as exc:
            raise Unwelcome(exc.message, {"code": exc.code}) from None
        except _DOWN:
            raise Unwelcome("Try again later", {"code": "SERVICE_UNAVAILABLE"}) from None
        self._tokens[sid] = token
        self._metrics.sockets.set(len(self._tokens))
        for room in _rooms(caller):
            await self.server.enter_room(sid, room)

    async def _disconnect(self, sid: str, *_reason: Any) -> None:
        self._tokens.pop(sid, None)
        self._metrics.sockets.set(len(self._tokens))

    async def _join(self, sid: str, task_id: Any = None, *_more: Any) -> dict[str, Any]:
        try:
            caller = await self._who(self._tokens.get(sid, ""))
            task = await self._readable(caller, task_id if isinstance(task_id, str) else "")
        except ApiError as exc:
            return _failed(exc.code, exc.message)
        except _DOWN:
            return _failed("SERVICE_UNAVAILABLE", "Try again later")
        await self.server.enter_room(sid, f"task:{task['id']}")
        return {"joined": task["id"]}

    async def _leave(self, sid: str, task_id: Any = None, *_more: Any) -> dict[str, Any]:
        await self.server.leave_room(sid, f"task:{task_id}")
        return {"left": task_id}


def _rooms(caller: Caller) -> list[str]:
    """Where the tasks are told that a list would show; nowhere, for those who may read none."""
    if "task:read" not in caller.permissions:
        return []
    own = [f"user:{caller.id}", *(f"team:{team}" for team in caller.teams)]
    return [*own, ADMINS] if caller.role == ADMIN else own


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": {}}}


def _token(environ: dict[str, Any], said: Any) -> str:
    """From the Socket.IO handshake, as browsers must, or from the header."""
    token = said.get("token") if isinstance(said, dict) else None
    if isinstance(token, str):
        return token
    scheme, _, token = Headers(scope=environ["asgi.scope"]).get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
