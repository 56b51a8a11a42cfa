# Computer use through the API: the caller's permission is judged here, the desktop does the work.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: N815 - the fields are spelled as the documents spell them

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from bytebot_app.auth import Auth, Caller, needs
from bytebot_app.auth_routes import caller_of
from bytebot_app.computer import VIEWS, Computer, ComputerFailed
from bytebot_app.errors import ApiError, documented


class Operation(BaseModel):
    """An action with its own fields, which the desktop judges."""

    model_config = ConfigDict(extra="allow")
    action: str = Field(min_length=1, max_length=50)
    isElevated: bool = False


class Performed(BaseModel):
    """What the desktop answered."""

    model_config = ConfigDict(extra="allow")
    success: bool


def router(auth: Auth, computer: Computer) -> APIRouter:
    """One route for all operations."""
    routes = APIRouter(prefix="/api/v1", tags=["computer use"])
    known = Depends(caller_of(auth))

    @routes.post("/computer-use", responses=documented(400, 401, 403, 413, 415, 500, 503))
    async def perform(given: Operation, caller: Caller = known) -> Performed:
        needs(caller, "computer:view" if given.action in VIEWS else "computer:control")
        if given.isElevated:
            needs(caller, "system:admin")
        fields: dict[str, Any] = given.model_extra or {}
        try:
            return Performed(**await computer.act(given.action, **fields))
        except ComputerFailed as exc:
            raise _told(exc) from None

    return routes


def _told(exc: ComputerFailed) -> ApiError:
    if exc.status == 400:  # noqa: PLR2004
        return ApiError(400, "VALIDATION_FAILED", "The request is not valid", [{"field": "body", "message": str(exc)}])
    if exc.status == 503:  # noqa: PLR2004
        return ApiError(503, "SERVICE_UNAVAILABLE", "The desktop does not answer")
    return ApiError(500, "INTERNAL_ERROR", "The operation failed")
