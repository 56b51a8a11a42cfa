# Socket.IO: who is signed in joins tasks and hears what becomes of them, whichever replica they are connected to.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any

import psycopg
import socketio
from redis.exceptions import RedisError
from socketio.exceptions import ConnectionRefusedError as Unwelcome
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from bytebot_app.auth import Auth, Caller
from bytebot_app.errors import ApiError, plain
from bytebot_app.logs import logger
from bytebot_app.metrics import Metrics
from bytebot_app.settings import Settings

PATH = "/socket.io"
SWEEP_S = 15.0  # how long a connection outlives its token at most
LONGEST_MESSAGE = 65536
ADMINS = "admins"
_MOST_WAITING = 1000
_DOWN = (RedisError, psycopg.OperationalError, TimeoutError)
Readable = Callable[[Caller, str], Awaitable[Any]]
Event = tuple[str, list[str], Any]


def redis_manager(settings: Settings) -> socketio.AsyncRedisManager:
    """What carries events from one replica to the others."""
    options = {
        "username": settings.redis_username or None,
        "password": settings.redis_password.get_secret_value() or None,
        "socket_connect_timeout": settings.redis_connection_timeout / 1000,
        "socket_keepalive": True,  # and no time-out: who subscribes may hear nothing for hours
        "client_name": f"{settings.pod_name}-events",
    }
    url = f"redis://{settings.redis_host}:{settings.redis_port}/{settings.redis_database}"
    channel = f"{settings.redis_key_prefix}events"
    return socketio.AsyncRedisManager(url, channel=channel, logger=_library_logger(), redis_options=options)


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
        self._events: asyncio.Queue[Event] = asyncio.Queue(_MOST_WAITING)
        self._teller: asyncio.Task[None] | None = None
        self.server = socketio.AsyncServer(
            async_mode="asgi",
            client_manager=manager,
            # Polling would need each client to stay with one replica.
            transports=["websocket"],
            # None admits the own origin only; an empty list would switch the check off.
            cors_allowed_origins=list(origins) or None,
            max_http_buffer_size=LONGEST_MESSAGE,
            logger=_library_logger(),
            engineio_logger=_library_logger("engineio", logging.CRITICAL),  # its errors are the clients'
        )
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

    def tell(self, event: str, rooms: list[str], data: Any) -> None:
        """Send an event soon, after those before it; whoever causes it does not wait for that."""
        if self._teller is None or self._teller.done():
            # In a context of its own: the request that happens to be the first is not what all events are about.
            self._teller = asyncio.get_running_loop().create_task(self._tell(), context=Context())
        try:
            self._events.put_nowait((event, rooms, data))
        except asyncio.QueueFull:
            logger().warning("too many events wait, one is dropped", event_name=event)

    async def sweep(self) -> None:
        """End the connections whose tokens have ended."""
        for sid, token in list(self._tokens.items()):
            try:
                await self._auth.caller(token)
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

    async def _tell(self) -> None:
        while True:
            event, rooms, data = await self._events.get()
            try:
                await self.server.emit(event, data, room=rooms)
            except Exception as exc:
                logger().error("an event was not sent", event_name=event, exc_info=exc)

    async def _connect(self, sid: str, environ: dict[str, Any], said: Any = None) -> None:
        token = _token(environ, said)
        try:
            caller = await self._auth.caller(token)  # which refuses an empty one, too
        except ApiError as exc:
            raise Unwelcome(exc.message, {"code": exc.code}) from None
        except _DOWN:
            raise Unwelcome("Try again later", {"code": "SERVICE_UNAVAILABLE"}) from None
        self._tokens[sid] = token
        self._metrics.sockets.set(len(self._tokens))
        await self.server.enter_room(sid, f"user:{caller.id}")
        if caller.role == "ADMIN":
            await self.server.enter_room(sid, ADMINS)

    async def _disconnect(self, sid: str, *_reason: Any) -> None:
        self._tokens.pop(sid, None)
        self._metrics.sockets.set(len(self._tokens))

    async def _join(self, sid: str, task_id: Any = None, *_more: Any) -> dict[str, Any]:
        try:
            caller = await self._auth.caller(self._tokens.get(sid, ""))
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


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": {}}}


def _token(environ: dict[str, Any], said: Any) -> str:
    """From the Socket.IO handshake, as browsers must, or from the header."""
    token = said.get("token") if isinstance(said, dict) else None
    if isinstance(token, str):
        return token
    scheme, _, token = Headers(scope=environ["asgi.scope"]).get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _library_logger(name: str = "socketio", level: int = logging.WARNING) -> logging.Logger:
    """At its lower levels the library writes whole packets, with tokens in them."""
    made = logging.getLogger(f"bytebot.{name}")
    made.setLevel(level)
    return made
