# A display in memory: what the actions would do to it, and what it answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bytebot_desktop.actions import Options
from bytebot_desktop.input import Move, Step
from bytebot_desktop.problems import Problem


@dataclass
class FakeTools:
    """Remembers every step."""

    steps: list[Step] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    open_windows: set[int] = field(default_factory=lambda: {1})
    at: tuple[int, int] = (0, 0)
    failure: Exception | None = None
    hold: asyncio.Event | None = None

    async def perform(self, steps: list[Step]) -> None:
        if self.hold:
            await self.hold.wait()
        if self.failure:
            raise self.failure
        self.steps += steps
        for step in steps:
            if isinstance(step, Move):
                self.at = (step.x, step.y)

    async def position(self) -> tuple[int, int]:
        return self.at

    async def grab(self) -> Image.Image:
        return Image.new("RGB", (1920, 1080), "white")

    async def copy(self, text: str) -> None:
        self.calls.append(("copy", text))

    async def show_desktop(self) -> None:
        self.calls.append(("show_desktop",))

    async def windows(self) -> set[int]:
        return set(self.open_windows)

    async def activate(self, window: int) -> None:
        self.calls.append(("activate", window))

    async def launch(self, command: Sequence[str]) -> None:
        if command[0] == "firefox-esr":
            raise Problem("firefox-esr is not installed on this desktop")
        self.calls.append(("launch", command[0]))
        self.open_windows.add(2)

    async def ready(self) -> None:
        if self.failure:
            raise self.failure


@dataclass
class FakeReader:
    """Reads the same words from every picture."""

    there: bool = True
    boxes: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"text": "Save", "x": 10, "y": 20, "width": 30, "height": 10, "confidence": 0.9},
            {"text": "As…", "x": 45, "y": 18, "width": 20, "height": 14, "confidence": 0.8},
        ]
    )
    asked: list[Options] = field(default_factory=list)

    def available(self) -> bool:
        return self.there

    def languages(self) -> list[str]:
        return ["en"] if self.there else []

    async def read(self, picture: Image.Image, options: Options) -> dict[str, Any]:
        self.asked.append(options)
        boxes = self.boxes if options.enableBoundingBoxes else []
        return {"text": "Save As…", "confidence": 0.85, "boundingBoxes": boxes, "processingTimeMs": 1, "method": "fake"}


@dataclass
class FakeSurface:
    log: list[dict[str, Any]] = field(default_factory=list)
    shown: str | None = None

    def show(self, text: str) -> None:
        self.shown = text

    def hide(self) -> None:
        self.shown = None

    def events(self) -> list[dict[str, Any]]:
        return self.log

    def clear(self) -> None:
        self.log.clear()


@dataclass
class FakeRecorder:
    running: bool = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


HOME = Path("home/user")
