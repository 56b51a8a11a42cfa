# Behaves wrongly in one named way, for tests of those who judge; only a mark in the environment switches it on.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from PIL import Image

from bytebot_desktop import actions
from bytebot_desktop.desk import BUTTONS, Body, Desk, encoded
from bytebot_desktop.input import Button, Key, Move, Step
from bytebot_desktop.keys import UNICODE, keysym
from bytebot_desktop.ocr import Reader
from bytebot_desktop.problems import NoEngine
from bytebot_desktop.settings import Settings
from bytebot_desktop.tools import Tools

MARK = "SANDBOX_FAULT"  # no chart sets it
ASIDE = 60
FAULTS: dict[str, str] = {
    "mouse_moves_elsewhere": "the pointer goes to another place than it is sent to",
    "click_lost": "clicks of the pointer are lost",
    "letters_lost": "letters that the keyboard's layout lacks are lost",
    "modifier_stuck": "the key shift stays down after it is let go",
    "screenshot_black": "screenshots are black",
    "screenshot_stale": "all screenshots are the first one",
    "screenshot_wrong_size": "screenshots have half the size",
    "ocr_engine_missing": "no engine reads the screen when it is asked for its text",
    "ocr_stale": "the screen's text is always the one that was read first",
}


def named(environment: Mapping[str, str] = os.environ) -> str:
    """The fault that the environment names; ValueError where there is none of that name."""
    name = environment.get(MARK, "")
    if name and name not in FAULTS:
        raise ValueError(f"{MARK}: no fault has the name {name!r}")
    return name


class FaultyDesk(Desk):
    """A desk with one fault; without a name it is as any other."""

    def __init__(self, settings: Settings, tools: Tools, reader: Reader, fault: str) -> None:
        super().__init__(settings, tools, reader)
        self._fault, self._first, self._stuck = fault, "", False
        self._text: Body | None = None
        tools_perform = tools.perform

        async def perform(steps: list[Step]) -> None:
            await tools_perform(self._changed(steps))

        if fault:
            tools.perform = perform  # type: ignore[method-assign]

    def _changed(self, steps: list[Step]) -> list[Step]:
        if self._fault == "mouse_moves_elsewhere":
            return [
                Move(max(0, one.x - ASIDE), max(0, one.y - ASIDE)) if isinstance(one, Move) else one for one in steps
            ]
        if self._fault == "click_lost":
            return [one for one in steps if not (isinstance(one, Button) and one.number in BUTTONS.values())]
        if self._fault == "letters_lost":
            return [one for one in steps if not (isinstance(one, Key) and one.keysym > UNICODE)]
        return self._with_shift(steps) if self._fault == "modifier_stuck" else steps

    def _with_shift(self, steps: list[Step]) -> list[Step]:
        """Shift that is let go by itself stays down for what comes next."""
        shift = Key(keysym("shift"), False)
        if steps == [shift]:
            self._stuck = True
            return []
        stuck, self._stuck = self._stuck, False
        return [*steps, shift] if stuck else steps

    async def _screenshot(self, action: actions.Screenshot) -> Body:
        body = await super()._screenshot(action)
        if self._fault == "screenshot_stale":
            self._first = self._first or body["data"]["image"]
            return {"data": {"image": self._first}}
        size = self._settings.width, self._settings.height
        if self._fault == "screenshot_black":
            return {"data": {"image": encoded(Image.new("RGB", size))}}
        if self._fault == "screenshot_wrong_size":
            picture = await self._tools.grab()
            return {"data": {"image": encoded(picture.resize((size[0] // 2, size[1] // 2)))}}
        return body

    async def _ocr(self, action: actions.Ocr) -> Body:
        if self._fault == "ocr_engine_missing":
            raise NoEngine("no text recognition engine is there")
        body: Any = await super()._ocr(action)
        if self._fault == "ocr_stale":
            self._text = self._text or body
            return self._text
        return dict(body)
