# The deterministic task runner: what it understands, what it does, and how a task ends.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from bytebot_app import runner
from bytebot_app.computer import ComputerFailed, Unreachable
from bytebot_app.instructions import understood
from bytebot_app.runner import MODEL, End, Runner

from .work_memory import PIXEL, MemoryComputer


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PAUSE_S", 0)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def run(text: str, computer: MemoryComputer, files: list[dict[str, Any]] | None = None) -> tuple[End, list[Any]]:
    told: list[Any] = []

    async def tell(blocks: list[dict[str, Any]]) -> None:
        told.extend(blocks)

    return asyncio.run(Runner(computer, tell, files or []).run(text)), told


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Take a screenshot.", ["screenshot"]),
        ("screenshot", ["screenshot"]),
        ('Please write file "a.txt" with "one; two then three"', ["write"]),
        ("create the file 'a b.txt' with the text “x”", ["write"]),
        ('Type "Hello" into the editor and save it as "b.txt", then take a screenshot', ["edit", "screenshot"]),
        ('type "a"; press ctrl+s\nwait 5 ms then wait for 1 second', ["type", "press", "wait", "wait"]),
        ("move the mouse to 10, 20 and then click at 3,4", ["move", "click"]),
        ('open the terminal; read the screen; find "x" on the screen', ["open", "look", "find"]),
        ('read file "a.txt"', ["read"]),
    ],
)
def test_these_sentences_are_understood(text: str, kinds: list[str]) -> None:
    found = understood(text)
    assert found is not None
    assert [one.kind for one in found] == kinds


@pytest.mark.parametrize("text", ["Book a flight", "smoke", "take a screenshot; dance", 'write file "a"', "\0 0", ";"])
def test_anything_else_is_not(text: str) -> None:
    assert understood(text) is None


def test_values_are_taken_as_they_are_quoted() -> None:
    found = understood('write file "a;b then.txt" with ""; wait 2 s; open the editor')
    assert found
    assert [one.values for one in found] == [
        {"path": "a;b then.txt", "text": ""}, {"duration": 2000}, {"application": "vscode"},
    ]  # fmt: skip


def test_a_file_is_written_and_read_again() -> None:
    computer = MemoryComputer()
    end, told = run('write file "a.txt" with "Grüße"', computer)
    assert (end.status, end.error) == ("COMPLETED", None)
    assert end.row["model"] == MODEL
    instruction = 'write file "a.txt" with "Grüße"'
    step = {"instruction": instruction, "path": "a.txt", "size": 7}
    assert end.result == {"runner": MODEL, "steps": [step]}
    assert computer.files == {"a.txt": b64("Grüße")}
    assert [block["type"] for block in told] == ["tool_use", "tool_result", "tool_use", "tool_result", "image", "text"]
    assert told[0]["input"] == {"action": "write_file", "path": "a.txt", "data": b64("Grüße")}
    assert told[1]["tool_use_id"] == told[0]["id"]
    assert told[4]["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}


def test_text_is_typed_into_the_editor_and_saved_though_the_dialog_is_slow() -> None:
    computer = MemoryComputer()
    end, _told = run('type "Hello there" into the editor and save as "b.txt"', computer)
    assert (end.status, end.error) == ("COMPLETED", None)
    assert computer.files == {"b.txt": b64("Hello there")}
    assert computer.calls[-2:] == [{"action": "type_keys", "keys": ["ctrl+q"]}, {"action": "screenshot"}]


def test_what_the_editor_saved_is_compared_with_what_was_typed() -> None:
    computer = MemoryComputer(files={"b.txt": b64("something else")})
    end, _told = run('type "Hello" into the editor and save as "b.txt"', computer)
    assert (end.status, end.error) == ("FAILED", "b.txt does not hold what was written")


def test_the_screen_is_looked_at() -> None:
    computer = MemoryComputer()
    end, _told = run('move the mouse to 3,4; read the screen; find "Hello" on the screen', computer)
    assert end.result
    assert [step.get("text") or step.get("x") for step in end.result["steps"]] == [3, "Hello", None]
    end, _told = run('find "Bye" on the screen', computer)
    assert (end.status, end.error) == ("FAILED", "'Bye' is not on the screen")


def test_files_lie_on_the_desktop_before_anything_is_done() -> None:
    computer = MemoryComputer()
    end, _told = run('read file "in.txt"', computer, [{"name": "in.txt", "data": b64("given")}])
    assert end.result
    assert end.result["steps"][0]["text"] == "given"
    assert computer.calls[0] == {"action": "write_file", "path": "in.txt", "data": b64("given")}


def test_what_it_does_not_understand_needs_help_and_it_says_what_it_is() -> None:
    computer = MemoryComputer()
    end, told = run("Book a flight", computer)
    assert (end.status, end.result, computer.calls) == ("NEEDS_HELP", None, [])
    assert "stands in for a language model" in told[0]["text"]


@pytest.mark.parametrize("failure", [ComputerFailed(500, "no such key"), Unreachable("the desktop does not answer")])
def test_a_failed_operation_fails_the_task_with_its_words(failure: ComputerFailed) -> None:
    end, told = run("press q; take a screenshot", MemoryComputer(failure=failure))
    assert (end.status, end.error) == ("FAILED", str(failure))
    assert told[1]["is_error"] is True
    assert str(failure) in told[-1]["text"]
