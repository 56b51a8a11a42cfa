# The one documented error shape; nothing of the inside ever stands in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bytebot_app.logs import logger

_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}
_MESSAGES = {
    404: "Not found",
    405: "Method not allowed",
    413: "Body too large",
    415: "Content type must be application/json",
}


class ApiError(Exception):
    """An error that the caller is told, in the documented shape."""

    def __init__(self, status: int, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details


def envelope(status: int, code: str, message: str, details: Any = None) -> JSONResponse:
    """``{"error": {"code", "message", "details"}}``."""
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    body = {"error": {"code": code, "message": message, "details": details or {}}}
    return JSONResponse(body, status_code=status, headers=headers)


def not_found(what: str) -> ApiError:
    """The error for an object that is not there."""
    return ApiError(404, "NOT_FOUND", f"{what} not found")


def install(app: FastAPI) -> None:
    """Answer every kind of error in the documented shape."""

    async def api_error(_request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, ApiError)
        return envelope(exc.status, exc.code, exc.message, exc.details)

    async def http_error(_request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, HTTPException)
        code = _CODES.get(exc.status_code, "HTTP_ERROR")
        return envelope(exc.status_code, code, _MESSAGES.get(exc.status_code, "Request refused"))

    async def invalid(_request: Request, exc: Exception) -> JSONResponse:
        assert isinstance(exc, RequestValidationError)
        details = [
            {"field": ".".join(str(part) for part in item["loc"][1:]), "message": item["msg"]} for item in exc.errors()
        ]
        return envelope(400, "VALIDATION_FAILED", "The request is not valid", details)

    async def broken(_request: Request, exc: Exception) -> JSONResponse:
        logger().error("unhandled error", error=type(exc).__name__, exc_info=exc)
        return envelope(500, "INTERNAL_ERROR", "Something went wrong")

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)
