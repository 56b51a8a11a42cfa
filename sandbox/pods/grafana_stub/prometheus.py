# The data source behind the stub: a real Prometheus, asked over HTTP.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 30.0
FORM = "application/x-www-form-urlencoded"


class Unreachable(Exception):
    """It does not answer at all."""


@dataclass(frozen=True)
class Prometheus:
    """By its address, as `http://host:port`."""

    url: str

    def ask(self, path: str, words: Mapping[str, str]) -> tuple[int, bytes]:
        """A POST of a form, since queries are long."""
        return self.send("POST", path, body=urlencode(words).encode(), content_type=FORM)

    def send(self, method: str, path: str, *, body: bytes = b"", content_type: str = "") -> tuple[int, bytes]:
        """Status and body as they came.

        :raises Unreachable: nothing came.
        """
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port or 80, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body or None, {"Content-Type": content_type} if content_type else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
