# The API document: made from the routes, completed by what the layers around them answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import compile_path

from bytebot_app.http_settings import HttpSettings

_FAILURE = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
_LIMITS = {
    "X-RateLimit-Limit": "Requests in a window",
    "X-RateLimit-Remaining": "Requests that are left in this window",
    "X-RateLimit-Reset": "When the window ends, in Unix seconds",
}
_ALWAYS = {"x-correlation-id": {"description": "As it was given, or else made", "schema": {"type": "string"}}}


def install(app: FastAPI, settings: HttpSettings) -> None:
    """Replace the framework's document, which tells of a 422 that this API never answers, and of no layer."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            made = get_openapi(title=app.title, version=app.version, routes=app.routes)
            for path, item in made["paths"].items():
                for operation in item.values():
                    _complete(operation, settings, path)
            for name in ("HTTPValidationError", "ValidationError"):
                made["components"]["schemas"].pop(name, None)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def form_of(app: FastAPI, path: str) -> str:
    """A path's form, with the names of its parameters."""
    return next((form for form, _item in _fitting(app, path)), "unmatched")


def allowed(app: FastAPI, path: str) -> str:
    """The methods of all operations with this path; the router itself tells those of the first one only."""
    return ", ".join(sorted({method.upper() for _form, item in _fitting(app, path) for method in item}))


def _fitting(app: FastAPI, path: str) -> Iterator[tuple[str, Any]]:
    forms = app.openapi()["paths"].items()
    return ((form, item) for form, item in forms if _pattern(form).match(path))


@lru_cache(maxsize=200)
def _pattern(form: str) -> re.Pattern[str]:
    return compile_path(form)[0]


def _complete(operation: dict[str, Any], settings: HttpSettings, path: str) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    if settings.enable_rate_limiting and not path.startswith(settings.exempt_paths):
        told = {name: _whole_number(text) for name, text in _LIMITS.items()}
        for answer in answers.values():
            answer.setdefault("headers", {}).update(told)
        wait = {"Retry-After": _whole_number("Seconds to wait")}
        answers["429"] = {"description": "Too many requests", "content": _FAILURE, "headers": {**told, **wait}}
    if "requestBody" in operation:
        answers["408"] = {"description": "The request did not arrive in time", "content": _FAILURE}
    answers.setdefault("500", {"description": "Something went wrong", "content": _FAILURE})
    answers.setdefault("503", {"description": "Try again later", "content": _FAILURE})
    for answer in answers.values():
        answer.setdefault("headers", {}).update(_ALWAYS)
    operation["responses"] = dict(sorted(answers.items()))


def _whole_number(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "integer"}}
