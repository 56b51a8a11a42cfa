# Events for those who are connected: sent in their order, by whichever process causes them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import socketio

from bytebot_app.logs import logger
from bytebot_app.settings import Settings

_MOST_WAITING = 1000
Event = tuple[str, list[str], Any]
Emit = Callable[..., Awaitable[Any]]


class Teller:
    """Sends events soon; whoever causes one does not wait for that."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._events: asyncio.Queue[Event] = asyncio.Queue(_MOST_WAITING)
        self._sending: asyncio.Task[None] | None = None

    def tell(self, event: str, rooms: list[str], data: Any) -> None:
        """Send an event after those before it."""
        if self._sending is None or self._sending.done():
            # In a context of its own: the request that happens to be the first is not what all events are about.
            self._sending = asyncio.get_running_loop().create_task(self._send(), context=Context())
        try:
            self._events.put_nowait((event, rooms, data))
        except asyncio.QueueFull:
            logger().warning("too many events wait, one is dropped", eventName=event)

    async def _send(self) -> None:
        while True:
            event, rooms, data = await self._events.get()
            try:
                await self._emit(event, data, room=rooms)
            except Exception as exc:
                logger().error("an event was not sent", eventName=event, exc_info=exc)


def redis_manager(settings: Settings, write_only: bool = False) -> socketio.AsyncRedisManager:
    """What carries events between processes; one that has no connections of its own only writes."""
    options = {
        "username": settings.redis_username or None,
        "password": settings.redis_password.get_secret_value() or None,
        "socket_connect_timeout": settings.redis_connection_timeout / 1000,
        "socket_keepalive": True,  # and no time-out: who subscribes may hear nothing for hours
        "client_name": f"{settings.pod_name}-events",
    }
    url = f"redis://{settings.redis_host}:{settings.redis_port}/{settings.redis_database}"
    channel = f"{settings.redis_key_prefix}events"
    own = library_logger()
    return socketio.AsyncRedisManager(url, channel, write_only, logger=own, redis_options=options)


def library_logger(name: str = "socketio", level: int = logging.WARNING) -> logging.Logger:
    """At its lower levels the library writes whole packets, with tokens in them."""
    made = logging.getLogger(f"bytebot.{name}")
    made.setLevel(level)
    return made
