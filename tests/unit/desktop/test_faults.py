# Each fault of the desktop does its one wrong thing, and without a name nothing is wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bytebot_desktop import actions
from bytebot_desktop.faults import ASIDE, FAULTS, MARK, FaultyDesk, named
from bytebot_desktop.input import Button, Key, Move, Step
from bytebot_desktop.problems import NoEngine
from bytebot_desktop.settings import Settings
from sandbox.faults import desktop as switches

from .fakes import FakeReader, FakeTools


class Tools(FakeTools):
    """Keeps the steps that come through."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[Step] = []

    async def perform(self, steps: list[Step]) -> None:
        self.came += steps


def done(settings: Settings, fault: str, *asked: dict[str, Any]) -> tuple[list[Step], list[Any]]:
    tools = Tools()
    desk = FaultyDesk(settings, tools, FakeReader(), fault)

    async def all_of_them() -> list[Any]:
        return [await desk.perform(actions.parsed(one)) for one in asked]

    return tools.came, asyncio.run(all_of_them())


MOVE = {"action": "move_mouse", "coordinates": {"x": 100, "y": 200}}
CLICK = {"action": "click_mouse", "button": "left", "clickCount": 1}
TEXT = {"action": "type_text", "text": "aΩ"}
LET_GO = {"action": "press_keys", "keys": ["shift"], "press": "up"}


def test_the_sandbox_switches_on_all_of_them_and_no_other() -> None:
    desktops = {fault.name: fault.says for fault in switches.FAULTS if not fault.name.startswith("task_")}
    assert desktops == FAULTS


def test_an_unknown_name_is_refused() -> None:
    assert not named({})
    assert named({MARK: "click_lost"}) == "click_lost"
    with pytest.raises(ValueError, match="no fault has the name 'click_los'"):
        named({MARK: "click_los"})


def test_without_a_name_nothing_is_wrong(settings: Settings) -> None:
    came, _said = done(settings, "", MOVE, CLICK, TEXT)
    assert came[0] == Move(100, 200)
    assert len([one for one in came if isinstance(one, Button)]) == 2
    assert len([one for one in came if isinstance(one, Key)]) == 4


def test_what_is_lost_or_goes_elsewhere(settings: Settings) -> None:
    assert done(settings, "mouse_moves_elsewhere", MOVE)[0] == [Move(100 - ASIDE, 200 - ASIDE)]
    assert not [one for one in done(settings, "click_lost", CLICK)[0] if isinstance(one, Button)]
    assert len([one for one in done(settings, "letters_lost", TEXT)[0] if isinstance(one, Key)]) == 2


def test_shift_stays_down_for_what_comes_next(settings: Settings) -> None:
    came, _said = done(settings, "modifier_stuck", LET_GO, {"action": "type_keys", "keys": ["k"]})
    keys = [one for one in came if isinstance(one, Key)]
    assert [key.down for key in keys] == [True, False, False]
    assert keys[-1].keysym != keys[0].keysym


def test_what_is_old_stays(settings: Settings) -> None:
    shot = {"action": "screenshot"}
    _came, said = done(settings, "screenshot_stale", shot, shot)
    assert said[0]["data"] == said[1]["data"]
    with pytest.raises(NoEngine):
        done(settings, "ocr_engine_missing", {"action": "ocr"})
