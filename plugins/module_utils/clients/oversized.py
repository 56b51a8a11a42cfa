# Sends a body that is larger than it may be, piece by piece, and stops as soon as there is an answer.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http, failure_of
from ansible_collections.bytebot.production.plugins.module_utils.load.sender import library, resolver

# Of the answer; it is an error's.
BODY_CAP = 1024 * 1024
PIECE = 16 * 1024
# So many pieces are sent slowly: who refuses a body by its length has answered before much of it is there.
SLOW_PIECES = 40
PACE_S = 0.25
WITHIN_S = 60.0


def oversized(http: Http, path: str, headers: Mapping[str, str], length: int, within_s: float = WITHIN_S) -> Answer:
    """POST a body of so many bytes, whose length is told first. No answer is an :class:`Answer` too.

    A proxy may pass an answer on only when more of the body has come, so waiting alone would not bring it; and who
    counts what comes answers only when there is too much. So the body goes on until there is an answer, to its end.
    """
    url = http.url_of(path)
    http.permit(url)
    aiohttp = library()
    began = time.monotonic()
    given = http.resolve.get((urlsplit(url).hostname or "").lower().rstrip("."), "")
    try:
        status, back, body = asyncio.run(
            _sent(aiohttp, http, url, {**headers, "Content-Length": str(length)}, within_s)
        )
    except (OSError, ValueError, aiohttp.ClientError) as exc:
        failure = failure_of(exc, url, given, within_s)
        return Answer(url, elapsed_s=time.monotonic() - began, at=time.time(), address=given, failure=failure)
    return Answer(url, status, back, body, time.monotonic() - began, time.time(), given, bool(given))


async def _sent(
    aiohttp: Any, http: Http, url: str, headers: Mapping[str, str], within_s: float
) -> tuple[int, dict[str, str], str]:
    context = ssl.create_default_context(cafile=http.ca_file or None)
    options = {
        "connector": aiohttp.TCPConnector(ssl=context, resolver=resolver(http.resolve)),
        "timeout": aiohttp.ClientTimeout(total=within_s),
        "cookie_jar": aiohttp.DummyCookieJar(),
        "trust_env": False,
    }
    pieces = _pieces(int(headers["Content-Length"]))
    async with (
        aiohttp.ClientSession(**options) as session,
        session.post(url, headers=headers, data=pieces, allow_redirects=False) as answer,
    ):
        body = b""
        async for piece in answer.content.iter_chunked(PIECE):
            body += piece
            if len(body) > BODY_CAP:
                break
        back = {name.lower(): value for name, value in answer.headers.items()}
        answer.close()
        return answer.status, back, body[:BODY_CAP].decode("utf-8", "replace")


async def _pieces(length: int) -> AsyncIterator[bytes]:
    """The body: JSON that begins, and has a name without end."""
    left = length
    piece = b'{"'.ljust(PIECE, b"x")
    number = 0
    while left > 0:
        yield piece[:left]
        left -= len(piece)
        piece = b"x" * PIECE
        number += 1
        await asyncio.sleep(PACE_S if number < SLOW_PIECES else 0)
