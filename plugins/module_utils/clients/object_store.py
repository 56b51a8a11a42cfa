# An object store with the S3 API: put one object, and list, signed as Amazon documents it (Signature Version 4).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CredentialsRefused,
    InputError,
    Refused,
    Unreachable,
)

HTTPS_PORT = 443
ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY = hashlib.sha256(b"").hexdigest()
TIMEOUT_S = 30.0
ANSWER = 8 * 1024 * 1024  # bytes of a list
PAGES = 50
_CONTENT = re.compile(r"<Contents>(.*?)</Contents>", re.DOTALL)
_MORE = re.compile(r"<NextContinuationToken>(.*?)</NextContinuationToken>", re.DOTALL)
Connect = Callable[[str, int], socket.socket]


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, and who asks."""

    host: str
    port: int
    bucket: str
    prefix: str
    region: str
    access: str
    secret: str
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix} at {self.host}"


@dataclass(frozen=True, slots=True)
class Found:
    """One object there."""

    name: str
    made: float
    size: int


def host_of(url: str) -> tuple[str, int]:
    """Host and port of an endpoint.

    :raises InputError: it is no https URL without anything else in it.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.path not in ("", "/") or parts.query:
        raise InputError(f"copy.endpoint: {url!r} is no address of the form https://host:port.")
    return parts.hostname, parts.port or HTTPS_PORT


def straight(host: str, port: int) -> socket.socket:
    """A connection from this machine."""
    return socket.create_connection((host, port), timeout=TIMEOUT_S)


class ObjectStore:
    """Asks one bucket, over verified TLS."""

    def __init__(self, place: Place, connect: Connect = straight) -> None:
        self._place, self._connect = place, connect
        self._context = ssl.create_default_context(cafile=place.ca_file or None)

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Send a file, whose SHA-256 the store checks."""
        with path.open("rb") as file:
            size = {"content-length": str(path.stat().st_size)}
            self._ask("PUT", f"/{self._place.bucket}/{self._place.prefix}{name}", {}, sha256, (file, size))

    def newest(self) -> Found | None:
        """The newest object below the prefix; None where there is none."""
        query = {"list-type": "2", "prefix": self._place.prefix}
        found: list[Found] = []
        for _page in range(PAGES):
            text = self._ask("GET", f"/{self._place.bucket}", query, EMPTY, None)
            found += [_found(one) for one in _CONTENT.findall(text)]
            if not (more := _MORE.search(text)):
                break
            query["continuation-token"] = _plain(more[1])
        return max(found, key=lambda one: one.made, default=None)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        digest: str,
        body: tuple[BinaryIO, dict[str, str]] | None,
    ) -> str:
        place = self._place
        target = quote(path, safe="/-_.~")
        asked = "&".join(f"{quote(key, safe='-_.~')}={quote(query[key], safe='-_.~')}" for key in sorted(query))
        headers = _signed(place, method, (target, asked), digest, datetime.now(UTC))
        try:
            with (
                self._connect(place.host, place.port) as plain,
                self._context.wrap_socket(plain, server_hostname=place.host) as sock,
            ):
                connection = http.client.HTTPConnection(place.host, place.port, timeout=TIMEOUT_S)
                connection.sock = sock
                sent, more = body or (None, {})
                whole = f"{target}?{asked}" if asked else target
                connection.request(method, whole, sent, {**headers, **more})
                answer = connection.getresponse()
                status, text = answer.status, answer.read(ANSWER).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as exc:
            raise Unreachable(f"{place!r} cannot be reached: {exc or type(exc).__name__}.") from exc
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
            raise CredentialsRefused(f"{place!r} refuses the key ({status}).")
        if status != HTTPStatus.OK:
            raise Refused(f"{place!r} answers {method} by {status}.")
        return text


def _signed(place: Place, method: str, target: tuple[str, str], digest: str, now: datetime) -> dict[str, str]:
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    host = place.host if place.port == HTTPS_PORT else f"{place.host}:{place.port}"
    sent = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    asked = "\n".join([method, *target, lines, names, digest])
    scope = f"{day}/{place.region}/s3/aws4_request"
    text = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{place.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return {
        **sent,
        "authorization": f"{ALGORITHM} Credential={place.access}/{scope}, SignedHeaders={names}, Signature={signature}",
    }


def _found(text: str) -> Found:
    told = {key: _plain(value) for key, value in re.findall(r"<(Key|LastModified|Size)>(.*?)</\1>", text, re.DOTALL)}
    try:
        made = datetime.fromisoformat(told.get("LastModified", "").replace("Z", "+00:00")).timestamp()
        return Found(told.get("Key", ""), made, int(told.get("Size", "0")))
    except ValueError:
        return Found(told.get("Key", ""), 0.0, 0)


def _plain(text: str) -> str:
    for mark, plain in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(mark, plain)
    return text
