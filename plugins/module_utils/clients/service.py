# Asks a monitoring service over HTTP, and sorts what comes back: told, silent, denied, absent or wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from json import JSONDecodeError, loads
from typing import Any
from urllib.parse import urlencode, urljoin

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import REDIRECTS, Answer, Http

OK, SILENT, DENIED, ABSENT, WRONG = "ok", "silent", "denied", "absent", "wrong"
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})
_ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_LINK, _RELATION = re.compile(r"<([^<>]*)>([^<]*)"), re.compile(r';\s*rel\s*=\s*"?([^";,]*)', re.IGNORECASE)
_SHOWN = 200  # characters of an answer that are repeated


@dataclass(frozen=True, slots=True)
class Told:
    """What one question came to.

    :param kind: ``ok``; ``silent`` (nothing answers), ``denied`` (not signed in, or not allowed), ``absent`` (this
        service does not know the question) or ``wrong`` (it fails, or answers something else than is documented).
    :param data: what it said; also beside ``denied``, ``absent`` and ``wrong`` where that was JSON.
    :param cause: why it is not ``ok``, as a clause. :param more: address of the next page, by the header ``Link``.
    """

    kind: str = OK
    data: Any = None
    cause: str = ""
    status: int = 0
    more: str = ""

    @property
    def ok(self) -> bool:
        """Whether it told what was asked."""
        return self.kind == OK

    def seen(self) -> Any:
        """What stands in evidence of an answer that is not its data."""
        return {"status": self.status} if self.ok else {"status": self.status, self.kind: self.cause}


@dataclass(frozen=True, slots=True)
class Login:
    """How a service is signed in to: headers, and the files of a client certificate and its key."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: tuple[str, str] | None = None


class Service:
    """One service behind one URL."""

    def __init__(self, http: Http, login: Login) -> None:
        self._http, self._login = http, login
        self.url = http.base_url
        self.requests = 0

    def text(self, path: str, query: Mapping[str, str] | None = None) -> Told:
        """GET; what comes back as text."""
        answer = self._asked("GET", path, query)
        return self._sorted(answer, answer.body)

    def json(self, path: str, query: Mapping[str, str] | None = None) -> Told:
        """GET; what comes back as JSON."""
        return self._parsed(self._asked("GET", path, query))

    def post(self, path: str, body: Any) -> Told:
        """POST of JSON, answered by JSON."""
        return self._parsed(self._asked("POST", path, None, body))

    def send(self, path: str, body: Any) -> Told:
        """POST of JSON; what comes back is text, or nothing."""
        answer = self._asked("POST", path, None, body)
        return self._sorted(answer, answer.body)

    def _asked(self, method: str, path: str, query: Mapping[str, str] | None, body: Any = None) -> Answer:
        self.requests += 1
        asked = f"{path}?{urlencode(query)}" if query else path
        return self._http.request(method, asked, headers=self._login.headers, json=body)

    def _parsed(self, answer: Answer) -> Told:
        try:
            data = loads(answer.body)
        except (JSONDecodeError, RecursionError):
            told = self._sorted(answer, None)
            if told.ok:
                kind = answer.headers.get("content-type", "unknown").partition(";")[0]
                return Told(WRONG, None, f"it answers no JSON (content type {kind})", answer.status)
            return told
        return self._sorted(answer, data)

    def _sorted(self, answer: Answer, data: Any) -> Told:
        status = answer.status
        if answer.failure:
            return Told(SILENT, None, answer.failure.sentence.rstrip("."))
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Told(OK, data, "", status, _next(answer))
        if status in REDIRECTS:
            return Told(DENIED, None, f"it sends elsewhere ({status}), as to a page where persons sign in", status)
        kind = DENIED if status in _DENIED else ABSENT if status in _ABSENT else WRONG
        said = _words(data) or " ".join(answer.body.split())[:_SHOWN]
        return Told(kind, data, f"it answers {status}" + (f" ({said})" if said else ""), status)


def _next(answer: Answer) -> str:
    """Where the next page is (RFC 8288); empty where it is not said."""
    for address, words in _LINK.findall(answer.headers.get("link", "")):
        named = _RELATION.search(words)
        if named and "next" in named.group(1).lower().split():
            try:
                return str(urljoin(answer.url, address))
            except ValueError:
                return str(address)  # none that can be asked, which is not the same as no page
    return ""


def _words(data: Any) -> str:
    """The message of an error in JSON."""
    if not isinstance(data, Mapping):
        return ""
    found = next((data[key] for key in ("message", "error", "detail") if isinstance(data.get(key), str)), "")
    return " ".join(str(found).split())[:_SHOWN]
