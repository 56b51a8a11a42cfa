# The sixteen actions: what they do to the display, what they answer, and what they refuse.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from bytebot_desktop.input import Button, Key, Move, Pause, Step
from bytebot_desktop.keys import keysym
from bytebot_desktop.problems import Problem

from .fakes import FakeTools

SHIFT, CTRL = keysym("shift"), keysym("ctrl")
AT: dict[str, Any] = {"coordinates": {"x": 10, "y": 20}}
FINE = {"success": True, "data": None, "error": None}


def act(computer: TestClient, **action: Any) -> dict[str, Any]:
    answer = computer.post("/computer-use", json=action)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert (body["success"], body["error"]) == (True, None)
    return body


def down(*numbers: int) -> list[Step]:
    return [Key(number, True) for number in numbers]


def up(*numbers: int) -> list[Step]:
    return [Key(number, False) for number in numbers]


def tap(number: int) -> list[Step]:
    return [Key(number, True), Key(number, False)]


PATH = [{"x": 1, "y": 2}, {"x": 3.4, "y": 4.6}]


@pytest.mark.parametrize(
    ("action", "steps"),
    [
        ({"action": "move_mouse", **AT}, [Move(10, 20)]),
        ({"action": "trace_mouse", "path": PATH}, [Move(1, 2), Move(3, 5)]),
        (
            {"action": "trace_mouse", "path": PATH, "holdKeys": ["shift", "ctrl"]},
            [*down(SHIFT, CTRL), Move(1, 2), Move(3, 5), *up(CTRL, SHIFT)],
        ),
        ({"action": "click_mouse", "button": "left", "clickCount": 1}, [Button(1, True), Button(1, False)]),
        (
            {"action": "click_mouse", "button": "right", "clickCount": 2, **AT, "holdKeys": ["ctrl"]},
            [
                *down(CTRL), Move(10, 20), Button(3, True), Button(3, False), Pause(60), Button(3, True),
                Button(3, False), *up(CTRL),
            ],
        ),
        ({"action": "press_mouse", "button": "middle", "press": "down", **AT}, [Move(10, 20), Button(2, True)]),
        ({"action": "press_mouse", "button": "middle", "press": "up"}, [Button(2, False)]),
        (
            {"action": "drag_mouse", "path": PATH, "button": "left", "holdKeys": ["shift"]},
            [*down(SHIFT), Move(1, 2), Button(1, True), Move(3, 5), Button(1, False), *up(SHIFT)],
        ),
        (
            {"action": "scroll", "direction": "down", "scrollCount": 2, **AT},
            [Move(10, 20), Button(5, True), Button(5, False), Button(5, True), Button(5, False)],
        ),
        ({"action": "scroll", "direction": "left", "scrollCount": 1}, [Button(6, True), Button(6, False)]),
        (
            {"action": "type_keys", "keys": ["ctrl+s", "enter"], "delay": 5},
            [
                *down(CTRL, ord("s")), *up(ord("s"), CTRL), Pause(5),
                *tap(keysym("Return")), Pause(5),
            ],
        ),
        ({"action": "press_keys", "keys": ["alt", "Tab"], "press": "down"}, down(keysym("alt"), keysym("Tab"))),
        ({"action": "press_keys", "keys": ["alt"], "press": "up"}, up(keysym("alt"))),
        (
            {"action": "type_text", "text": "aß\n日"},
            [
                *tap(ord("a")), Pause(0), *tap(0xDF), Pause(0), *tap(keysym("Return")), Pause(0),
                *tap(0x10065E5), Pause(0),
            ],
        ),
        ({"action": "type_text", "text": "", "delay": 100}, []),
    ],
)  # fmt: skip
def test_an_action_is_these_steps(
    computer: TestClient, tools: FakeTools, action: dict[str, Any], steps: list[Step]
) -> None:
    assert act(computer, **action) == FINE
    assert tools.steps == steps


def test_the_pointer_is_where_it_was_moved(computer: TestClient) -> None:
    act(computer, action="move_mouse", **AT)
    assert act(computer, action="cursor_position")["data"] == {"x": 10, "y": 20}


def test_text_is_pasted_over_the_clipboard(computer: TestClient, tools: FakeTools) -> None:
    act(computer, action="paste_text", text="日本 🎉")
    assert tools.calls == [("copy", "日本 🎉")]
    assert tools.steps == [*down(CTRL, ord("v")), *up(ord("v"), CTRL)]


def test_a_screenshot_is_a_png_of_the_screen(computer: TestClient) -> None:
    image = act(computer, action="screenshot")["data"]["image"]
    picture = Image.open(io.BytesIO(base64.b64decode(image)))
    assert (picture.format, picture.size) == ("PNG", (1920, 1080))


def test_a_program_has_started_when_its_window_is_there(computer: TestClient, tools: FakeTools) -> None:
    act(computer, action="application", application="terminal")
    assert tools.calls == [("launch", "xterm"), ("activate", 2)]
    act(computer, action="application", application="desktop")
    assert tools.calls[2:] == [("show_desktop",)]


def test_a_program_that_is_not_there_is_a_failed_action(computer: TestClient) -> None:
    answer = computer.post("/computer-use", json={"action": "application", "application": "firefox"})
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert "not installed" in answer.json()["error"]


