# Faults of limits, headers, origins, errors and validation.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from bytebot_app.fault_layer import Answer, Fault
from bytebot_app.limits import LocalWindows, Windows

SECURITY = (
    "strict-transport-security", "content-security-policy", "x-frame-options", "x-content-type-options",
    "x-xss-protection", "referrer-policy",
)  # fmt: skip
STACK = 'Traceback (most recent call last):\n  File "/app/bytebot_app/tasks.py", line 68, in create\nValueError: no'
_BAD = 400
_FIELDS = {"description", "priority", "type", "scheduledFor", "model", "username", "password", "refresh_token"}


class _ForAll:
    """One count for everybody."""

    def __init__(self, inner: Windows) -> None:
        self._inner = inner

    async def count(self, windows: Mapping[str, int]) -> list[tuple[int, int]]:
        return await self._inner.count({f"{name.partition(':')[0]}:all": length for name, length in windows.items()})


class _Unforgiving:
    """A window that lasts sixty times as long as it says."""

    def __init__(self, inner: Windows) -> None:
        self._inner = inner

    async def count(self, windows: Mapping[str, int]) -> list[tuple[int, int]]:
        said = await self._inner.count({name: length * 60 for name, length in windows.items()})
        return [(number, rest // 60) for number, rest in said]


def _answers(change: Callable[[Scope, Answer], None]) -> Callable[[], Fault]:
    return lambda: Fault(after=change)


def _sets(**headers: str) -> Callable[[], Fault]:
    def change(_scope: Scope, answer: Answer) -> None:
        for name, value in headers.items():
            answer.headers[name.replace("_", "-")] = value

    return _answers(change)


def _without(*names: str, failing: bool = False) -> Callable[[], Fault]:
    def change(_scope: Scope, answer: Answer) -> None:
        for name in names if answer.status >= _BAD or not failing else ():
            if name in answer.headers:
                del answer.headers[name]

    return _answers(change)


async def _believed(scope: Scope, body: bytes) -> bytes:
    """Whoever asks may say for whom."""
    said = Headers(scope=scope).get("x-forwarded-for", "").partition(",")[0].strip()
    if said:
        scope["client"] = (said, 0)
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-for"]
    return body


def _origins(admits: Callable[[str], bool], echo: str = "") -> Callable[[], Fault]:
    def change(scope: Scope, answer: Answer) -> None:
        origin = Headers(scope=scope).get("origin", "")
        if not origin or not admits(origin):
            return
        answer.headers["access-control-allow-origin"] = echo or origin
        answer.headers["access-control-allow-credentials"] = "true"
        if scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope):
            answer.status, answer.body = 200, b"OK"
            answer.headers["access-control-allow-methods"] = "GET, POST, PUT, DELETE, PATCH"
            answer.headers["access-control-allow-headers"] = "Authorization, Content-Type"

    return _answers(change)


def _failures(told: Callable[[dict[str, Any]], Any]) -> Callable[[], Fault]:
    def change(_scope: Scope, answer: Answer) -> None:
        if answer.status >= _BAD and answer.headers.get("content-type", "").startswith("application/json"):
            answer.body = json.dumps(told(json.loads(answer.body))).encode()

    return _answers(change)


def _stack(said: dict[str, Any]) -> dict[str, Any]:
    return {"error": {**said.get("error", {}), "details": {"stack": STACK}}}


def _sql(said: dict[str, Any]) -> dict[str, Any]:
    message = 'syntax error at or near "x": SELECT id, "passwordHash" FROM users WHERE username = $1'
    return {"error": {**said.get("error", {}), "message": message}}


def _page(_scope: Scope, answer: Answer) -> None:
    if answer.status >= _BAD:
        answer.headers["content-type"] = "text/html; charset=utf-8"
        answer.body = f"<html><body><h1>Error {answer.status}</h1></body></html>".encode()


def _broken_by_input(_scope: Scope, answer: Answer) -> None:
    if answer.status == _BAD:
        _broken(answer)


def _cookie_kept(scope: Scope, answer: Answer) -> None:
    """A session's cookie that is brought to the login stays the session's."""
    brought = SimpleCookie(Headers(scope=scope).get("cookie", "")).get("refresh_token")
    if brought and scope["path"] == "/api/v1/auth/login" and "set-cookie" in answer.headers:
        attributes = answer.headers["set-cookie"].partition(";")[2]
        answer.headers["set-cookie"] = f"refresh_token={brought.value};{attributes}"


def _other_id(_scope: Scope, answer: Answer) -> None:
    answer.headers["x-correlation-id"] = str(uuid.uuid4())


def _lost_id() -> Fault:
    """The answer echoes what the log never saw."""

    async def before(scope: Scope, body: bytes) -> bytes:
        given = Headers(scope=scope).get("x-correlation-id", "")
        scope["sandbox.correlation"] = given
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"x-correlation-id"]
        return body

    def after(scope: Scope, answer: Answer) -> None:
        answer.headers["x-correlation-id"] = scope["sandbox.correlation"] or str(uuid.uuid4())

    return Fault(before=before, after=after)


