# Channels: a message is taken or refused, and has come or not; secrets of addresses stay where they are.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps, loads
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.channels import (
    CHECKS,
    ChannelFacts,
    ChannelSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients import messages
from ansible_collections.bytebot.production.plugins.module_utils.clients.messages import Mail, mail
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.observe_channels import _found
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules.channel_check import judge_channels

ROOM = ChannelSeen("room", "slack", "hooks.shop.test", answer="answers 200")


def judged(*channels: ChannelSeen, **changes: Any) -> Verdict:
    (result,) = CHECKS.judge(replace(ChannelFacts(channels, within_s=5), **changes))
    return result.verdict


@pytest.mark.parametrize(
    ("seen", "state", "said"),
    [
        (ROOM, "pass", "1 taken by its receiver"),
        (replace(ROOM, listed=True), "pass", "1 delivered"),
        (replace(ROOM, refused="it answers 404"), "fail", "channel room (slack at hooks.shop.test) does not take"),
        (replace(ROOM, listed=False), "fail", "did not come within 5 s"),
        (replace(ROOM, unlisted="it answers 503"), "pending", "is not known"),
    ],
)
def test_what_came_of_a_message(seen: ChannelSeen, state: str, said: str) -> None:
    found = judged(seen)
    assert found.state == state
    assert said in found.summary


def test_one_dead_channel_is_red_beside_good_ones() -> None:
    assert judged(ROOM, replace(ROOM, name="mail", refused="it answers 404")).state == "fail"


# ---------------------------------------------------------------------------- the real way


class Hook(BaseHTTPRequestHandler):
    kept: list[str]
    said: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if not self.path.startswith("/hook/"):
            return self._say(404, "gone")
        if "lost" not in self.path:
            self.kept.append(body)
        return self._say(200, self.said)

    def do_GET(self) -> None:
        self._say(200, dumps({"messages": [{"text": text} for text in self.kept]}))

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.kept, Hook.said = [], "ok"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def judge(channels: list[dict[str, Any]], redactor: Redactor | None = None, **options: Any) -> dict[str, Any]:
    usual = dict.fromkeys(("url", "url_file", "url_variable", "host", "sender", "username", "proof"))
    usual |= {"port": 587, "tls": "starttls", "recipients": []}
    params = {
        "channels": [{**usual, **one} for one in channels], "only": [], "allowed_hosts": ["127.0.0.1"], "ca_file": None,
        "resolve": {}, "timeout": 5.0, "about": "A test.", "writes": True, "delivery_within": 0.0, **options,
    }  # fmt: skip
    module: Any = SimpleNamespace(params=params, check_mode=options.get("check", False), tmpdir="")
    (result,) = judge_channels(module, redactor or Redactor())["results"]
    found: dict[str, Any] = result
    return found


def proof(hook: str) -> dict[str, Any]:
    return {"url": f"{hook}/list?x={{nonce}}", "query": "messages[?contains(text, '{nonce}')]", "token_file": None}


def test_a_webhook_is_proven_by_its_list(hook: str) -> None:
    found = judge([{"name": "room", "kind": "slack", "url": f"{hook}/hook/room", "proof": proof(hook)}])
    assert found["state"] == "pass", found["summary"]
    assert "1 delivered" in found["summary"]
    assert "Nothing is to be done." in loads(Hook.kept[0])["text"]


def test_a_message_that_is_lost_on_its_way_is_red(hook: str) -> None:
    found = judge([{"name": "room", "kind": "webhook", "url": f"{hook}/hook/lost", "proof": proof(hook)}])
    assert found["state"] == "fail"
    assert "did not come" in found["summary"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"ok": false, "error": "channel_not_found"}', "answers 200 with an error (channel_not_found)"),
        ('{"ok": false}', "with an error (ok is false)"),
        ('{"errors": [{"message": "No such room"}]}', "(No such room)"),
        ('{"success": false, "message": "no such room"}', "(no such room)"),
        ('{"status": "error", "message": "rate limited"}', "(rate limited)"),
        ('{"result": "error", "msg": "Invalid API key"}', "(Invalid API key)"),
        ('{"errcode": 310000, "errmsg": "keywords not in content"}', "(keywords not in content)"),
        ('{"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}', "(param invalid"),
        ('{"error": {"code": 17, "message": "gone"}}', "(gone)"),
        ('{"errors": {"room": ["is archived"]}}', "(is archived)"),
        ("invalid_payload", "(invalid_payload)"),
        ("no_team\n", "(no_team)"),
        ("channel_is_archived", "(channel_is_archived)"),
        ('"no_service"', "(no_service)"),
        ("Webhook message delivery failed with error: endpoint returned HTTP error 429.", "(Webhook message delivery"),
        ("Error: the room is gone", "(Error: the room is gone)"),
    ],
)
def test_an_error_in_an_answer_of_success_is_no_delivery(hook: str, said: str, told: str) -> None:
    Hook.said = said
    found = judge([{"name": "room", "kind": "slack", "url": f"{hook}/hook/room"}])
    assert found["state"] == "fail", found["summary"]
    assert told in found["summary"]


