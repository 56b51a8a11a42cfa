# Starts the display, then the listeners; ends when asked, or when the display ends.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import Any

import socketio
import uvicorn

from bytebot_desktop.access import Access
from bytebot_desktop.api import Parts, computer_app, vision_app
from bytebot_desktop.faults import FaultyDesk, named
from bytebot_desktop.ocr import Tesseract
from bytebot_desktop.problems import Problem, Refused
from bytebot_desktop.session import Session
from bytebot_desktop.settings import Settings, load
from bytebot_desktop.surface import Surface
from bytebot_desktop.tools import DisplayTools
from bytebot_desktop.tracking import Tracking

CHANNEL = "input_action"


def main() -> int:
    """0 where it was asked to end, 1 where something ended by itself, 2 where the configuration is wrong."""
    try:
        settings = load()
        named()
    except ValueError as exc:
        print(f"The configuration is not valid: {exc}.", file=sys.stderr)
        return 2
    return asyncio.run(run(settings))


async def run(settings: Settings) -> int:
    """The whole life of the daemon."""
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    session = Session(settings)
    try:
        await session.start()
        return await _serve(settings, session, leave)
    except (Problem, TimeoutError) as exc:
        print(f"The display does not work: {exc or 'it took too long to start'}.", file=sys.stderr)
        return 1
    finally:
        await session.stop()


async def _serve(settings: Settings, session: Session, leave: asyncio.Event) -> int:
    tools, access, reader = DisplayTools(settings.display, str(settings.desktop)), Access(settings), Tesseract()
    sockets = _sockets(access)
    loop = asyncio.get_running_loop()

    def tell(event: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(lambda: sockets.start_background_task(sockets.emit, CHANNEL, event))

    surface = Surface(settings.display) if settings.test_surface else None
    if surface:
        surface.start()
    tracking = Tracking(settings.display, tell)
    parts = Parts(FaultyDesk(settings, tools, reader, named()), reader, access, tracking, tools.ready, surface)
    servers = [
        _server(socketio.ASGIApp(sockets, computer_app(parts)), settings.port),
        _server(vision_app(parts), settings.vision_port),
    ]
    running = [asyncio.create_task(server.serve()) for server in servers]
    leaving, broken = asyncio.create_task(leave.wait()), asyncio.create_task(session.ended())
    await asyncio.wait([leaving, broken, *running], return_when=asyncio.FIRST_COMPLETED)
    if broken.done():
        print(f"{broken.result()} has ended.", file=sys.stderr)
    for task in (leaving, broken):
        task.cancel()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*running)
    if not broken.done() or broken.cancelled():
        tracking.stop()
        if surface:
            surface.stop()
    tools.close()
    await access.close()
    return 0 if leave.is_set() else 1


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are caught once for both servers, which share this process."""
        yield


def _server(app: Any, port: int) -> _Server:
    config = uvicorn.Config(
        app, host="0.0.0.0", port=port, log_level="warning", server_header=False, timeout_graceful_shutdown=3
    )
    return _Server(config)


def _sockets(access: Access) -> Any:
    # No origin is allowed: a browser of another site must not listen to what is typed here.
    sockets: Any = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[])

    async def connect(_sid: str, environ: dict[str, Any], auth: Any = None) -> bool:
        token = auth.get("token", "") if isinstance(auth, dict) else ""
        header = f"Bearer {token}" if token else environ.get("HTTP_AUTHORIZATION", "")
        try:
            await access.check(header, "computer:view")
        except Refused:
            return False
        return True

    sockets.on("connect", connect)
    return sockets


if __name__ == "__main__":
    sys.exit(main())
