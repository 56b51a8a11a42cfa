# The X server and the window manager, as children that must not end before the daemon does.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from bytebot_desktop.problems import Problem
from bytebot_desktop.settings import Settings
from bytebot_desktop.tools import managed

START_S = 30.0
MANAGED_PAUSE_S = 0.05
MANAGER = "openbox"


class Session:
    """One display with its window manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        """Return when the display answers and its windows are managed."""
        self._settings.desktop.mkdir(parents=True, exist_ok=True)
        s = self._settings
        told, tell = os.pipe()
        command = [
            "Xvfb", s.display, "-screen", "0", f"{s.width}x{s.height}x{s.depth}",
            "-nolisten", "tcp", "-noreset", "-displayfd", str(tell),
        ]  # fmt: skip
        server = await self._start(command, (tell,))
        os.close(tell)
        # The server writes its number when it accepts clients, and closes the pipe where it ends before. The line's end
        # comes by itself: whoever closed the pipe after the number alone would kill the server.
        with os.fdopen(told, encoding="ascii") as pipe:
            async with asyncio.timeout(START_S):
                number = await asyncio.to_thread(pipe.readline)
        if not number.endswith("\n"):
            raise Problem(f"Xvfb ended with {await server.wait()}")
        manager = await self._start([MANAGER, "--sm-disable"])
        async with asyncio.timeout(START_S):
            while True:
                try:
                    await managed(s.display)
                except Problem:
                    if manager.returncode is not None:
                        raise Problem(f"{MANAGER} ended with {manager.returncode}") from None
                else:
                    return
                await asyncio.sleep(MANAGED_PAUSE_S)

    async def ended(self) -> str:
        """Wait until one of them ends; its name."""
        waiting = {asyncio.create_task(child.wait()): number for number, child in enumerate(self._children)}
        done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        return ("Xvfb", MANAGER)[waiting[done.pop()]]

    async def stop(self) -> None:
        """End both, the last one first."""
        for child in reversed(self._children):
            if child.returncode is None:
                child.terminate()
            await child.wait()

    async def _start(self, command: Sequence[str], handed: tuple[int, ...] = ()) -> asyncio.subprocess.Process:
        environment = {**os.environ, "DISPLAY": self._settings.display, "HOME": str(self._settings.home)}
        try:
            child = await asyncio.create_subprocess_exec(
                *command, pass_fds=handed, env=environment, stdin=asyncio.subprocess.DEVNULL
            )
        except OSError as exc:
            raise Problem(f"{command[0]} cannot be started: {exc.strerror}") from None
        self._children.append(child)
        return child