@pytest.mark.parametrize(
    "said",
    [
        "", "ok", "1", "true", "[]", "null", '{"ok": true, "error": null}', '{"errors": []}', "message_received",
        '{"error": false, "errors": {}}', '{"errcode": 0, "errmsg": "ok"}', '{"code": 0, "msg": "success"}',
        '{"StatusCode": 0}', '{"error": "", "id": "1"}', '{"code": 200, "msg": "ok"}', "<html>ok</html>",
        '{"status": "success", "message": "no_error"}', '{"success": true, "errors": 0}',
        '{"id": "1", "content": "Error: this is the text of the message"}', "{broken",
    ],
)  # fmt: skip
def test_an_answer_that_tells_of_no_error_is_one_of_success(hook: str, said: str) -> None:
    Hook.said = said
    found = judge([{"name": "room", "kind": "webhook", "url": f"{hook}/hook/room"}])
    assert found["state"] == "pass", found["summary"]


def test_an_address_that_is_gone_is_red_and_its_secret_is_not_told(hook: str, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text(f"{hook}/T0001/B0001/xyzSecretPart")
    redactor = Redactor()
    found = judge([{"name": "room", "kind": "slack", "url_file": str(secret)}], redactor)
    assert found["state"] == "fail"
    assert "it answers 404" in found["summary"]
    assert "xyzSecretPart" not in str(redactor.data(found))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"writes": False}, "may not be sent"),
        ({"check": True}, "check mode"),
        ({"channels": []}, "Needs input channels"),
    ],
)
def test_nothing_is_sent_without_permission(hook: str, options: dict[str, Any], said: str) -> None:
    channels = options.pop("channels", [{"name": "room", "kind": "slack", "url": f"{hook}/hook/room"}])
    found = judge(channels, **options)
    assert found["state"] == "pending"
    assert said in found["summary"]
    assert Hook.kept == []


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({"kind": "slack"}, "give one of url"),
        ({"kind": "slack", "url": "https://elsewhere.test/x"}, "not in allowed_hosts"),
        ({"kind": "smtp", "host": "127.0.0.1"}, "host, sender and recipients"),
        ({"kind": "smtp", "host": "elsewhere.test", "sender": "a@b", "recipients": ["c@d"]}, "not in allowed_hosts"),
        (
            {"kind": "slack", "url": "http://127.0.0.1/", "proof": {"url": "http://127.0.0.1/", "query": "@"}},
            "proof has no",
        ),
    ],
)
def test_bad_inputs_are_one_sentence(channel: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        judge([{"name": "room", **channel}])


# ---------------------------------------------------------------------------- mail

WAY = Mail("mail.shop.test", 25, "a@shop.test", ("b@shop.test", "c@shop.test"), tls="none")


class Server:
    sent: bytes = b""

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def send_message(self, message: Any) -> dict[str, Any]:
        self.sent = message.as_bytes()
        return {}


def test_a_mail_has_its_word_and_all_recipients(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(messages, "_server", lambda _way: server)
    assert mail(WAY, "Test", "a word").answer == "taken for 2 recipients"
    read = message_from_bytes(server.sent)
    assert (read["To"], read["Subject"], read.get_payload()) == ("b@shop.test, c@shop.test", "Test", "a word\n")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (smtplib.SMTPRecipientsRefused({"b@shop.test": (550, b"no such user")}), "550 no such user"),
        (smtplib.SMTPAuthenticationError(535, b"bad credentials"), "it answers 535 (bad credentials)"),
        (smtplib.SMTPNotSupportedError("x"), "does not offer what is wanted"),
        (ConnectionRefusedError(111, "Connection refused"), "cannot be reached (connection refused)"),
        (TimeoutError(), "does not answer in time"),
        (smtplib.SMTPServerDisconnected("x"), "does not speak SMTP"),
    ],
)
def test_why_a_mail_is_not_taken(monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str) -> None:
    def fails(_way: Mail) -> Any:
        raise raised

    monkeypatch.setattr(messages, "_server", fails)
    assert said in mail(WAY, "Test", "a word").refused


class Post(StreamRequestHandler):
    """A mail server that takes what comes, and parts as it likes."""

    parting: bytes

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.strip().upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
            if word == b"QUIT":
                self.wfile.write(self.parting)
                return
            said = b"550 no such user" if b"NOBODY" in word else b"250 fine"
            self.wfile.write(said + b"\r\n")


@pytest.fixture
def post() -> Iterator[int]:
    server = ThreadingTCPServer(("127.0.0.1", 0), Post)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("parting", [b"221 bye\r\n", b"421 closing\r\n", b"500 what?\r\n", b"nonsense\r\n", b""])
def test_what_was_taken_stays_taken_however_the_server_parts(post: int, parting: bytes) -> None:
    Post.parting = parting
    sent = mail(replace(WAY, port=post, address="127.0.0.1"), "Test", "a word")
    assert (sent.answer, sent.refused) == ("taken for 2 recipients", "")
    lost = mail(replace(WAY, port=post, address="127.0.0.1", recipients=("nobody@shop.test",)), "Test", "a word")
    assert lost.refused == "it refuses all recipients (550 no such user)"


def test_a_mail_that_some_refuse_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(server, "send_message", lambda _message: {"c@shop.test": (550, b"no")}, raising=False)
    monkeypatch.setattr(messages, "_server", lambda _way: server)
    assert mail(WAY, "Test", "a word").refused == "it refuses 1 of 2 recipients"


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("messages[?contains(text, '{nonce}')] | [0].text", False),
        ("[messages[?contains(text, '{nonce}')] | [0].text]", False),
        ("{text: messages[?contains(text, '{nonce}')] | [0].text, all: messages[?contains(text, '{nonce}')]}", False),
        ("{all: messages[?contains(text, 'other')]}", True),
    ],
)
def test_a_list_or_object_of_nothing_is_no_message(query: str, listed: bool) -> None:
    assert _found(query.replace("{nonce}", "word"), {"messages": [{"text": "other"}]}) is listed
