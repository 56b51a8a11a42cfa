# A program in a container that is asked once: how it ended, and what becomes of a connection that breaks.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done, run_inside
from ansible_collections.bytebot.production.plugins.module_utils.errors import Unreachable


class Stream:
    """The websocket of one program; it is its own cluster, which has nothing else."""

    def __init__(self, status: str = "", *, breaks: bool = False, hangs: bool = False) -> None:
        self.status, self.breaks, self.hangs = status, breaks, hangs
        self.waited = 0.0
        self.closed = False

    def exec(self, *_given: Any) -> Stream:
        return self

    def run_forever(self, timeout: float) -> None:
        self.waited = timeout
        if self.breaks:
            raise RuntimeError("socket is already closed")

    def is_open(self) -> bool:
        return self.hangs

    def read_channel(self, channel: int) -> bytes:
        return {1: b"out", 2: b"said", 3: self.status.encode()}[channel]

    def close(self) -> None:
        self.closed = True


def asked(stream: Any, **options: Any) -> Done:
    return run_inside(stream, "database", "pg-0", "main", ["info"], **options)


@pytest.mark.parametrize(
    ("stream", "done"),
    [
        (Stream(json.dumps({"status": "Success"})), Done("out")),
        (Stream(json.dumps({"status": "Failure"})), Done("out", "said")),
        (Stream(), Done("out", "its end was not told")),
        (Stream(hangs=True), Done("", "it has not ended within 15 s")),
    ],
)
def test_how_it_ended_is_told(stream: Stream, done: Done) -> None:
    assert asked(stream) == done
    assert stream.closed


def test_a_connection_that_breaks_is_one_sentence() -> None:
    stream = Stream(breaks=True)
    with pytest.raises(Unreachable, match="The connection to the program in pod database/pg-0 broke"):
        asked(stream)
    assert stream.closed


def test_patience_is_given_by_who_asks() -> None:
    stream = Stream(hangs=True)
    assert asked(stream, patience_s=60.0).problem == "it has not ended within 60 s"
    assert stream.waited == 60
