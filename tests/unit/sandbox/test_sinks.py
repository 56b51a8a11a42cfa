# The sinks keep what comes by webhook and by mail, within bounds, and list it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import smtplib
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from sandbox.pods import web
from sandbox.pods.sinks import mail
from sandbox.pods.sinks.__main__ import answer
from sandbox.pods.sinks.store import Store
from sandbox.pods.web import Request


def messages(store: Store, **asked: str) -> list[dict[str, Any]]:
    query = {key: [value] for key, value in asked.items()}
    given = answer(store, Request("GET", "/received", query))
    assert given.status == 200
    found: list[dict[str, Any]] = json.loads(given.body)["messages"]
    return found


def post(store: Store, path: str, body: bytes = b"{}") -> int:
    return answer(store, Request("POST", path, body=body)).status


def test_webhooks_are_kept_by_kind_and_name() -> None:
    store = Store()
    assert post(store, "/webhook/critical-alerts", b'{"nonce": "n1"}') == 200
    assert post(store, "/slack/critical-alerts", b'{"nonce": "n2"}') == 200
    assert [one["text"] for one in messages(store, kind="slack")] == ['{"nonce": "n2"}']
    assert [one["kind"] for one in messages(store, to="critical-alerts")] == ["webhook", "slack"]
    assert [one["id"] for one in messages(store, contains="n1")] == [1]
    assert [one["id"] for one in messages(store, after="1")] == [2]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/webhook/a", b"no json", 400),
        ("POST", "/webhook/", b"{}", 404),
        ("POST", "/other/a", b"{}", 404),
        ("GET", "/webhook/a", b"", 404),
        ("GET", "/healthz", b"", 200),
    ],
)
def test_what_is_no_webhook_is_refused_and_not_kept(method: str, path: str, body: bytes, status: int) -> None:
    store = Store()
    assert answer(store, Request(method, path, body=body)).status == status
    assert messages(store) == []


@pytest.mark.parametrize("asked", [{"after": "soon"}, {"after": "-1"}, {"color": "red"}])
def test_a_question_that_it_does_not_know_is_refused(asked: dict[str, str]) -> None:
    query = {key: [value] for key, value in asked.items()}
    assert answer(Store(), Request("GET", "/received", query)).status == 400


def test_the_oldest_goes_and_a_long_text_is_cut() -> None:
    store = Store(most=2, longest=10)
    for number in range(3):
        store.put("webhook", ["a"], f"{number}" * 11)
    listed = store.listing()
    assert (listed["came"], listed["kept"]) == (3, 2)
    assert [(one["id"], one["text"], one["cut"]) for one in listed["messages"]] == [
        (2, "1" * 10, True),
        (3, "2" * 10, True),
    ]


@pytest.fixture
def mailbox() -> Iterator[tuple[Store, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = Store()
    server = mail.server(store, port, "127.0.0.1")
    server.start()
    yield store, port
    server.stop()


def test_a_mail_is_kept_with_its_readable_text(mailbox: tuple[Store, int]) -> None:
    store, port = mailbox
    letter = EmailMessage()
    letter["Subject"] = "[FIRING:1] Tälle"
    letter["To"] = "hidden@bytebot.test"
    letter.set_content("nonce-1 is plain\n.a line that begins with a dot\n")
    letter.add_alternative("<p>nonce-1 is <b>rich</b></p>", subtype="html")
    letter.add_attachment(b"\0\1", maintype="application", subtype="octet-stream", filename="x")
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(letter, "from@bytebot.test", ["one@bytebot.test", "two@bytebot.test"])
    (kept,) = store.listing(kind="mail", contains="nonce-1")["messages"]
    assert kept["to"] == ("one@bytebot.test", "two@bytebot.test")
    assert (kept["sender"], kept["subject"]) == ("from@bytebot.test", "[FIRING:1] Tälle")
    assert "\n.a line" in kept["text"].replace("\r\n", "\n")
    assert "<b>rich</b>" in kept["text"]
    assert "\0" not in kept["text"]


def test_a_mail_that_is_too_large_is_refused(mailbox: tuple[Store, int]) -> None:
    store, port = mailbox
    with smtplib.SMTP("127.0.0.1", port) as client, pytest.raises(smtplib.SMTPException):
        client.sendmail("a@b.test", ["c@d.test"], "x" * (mail.LARGEST + 1))
    assert store.listing()["came"] == 0


def test_the_server_of_the_pods_speaks_http() -> None:
    store = Store()
    server = web.server(0, lambda request: answer(store, request), "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        # Twice over one connection: the length of an answer must be right.
        for word in ("n1", "n2"):
            connection.request("POST", "/webhook/a", json.dumps({"word": word}))
            assert connection.getresponse().read() == b"ok"
        connection.request("GET", "/received?contains=n2")
        given = connection.getresponse()
        assert given.headers["Content-Type"] == web.JSON
        assert [one["id"] for one in json.loads(given.read())["messages"]] == [2]
        connection.request("POST", "/webhook/a", headers={"Content-Length": str(web.LARGEST_BODY + 1)})
        assert connection.getresponse().status == 413
    finally:
        server.shutdown()
        server.server_close()
