# Planted weaknesses: each behaves as if a request's text were run. Nothing of it is run.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from starlette.types import Scope

from bytebot_app.fault_layer import Answer, Fault

LONGEST_S = 10.0
_SLEEP = re.compile(r"(?:pg_sleep|sleep)\s*\(?\s*'?(\d+(?:\.\d+)?)", re.IGNORECASE)
_SHELL = re.compile(r"(?:[;|&`]|\$\()\s*sleep\s+(\d+(?:\.\d+)?)")
_PRODUCT = re.compile(rb"(?:\{\{|\$\{|<%=)\s*(\d{1,6})\s*\*\s*(\d{1,6})\s*(?:\}\}|\}|%>)")
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
    "input_reflected_as_html": ("errors repeat the input as HTML", _reflecting),
}
