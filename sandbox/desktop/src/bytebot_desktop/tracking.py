# Input tracking: what is done on the display by whomever, from X's own record.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.ext import record
from Xlib.protocol import rq

from bytebot_desktop.keys import name_of
from bytebot_desktop.surface import BUTTONS, WHEEL, keysym_of

Tell = Callable[[dict[str, Any]], None]
_KINDS = (X.KeyPress, X.MotionNotify)


class Tracking:
    """Starts and stops the record; each event is told as it comes."""

    def __init__(self, display: str, tell: Tell) -> None:
        self._name, self._tell = display, tell
        self._control: Any = None
        self._data: Any = None
        self._context = 0
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Begin; harmless where it runs already."""
        if self._thread:
            return
        self._control, self._data = Display(self._name), Display(self._name)
        self._keyboard = Display(self._name)
        wanted = {
            "core_requests": (0, 0), "core_replies": (0, 0), "ext_requests": (0, 0, 0, 0),
            "ext_replies": (0, 0, 0, 0), "delivered_events": (0, 0), "device_events": _KINDS, "errors": (0, 0),
            "client_started": False, "client_died": False,
        }  # fmt: skip
        self._context = self._control.record_create_context(0, [record.AllClients], [wanted])
        # The other connection must find the context there.
        self._control.sync()
        began = threading.Event()

        def heard(reply: Any) -> None:
            if reply.category == record.StartOfData:
                began.set()
            elif reply.category == record.FromServer and not reply.client_swapped:
                self._parse(reply.data)

        def run() -> None:
            self._data.record_enable_context(self._context, heard)
            self._data.record_free_context(self._context)

        self._thread = threading.Thread(target=run, name="input-tracking", daemon=True)
        self._thread.start()
        if not began.wait(timeout=10):
            raise RuntimeError("the display does not begin to record")

    def stop(self) -> None:
        """End; harmless where it does not run."""
        if not self._thread:
            return
        self._control.record_disable_context(self._context)
        self._control.flush()
        self._thread.join(timeout=10)
        self._thread = None
        for display in (self._control, self._data, self._keyboard):
            display.close()

    def _parse(self, data: bytes) -> None:
        while data:
            event, data = rq.EventField(None).parse_binary_value(data, self._data.display, None, None)
            if told := self._described(event):
                self._tell({**told, "timestamp": round(time.time() * 1000)})

    def _described(self, event: Any) -> dict[str, Any] | None:
        there = {"x": event.root_x, "y": event.root_y}
        down = event.type in {X.KeyPress, X.ButtonPress}
        if event.type == X.MotionNotify:
            return {"type": "move", **there}
        if event.type in {X.KeyPress, X.KeyRelease}:
            keysym = keysym_of(self._keyboard, event)
            return {"type": "key", "key": name_of(keysym), "press": "down" if down else "up", **there}
        if event.type not in {X.ButtonPress, X.ButtonRelease}:
            return None
        if event.detail in WHEEL:
            return {"type": "scroll", "direction": WHEEL[event.detail], **there} if down else None
        button = BUTTONS.get(event.detail, str(event.detail))
        return {"type": "click", "button": button, "press": "down" if down else "up", **there}
