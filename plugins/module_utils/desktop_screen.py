# The program that runs on the desktop to draw a pattern and to tell of events, and how both are read back.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.computer import Event
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

MARK = "bytebot-desktop-check"
SIDE, BROAD = 8, 4  # a pattern is 8 by 8 blocks, each 4 cells broad and one high
LEFT, TOP, WORDS_TOP = 3, 2, 14  # cells, counted from one
_FRAME, _ONE, _ZERO = 200, 46, 21  # of the 256 colours, which terminals have alike
_FRAME_RGB, _ONE_RGB = (255, 0, 215), (0, 255, 0)
_CLOSE = 12
_LARGEST = 100_000_000  # pixels
_MOUSE = re.compile(r"\x1b\[<(\d+);(\d+);(\d+)([Mm])")
_BUTTONS = {0: "left", 1: "middle", 2: "right"}
_WHEEL = {0: "up", 1: "down", 2: "left", 3: "right"}
_HELD = ((4, "shift"), (8, "alt"), (16, "ctrl"))
_MOTION, _TURN = 32, 64

# Draws, lets the terminal tell of the pointer and of keys, and writes what it tells to a file until Ctrl-C.
_PROGRAM = """\
# {mark}
f='{log}'
echo $$ > "$f.pid"
s=$(stty -g)
stty -icanon -echo -ixon -icrnl min 1 time 0
trap : INT
printf '{drawn}'
printf '\\033[?1003h\\033[?1006h'
printf '%s' '{ready}' > "$f.ready"
cat > "$f"
printf '\\033[?1003l\\033[?1006l\\033[0m'
stty "$s"
"""
# Ends such programs, also those of an earlier check that was killed, and removes all files of this check.
_SWEEP = """\
# sweep
for f in '{folder}'/{mark}-*.pid; do
  [ -f "$f" ] || continue
  p=$(cat "$f")
  [ -n "$p" ] && [ "$p" != "$$" ] && grep -q '{mark}' "/proc/$p/cmdline" && kill -HUP "$p"
done 2>/dev/null
rm -f '{folder}'/{mark}-*
"""


@dataclass(frozen=True, slots=True)
class Area:
    """Where a terminal's cells are on the screen."""

    left: float
    top: float
    wide: float
    high: float

    def pixel(self, column: int, row: int) -> tuple[int, int]:
        """The middle of a cell."""
        return round(self.left + (column - 0.5) * self.wide), round(self.top + (row - 0.5) * self.high)


@dataclass(frozen=True, slots=True)
class Picture:
    """What a screenshot shows."""

    size: tuple[int, int]
    blank: bool
    bits: str = ""
    area: Area | None = None


def program(log: str, bits: str, words: tuple[str, ...], ready: str) -> str:
    """A program for sh."""
    return _PROGRAM.format(mark=MARK, log=log, drawn=_drawn(bits, words), ready=ready)


def sweep(folder: str) -> str:
    """Another one, which leaves nothing."""
    return _SWEEP.format(mark=MARK, folder=folder)


def _drawn(bits: str, words: tuple[str, ...]) -> str:
    broad = SIDE * BROAD + 2
    line = f"\\033[48;5;{_FRAME}m" + " " * broad
    made = f"\\033[0m\\033[2J\\033[{TOP};{LEFT}H{line}"
    for row in range(SIDE):
        blocks = bits[row * SIDE : (row + 1) * SIDE]
        middle = "".join(f"\\033[48;5;{_ONE if bit == '1' else _ZERO}m" + " " * BROAD for bit in blocks)
        edge = f"\\033[48;5;{_FRAME}m "
        made += f"\\033[{TOP + 1 + row};{LEFT}H{edge}{middle}{edge}"
    made += f"\\033[{TOP + 1 + SIDE};{LEFT}H{line}\\033[0m"
    for number, word in enumerate(words):
        made += f"\\033[{WORDS_TOP + number};5H{word}"
    return made


def seen(data: Any) -> Picture | str:
    """What a PNG in base64 shows, or why it is none."""
    try:
        from PIL import Image, ImageChops
    except ImportError as exc:
        raise LibraryMissing("pillow", str(exc)) from exc
    try:
        raw = base64.b64decode(str(data or ""), validate=True)
        picture = Image.open(io.BytesIO(raw))
        if picture.format != "PNG":
            return f"the picture is {picture.format} and not PNG"
        if picture.width * picture.height > _LARGEST:
            return f"the picture has {picture.width}x{picture.height} pixels"
        plain = picture.convert("RGB")
    except (binascii.Error, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return "the picture is no PNG in base64"
    blank = plain.getcolors(1) is not None
    bands = [
        band.point([255 if abs(value - wanted) <= _CLOSE else 0 for value in range(256)])
        for band, wanted in zip(plain.split(), _FRAME_RGB, strict=True)
    ]
    box = ImageChops.darker(ImageChops.darker(bands[0], bands[1]), bands[2]).getbbox()
    if box is None:
        return Picture(plain.size, blank)
    wide, high = (box[2] - box[0]) / (SIDE * BROAD + 2), (box[3] - box[1]) / (SIDE + 2)
    area = Area(box[0] - (LEFT - 1) * wide, box[1] - (TOP - 1) * high, wide, high)
    bits = ""
    for row in range(SIDE):
        for column in range(SIDE):
            place = area.pixel(LEFT + 1 + column * BROAD + 1, TOP + 1 + row)
            inside = place[0] < plain.width and place[1] < plain.height
            bits += _bit(plain.getpixel(place)) if inside else "?"
    return Picture(plain.size, blank, bits, area)


def _bit(pixel: Any) -> str:
    if all(abs(got - wanted) <= _CLOSE for got, wanted in zip(pixel, _ONE_RGB, strict=True)):
        return "1"
    return "0" if pixel[2] > 255 - _CLOSE and pixel[0] < _CLOSE else "?"


def events(told: str) -> list[Event]:
    """What a terminal told of the pointer (xterm's mouse tracking, SGR form)."""
    found = []
    for match in _MOUSE.finditer(told):
        code, cell = int(match[1]), (int(match[2]), int(match[3]))
        held = tuple(name for bit, name in _HELD if code & bit)
        plain = code & 3
        if code & _TURN:
            found.append(Event("wheel", _WHEEL[plain], cell, held))
        elif code & _MOTION:
            found.append(Event("motion", _BUTTONS.get(plain, ""), cell, held))
        else:
            found.append(Event("down" if match[4] == "M" else "up", _BUTTONS.get(plain, ""), cell, held))
    return found


def keys(told: str) -> str:
    """What it told beside that: what was typed."""
    return _MOUSE.sub("", told)
