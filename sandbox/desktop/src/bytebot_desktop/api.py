# The daemon's two listeners: computer use on one port, reading pictures on another.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from PIL import Image, UnidentifiedImageError
from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bytebot_desktop.access import Access
from bytebot_desktop.actions import VIEWS, Options, parsed
from bytebot_desktop.desk import Desk
from bytebot_desktop.ocr import ENGINE, Reader
from bytebot_desktop.problems import NoEngine, Problem, Wrong, answer, worded

BODY_LIMIT = 64 << 20
SHOWN_LIMIT = 500
Given = TypeVar("Given", bound=Options)
Handler = Callable[[Request], Awaitable[Response]]


class TestSurface(Protocol):
    """A window that tells what happens to it."""

    def show(self, text: str) -> None: ...
    def hide(self) -> None: ...
    def events(self) -> list[dict[str, Any]]: ...
    def clear(self) -> None: ...


class Recorder(Protocol):
    """Input tracking."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """What the routes stand on."""

    desk: Desk
    reader: Reader
    access: Access
    tracking: Recorder
    ready: Callable[[], Awaitable[None]]
    surface: TestSurface | None = None


class Picture(Options):
    """One picture to read."""

    image: str = Field(min_length=1)


class Pictures(Options):
    """Several pictures to read in the same way."""

    images: list[str] = Field(min_length=1, max_length=50)


def computer_app(parts: Parts) -> Starlette:
    """Port 9990."""

    async def computer_use(request: Request) -> Response:
        body = await _json(request)
        name = body.get("action") if isinstance(body, dict) else None
        view = isinstance(name, str) and name in VIEWS
        await parts.access.check(_token(request), "computer:view" if view else "computer:control")
        return JSONResponse(await parts.desk.perform(parsed(body)))

    async def start(request: Request) -> Response:
        await parts.access.check(_token(request), "computer:view")
        parts.tracking.start()
        return JSONResponse({"status": "started"})

    async def stop(request: Request) -> Response:
        await parts.access.check(_token(request), "computer:view")
        parts.tracking.stop()
        return JSONResponse({"status": "stopped"})

    async def ready(_request: Request) -> Response:
        try:
            await parts.ready()
        except Problem as exc:
            return JSONResponse({"status": "error", "error": str(exc)}, 503)
        return JSONResponse({"status": "ok"})

    routes = [
        Route("/computer-use", _told(computer_use), methods=["POST"]),
        Route("/input-tracking/start", _told(start), methods=["POST"]),
        Route("/input-tracking/stop", _told(stop), methods=["POST"]),
        Route("/health/live", _live, methods=["GET"]),
        Route("/health/ready", ready, methods=["GET"]),
    ]
    if parts.surface:
        routes += _surface(parts.surface, parts.access)
    return _app(routes)


def vision_app(parts: Parts) -> Starlette:
    """Port 9993."""

    async def ocr(request: Request) -> Response:
        await _may_see(request)
        given = _model(Picture, await _json(request))
        return JSONResponse({"success": True, "result": await parts.reader.read(decoded(given.image), _options(given))})

    async def batch(request: Request) -> Response:
        await _may_see(request)
        given = _model(Pictures, await _json(request))
        pictures = [decoded(image) for image in given.images]
        results = [await parts.reader.read(picture, _options(given)) for picture in pictures]
        return JSONResponse({"success": True, "results": results})

    async def status(_request: Request) -> Response:
        there = parts.reader.available()
        languages = parts.reader.languages()
        body = {"success": True, "available": there, "method": ENGINE, "accelerator": "cpu", "languages": languages}
        return JSONResponse(body)

    async def health(_request: Request) -> Response:
        there = parts.reader.available()
        return JSONResponse({"status": "ok" if there else "error"}, 200 if there else 503)

    async def _may_see(request: Request) -> None:
        await parts.access.check(_token(request), "computer:view")
        if not parts.reader.available():
            raise NoEngine("no text recognition engine is there")

    return _app(
        [
            Route("/api/v1/cua/vision/ocr", _told(ocr), methods=["POST"]),
            Route("/api/v1/cua/vision/ocr/batch", _told(batch), methods=["POST"]),
            Route("/api/v1/cua/status", status, methods=["GET"]),
            Route("/api/v1/cua/health", health, methods=["GET"]),
        ]
    )


def decoded(text: str) -> Image.Image:
    """A picture given as base64, with or without the head of a data URL."""
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(text.rpartition(",")[2], validate=True)))
        picture.load()
    except (binascii.Error, ValueError, OSError, UnidentifiedImageError, Image.DecompressionBombError):
        raise Wrong("image: it is not a picture as base64") from None
    return picture


def _surface(surface: TestSurface, access: Access) -> list[Route]:
    async def events(request: Request) -> Response:
        await access.check(_token(request), "computer:view")
        lines = "".join(json.dumps(event) + "\n" for event in surface.events())
        return Response(lines, media_type="application/x-ndjson")

    def change(work: Callable[[Any], None]) -> Handler:
        async def changed(request: Request) -> Response:
            await access.check(_token(request), "computer:control")
            work(await _json(request) if request.headers.get("content-length", "0") != "0" else None)
            return JSONResponse({"success": True, "testSurface": True})

        return _told(changed)

    def show(body: Any) -> None:
        text = body.get("text", "") if isinstance(body, dict) else ""
        if not isinstance(text, str) or len(text) > SHOWN_LIMIT:
            raise Wrong(f"text: a text of at most {SHOWN_LIMIT} characters is needed")
        surface.show(text)

    return [
        Route("/test-surface/events", _told(events), methods=["GET"]),
        Route("/test-surface/events", change(lambda _body: surface.clear()), methods=["DELETE"]),
        Route("/test-surface/show", change(show), methods=["POST"]),
        Route("/test-surface/hide", change(lambda _body: surface.hide()), methods=["POST"]),
    ]


async def _live(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _told(handler: Handler) -> Handler:
    """Problems become answers; what nobody expected is a failed action without its inside."""

    async def told(request: Request) -> Response:
        try:
            return await handler(request)
        except Problem as exc:
            return answer(exc)
        except Exception as exc:  # noqa: BLE001 - the documented answer for whatever fails
            return answer(Problem(f"the action failed: {type(exc).__name__}"))

    return told


def _app(routes: list[Route]) -> Starlette:
    async def refused(_request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        return JSONResponse({"success": False, "error": exc.detail}, exc.status_code, headers=exc.headers)

    return Starlette(routes=routes, exception_handlers={HTTPException: refused})


async def _json(request: Request) -> Any:
    size, data = 0, bytearray()
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise Wrong(f"the body has more than {BODY_LIMIT} bytes")
        data += chunk
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError):
        raise Wrong("the body is not JSON") from None


def _token(request: Request) -> str:
    return request.headers.get("authorization", "")


def _options(given: Options) -> Options:
    return Options(**{name: getattr(given, name) for name in Options.model_fields})


def _model(kind: type[Given], body: Any) -> Given:
    try:
        return kind.model_validate(body)
    except ValidationError as exc:
        raise worded(exc, whole=True) from None
