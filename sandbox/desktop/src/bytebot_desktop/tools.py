# The programs that act on the display: pointer and keys, clipboard, windows, and what is asked of X itself.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from PIL import Image, ImageGrab
from Xlib import X
from Xlib.display import Display

from bytebot_desktop.input import Input, Step
from bytebot_desktop.problems import Problem

USUAL_S = 10.0
Result = TypeVar("Result")
# The clipboard's owner is a child of xclip that takes it a moment after xclip has returned.
OWNED_TRIES, OWNED_PAUSE_S = 100, 0.02


class Tools(Protocol):
    """What the actions need of a display."""

    async def perform(self, steps: list[Step]) -> None: ...
    async def position(self) -> tuple[int, int]: ...
    async def grab(self) -> Image.Image: ...
    async def copy(self, text: str) -> None: ...
    async def show_desktop(self) -> None: ...
    async def windows(self) -> set[int]: ...
    async def activate(self, window: int) -> None: ...
    async def launch(self, command: Sequence[str]) -> None: ...
    async def ready(self) -> None: ...


class DisplayTools:
    """The tools on a real X display."""

    def __init__(self, display: str, folder: str = "/", environment: Mapping[str, str] = os.environ) -> None:
        self._display, self._folder = display, folder
        self._environment = {"LANG": "C.UTF-8", **environment, "DISPLAY": display}
        self._hands = Input(display)
        # The connection is for one thread at a time.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="input")
        self._children: list[subprocess.Popen[bytes]] = []

    async def perform(self, steps: list[Step]) -> None:
        """Pointer and keys."""
        await self._in_order(self._hands.perform, steps)

    async def position(self) -> tuple[int, int]:
        """Where the pointer is."""
        return await self._in_order(self._hands.position)

    async def grab(self) -> Image.Image:
        """The whole screen."""
        return await asyncio.to_thread(ImageGrab.grab, xdisplay=self._display)

    async def copy(self, text: str) -> None:
        """Put text into the clipboard, and see that it is there."""
        await self._run(["xclip", "-selection", "clipboard", "-in"], text, USUAL_S, keep_output=False)
        for _ in range(OWNED_TRIES):
            try:
                if await self._run(["xclip", "-selection", "clipboard", "-out"], None, USUAL_S) == text:
                    return
            except Problem:
                pass
            await asyncio.sleep(OWNED_PAUSE_S)
        raise Problem("the clipboard does not hold the text")

    async def show_desktop(self) -> None:
        """Hide all windows."""
        await self._run(["wmctrl", "-k", "on"], None, USUAL_S)

    async def windows(self) -> set[int]:
        """The windows that the window manager has."""
        return await asyncio.to_thread(self._listed)

    async def activate(self, window: int) -> None:
        """Bring a window to the front, and wait until it has the keyboard."""
        await self._run(["xdotool", "windowactivate", "--sync", str(window)], None, USUAL_S)

    async def launch(self, command: Sequence[str]) -> None:
        """Start a program that stays."""
        if shutil.which(command[0]) is None:
            raise Problem(f"{command[0]} is not installed on this desktop")
        self._children = [child for child in self._children if child.poll() is None]
        self._children.append(
            subprocess.Popen(
                command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def close(self) -> None:
        """End what was started and still runs."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait()
        self._thread.shutdown()
        self._hands.close()

    async def ready(self) -> None:
        """Raise where the display does not answer, or has no window manager."""
        await managed(self._display)

    async def _in_order(self, work: Callable[..., Result], *given: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    def _listed(self) -> set[int]:
        display = Display(self._display)
        try:
            listed = display.intern_atom("_NET_CLIENT_LIST")
            found = display.screen().root.get_full_property(listed, X.AnyPropertyType)
            return set(found.value) if found else set()
        finally:
            display.close()

    async def _run(self, command: Sequence[str], text: str | None, within: float, keep_output: bool = True) -> str:
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                env=self._environment,
                stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
                # xclip leaves a child that holds whatever is given to it here.
                stdout=subprocess.PIPE if keep_output else subprocess.DEVNULL,
                stderr=subprocess.PIPE if keep_output else subprocess.DEVNULL,
            )
        except OSError as exc:
            raise Problem(f"{command[0]} cannot be started: {exc.strerror}") from None
        try:
            async with asyncio.timeout(within):
                said, complaint = await child.communicate(None if text is None else text.encode())
        except TimeoutError:
            child.kill()
            await child.wait()
            raise Problem(f"{command[0]} did not end within {within:g} s") from None
        words = " ".join((complaint or b"").decode(errors="replace").split())
        if child.returncode:
            raise Problem(f"{command[0]} {command[1]} failed: {words or child.returncode}")
        return (said or b"").decode()


async def managed(name: str) -> None:
    """Return where the display answers and has a window manager; else :class:`Problem`."""

    def look() -> bool:
        display: Display | None = None
        try:
            display = Display(name)
            check = display.intern_atom("_NET_SUPPORTING_WM_CHECK")
            found = display.screen().root.get_full_property(check, X.AnyPropertyType)
            if not found:
                return False
            # The property outlives a window manager that was killed; its window does not.
            window = display.create_resource_object("window", found.value[0])
            return bool(window.get_full_property(check, X.AnyPropertyType))
        except Exception as exc:  # noqa: BLE001 - Xlib has an error class for each kind of bad window
            raise Problem(f"the display does not answer: {type(exc).__name__}") from None
        finally:
            if display:
                display.close()

    if not await asyncio.to_thread(look):
        raise Problem("the window manager does not run")
