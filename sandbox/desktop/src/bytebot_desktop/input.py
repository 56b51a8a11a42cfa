# Pointer and keyboard by the XTEST extension: what is asked for happens in its order, in one connection.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.ext import xtest

from bytebot_desktop.keys import keysym
from bytebot_desktop.problems import Wrong

SHIFT = keysym("shift")
SETTLE_S = 0.3
FIRST_KEYCODE, LAST_KEYCODE = 8, 255


@dataclass(frozen=True)
class Move:
    """The pointer goes to a place."""

    x: int
    y: int


@dataclass(frozen=True)
class Button:
    """A button of the pointer goes down or up."""

    number: int
    down: bool


@dataclass(frozen=True)
class Key:
    """A key goes down or up."""

    keysym: int
    down: bool


@dataclass(frozen=True)
class Pause:
    """Nothing happens for a while."""

    ms: int


Step = Move | Button | Key | Pause


class Input:
    """A keyboard and a pointer. One thread at a time may use it."""

    def __init__(self, display: str) -> None:
        self._display = Display(display)
        self._root = self._display.screen().root
        self._borrowed: dict[int, int] = {}
        self._read_layout()

    def perform(self, steps: list[Step]) -> None:
        """All steps; where one fails, nothing that they pressed stays down."""
        down: list[Key | Button] = []
        self._provide([step.keysym for step in steps if isinstance(step, Key)])
        try:
            for step in steps:
                self._one(step)
                if isinstance(step, Key | Button):
                    opposite = type(step)(step.keysym if isinstance(step, Key) else step.number, not step.down)
                    if step.down:
                        down.append(step)
                    elif opposite in down:
                        down.remove(opposite)
        except Exception:
            for held in reversed(down):
                self._one(Key(held.keysym, False) if isinstance(held, Key) else Button(held.number, False))
            raise
        finally:
            # The answer comes after the display has done it.
            self._display.sync()

    def position(self) -> tuple[int, int]:
        """Where the pointer is."""
        found = self._root.query_pointer()
        return int(found.root_x), int(found.root_y)

    def close(self) -> None:
        """Close the connection."""
        self._display.close()

    def _one(self, step: Step) -> None:
        if isinstance(step, Pause):
            self._display.sync()
            time.sleep(step.ms / 1000)
        elif isinstance(step, Move):
            self._fake(X.MotionNotify, x=step.x, y=step.y)
        elif isinstance(step, Button):
            self._fake(X.ButtonPress if step.down else X.ButtonRelease, step.number)
        else:
            self._key(step)

    def _key(self, step: Key) -> None:
        code, shifted = self._codes[step.keysym]
        if shifted and step.down:
            self._fake(X.KeyPress, self._codes[SHIFT][0])
        self._fake(X.KeyPress if step.down else X.KeyRelease, code)
        if shifted and not step.down:
            self._fake(X.KeyRelease, self._codes[SHIFT][0])

    def _fake(self, kind: int, detail: int = 0, **place: int) -> None:
        xtest.fake_input(self._display, kind, detail, **place)

    def _read_layout(self) -> None:
        """Which keysym is on which key, without shift or with it, and which keys have nothing on them."""
        self._codes: dict[int, tuple[int, bool]] = {}
        self._spare: list[int] = []
        rows: list[Any] = self._display.get_keyboard_mapping(FIRST_KEYCODE, LAST_KEYCODE - FIRST_KEYCODE + 1)
        for code, row in enumerate(rows, FIRST_KEYCODE):
            if not any(row):
                self._spare.append(code)
            for shifted, number in enumerate(row[:2]):
                # A key without shift wins over another one with it.
                if number and (number not in self._codes or (self._codes[number][1] and not shifted)):
                    self._codes[number] = (code, bool(shifted))

    def _provide(self, wanted: list[int]) -> None:
        """Put what no key has on spare keys. It stays there: programs read the layout late, when keys come."""
        missing = [number for number in dict.fromkeys(wanted) if number not in self._codes]
        if len(missing) > self.room:
            raise Wrong(f"keys: {len(missing)} of them are on no key, and there is room for {self.room}")
        kept = set(wanted)
        if len(missing) > len(self._spare):
            # Programs that have not read their keys yet would find the new meaning of the old ones.
            time.sleep(SETTLE_S)
        for number in missing:
            if self._spare:
                code = self._spare.pop()
            else:
                # The one that was borrowed first and is not needed now gives its place.
                old = next(one for one in self._borrowed if one not in kept)
                code = self._borrowed.pop(old)
                del self._codes[old]
            self._display.change_keyboard_mapping(code, [(number, number)])
            self._borrowed[number], self._codes[number] = code, (code, False)
        if missing:
            self._display.sync()

    @property
    def room(self) -> int:
        """How many different keysyms that no key has can be used in one call."""
        return len(self._spare) + len(self._borrowed)
