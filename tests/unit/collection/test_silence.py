# A server that has fallen silent is left alone for a while, and one that answers is not.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.silence import Silence

ORIGIN, OTHER = ("https", "api", 443), ("https", "ui", 443)


def told(silence: Silence, *paths: str) -> int:
    for path in paths:
        silence.heard(ORIGIN, path, timed_out=True)
    return silence.missed(ORIGIN)


@pytest.mark.parametrize(
    ("paths", "missed"),
    [
        ((), 0),
        (("/a", "/b"), 0),
        (("/a", "/b", "/a"), 3),
        (("/a", "/a", "/a", "/a"), 0),  # one path may hang by itself
        (("/a", "/a", "/a", "/a", "/b"), 5),
    ],
)
def test_several_questions_of_two_paths_are_missed(paths: tuple[str, ...], missed: int) -> None:
    silence = Silence()
    assert told(silence, *paths) == missed
    assert silence.missed(OTHER) == 0


def test_an_answer_ends_it() -> None:
    silence = Silence()
    told(silence, "/a", "/b")
    silence.heard(ORIGIN, "/c", timed_out=False)
    assert told(silence, "/a", "/b") == 0


def test_it_is_asked_again_after_a_while() -> None:
    now = [0.0]
    silence = Silence(rest_s=30.0, clock=lambda: now[0])
    assert told(silence, "/a", "/b", "/c") == 3
    now[0] = 29.9
    assert silence.missed(ORIGIN) == 3
    now[0] = 30.0
    assert silence.missed(ORIGIN) == 0  # so one question is put
    assert told(silence, "/d") == 4
    now[0] = 60.0
    silence.heard(ORIGIN, "/d", timed_out=False)
    assert silence.missed(ORIGIN) == 0


@pytest.fixture
def mute() -> Iterator[int]:
    """A server that takes connections and says nothing; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield int(server.getsockname()[1])


def test_clients_that_share_it_do_not_wait_each_by_itself(mute: int) -> None:
    silence = Silence()
    clients = [Http(f"http://127.0.0.1:{mute}", ["127.0.0.1"], timeout_s=0.05, silence=silence) for _number in range(2)]
    failures = [clients[number % 2].get(f"/{number}").failure for number in range(8)]
    assert {one.kind for one in failures if one} == {"timeout"}
    told_so = [bool(one and "was not asked again" in one.sentence) for one in failures]
    assert told_so == [False] * 3 + [True] * 5


def test_without_it_each_question_is_put(mute: int) -> None:
    client = Http(f"http://127.0.0.1:{mute}", ["127.0.0.1"], timeout_s=0.05)
    failures = [client.get(f"/{number}").failure for number in range(5)]
    assert all(one and "did not answer within" in one.sentence for one in failures)
