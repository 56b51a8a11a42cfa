# The one documented error shape; nothing of the inside ever stands in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from bytebot_app import openapi
from bytebot_app.logs import logger
from bytebot_app.models import Failure

_KNOWN = {
    400: ("VALIDATION_FAILED", "The request is not valid"),
    401: ("TOKEN_INVALID", "The token is not valid"),
    403: ("INSUFFICIENT_PERMISSIONS", "A permission is missing"),
    404: ("NOT_FOUND", "Not found"),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed"),
    408: ("REQUEST_TIMEOUT", "The request did not arrive in time"),
    409: ("CONFLICT", "The request conflicts with what is there"),
    413: ("PAYLOAD_TOO_LARGE", "Body too large"),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Content type must be application/json"),
    429: ("RATE_LIMIT_EXCEEDED", "Too many requests"),
    500: ("INTERNAL_ERROR", "Something went wrong"),
    503: ("SERVICE_UNAVAILABLE", "Try again later"),
}

_BAD, _LONGEST_FIELD = 400, 100


class ApiError(Exception):
    """An error that the caller is told, in the documented shape."""

    def __init__(self, status: int, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details


def envelope(
    status: int, code: str, message: str, details: Any = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """``{"error": {"code", "message", "details"}}``."""
    more = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        more["WWW-Authenticate"] = "Bearer"
    body = {"error": {"code": code, "message": message, "details": details or {}}}
    return JSONResponse(body, status_code=status, headers=more)


def plain(status: int, headers: Mapping[str, str] | None = None, details: Any = None) -> JSONResponse:
    """The answer for a status that needs no words of its own."""
    code, message = _KNOWN.get(status, ("REQUEST_REFUSED", "Request refused"))
    return envelope(status, code, message, details, headers)


def not_found(what: str) -> ApiError:
    """The error for an object that is not there."""
    return ApiError(404, "NOT_FOUND", f"{what} not found")


def conflict(why: str) -> ApiError:
    """The error for what cannot be done as things are."""
    return ApiError(409, "CONFLICT", why)


def refused_field(field: str, *messages: str) -> ApiError:
    """The error for a field whose form is right and whose value is not."""
    details = [{"field": field, "message": message} for message in messages]
    return ApiError(400, "VALIDATION_FAILED", _KNOWN[400][1], details)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route can fail with, for the OpenAPI document."""
    return {status: {"model": Failure, "description": _KNOWN[status][1]} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer every kind of error in the documented shape."""

    async def api_error(_request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, ApiError)
        return envelope(exc.status, exc.code, exc.message, exc.details)

    async def http_error(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)
        if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return plain(exc.status_code, {"Allow": openapi.allowed(app, request.scope["path"])})
        unread = [{"field": "body", "message": "it cannot be read"}] if exc.status_code == _BAD else None
        return plain(exc.status_code, exc.headers, unread)

    async def invalid(request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)
        problems = exc.errors()
        if any(item["loc"][0] == "body" for item in problems) and _has_other_body(request):
            return plain(415)
        return plain(400, details=[{"field": _field(item), "message": item["msg"]} for item in problems])

    async def outage(_request: Request, exc: Exception) -> JSONResponse:
        logger().error("a dependency does not answer", dependency=type(exc).__module__.split(".")[0], exc_info=exc)
        return plain(503, {"Retry-After": "5"})

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(psycopg.OperationalError, outage)
    app.add_exception_handler(RedisError, outage)


def _field(problem: Any) -> str:
    where = problem["loc"][1:]
    return "body" if problem["type"] == "json_invalid" or not where else ".".join(map(str, where))[:_LONGEST_FIELD]


def _has_other_body(request: Request) -> bool:
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    return has_body and given != "application/json"