def test_written_bytes_read_back_identical(computer: TestClient, tmp_path: Path) -> None:
    content = bytes(range(256)) * 3
    data = base64.b64encode(content).decode()
    told = act(computer, action="write_file", path="deep/a.bin", data=data)
    assert str(tmp_path / "Desktop/deep/a.bin") in told["message"]
    assert (tmp_path / "Desktop/deep/a.bin").read_bytes() == content
    read = act(computer, action="read_file", path=str(tmp_path / "Desktop/deep/a.bin"))
    assert (read["data"], read["name"], read["size"]) == (data, "a.bin", 768)
    assert read["mediaType"] == "application/octet-stream"
    act(computer, action="write_file", path="a.txt", data="")
    assert act(computer, action="read_file", path="a.txt")["mediaType"] == "text/plain"


@pytest.mark.parametrize(
    "action",
    [{"action": "read_file", "path": "none"}, {"action": "write_file", "path": "/proc/none/a", "data": ""}],
)
def test_a_file_that_cannot_be_is_a_failed_action(computer: TestClient, action: dict[str, Any]) -> None:
    answer = computer.post("/computer-use", json=action)
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert action["path"] in answer.json()["error"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "action"),
    ({"action": "fly"}, "fly"),
    ({"action": "move_mouse"}, "coordinates"),
    ({"action": "move_mouse", "coordinates": {"x": "1", "y": 2}}, "coordinates.x"),
    ({"action": "move_mouse", "coordinates": {"x": 1}}, "coordinates.y"),
    ({"action": "move_mouse", "coordinates": {"x": 1920, "y": 2}}, "1920x1080"),
    ({"action": "move_mouse", "coordinates": {"x": -1, "y": 2}}, "1920x1080"),
    ({"action": "move_mouse", **AT, "more": 1}, "more"),
    ({"action": "trace_mouse", "path": []}, "path"),
    ({"action": "click_mouse", "button": "left", "clickCount": 0}, "clickCount"),
    ({"action": "click_mouse", "button": "left"}, "clickCount"),
    ({"action": "click_mouse", "button": "fourth", "clickCount": 1}, "button"),
    ({"action": "press_mouse", "button": "left", "press": "on"}, "press"),
    ({"action": "drag_mouse", "path": PATH}, "button"),
    ({"action": "scroll", "direction": "in", "scrollCount": 1}, "direction"),
    ({"action": "scroll", "direction": "up", "scrollCount": 1.5}, "scrollCount"),
    ({"action": "type_keys", "keys": []}, "keys"),
    ({"action": "type_keys", "keys": ["nokey"]}, "nokey"),
    ({"action": "type_keys", "keys": ["a"], "delay": -1}, "delay"),
    ({"action": "press_keys", "keys": ["a"]}, "press"),
    ({"action": "type_text"}, "text"),
    ({"action": "type_text", "text": "a\x07"}, "U+0007"),
    ({"action": "paste_text", "text": None}, "text"),
    ({"action": "wait", "duration": -1}, "duration"),
    ({"action": "application", "application": "calculator"}, "application"),
    ({"action": "write_file", "path": "a", "data": "no base64!"}, "data"),
    ({"action": "write_file", "path": "", "data": ""}, "path"),
    ({"action": "read_file", "path": "a\0b"}, "path"),
    ({"action": "ocr", "options": {"recognitionLevel": "best"}}, "recognitionLevel"),
    ({"action": "find_text"}, "text"),
]


@pytest.mark.parametrize(("action", "named"), WRONG)
def test_bad_parameters_are_a_400_that_names_them(
    computer: TestClient, tools: FakeTools, action: dict[str, Any], named: str
) -> None:
    answer = computer.post("/computer-use", json=action)
    assert (answer.status_code, answer.json().keys()) == (400, {"success", "error"})
    assert answer.json()["success"] is False
    assert named in answer.json()["error"]
    assert tools.steps == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"move_mouse"', b"\xff", b"[" * 100_000])
def test_a_broken_body_is_a_400(computer: TestClient, content: bytes) -> None:
    answer = computer.post("/computer-use", content=content)
    assert (answer.status_code, answer.json()["success"]) == (400, False)


def test_what_fails_below_is_a_500_without_its_inside(computer: TestClient, tools: FakeTools) -> None:
    tools.failure = Problem("the display does not answer: DisplayConnectionError")
    answer = computer.post("/computer-use", json={"action": "move_mouse", **AT})
    assert (answer.status_code, answer.json()) == (500, {"success": False, "error": str(tools.failure)})
    tools.failure = ValueError("/home/user/secret")
    answer = computer.post("/computer-use", json={"action": "move_mouse", **AT})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_other_paths_and_methods_have_the_same_shape(computer: TestClient) -> None:
    for method, path, status in (("GET", "/computer-use", 405), ("POST", "/nowhere", 404)):
        answer = computer.request(method, path)
        assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_ready_follows_the_display(computer: TestClient, tools: FakeTools) -> None:
    assert computer.get("/health/ready").json() == {"status": "ok"}
    tools.failure = Problem("the window manager does not run")
    answer = computer.get("/health/ready")
    assert (answer.status_code, answer.json()["error"]) == (503, "the window manager does not run")
    assert computer.get("/health/live").status_code == 200