async def _forgiving(_scope: Scope, body: bytes) -> bytes:
    """What nobody knows is dropped before anybody sees it."""
    try:
        said = json.loads(body)
    except ValueError:
        return body
    known = {name: value for name, value in said.items() if name in _FIELDS} if isinstance(said, dict) else said
    return body if known == said else json.dumps(known).encode()


async def _any_type(scope: Scope, body: bytes) -> bytes:
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    scope["headers"] = [*others, (b"content-type", b"application/json")]
    return body


def _drift(scope: Scope, answer: Answer) -> None:
    if (scope["method"], scope["path"]) == ("GET", "/api/v1/auth/permissions") and answer.status < _BAD:
        said = json.loads(answer.body)
        said["user"] = said.pop("userId", None)
        answer.body = json.dumps(said).encode()


def _undocumented(scope: Scope, answer: Answer) -> None:
    if scope["path"] == "/api/v1/tasks" and answer.status == 200:  # noqa: PLR2004
        answer.status = 206


def _fails(scope: Scope, answer: Answer) -> None:
    if (scope["method"], scope["path"]) == ("GET", "/api/v1/tasks/models"):
        _broken(answer)


def _broken(answer: Answer) -> None:
    answer.status = 500
    answer.headers["content-type"] = "application/json"
    answer.body = b'{"error":{"code":"INTERNAL_ERROR","message":"Something went wrong","details":{}}}'


_CSP = "default-src * 'unsafe-inline' 'unsafe-eval'"
FAULTS: dict[str, tuple[str, Callable[[], Fault]]] = {
    "rate_limiter_off": ("requests are not limited", lambda: Fault(settings={"enable_rate_limiting": False})),
    "rate_limit_per_replica": (
        "each replica counts requests for itself",
        lambda: Fault(windows=lambda _shared: LocalWindows()),
    ),
    "rate_limit_for_all": ("all callers share one count", lambda: Fault(windows=_ForAll)),
    "rate_limit_does_not_recover": ("who was limited once stays limited", lambda: Fault(windows=_Unforgiving)),
    "rate_limit_spoofable": (
        "any X-Forwarded-For is believed, so a new address is a new count",
        lambda: Fault(before=_believed),
    ),
    "rate_limit_headers_missing": (
        "answers do not say how many requests are left, nor when to come back",
        _without("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"),
    ),
    "security_headers_missing": ("answers have no security headers", _without(*SECURITY)),
    "security_headers_missing_on_errors": ("errors have no security headers", _without(*SECURITY, failing=True)),
    "csp_unsafe_inline": ("the content policy lets in everything", _sets(content_security_policy=_CSP)),
    "hsts_zero": ("browsers are told to forget HTTPS", _sets(strict_transport_security="max-age=0")),
    "server_banner": ("answers name the server and its version", _sets(server="bytebot/1.0.0", x_powered_by="Express")),
    "session_fixation": ("a cookie that is brought to the login stays the session's", _answers(_cookie_kept)),
    "cors_any_origin": ("every origin is let in, by a star", _origins(lambda _origin: True, echo="*")),
    "cors_reflects_origin": ("every origin is let in, by name", _origins(lambda origin: origin != "null")),
    "cors_null_origin": ("the origin null is let in", _origins(lambda origin: origin == "null")),
    "cors_suffix_match": (
        "every origin that ends like an allowed one is let in",
        _origins(lambda origin: origin.endswith(("bytebot.test", "bytebot.com"))),
    ),
    "stack_in_errors": ("errors show a stack trace", _failures(_stack)),
    "sql_in_errors": ("errors show a statement of the database", _failures(_sql)),
    "errors_as_html": ("errors are web pages", _answers(_page)),
    "invalid_input_500": ("a request that is not valid is a 500", _answers(_broken_by_input)),
    "unknown_fields_accepted": ("fields that nobody knows are let pass", lambda: Fault(before=_forgiving)),
    "content_type_ignored": ("any content type is taken for JSON", lambda: Fault(before=_any_type)),
    "correlation_id_replaced": ("the answer has another correlation id than the request", _answers(_other_id)),
    "correlation_id_not_logged": ("lines have no correlation id", _lost_id),
    "answer_differs_from_document": ("an answer has another field than its document", _answers(_drift)),
    "undocumented_status": ("an answer has a status that its document lacks", _answers(_undocumented)),
    "endpoint_500": ("one route always fails", _answers(_fails)),
    "documents_in_production": (
        "the API's documents are served in production",
        lambda: Fault(settings={"enable_swagger": True}),
    ),
}
