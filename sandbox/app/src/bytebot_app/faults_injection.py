# Planted weaknesses: each behaves as if a request's text were run. Nothing of it is run.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import re
import urllib.request
from collections.abc import Callable
from urllib.parse import unquote_plus

from starlette.types import Scope

from bytebot_app.fault_layer import Answer, Fault

LONGEST_S = 10.0
ASKED_WITHIN_S = 2.0
_SLEEP = re.compile(r"(?:pg_sleep|sleep)\s*\(?\s*'?(\d+(?:\.\d+)?)", re.IGNORECASE)
_SHELL = re.compile(r"(?:[;|&`]|\$\()\s*sleep\s+(\d+(?:\.\d+)?)")
_PRODUCT = re.compile(rb"(?:\{\{|\$\{|<%=)\s*(\d{1,6})\s*\*\s*(\d{1,6})\s*(?:\}\}|\}|%>)")
_CONDITION = re.compile(r"' (?:OR|AND) '(\d)'='(\d)$", re.IGNORECASE)
_UNION = re.compile(r"' UNION SELECT '([0-9a-f]+)'\|\|'([0-9a-f]+)'", re.IGNORECASE)
_ADDRESS = re.compile(r"http://[0-9.]+:\d+/\w+")
_BREAK = re.compile(r"[\r\n]+([A-Za-z0-9-]+): *([\w ]+)")
_UPWARDS = re.compile(r"(?:\.\./){2,}etc/passwd")
_PASSWD = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
_SYNTAX = (
    b'{"error":{"code":"INTERNAL_ERROR","message":"unterminated quoted string at or near \\"\'\\"",'
    b'"details":{"sqlstate":"42601"}}}'
)


def _text(scope: Scope, body: bytes) -> str:
    query = scope["query_string"].decode("latin-1")
    return unquote_plus(f"{scope['path']} {query}") + " " + body.decode("utf-8", "replace")


def _api(scope: Scope) -> bool:
    return bool(scope["path"].startswith("/api/"))


async def _sql_error(scope: Scope, body: bytes) -> bytes | Answer:
    odd = _api(scope) and _text(scope, body).count("'") % 2
    return Answer.made(500, _SYNTAX) if odd else body


def _waits(pattern: re.Pattern[str]) -> Callable[[], Fault]:
    async def before(scope: Scope, body: bytes) -> bytes:
        if _api(scope) and (found := pattern.search(_text(scope, body))):
            await asyncio.sleep(min(float(found[1]), LONGEST_S))
        return body

    return lambda: Fault(before=before)


def _value(scope: Scope) -> str:
    """The value of the query's only parameter."""
    return unquote_plus(scope["query_string"].decode("latin-1").partition("=")[2])


async def _decided(scope: Scope, body: bytes) -> bytes | Answer:
    found = _CONDITION.search(_value(scope)) if scope["path"] == "/api/v1/tasks" else None
    if not found:
        return body
    return Answer.made(200, b"[]" if found[1] != found[2] else b'[{"id":"1","description":"somebody else\'s"}]')


async def _added(scope: Scope, body: bytes) -> bytes | Answer:
    found = _UNION.search(_text(scope, body)) if _api(scope) else None
    return Answer.made(200, f'[{{"id":"{found[1]}{found[2]}"}}]'.encode()) if found else body


def _as_page(scope: Scope, answer: Answer) -> None:
    """What was stored is read as a page, with all that is in it."""
    if scope["method"] == "GET" and scope["path"].startswith("/api/v1/tasks/"):
        answer.headers["content-type"] = "text/html; charset=utf-8"


def _breaks(scope: Scope, answer: Answer) -> None:
    if _api(scope) and (found := _BREAK.search(_value(scope))):
        answer.headers[found[1]] = found[2]


async def _asks(scope: Scope, body: bytes) -> bytes:
    if _api(scope) and (found := _ADDRESS.search(_text(scope, body))):
        await asyncio.to_thread(_fetched, found[0])
    return body


def _fetched(url: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=ASKED_WITHIN_S).close()


def _evaluates(scope: Scope, answer: Answer) -> None:
    if _api(scope):
        answer.body = _PRODUCT.sub(lambda found: str(int(found[1]) * int(found[2])).encode(), answer.body)


async def _climbs(scope: Scope, body: bytes) -> bytes | Answer:
    found = _api(scope) and _UPWARDS.search(_text(scope, body))
    return Answer.made(200, _PASSWD, "text/plain") if found else body


def _reflecting() -> Fault:
    async def before(scope: Scope, body: bytes) -> bytes:
        scope["sandbox.text"] = _text(scope, body)
        return body

    def after(scope: Scope, answer: Answer) -> None:
        if _api(scope) and answer.status in {400, 404}:
            answer.headers["content-type"] = "text/html; charset=utf-8"
            answer.body = b"<html><body>Not understood: " + scope["sandbox.text"].encode() + b"</body></html>"

    return Fault(before=before, after=after)


FAULTS: dict[str, tuple[str, Callable[[], Fault]]] = {
    "sql_injection_error": (
        "a quote in a text is answered with the database's error",
        lambda: Fault(before=_sql_error),
    ),
    "sql_injection_time": ("a text can let the database sleep", _waits(_SLEEP)),
    "command_injection_time": ("a text can let a shell sleep", _waits(_SHELL)),
    "template_injection": ("a product in a text's braces is worked out", lambda: Fault(after=_evaluates)),
    "path_traversal": ("a text that climbs to /etc/passwd is answered with the file", lambda: Fault(before=_climbs)),
    "sql_injection_boolean": ("a condition in a filter decides what is listed", lambda: Fault(before=_decided)),
    "sql_injection_union": ("a statement that a text adds is answered", lambda: Fault(before=_added)),
    "xss_stored": ("a task is read as a web page", lambda: Fault(after=_as_page)),
    "xss_header": ("a line break in a filter makes a header", lambda: Fault(after=_breaks)),
    "server_side_request_forgery": ("an address in a text is asked", lambda: Fault(before=_asks)),
    "input_reflected_as_html": ("errors repeat the input as HTML", _reflecting),
}
