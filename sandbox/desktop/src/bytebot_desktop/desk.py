# Performs the actions on the display, one after the other.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable
from typing import Any

from PIL import Image

from bytebot_desktop import actions, files
from bytebot_desktop.input import Button, Key, Move, Pause, Step
from bytebot_desktop.keys import chord, of_character
from bytebot_desktop.ocr import Reader, find
from bytebot_desktop.problems import Problem, Wrong
from bytebot_desktop.settings import Settings
from bytebot_desktop.tools import Tools

BUTTONS = {"left": 1, "middle": 2, "right": 3}
WHEEL = {"up": 4, "down": 5, "left": 6, "right": 7}
CLICK_PAUSE_MS = 60
# Characters of one call: fewer than there are spare keys for those that the layout lacks.
TEXT_PART = 10
# The documents' names, and what this desktop has for them: small programs stand in for two of them.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "firefox": ("firefox-esr",),
    "1password": ("1password",),
    "thunderbird": ("thunderbird",),
    "vscode": ("mousepad", "--disable-server"),
    "terminal": ("xterm", "-fa", "DejaVu Sans Mono", "-fs", "14"),
    "directory": ("pcmanfm", "--new-win"),
}
# A program may take long to its first window on a busy machine; one that shows none has failed.
WINDOW_TRIES, WINDOW_PAUSE_S = 300, 0.1
Body = dict[str, Any]


