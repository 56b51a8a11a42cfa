# Faults of time, memory, metrics and logs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import Scope

from bytebot_app.fault_layer import Answer, Fault
from bytebot_app.logs import correlation_id

ADDED_S = 0.25
STALL_S, PERIOD_S = 2.0, 10.0
GROWS, MOST_ADDED_S, MOST_FAIL = 0.01, 1.0, 0.4  # seconds, or share, for each second that the process runs
SPIKE = 0.2
LEAK_BYTES = 64 * 1024
BUSINESS = (b"bytebot_", b"auth_", b"security_", b"cors_", b"rate_limit_", b"active_sessions_")
_PROBES = ("/health", "/metrics")


def _probe(scope: Scope) -> bool:
    return bool(scope["path"].startswith(_PROBES))


async def _slow(scope: Scope, body: bytes) -> bytes:
    if scope["path"] != "/metrics":
        await asyncio.sleep(ADDED_S)
    return body


def _stalls(clock: Callable[[], float] = time.monotonic) -> Fault:
    """For two seconds of each ten nothing is answered; live is, so that nobody restarts the process."""

    async def before(scope: Scope, body: bytes) -> bytes:
        rest = STALL_S - clock() % PERIOD_S
        if rest > 0 and scope["path"] != "/health/live":
            await asyncio.sleep(rest)
        return body

    return Fault(before=before)


def _every_second() -> Fault:
    asked = 0

    async def before(scope: Scope, body: bytes) -> bytes | Answer:
        nonlocal asked
        asked += not _probe(scope)
        if _probe(scope) or asked % 2:
            return body
        return Answer.made(500, b'{"error":{"code":"INTERNAL_ERROR","message":"Something went wrong","details":{}}}')

    return Fault(before=before)


async def _slow_api(scope: Scope, body: bytes) -> bytes:
    if not _probe(scope):
        await asyncio.sleep(ADDED_S)
    return body


def _slower_and_slower(clock: Callable[[], float] = time.monotonic) -> Fault:
    """Each answer takes longer, the longer the process runs."""
    begun = clock()

    async def before(scope: Scope, body: bytes) -> bytes:
        if not _probe(scope):
            await asyncio.sleep(min(MOST_ADDED_S, (clock() - begun) * GROWS))
        return body

    return Fault(before=before, inside=True)


def _share_fails(share: Callable[[], float]) -> Fault:
    """A share of the API's answers are errors, evenly spread."""
    owed = 0.0

    async def before(scope: Scope, body: bytes) -> bytes | Answer:
        nonlocal owed
        if _probe(scope):
            return body
        owed += share()
        if owed < 1:
            return body
        owed -= 1
        return Answer.made(500, b'{"error":{"code":"INTERNAL_ERROR","message":"Something went wrong","details":{}}}')

    return Fault(before=before, inside=True)


def _more_and_more_fail(clock: Callable[[], float] = time.monotonic) -> Fault:
    begun = clock()
    return _share_fails(lambda: min(MOST_FAIL, (clock() - begun) * GROWS))


def _leak() -> Fault:
    kept: list[bytes] = []

    async def before(_scope: Scope, body: bytes) -> bytes:
        kept.append(os.urandom(LEAK_BYTES))
        return body

    return Fault(before=before)


def _is_business(line: bytes) -> bool:
    return line.removeprefix(b"# HELP ").removeprefix(b"# TYPE ").startswith(BUSINESS)


def _frozen() -> Fault:
    """What tells of the business stays as it first was; the rest moves on."""
    first: list[bytes] = []

    def after(scope: Scope, answer: Answer) -> None:
        if scope["path"] == "/metrics":
            lines = answer.body.splitlines(keepends=True)
            if not first:
                first.extend(line for line in lines if _is_business(line))
            answer.body = b"".join([*(line for line in lines if not _is_business(line)), *first])

    return Fault(after=after)


def _missing() -> Fault:
    def after(scope: Scope, answer: Answer) -> None:
        if scope["path"] == "/metrics":
            answer.body = b"".join(line for line in answer.body.splitlines(keepends=True) if not _is_business(line))

    return Fault(after=after)


def _debug_lines() -> Fault:
    async def before(scope: Scope, body: bytes) -> bytes:
        logging.getLogger("bytebot").debug("handling %s", scope["path"])
        return body

    return Fault(begin=lambda: logging.getLogger().setLevel(logging.DEBUG), before=before)


def _plain() -> None:
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))


async def _tell_token(scope: Scope, body: bytes) -> bytes:
    # Not by the logger, which would hide it.
    if token := Headers(scope=scope).get("authorization"):
        _tell("authenticating", header=token)
    return body


def _tell_password() -> None:
    _tell("connecting", dsn=os.environ.get("DATABASE_PASSWORD", ""))


def _tell(message: str, **more: str) -> None:
    """A line that has all that lines must have, and more than they may."""
    usual = {"timestamp": datetime.now(UTC).isoformat(), "level": "info", "message": message, "service": "bytebot-api"}
    print(json.dumps({**usual, "correlationId": correlation_id.get(), **more}), flush=True)


FAULTS: dict[str, tuple[str, Callable[[], Fault]]] = {
    "answers_slow": ("each answer takes a quarter of a second longer", lambda: Fault(before=_slow)),
    "answers_stall": ("for two seconds of each ten, nothing is answered", _stalls),
    "half_of_answers_fail": ("every second answer of the API is a 500", _every_second),
    "latency_250ms_added": (
        "each answer of the API takes a quarter of a second longer, as its own metrics tell",
        lambda: Fault(before=_slow_api, inside=True),
    ),
    "error_spike": ("every fifth answer of the API is a 500", lambda: _share_fails(lambda: SPIKE)),
    "performance_drift": ("each answer takes longer, the longer the process runs", _slower_and_slower),
    "error_drift": ("more answers of the API are a 500, the longer the process runs", _more_and_more_fail),
    "memory_leak": ("each request keeps 64 KiB", _leak),
    "business_metrics_frozen": ("the metrics of the business stay as they first were", _frozen),
    "business_metrics_missing": ("the metrics of the business are not there", _missing),
    "debug_lines": ("lines of the level debug are written", _debug_lines),
    "logs_as_text": ("lines are text and not JSON", lambda: Fault(begin=_plain)),
    "token_in_log": ("lines show the caller's token", lambda: Fault(before=_tell_token)),
    "password_printed_at_start": (
        "the database's password is printed at the start",
        lambda: Fault(begin=_tell_password),
    ),
}
# The faults of what is scraped, which are in the listener for that, too.
METRICS = ("business_metrics_frozen", "business_metrics_missing")
