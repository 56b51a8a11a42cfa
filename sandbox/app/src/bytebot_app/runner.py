# The deterministic task runner: it stands in for the language model, and drives the real desktop by fixed rules.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bytebot_app.computer import Computer, ComputerFailed
from bytebot_app.instructions import UNDERSTOOD, Instruction, understood
from bytebot_app.store import Row

PROVIDER = "sandbox"
MODEL = "deterministic-task-runner"
TITLE = "Deterministic task runner (stands in for a language model)"
LOOKS, FILE_LOOKS, PAUSE_S = 40, 8, 0.25
# Words that only the editor's dialog has.
DIALOG = "Encoding:"
SHOWN = 2000
Block = dict[str, Any]
Tell = Callable[[list[Block]], Awaitable[None]]


@dataclass
class End:
    """How a task ended."""

    status: str
    result: Row | None = None
    error: str | None = None

    @property
    def row(self) -> Row:
        return {"status": self.status, "result": self.result, "error": self.error, "model": MODEL}


@dataclass
class Runner:
    """Works on one task: each instruction becomes operations, and each operation a message."""

    computer: Computer
    tell: Tell
    files: list[Row] = field(default_factory=list)

    async def run(self, text: str) -> End:
        """The end of the task."""
        try:
            for file in self.files:
                await self._act("write_file", path=file["name"], data=file["data"])
            instructions = understood(text)
            if instructions is None:
                known = "\n".join(f"- {form}" for form in UNDERSTOOD)
                await self.tell([_text(f"{TITLE}. I do not understand this. What I understand:\n{known}")])
                return End("NEEDS_HELP")
            steps = [{"instruction": one.text, **await self._do(one)} for one in instructions]
            await self._show()
        except ComputerFailed as exc:
            await self.tell([_text(f"It failed: {exc}")])
            return End("FAILED", error=str(exc))
        await self.tell([_text(f"Done: {'; '.join(one.text for one in instructions)}"[:SHOWN])])
        return End("COMPLETED", {"runner": MODEL, "steps": steps})

    async def _do(self, one: Instruction) -> Row:
        ways: dict[str, Callable[[dict[str, Any]], Awaitable[Row]]] = {
            "screenshot": self._screenshot, "write": self._write, "read": self._read, "edit": self._edit,
            "look": self._look, "find": self._find, "move": self._move,
        }  # fmt: skip
        if one.kind in ways:
            return await ways[one.kind](one.values)
        action, fields = _plain(one)
        await self._act(action, **fields)
        return {}

    async def _screenshot(self, _given: dict[str, Any]) -> Row:
        image = (await self._act("screenshot"))["data"]["image"]
        return {"bytes": len(base64.b64decode(image))}

    async def _write(self, given: dict[str, Any]) -> Row:
        data = base64.b64encode(given["text"].encode()).decode()
        await self._act("write_file", path=given["path"], data=data)
        return await self._kept(given["path"], given["text"])

    async def _read(self, given: dict[str, Any]) -> Row:
        body = await self._act("read_file", path=given["path"])
        text = base64.b64decode(body["data"]).decode(errors="replace")
        return {"path": given["path"], "size": body["size"], "text": text[:SHOWN]}

    async def _move(self, given: dict[str, Any]) -> Row:
        await self._act("move_mouse", coordinates=given)
        at = (await self._act("cursor_position"))["data"]
        if at != given:
            raise ComputerFailed(500, f"the pointer is at {at['x']},{at['y']} and not at {given['x']},{given['y']}")
        return dict(at)

    async def _look(self, _given: dict[str, Any]) -> Row:
        return {"text": (await self._act("ocr"))["result"]["text"][:SHOWN]}

    async def _find(self, given: dict[str, Any]) -> Row:
        result = (await self._act("find_text", text=given["text"]))["result"]
        if not result["found"]:
            raise ComputerFailed(500, f"{given['text']!r} is not on the screen")
        return {"found": result["boundingBoxes"][0]}

    async def _edit(self, given: dict[str, Any]) -> Row:
        """Type into a new editor and save: look, act, and look again, as programs work at their own time."""
        before = await self._dialogs()
        await self._act("application", application="vscode")
        await self._act("type_text", text=given["text"])
        await self._act("type_keys", keys=["ctrl+s"])
        for _ in range(LOOKS):
            if await self._dialogs() > before:
                break
            await asyncio.sleep(PAUSE_S)
        else:
            raise ComputerFailed(500, "the editor shows no dialog to save the text")
        await self._act("type_text", text=given["path"])
        for _ in range(LOOKS):
            # The dialog takes no Enter while it still looks for files of that name. An Enter too many would go into the
            # text, so the file gets its time before another one.
            if await self._dialogs() > before:
                await self._act("type_keys", keys=["enter"])
            if await self._appears(given["path"]):
                break
        kept = await self._kept(given["path"], given["text"])
        await self._show()
        await self._act("type_keys", keys=["ctrl+q"])
        return kept

    async def _kept(self, path: str, text: str) -> Row:
        body = await self._act("read_file", path=path)
        if base64.b64decode(body["data"]) != text.encode():
            raise ComputerFailed(500, f"{path} does not hold what was written")
        return {"path": path, "size": body["size"]}

    async def _appears(self, path: str) -> bool:
        for _ in range(FILE_LOOKS):
            if await self._there(path):
                return True
            await asyncio.sleep(PAUSE_S)
        return False

    async def _there(self, path: str) -> bool:
        try:
            await self.computer.act("read_file", path=path)
        except ComputerFailed as exc:
            if exc.status == 500:  # noqa: PLR2004 - the desktop's answer for a file that is not there
                return False
            raise
        return True

    async def _dialogs(self) -> int:
        return len((await self.computer.act("find_text", text=DIALOG))["result"]["boundingBoxes"])

    async def _show(self) -> None:
        image = (await self.computer.act("screenshot"))["data"]["image"]
        await self.tell([_image(image)])

    async def _act(self, action: str, **fields: Any) -> Row:
        """One operation, told with what came of it."""
        use = {"type": "tool_use", "id": str(uuid.uuid4()), "name": "computer", "input": {"action": action, **fields}}
        result: Block = {"type": "tool_result", "tool_use_id": use["id"]}
        try:
            body = await self.computer.act(action, **fields)
        except ComputerFailed as exc:
            await self.tell([use, {**result, "is_error": True, "content": [_text(str(exc))]}])
            raise
        data = body.get("data")
        image = data.get("image") if isinstance(data, dict) else None
        said = _image(image) if image else _text(str(body.get("message") or body.get("result") or data or "ok")[:SHOWN])
        await self.tell([use, {**result, "content": [said]}])
        return body


def _plain(one: Instruction) -> tuple[str, dict[str, Any]]:
    given = one.values
    plain: dict[str, tuple[str, dict[str, Any]]] = {
        "type": ("type_text", given),
        "press": ("type_keys", {"keys": [given.get("key")]}),
        "click": ("click_mouse", {"button": "left", "clickCount": 1, "coordinates": given}),
        "open": ("application", given),
        "wait": ("wait", given),
    }
    return plain[one.kind]


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _image(data: str) -> Block:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
