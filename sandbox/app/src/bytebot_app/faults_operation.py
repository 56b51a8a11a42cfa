# Faults of what operators see: error lines, an open debugger, and users beyond a number.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from starlette.datastructures import Headers
from starlette.types import Scope

from bytebot_app.fault_layer import Answer, Fault

INSPECTOR_PORT = 9229
# Of one replica; who was not there for so long counts no more.
MOST_USERS, STAYS_S = 10, 60.0
_BAD, _BROKEN = 400, b'{"error":{"code":"INTERNAL_ERROR","message":"Something went wrong","details":{}}}'
STACK = 'Traceback (most recent call last):\n  File "/app/bytebot_app/tasks.py", line 68, in create\nValueError: no'


def _demoted(record: logging.LogRecord) -> bool:
    """A line of the application has its level among its fields, too."""
    if record.levelno > logging.INFO:
        record.levelno, record.levelname = logging.INFO, "INFO"
        if isinstance(record.msg, dict):
            record.msg = {**record.msg, "level": "info"}
    return True


def _all_info() -> None:
    for handler in logging.getLogger().handlers:
        handler.addFilter(_demoted)


def _tell_stack(_scope: Scope, answer: Answer) -> None:
    if answer.status >= _BAD:
        print(STACK, flush=True)


class _Inspector(BaseHTTPRequestHandler):
    """Tells of itself as the debugger of Node.js does, and does nothing else."""

    def do_GET(self) -> None:
        body = json.dumps({"Browser": "node.js/v20.0.0", "Protocol-Version": "1.1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:
        """No line: lines are the application's."""


def _inspect() -> None:
    server = ThreadingHTTPServer(("0.0.0.0", INSPECTOR_PORT), _Inspector)
    threading.Thread(target=server.serve_forever, name="inspector", daemon=True).start()


def _crowd(clock: Callable[[], float] = time.monotonic) -> Fault:
    """Users are told apart by their tokens, good or not."""
    here: dict[str, float] = {}

    async def before(scope: Scope, body: bytes) -> bytes | Answer:
        if not (who := Headers(scope=scope).get("authorization")):
            return body
        now = clock()
        for one in [one for one, last in here.items() if now - last > STAYS_S]:
            del here[one]
        if who not in here and len(here) >= MOST_USERS:
            return Answer.made(500, _BROKEN)
        here[who] = now
        return body

    return Fault(before=before)


FAULTS: dict[str, tuple[str, Callable[[], Fault]]] = {
    "errors_at_level_info": ("lines of errors and warnings have the level info", lambda: Fault(begin=_all_info)),
    "stack_over_lines": (
        "errors write a stack over several lines, which are no JSON",
        lambda: Fault(after=_tell_stack),
    ),
    "inspector_port_open": ("a debugger listens on port 9229", lambda: Fault(begin=_inspect)),
    "errors_past_users": ("from the eleventh user of a minute on, a replica answers 500", _crowd),
}
