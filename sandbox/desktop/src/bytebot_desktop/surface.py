# The test surface: a window over the whole screen that tells every event it gets, and shows a given text.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from Xlib import X
from Xlib.display import Display

from bytebot_desktop.keys import name_of

KEPT = 10_000
# Small enough to be doubled, as the reading does for "accurate": in a letter that is grown to 72 pixels or more, the
# engine takes a 7 for a stroke.
FONT, SIZE = "DejaVuSans.ttf", 24
# A request to the display holds 256 KiB, which are 34 rows of its whole width.
STRIP = 32
WHEEL = {4: "up", 5: "down", 6: "left", 7: "right"}
BUTTONS = {1: "left", 2: "middle", 3: "right"}
HELD = (("shift", X.ShiftMask), ("ctrl", X.ControlMask), ("alt", X.Mod1Mask), ("super", X.Mod4Mask))
EVENTS = X.PointerMotionMask | X.ButtonPressMask | X.ButtonReleaseMask | X.KeyPressMask | X.KeyReleaseMask
Event = dict[str, Any]


class Surface:
    """The window and its one thread, which alone speaks with the display."""

    def __init__(self, display: str) -> None:
        self._name = display
        self._log: deque[Event] = deque(maxlen=KEPT)
        self._told = 0
        self._asked: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()
        self._awake, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="test-surface", daemon=True)
        self._text = ""
        self._stop = False

    def start(self) -> None:
        """Make the window; it stays hidden until it is shown."""
        self._display = Display(self._name)
        screen = self._display.screen()
        self._size = (screen.width_in_pixels, screen.height_in_pixels)
        self._window = screen.root.create_window(
            0, 0, *self._size, 0, screen.root_depth,
            # Not the window manager's business: nothing may stand above it or move it.
            override_redirect=True, background_pixel=screen.white_pixel, event_mask=EVENTS | X.ExposureMask,
        )  # fmt: skip
        self._window.set_wm_name("Bytebot test surface")
        self._context = self._window.create_gc()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._call(self._leave)
        self._thread.join()
        self._display.close()

    def show(self, text: str) -> None:
        """Lie over everything, take the keyboard, and show a text."""

        def work() -> None:
            self._text = text
            self._window.map()
            self._window.raise_window()
            self._window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
            self._draw()

        self._call(work)

    def hide(self) -> None:
        """Give the screen back."""
        self._call(self._window.unmap)

    def events(self) -> list[Event]:
        """What happened since the log was last emptied, oldest first."""
        self._call(lambda: None)
        return list(self._log)

    def clear(self) -> None:
        """Empty the log."""
        self._call(self._log.clear)

    def _call(self, work: Callable[[], None]) -> None:
        done: Future[None] = Future()
        self._asked.put((work, done))
        os.write(self._wake, b"x")
        done.result(timeout=10)

    def _leave(self) -> None:
        self._stop = True

    def _run(self) -> None:
        while not self._stop:
            if not self._display.pending_events():
                select.select([self._display.fileno(), self._awake], [], [])
            self._take()
            try:
                work, done = self._asked.get_nowait()
            except Empty:
                continue
            os.read(self._awake, 1)
            try:
                work()
                # What is asked for counts as done when the display has done it; what it told before is read first.
                self._display.sync()
                self._take()
                done.set_result(None)
            except Exception as exc:  # noqa: BLE001 - handed to whoever asked
                done.set_exception(exc)

    def _take(self) -> None:
        while self._display.pending_events():
            event = self._display.next_event()
            if event.type == X.Expose and not event.count:
                self._draw()
            elif event.type == X.MappingNotify:
                self._display.refresh_keyboard_mapping(event)
            elif told := self._described(event):
                self._told += 1
                self._log.append({"number": self._told, "time": event.time, **told})

    def _described(self, event: Any) -> Event | None:
        if event.type not in {X.MotionNotify, X.ButtonPress, X.ButtonRelease, X.KeyPress, X.KeyRelease}:
            return None
        there = {"x": event.event_x, "y": event.event_y, "held": [name for name, mask in HELD if event.state & mask]}
        press = "down" if event.type in {X.ButtonPress, X.KeyPress} else "up"
        if event.type == X.MotionNotify:
            return {"type": "motion", **there}
        if event.type in {X.KeyPress, X.KeyRelease}:
            keysym = keysym_of(self._display, event)
            return {"type": "key", "press": press, "key": name_of(keysym), **there}
        if event.detail in WHEEL:
            # A turn of the wheel is a press and a release; it is told once.
            return {"type": "wheel", "direction": WHEEL[event.detail], **there} if press == "down" else None
        return {"type": "button", "press": press, "button": BUTTONS.get(event.detail, str(event.detail)), **there}

    def _draw(self) -> None:
        self._window.clear_area()
        if not self._text:
            return
        font = ImageFont.truetype(FONT, SIZE)
        left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), self._text, font)
        picture = Image.new("RGB", (min(int(right - left) + 80, self._size[0]), int(bottom - top) + 80), "white")
        ImageDraw.Draw(picture).multiline_text((40 - left, 40 - top), self._text, "black", font)
        x, y = (self._size[0] - picture.width) // 2, (self._size[1] - picture.height) // 2
        for top, strip in strips(picture):
            self._window.put_pil_image(self._context, x, y + top, strip)


def strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in parts that one request takes, each with the row it begins at.

    The library cuts by itself, and paints a last part that is lower black down to the height of the others.
    """
    for top in range(0, picture.height, STRIP):
        yield top, picture.crop((0, top, picture.width, min(top + STRIP, picture.height)))


def keysym_of(display: Any, event: Any) -> int:
    """A key event's keysym; many keys have one meaning only, with shift or without."""
    shifted = int(display.keycode_to_keysym(event.detail, 1)) if event.state & X.ShiftMask else 0
    return shifted or int(display.keycode_to_keysym(event.detail, 0))
