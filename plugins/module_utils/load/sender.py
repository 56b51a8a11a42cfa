# Sends one request and says what became of it, within a bound of time and of bytes, whatever the other side does.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import USER_AGENT
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.load.engine import Send
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import Shot
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Tally

BODY_CAP = 1024 * 1024
CHUNK = 64 * 1024
LIMIT_DIGITS = 9  # of a limit that a header tells; more is none
PACKAGE = "aiohttp"
TIMEOUT, TOO_LARGE, PROTOCOL, REFUSED, TLS, NETWORK = (
    "timeout", "too large", "protocol", "refused", "tls", "connection"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go. :param urls: by endpoint. :param tokens: by user; an empty one asks without a token.

    :param signed_in: by endpoint, whether a token is sent. :param limit_header: which header of a 429 tells the limit.
    """

    urls: tuple[str, ...]
    signed_in: tuple[bool, ...]
    tokens: tuple[str, ...] = field(default=("",), repr=False)
    ca_file: str = ""
    resolve: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 5.0
    limit_header: str = "X-RateLimit-Limit"


def library() -> Any:
    """aiohttp, imported where it is needed. :raises LibraryMissing: it is not there."""
    try:
        import aiohttp
    except ImportError as exc:
        raise LibraryMissing(PACKAGE, str(exc)) from exc
    return aiohttp


@contextlib.asynccontextmanager
async def sender(target: Target, tally: Tally, tokens: Sequence[str] = ()) -> AsyncIterator[Send]:
    """What sends: connections are kept, certificates verified, redirects not followed, cookies not kept.

    :param tokens: in place of the target's; they may change meanwhile.
    """
    tokens = tokens or target.tokens
    aiohttp = library()
    context = ssl.create_default_context(cafile=target.ca_file or None)
    connector = aiohttp.TCPConnector(limit=0, ssl=context, resolver=resolver(target.resolve), keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=target.timeout_s)
    options: dict[str, Any] = {
        "connector": connector,
        "timeout": timeout,
        "cookie_jar": aiohttp.DummyCookieJar(),
        "headers": {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        "auto_decompress": False,
        "trust_env": False,
    }
    async with aiohttp.ClientSession(**options) as session:

        async def send(shot: Shot) -> str:
            token = tokens[shot.user % len(tokens)] if target.signed_in[shot.endpoint] else ""
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            try:
                async with session.get(target.urls[shot.endpoint], headers=headers, allow_redirects=False) as answer:
                    return await _read(answer, target, tally)
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
                return _why(exc, aiohttp)

        yield send


async def _read(answer: Any, target: Target, tally: Tally) -> str:
    size = 0
    async for chunk in answer.content.iter_chunked(CHUNK):
        size += len(chunk)
        if size > BODY_CAP:
            answer.close()
            return TOO_LARGE
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        told = str(answer.headers.get(target.limit_header, ""))
        tally.limits[int(told) if told.isdecimal() and len(told) <= LIMIT_DIGITS else 0] += 1
    good = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    return "" if good else f"HTTP {answer.status}"


def _why(exc: BaseException, aiohttp: Any) -> str:
    if isinstance(exc, TimeoutError):
        return TIMEOUT
    if isinstance(exc, (aiohttp.ClientSSLError, ssl.SSLError)):
        return TLS
    if isinstance(exc, aiohttp.ClientConnectorError):
        return REFUSED if isinstance(exc.os_error, ConnectionRefusedError) else NETWORK
    if isinstance(exc, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)):
        return NETWORK
    return PROTOCOL


def resolver(given: Mapping[str, str]) -> Any:
    """Connects to given addresses, while SNI, verification and Host keep the name."""
    from aiohttp.abc import AbstractResolver
    from aiohttp.resolver import ThreadedResolver

    class Given(AbstractResolver):
        def __init__(self) -> None:
            self._inner = ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
            address = given.get(host.lower().rstrip("."))
            if not address:
                return await self._inner.resolve(host, port, family)
            six = isinstance(ipaddress.ip_address(address), ipaddress.IPv6Address)
            kind = socket.AF_INET6 if six else socket.AF_INET
            numeric = socket.AI_NUMERICHOST
            one = {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": numeric}
            return [one]

        async def close(self) -> None:
            await self._inner.close()

    return Given()
