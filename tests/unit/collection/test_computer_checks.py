# The use of a desktop judged from tables of what was seen: each effect that is missing is red, none is taken as read.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from ansible_collections.bytebot.production.plugins.module_utils import desktop_screen
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import Missing
from ansible_collections.bytebot.production.plugins.module_utils.checks.computer import (
    CHECKS,
    KEYBOARD,
    MOUSE,
    OCR,
    SCREENSHOT,
    TASK,
    ComputerFacts,
    Event,
    Gesture,
    Kept,
    Point,
    Read,
    Shot,
    Typed,
    Worked,
    error_rate,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

ALL = [MOUSE, KEYBOARD, SCREENSHOT, OCR, TASK]
BITS = "10" * 32
DOWN, UP = Event("down", "left", (5, 5)), Event("up", "left", (5, 5))
CLICK = Gesture("click_mouse", (DOWN, UP), (Event("motion", "", (5, 5)), DOWN, UP))
TRACE = Gesture("trace_mouse", (Event("motion", "", (9, 9), ("ctrl",)),), (Event("motion", "", (9, 9), ("ctrl",)),))
GOOD = ComputerFacts(
    "https://api.shop.test",
    (1920, 1080),
    (Point((10, 10), (10, 10)),),
    (CLICK, TRACE),
    (Typed("type_text", "ab", "ab"),),
    Shot((1920, 1080), bits=BITS),
    BITS,
    Read(("ACDEFHKL",), "x ACDEFHKL y"),
    0.1,
    Worked("COMPLETED", "task 1", "task 1\n", 3.0),
    (Kept("wait", True),),
)


def judged(given: ComputerFacts, control: str) -> Verdict:
    return CHECKS.judge(given, [control])[0].verdict


@pytest.mark.parametrize("control", ALL)
def test_all_in_order_is_green(control: str) -> None:
    assert judged(GOOD, control).state == "pass"


@pytest.mark.parametrize("control", ALL)
def test_nothing_seen_is_never_green(control: str) -> None:
    assert judged(ComputerFacts("https://api.shop.test"), control).state in {"inconclusive", "fail"}
    assert judged(replace(GOOD, unasked="Not now."), control).state == "pending"
    assert judged(replace(GOOD, missing=Missing("No desktop.", "Name it.")), control).state == "pending"
    assert judged(replace(GOOD, absent="No desktop answers."), control).state == "fail"


def gesture(**changes: Any) -> ComputerFacts:
    return replace(GOOD, gestures=(replace(CLICK, **changes),))


@pytest.mark.parametrize(
    ("control", "given"),
    [
        (MOUSE, replace(GOOD, points=(Point((10, 10), (12, 10)),))),
        (MOUSE, replace(GOOD, points=(Point((10, 10), None),))),
        (MOUSE, gesture(got=())),
        (MOUSE, gesture(got=(DOWN,))),
        (MOUSE, gesture(got=(DOWN, UP, DOWN, UP))),
        (MOUSE, gesture(got=(replace(DOWN, what="right"), replace(UP, what="right")))),
        (MOUSE, gesture(got=(replace(DOWN, cell=(9, 5)), replace(UP, cell=(9, 5))))),
        (MOUSE, gesture(problem="answers 500")),
        (MOUSE, replace(GOOD, gestures=(replace(TRACE, got=(Event("motion", "", (9, 9)),)),))),
        (MOUSE, replace(GOOD, gestures=(replace(TRACE, got=(Event("motion", "", (3, 9), ("ctrl",)),)),))),
        (KEYBOARD, replace(GOOD, typed=(Typed("type_text", "ab", "a"),))),
        (KEYBOARD, replace(GOOD, typed=(Typed("press_keys", "Kk", "KK"),))),
        (KEYBOARD, replace(GOOD, typed=(Typed("paste_text", "ab", None),))),
        (KEYBOARD, replace(GOOD, unstarted="It did not come to run.")),
        (SCREENSHOT, replace(GOOD, shot=Shot((960, 540), bits=BITS))),
        (SCREENSHOT, replace(GOOD, shot=Shot((1920, 1080), blank=True))),
        (SCREENSHOT, replace(GOOD, shot=Shot((1920, 1080), same=True))),
        (SCREENSHOT, replace(GOOD, shot=Shot((1920, 1080), bits="01" * 32))),
        (SCREENSHOT, replace(GOOD, shot=Shot(problem="the picture is no PNG"))),
        (OCR, replace(GOOD, read=Read(("ACDEFHKL",), "nothing of it"))),
        (OCR, replace(GOOD, read=Read(("ACDEFHKL",), problem="answers 503"))),
        (TASK, replace(GOOD, work=replace(GOOD.work, status="IN_PROGRESS"))),
        (TASK, replace(GOOD, work=replace(GOOD.work, status="FAILED"))),
        (TASK, replace(GOOD, work=replace(GOOD.work, got=None))),
        (TASK, replace(GOOD, work=replace(GOOD.work, got="task 2"))),
        (TASK, replace(GOOD, kept=(Kept("wait", False),))),
    ],
)
def test_each_missing_effect_is_red(control: str, given: ComputerFacts) -> None:
    assert judged(given, control).state == "fail"


@pytest.mark.parametrize(
    ("control", "given"),
    [
        (MOUSE, replace(GOOD, gestures=())),
        (MOUSE, replace(GOOD, gestures=(), unstarted="It did not come to run.")),
        (KEYBOARD, replace(GOOD, typed=())),
        (SCREENSHOT, replace(GOOD, drawn="", unstarted="It did not come to run.")),
        (OCR, replace(GOOD, read=Read())),
        (TASK, replace(GOOD, work=Worked(problem="POST /tasks answers 429"))),
    ],
)
def test_what_was_not_seen_is_not_green(control: str, given: ComputerFacts) -> None:
    assert judged(given, control).state == "inconclusive"


def test_a_cell_beside_is_near_enough() -> None:
    assert judged(gesture(got=(replace(DOWN, cell=(6, 5)), replace(UP, cell=(6, 4)))), MOUSE).state == "pass"


@pytest.mark.parametrize(
    ("text", "rate"), [("ABCD EFGH", 0.0), ("xxABCDyy\nEFGH", 0.0), ("ABXD EFGH", 0.125), ("", 1.0), ("zzz", 1.0)]
)
def test_the_rate_of_errors(text: str, rate: float) -> None:
    assert error_rate(("ABCD", "EFGH"), text) == rate


def drawn(bits: str, *, wide: int = 11, high: int = 23, left: int = 300, top: int = 200) -> Image.Image:
    """A screen with the pattern, as a terminal at a place would show it."""
    picture = Image.new("RGB", (1000, 700), "white")
    pen = ImageDraw.Draw(picture)
    broad, rows = desktop_screen.SIDE * desktop_screen.BROAD + 2, desktop_screen.SIDE + 2

    def block(column: int, row: int, cells: int, colour: tuple[int, int, int], lines: int = 1) -> None:
        x, y = left + column * wide, top + row * high
        pen.rectangle((x, y, x + cells * wide - 1, y + lines * high - 1), colour)

    block(2, 1, broad, (255, 0, 215), rows)
    for number, bit in enumerate(bits):
        row, column = divmod(number, desktop_screen.SIDE)
        block(3 + column * 4, 2 + row, 4, (0, 255, 0) if bit == "1" else (0, 0, 255))
    return picture


def packed(picture: Image.Image, kind: str = "PNG") -> str:
    out = io.BytesIO()
    picture.save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def test_the_pattern_is_read_back_with_the_place_of_the_cells() -> None:
    seen = desktop_screen.seen(packed(drawn(BITS)))
    assert isinstance(seen, desktop_screen.Picture)
    assert seen.bits == BITS
    assert seen.area == desktop_screen.Area(300, 200, 11, 23)
    assert seen.area.pixel(1, 1) == (round(300 + 5.5), round(200 + 11.5))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("", "no PNG"),
        ("no base64", "no PNG"),
        (base64.b64encode(b"GIF89a").decode(), "no PNG"),
        (packed(Image.new("RGB", (4, 4)), "JPEG"), "is JPEG and not PNG"),
        (None, "no PNG"),
    ],
)
def test_what_is_no_picture_is_said(data: Any, told: str) -> None:
    assert told in str(desktop_screen.seen(data))


def test_a_blank_screen_is_blank() -> None:
    seen = desktop_screen.seen(packed(Image.new("RGB", (40, 30))))
    assert isinstance(seen, desktop_screen.Picture)
    assert seen.blank
    assert not seen.bits


def test_what_a_terminal_tells_is_told_apart() -> None:
    told = "a\x1b[<35;8;4Mb\x1b[<0;8;4M\x1b[<0;8;4m\x1b[<2;1;1M\x1b[<64;3;3M\x1b[<51;9;9M\x1b[<32;7;7M"
    assert desktop_screen.keys(told) == "ab"
    assert desktop_screen.events(told) == [
        Event("motion", "", (8, 4)),
        Event("down", "left", (8, 4)),
        Event("up", "left", (8, 4)),
        Event("down", "right", (1, 1)),
        Event("wheel", "up", (3, 3)),
        Event("motion", "", (9, 9), ("ctrl",)),
        Event("motion", "left", (7, 7)),
    ]
