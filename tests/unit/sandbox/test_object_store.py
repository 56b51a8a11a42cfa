# The signatures of requests to the object store, and how it tells that it answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from typing import Any

import pytest

from sandbox.component import Context
from sandbox.components import object_store
from sandbox.components.object_store.signed import Keys, Request, headers
from tests.unit.sandbox.test_config_files import ctx  # noqa: F401 - a fixture


def test_a_request_is_signed_as_in_the_documentation() -> None:
    """Amazon's own example of a GET of an object."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    now = datetime.datetime(2013, 5, 24, tzinfo=datetime.UTC)
    made = headers(keys, Request("GET", "examplebucket.s3.amazonaws.com", "/test.txt"), now, {"range": "bytes=0-9"})
    assert made["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_path_is_quoted_in_what_is_signed_and_sent() -> None:
    assert Request("GET", "h", "/b/a b+c").target == "/b/a%20b%2Bc"


class Store:
    """Plays the store; each of its weaknesses can be switched on."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong, self.kept = wrong, dict[str, bytes]()

    def __call__(self, _: Any, user: Keys, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        if user.secret == "wrong" and self.wrong != "open":
            return 403, b""
        if self.wrong == "read only" and method != "GET":
            return 403, b""
        if method == "PUT":
            self.kept[path] = b"" if self.wrong == "forgets" else body
            return 200, b""
        return (200, self.kept[path]) if method == "GET" else (204, b"")


@pytest.mark.parametrize(("wrong", "good"), [("", True), ("read only", False), ("forgets", False), ("open", False)])
def test_it_answers_only_where_it_keeps_and_guards(
    ctx: Context,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    good: bool,
) -> None:
    monkeypatch.setattr(object_store, "send", Store(wrong))
    assert object_store.answers(ctx) is good
