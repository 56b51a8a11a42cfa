# A body that is too large, against servers of this machine that answer early, late, or not at all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients import oversized as module
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.oversized import PIECE, oversized
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

LENGTH = 8 << 20
REFUSED = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nX-Kind: large\r\n\r\nno"


class Server:
    """Takes one connection, and does with it what a function says; keeps the head, and counts what came."""

    def __init__(self, does: Callable[[Server, socket.socket], None]) -> None:
        self.head, self.came, self._does = b"", 0, does
        self.over = threading.Event()
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.port = self._listens.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError), self._listens.accept()[0] as taken:
            while b"\r\n\r\n" not in self.head:
                self.head += taken.recv(1 << 16)
            self.head, _mark, begun = self.head.partition(b"\r\n\r\n")
            self.came = len(begun)
            self._does(self, taken)

    def takes(self, taken: socket.socket, most: int) -> None:
        while self.came < most and (got := taken.recv(1 << 16)):
            self.came += len(got)

    def end(self) -> None:
        self.over.set()
        self._listens.close()
        self._thread.join(10)


@contextlib.contextmanager
def served(does: Callable[[Server, socket.socket], None]) -> Iterator[tuple[Server, Http]]:
    server = Server(does)
    try:
        yield (
            server,
            Http(f"http://api.shop.test:{server.port}", ["api.shop.test"], resolve={"api.shop.test": "127.0.0.1"}),
        )
    finally:
        server.end()


def at(most: int) -> Callable[[Server, socket.socket], None]:
    """Answers when so many bytes have come, and takes what else comes."""

    def does(server: Server, taken: socket.socket) -> None:
        server.takes(taken, most)
        taken.sendall(REFUSED)
        server.takes(taken, LENGTH)

    return does


def test_who_refuses_by_the_length_gets_no_more_than_the_beginning() -> None:
    with served(at(0)) as (server, http):
        answer = oversized(http, "/things", {"Authorization": "Bearer x"}, LENGTH)
        assert (answer.status, answer.body, answer.headers["x-kind"]) == (413, "no", "large")
        assert answer.given_address
    assert f"content-length: {LENGTH}".encode() in server.head.lower()
    assert b"transfer-encoding" not in server.head.lower()
    assert b"Authorization: Bearer x" in server.head
    assert server.came < LENGTH


def test_an_answer_that_waits_for_more_of_the_body_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE_S", 0.01)
    with served(at(3 * PIECE)) as (server, http):
        assert oversized(http, "/things", {}, LENGTH).status == 413
    assert server.came < LENGTH


def test_who_counts_what_comes_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE_S", 0.0)
    with served(at(LENGTH)) as (server, http):
        assert oversized(http, "/things", {}, LENGTH).status == 413
    assert server.came == LENGTH


def test_no_answer_is_told_and_bounded() -> None:
    def silent(server: Server, _taken: socket.socket) -> None:
        server.over.wait(30)

    with served(silent) as (_server, http):
        answer = oversized(http, "/things", {}, LENGTH, within_s=0.3)
    assert answer.failure is not None
    assert (answer.status, answer.failure.kind) == (0, "timeout")
    assert "0.3 s" in answer.failure.sentence


def test_a_host_that_is_not_allowed_is_not_asked() -> None:
    http = Http("http://api.shop.test", ["api.shop.test"])
    with pytest.raises(InputError, match="not in allowed_hosts"):
        oversized(http, "http://other.test/things", {}, LENGTH)
