# Shows what is happening: one line per finished step, a table at the end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

SIGN_OF_LIFE_S = 30.0


class Progress:
    """Prints lines; with `live`, also one changing line that names what is under way."""

    def __init__(self, *, live: bool = False, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._live = live
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._under_way: list[str] = []

    def line(self, text: str) -> None:
        with self._lock:
            self._clear()
            print(f"{time.monotonic() - self._started:7.1f}s  {text}", file=self._out, flush=True)
            self._draw()

    @contextmanager
    def step(self, name: str, note: str = "ready") -> Iterator[None]:
        """One line when the step ends well."""
        start = time.monotonic()
        self._enter(name)
        try:
            yield
        finally:
            self._leave(name)
        self.line(f"{name:<24} {note} after {time.monotonic() - start:.1f} s")

    @contextmanager
    def long_step(self, name: str) -> Iterator[None]:
        """A line at the start, one at the end, and a sign of life in between."""
        self.line(f"{name} ...")
        start = time.monotonic()
        over = threading.Event()

        def signs() -> None:
            while not over.wait(SIGN_OF_LIFE_S):
                self.line(f"{name} ... still at it, {time.monotonic() - start:.0f} s")

        teller = threading.Thread(target=signs, daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()
        self.line(f"{name}: done in {time.monotonic() - start:.0f} s")

    def _enter(self, name: str) -> None:
        with self._lock:
            self._under_way.append(name)
            self._clear()
            self._draw()

    def _leave(self, name: str) -> None:
        with self._lock:
            self._under_way.remove(name)
            self._clear()
            self._draw()

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=self._out)

    def _draw(self) -> None:
        if self._live and self._under_way:
            print(f"          waiting for {', '.join(self._under_way)}"[:110], end="", file=self._out, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, numbers right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def cell(text: str, width: int) -> str:
        return text.rjust(width) if text.replace(".", "").isdigit() else text.ljust(width)

    lines = ["  ".join(cell(t, w) for t, w in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)