class Desk:
    """The desktop as the actions see it."""

    def __init__(self, settings: Settings, tools: Tools, reader: Reader) -> None:
        self._settings, self._tools, self._reader = settings, tools, reader
        self._busy = asyncio.Lock()
        self._ways: dict[type[Any], Callable[[Any], Awaitable[Body | None]]] = {
            actions.MoveMouse: self._move, actions.TraceMouse: self._trace, actions.ClickMouse: self._click,
            actions.PressMouse: self._press, actions.DragMouse: self._drag, actions.Scroll: self._scroll,
            actions.TypeKeys: self._type_keys, actions.PressKeys: self._press_keys, actions.TypeText: self._type_text,
            actions.PasteText: self._paste, actions.CursorPosition: self._cursor,
            actions.Application: self._application, actions.WriteFile: self._write, actions.ReadFile: self._read,
            actions.Screenshot: self._screenshot, actions.Ocr: self._ocr, actions.FindText: self._find,
            actions.EnhancedScreenshot: self._enhanced,
        }  # fmt: skip

    async def perform(self, action: actions.Action) -> Body:
        """The answer's body; :class:`Problem` where the action failed."""
        if isinstance(action, actions.Wait):
            await asyncio.sleep(action.duration / 1000)
            return _fine()
        # Two actions at the same time would mix their keys and their pointer.
        async with self._busy:
            return _fine(await self._ways[type(action)](action))

    async def _move(self, action: actions.MoveMouse) -> None:
        await self._tools.perform(self._to(action.coordinates))

    async def _trace(self, action: actions.TraceMouse) -> None:
        await self._holding(action.holdKeys, [step for point in action.path for step in self._to(point)])

    async def _click(self, action: actions.ClickMouse) -> None:
        click = tapped(BUTTONS[action.button], action.clickCount, CLICK_PAUSE_MS)
        await self._holding(action.holdKeys, [*self._to(action.coordinates), *click])

    async def _press(self, action: actions.PressMouse) -> None:
        await self._tools.perform(
            [*self._to(action.coordinates), Button(BUTTONS[action.button], action.press == "down")]
        )

    async def _drag(self, action: actions.DragMouse) -> None:
        first, *rest = [self._to(point) for point in action.path]
        number = BUTTONS[action.button]
        moves = [step for steps in rest for step in steps]
        await self._holding(action.holdKeys, [*first, Button(number, True), *moves, Button(number, False)])

    async def _scroll(self, action: actions.Scroll) -> None:
        turns = tapped(WHEEL[action.direction], action.scrollCount, 0)
        await self._holding(action.holdKeys, [*self._to(action.coordinates), *turns])

    async def _type_keys(self, action: actions.TypeKeys) -> None:
        pause = Pause(action.delay or 0)
        await self._tools.perform([step for name in action.keys for step in (*pressed(name), *let_go(name), pause)])

    async def _press_keys(self, action: actions.PressKeys) -> None:
        way = pressed if action.press == "down" else let_go
        await self._tools.perform([step for name in action.keys for step in way(name)])

    async def _type_text(self, action: actions.TypeText) -> None:
        numbers = [of_character(character) for character in action.text.replace("\r\n", "\n")]
        for start in range(0, len(numbers), TEXT_PART):
            steps: list[Step] = []
            for number in numbers[start : start + TEXT_PART]:
                steps += [Key(number, True), Key(number, False), Pause(action.delay)]
            await self._tools.perform(steps)

    async def _paste(self, action: actions.PasteText) -> None:
        await self._tools.copy(action.text)
        await self._tools.perform([*pressed("ctrl+v"), *let_go("ctrl+v")])

    async def _cursor(self, action: actions.CursorPosition) -> Body:
        del action
        x, y = await self._tools.position()
        return {"data": {"x": x, "y": y}}

    async def _application(self, action: actions.Application) -> None:
        if action.application == "desktop":
            await self._tools.show_desktop()
            return
        before = await self._tools.windows()
        await self._tools.launch(PROGRAMS[action.application])
        for _ in range(WINDOW_TRIES):
            if new := await self._tools.windows() - before:
                await self._tools.activate(max(new))
                return
            await asyncio.sleep(WINDOW_PAUSE_S)
        raise Problem(f"{PROGRAMS[action.application][0]} shows no window")

    async def _write(self, action: actions.WriteFile) -> Body:
        path = files.place(action.path, self._settings.desktop)
        return {"message": await asyncio.to_thread(files.write, path, action.data)}

    async def _read(self, action: actions.ReadFile) -> Body:
        return await asyncio.to_thread(files.read, files.place(action.path, self._settings.desktop))

    async def _screenshot(self, action: actions.Screenshot) -> Body:
        del action
        return {"data": {"image": await asyncio.to_thread(encoded, await self._tools.grab())}}

    async def _ocr(self, action: actions.Ocr) -> Body:
        return {"result": await self._reader.read(await self._tools.grab(), action.options)}

    async def _find(self, action: actions.FindText) -> Body:
        options = action.options.model_copy(update={"enableBoundingBoxes": True})
        result = await self._reader.read(await self._tools.grab(), options)
        boxes = find(action.text, result["boundingBoxes"])
        return {"result": {**result, "found": bool(boxes), "boundingBoxes": boxes}}

    async def _enhanced(self, action: actions.EnhancedScreenshot) -> Body:
        picture = await self._tools.grab()
        data: Body = {"image": await asyncio.to_thread(encoded, picture)}
        if action.includeOcr or action.includeTextDetection:
            result = await self._reader.read(picture, actions.Options())
            boxes = result.pop("boundingBoxes")
            data |= {"ocr": result} if action.includeOcr else {}
            data |= {"textDetection": boxes} if action.includeTextDetection else {}
        return {"data": data}

    async def _holding(self, names: list[str], steps: list[Step]) -> None:
        """Steps while keys are held."""
        down = [step for name in names for step in pressed(name)]
        up = [step for name in reversed(names) for step in let_go(name)]
        await self._tools.perform([*down, *steps, *up])

    def _to(self, point: actions.Point | None) -> list[Step]:
        if point is None:
            return []
        x, y = round(point.x), round(point.y)
        if not (0 <= x < self._settings.width and 0 <= y < self._settings.height):
            raise Wrong(f"coordinates: {x},{y} is not on the screen {self._settings.width}x{self._settings.height}")
        return [Move(x, y)]


def pressed(name: str) -> list[Step]:
    """A key, or several at once, going down."""
    return [Key(number, True) for number in chord(name)]


def let_go(name: str) -> list[Step]:
    """The same going up, the last one first."""
    return [Key(number, False) for number in reversed(chord(name))]


def tapped(button: int, times: int, pause_ms: int) -> list[Step]:
    """A button down and up, so many times."""
    steps: list[Step] = []
    for turn in range(times):
        steps += [Pause(pause_ms)] if turn and pause_ms else []
        steps += [Button(button, True), Button(button, False)]
    return steps


def encoded(picture: Image.Image) -> str:
    """A picture as base64 of a PNG; packed fast rather than small, since a person or a model waits for it."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "PNG", compress_level=1)
    return base64.b64encode(out.getvalue()).decode()


def _fine(more: Body | None = None) -> Body:
    return {"success": True, "data": None, "error": None, **(more or {})}
