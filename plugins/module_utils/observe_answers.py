# Provokes errors of an application, and looks whether its answers show a stack; asks whether it serves its documents.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import Page
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http

BROKEN = b'{"broken'
DEEP = b"[" * 2000  # a parser that counts its depth answers, and one that does not shows how it broke
# How programs of several languages print their stack; each needs a place in a source file beside it.
_TRACES = (
    ("a stack trace of Python", re.compile(r"Traceback \(most recent call last\)|File \\?\"[^\"]+\.py\\?\", line \d+")),
    (
        "a stack trace of JavaScript",
        re.compile(r"\bat (?:async )?[\w.<>$\[\] ]+ \(?(?:file://|node:|/)[^\s)]+:\d+:\d+"),
    ),
    ("a stack trace of Java", re.compile(r"\bat [\w$.]+\([\w$]+\.java:\d+\)")),
    ("a stack trace of Go", re.compile(r"goroutine \d+ \[")),
    ("a stack trace of PHP", re.compile(r"Stack trace:|thrown in [^\s]+\.php on line \d+")),
    ("a stack trace of .NET", re.compile(r"\bat [\w.<>]+\(.*\) in [^\s]+:line \d+")),
)
_DOCUMENT = re.compile(r"\"openapi\"\s*:|\"swagger\"\s*:|swagger-ui|redoc|__schema|\bgraphiql\b", re.IGNORECASE)
_INTROSPECTION = b'{"query":"{__schema{queryType{name}}}"}'
_JSON = {"Content-Type": "application/json"}


def pages_of(http: Http, error_paths: Sequence[str], document_paths: Sequence[str]) -> Iterator[Page]:
    """What is answered to what is wrong, and at the usual places of documents. Nothing of it changes anything."""
    lost = f"/nothing-{secrets.token_hex(8)}"
    for path in dict.fromkeys(error_paths):
        yield _page("GET", path, http.get(path))
        yield _page("POST", path, http.request("POST", path, headers=_JSON, data=BROKEN))
        yield _page("POST", path, http.request("POST", path, headers=_JSON, data=DEEP))
    yield _page("GET", lost, http.get(lost))
    yield _page("GET", f"{lost}%00%ff", http.get(f"{lost}%00%ff"))
    for path in dict.fromkeys(document_paths):
        yield _document("GET", path, http.get(path))
    yield _document("POST", "/graphql", http.request("POST", "/graphql", headers=_JSON, data=_INTROSPECTION))


def shown(body: str) -> str:
    """What a body gives away; empty where nothing."""
    return next((words for words, form in _TRACES if form.search(body)), "")


def _page(method: str, path: str, answer: Answer) -> Page:
    problem = answer.failure.sentence if answer.failure else ""
    return Page("error", f"{method} {path}", answer.status, shown(answer.body), problem)


def _document(method: str, path: str, answer: Answer) -> Page:
    served = answer.status == HTTPStatus.OK and _DOCUMENT.search(answer.body)
    return Page("document", f"{method} {path}", answer.status, "the API's document" if served else "")
