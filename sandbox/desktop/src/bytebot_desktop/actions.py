# The requests of computer use: sixteen actions with the documented parameters, and three that read the screen.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: N815 - the fields are spelled as the documents spell them

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError

from bytebot_desktop.problems import Wrong, worded

LONGEST_MS = 300_000
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Button = Literal["left", "right", "middle"]
Press = Literal["up", "down"]
Milliseconds = Annotated[StrictInt, Field(ge=0, le=LONGEST_MS)]
Count = Annotated[StrictInt, Field(ge=1, le=100)]
Keys = Annotated[list[StrictStr], Field(max_length=100)]
Name = Literal["firefox", "1password", "thunderbird", "vscode", "terminal", "desktop", "directory"]


class Part(BaseModel):
    """A field that nobody knows is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Point(Part):
    """A place on the screen."""

    x: Number
    y: Number


Path = Annotated[list[Point], Field(min_length=1, max_length=10_000)]


class MoveMouse(Part):
    action: Literal["move_mouse"]
    coordinates: Point


class TraceMouse(Part):
    action: Literal["trace_mouse"]
    path: Path
    holdKeys: Keys = []


class ClickMouse(Part):
    action: Literal["click_mouse"]
    button: Button
    clickCount: Count
    coordinates: Point | None = None
    holdKeys: Keys = []


class PressMouse(Part):
    action: Literal["press_mouse"]
    button: Button
    press: Press
    coordinates: Point | None = None


class DragMouse(Part):
    action: Literal["drag_mouse"]
    path: Path
    button: Button
    holdKeys: Keys = []


class Scroll(Part):
    action: Literal["scroll"]
    direction: Literal["up", "down", "left", "right"]
    scrollCount: Count
    coordinates: Point | None = None
    holdKeys: Keys = []


class TypeKeys(Part):
    action: Literal["type_keys"]
    keys: Annotated[Keys, Field(min_length=1)]
    delay: Milliseconds | None = None


class PressKeys(Part):
    action: Literal["press_keys"]
    keys: Annotated[Keys, Field(min_length=1)]
    press: Press


class TypeText(Part):
    action: Literal["type_text"]
    text: Annotated[StrictStr, Field(max_length=100_000)]
    delay: Milliseconds = 0


class PasteText(Part):
    action: Literal["paste_text"]
    text: Annotated[StrictStr, Field(max_length=1_000_000)]


class Wait(Part):
    action: Literal["wait"]
    duration: Milliseconds


class Screenshot(Part):
    action: Literal["screenshot"]


class CursorPosition(Part):
    action: Literal["cursor_position"]


class Application(Part):
    action: Literal["application"]
    application: Name


class WriteFile(Part):
    action: Literal["write_file"]
    path: Annotated[StrictStr, Field(min_length=1, max_length=4096)]
    data: StrictStr


class ReadFile(Part):
    action: Literal["read_file"]
    path: Annotated[StrictStr, Field(min_length=1, max_length=4096)]


class Options(Part):
    """How a picture is read."""

    recognitionLevel: Literal["accurate", "fast"] = "accurate"
    languages: Annotated[list[StrictStr], Field(min_length=1, max_length=10)] = ["en-US"]
    enableBoundingBoxes: StrictBool = True


class Ocr(Part):
    action: Literal["ocr"]
    options: Options = Options()


class FindText(Part):
    action: Literal["find_text"]
    text: Annotated[StrictStr, Field(min_length=1, max_length=1000)]
    options: Options = Options()


class EnhancedScreenshot(Part):
    action: Literal["enhanced_screenshot"]
    includeOcr: StrictBool = False
    includeTextDetection: StrictBool = False


Action = (
    MoveMouse | TraceMouse | ClickMouse | PressMouse | DragMouse | Scroll | TypeKeys | PressKeys | TypeText | PasteText
    | Wait | Screenshot | CursorPosition | Application | WriteFile | ReadFile | Ocr | FindText | EnhancedScreenshot
)  # fmt: skip
# What only looks; everything else needs the right to control.
VIEWS = frozenset({"screenshot", "cursor_position", "ocr", "find_text", "enhanced_screenshot"})
_KNOWN: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="action")])


def parsed(body: Any) -> Action:
    """The action that a request's body asks for, or :class:`Wrong`."""
    if not isinstance(body, dict):
        raise Wrong("the body is not a JSON object")
    try:
        return _KNOWN.validate_python(body)
    except ValidationError as exc:
        raise worded(exc) from None
