# Runs a program in a pod by the API server's exec stream: bytes go in and come out, and it ends with a status.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import select
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import CHUNK, ExecStream
from ansible_collections.bytebot.production.plugins.module_utils.errors import CommandFailed, TimedOut, Unreachable

POLL_S = 0.2
SAID = 4000  # bytes kept of what the program says
ANSWER = 4 * 1024 * 1024  # bytes of an answer that is kept in memory
# Standard input has no end over this stream, so what is sent comes in pieces, each with its length; 0 is the end.
TAKE = 'while read -r n && [ "$n" -gt 0 ]; do head -c "$n" || exit 1; done'


class Program(Protocol):
    """What an exec stream can do beside carrying bytes."""

    def fileno(self) -> int: ...
    def write(self, data: bytes) -> None: ...
    def read(self) -> tuple[bytes, bytes]: ...
    def status(self) -> bytes: ...
    def close(self) -> None: ...


class PodShell:
    """Runs shell scripts in one container.

    :param until_s: seconds that each may take.
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str, container: str, until_s: float) -> None:
        self._cluster, self._where, self._until_s = cluster, (namespace, pod, container), until_s

    def ask(self, script: str, *words: str, feed: Iterable[bytes] | None = None) -> str:
        """What a script says on standard output.

        :param words: its ``$1``, ``$2``, …; :param feed: what it reads by :data:`TAKE`.
        :raises CommandFailed: it ended with an error; what it said on standard error is the cause.
        """
        kept = bytearray()
        for data in self.out(script, *words, feed=feed):
            kept += data
            if len(kept) > ANSWER:
                raise CommandFailed(f"The program in pod {self._where[1]} says more than {ANSWER} bytes.")
        return kept.decode("utf-8", "replace")

    def out(self, script: str, *words: str, feed: Iterable[bytes] | None = None) -> Iterator[bytes]:
        """The standard output of a script, piece by piece.

        :raises CommandFailed: it ended with an error; :raises TimedOut: it does not end.
        """
        stream = ExecStream(self._cluster.exec(*self._where, ["sh", "-c", script, "sh", *words]))
        with contextlib.closing(stream):
            yield from carried(stream, feed, self._until_s)


def carried(stream: Program, feed: Iterable[bytes] | None, until_s: float) -> Iterator[bytes]:
    """Send what there is to send, and give what comes, until the program has ended well."""
    until, said = time.monotonic() + until_s, b""
    pieces = _framed(feed)
    while True:
        if time.monotonic() > until:
            raise TimedOut(f"The program in the pod has not ended within {until_s:g} s.")
        try:
            piece = next(pieces, None)
            if piece is not None:
                stream.write(piece)
            out, more = stream.read()
        except EOFError:
            break
        said = (said + more)[-SAID:]
        if out:
            yield out
        elif piece is None:
            select.select([stream], [], [], POLL_S)
    _ended_well(stream.status(), said.decode("utf-8", "replace"))


def _framed(feed: Iterable[bytes] | None) -> Iterator[bytes]:
    if feed is None:
        return
    for data in feed:
        for start in range(0, len(data), CHUNK):
            part = data[start : start + CHUNK]
            yield f"{len(part)}\n".encode() + part
    yield b"0\n"


def _ended_well(status: bytes, said: str) -> None:
    """By the Status that the API server sends at the end (Kubernetes, remotecommand: the error channel)."""
    try:
        told = json.loads(status)
        good = told["status"] == "Success"
    except (ValueError, KeyError, TypeError) as exc:
        raise Unreachable("The connection to the program in the pod broke before it had ended.") from exc
    if not good:
        why = _last_lines(said) or _last_lines(str(told.get("message") or "it gives no reason"))
        raise CommandFailed(f"{why}.")


def _last_lines(said: str) -> str:
    return " ".join(" / ".join(said.strip().splitlines()[-3:]).split())[:400].rstrip(".")
