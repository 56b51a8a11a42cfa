# What a task is made from: JSON, or a form with files that are to lie on the desktop.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: N815 - the fields are spelled as the documents spell them

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Annotated, Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, model_validator
from starlette.datastructures import Headers, UploadFile
from starlette.routing import Match
from starlette.types import Scope

from bytebot_app.errors import ApiError
from bytebot_app.models import Given, Kind, Priority, Text
from bytebot_app.store import Row

MOST_FILES = 20
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")
FORM: dict[str, Any] = {
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["description"],
                "properties": {
                    "description": {"type": "string", "minLength": 1, "maxLength": 10000},
                    "priority": {"type": "string", "enum": ["LOW", "MEDIUM", "HIGH", "URGENT"]},
                    "files": {"type": "array", "maxItems": MOST_FILES, "items": {"type": "string", "format": "binary"}},
                },
            }
        }
    }
}


def _written(moment: Any) -> Any:
    if not isinstance(moment, str) or moment.strip().lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("it is not a time as RFC 3339 writes it")  # a number would be taken for seconds
    return moment


class NewTask(Given):
    """What a task is made from."""

    description: Text = Field(min_length=1, max_length=10000, pattern=r"\S")
    priority: Priority = "MEDIUM"
    type: Kind = "IMMEDIATE"
    scheduledFor: Annotated[AwareDatetime, BeforeValidator(_written)] | None = None
    model: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    teamId: Annotated[Text, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _has_its_time(self) -> NewTask:
        if (self.type == "SCHEDULED") != (self.scheduledFor is not None):
            raise ValueError("scheduledFor belongs to the type SCHEDULED, and to no other")
        return self


class FormRoute(APIRoute):
    """Fits only requests that bring a form."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        given = Headers(scope=scope).get("content-type", "") if scope["type"] == "http" else ""
        # Without a boundary nothing could be read: to the other route it is a wrong content type.
        form = given.lower().startswith("multipart/form-data") and "boundary=" in given.lower()
        return super().matches(scope) if form else (Match.NONE, {})


async def from_form(request: Request) -> tuple[Row, list[Row]]:
    """The task and its files, or the same error as for JSON."""
    fields: dict[str, Any] = {}
    uploads: list[UploadFile] = []
    problems: list[dict[str, str]] = []
    async with request.form(max_files=MOST_FILES, max_fields=20) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                uploads.append(value)
                if name != "files":
                    problems.append(_problem(name, "is no field for files"))
            elif name in fields:
                problems.append(_problem(name, "is given twice"))
            else:
                fields[name] = value
        files = [await _file(upload, problems) for upload in uploads]
    try:
        given = NewTask.model_validate(fields)
    except ValidationError as exc:
        for item in exc.errors(include_url=False, include_input=False):
            problems.append(_problem(".".join(map(str, item["loc"])) or "body", item["msg"]))
    if problems:
        raise ApiError(400, "VALIDATION_FAILED", "The request is not valid", problems)
    return given.model_dump(), files


async def _file(upload: UploadFile, problems: list[dict[str, str]]) -> Row:
    name = upload.filename or ""
    if not _NAME.fullmatch(name) or name.startswith("."):
        problems.append(_problem("files", "has a name that no file of the desktop can have"))
    data = await upload.read()
    return {
        "name": name,
        "type": upload.content_type or mimetypes.guess_type(name)[0] or "application/octet-stream",
        "size": len(data),
        "data": base64.b64encode(data).decode(),
    }


def _problem(field: str, message: str) -> dict[str, str]:
    return {"field": field, "message": message}
