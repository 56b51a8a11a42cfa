# Spans of requests and of tasks, sent to a collector in the form that Jaeger takes at /api/traces (Thrift over HTTP).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import queue
import secrets
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from bytebot_app import thrift
from bytebot_app.logs import logger
from bytebot_app.settings import Settings

SERVICE = "bytebot-api"
_MOST_WAITING, _BATCH, _PAUSE_S, _PATIENCE_S = 1000, 100, 1.0, 5.0
Send = Callable[[bytes], None]


@dataclass
class Span:
    """One piece of work; its times are microseconds since 1970."""

    name: str
    trace: int
    parent: int = 0
    id: int = field(default_factory=lambda: secrets.randbits(63) | 1)
    began: int = field(default_factory=lambda: time.time_ns() // 1000)
    took: int = 0
    tags: dict[str, str] = field(default_factory=dict)


_current: ContextVar[Span | None] = ContextVar("span", default=None)
_senders: list[Sender] = []  # one, or none where nothing is traced


class Sender:
    """Sends spans in batches from a thread of its own; whoever ends one never waits, and too many are dropped."""

    def __init__(self, send: Send) -> None:
        self._send, self._spans = send, queue.Queue[Span | None](_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: Span) -> None:
        try:
            self._spans.put_nowait(span)
        except queue.Full:
            logger().warning("too many spans wait, one is dropped", spanName=span.name)

    def close(self) -> None:
        """Send what waits."""
        self._spans.put(None)
        self._thread.join(2 * _PATIENCE_S)

    def _work(self) -> None:
        going = True
        while going:
            batch: list[Span] = []
            until = time.monotonic() + _PAUSE_S
            while going and len(batch) < _BATCH:
                try:
                    one = self._spans.get(timeout=max(0.0, until - time.monotonic()) if batch else None)
                except queue.Empty:
                    break
                if one is None:
                    going = False
                else:
                    batch.append(one)
            if batch:
                self._give(batch)

    def _give(self, batch: list[Span]) -> None:
        try:
            self._send(encoded(batch))
        except Exception as exc:  # whatever ails the collector, the application goes on
            logger().warning("spans were not sent", spans=len(batch), error=type(exc).__name__)


def configure(settings: Settings) -> None:
    """Begin to send spans, where that is switched on."""
    _senders[:] = [Sender(_posting(settings.jaeger_endpoint))] if settings.enable_distributed_tracing else []


def close() -> None:
    """Send the last spans."""
    while _senders:
        _senders.pop().close()


@contextmanager
def span(name: str, **tags: str) -> Iterator[Span]:
    """Work that is told of when it ends; work inside it is its child."""
    above = _current.get()
    made = Span(name, above.trace if above else secrets.randbits(63) | 1, above.id if above else 0, tags=tags)
    before = time.perf_counter_ns()
    token = _current.set(made)
    try:
        yield made
    except BaseException as exc:
        made.tags["error"] = type(exc).__name__
        raise
    finally:
        _current.reset(token)
        made.took = (time.perf_counter_ns() - before) // 1000
        for sender in _senders:
            sender.put(made)


def encoded(spans: list[Span]) -> bytes:
    """A batch of jaeger.thrift."""
    told = [
        thrift.struct(
            (1, thrift.i64(one.trace)),  # the lower half of the trace's number
            (2, thrift.i64(0)),
            (3, thrift.i64(one.id)),
            (4, thrift.i64(one.parent)),
            (5, thrift.text(one.name)),
            (7, thrift.i32(1)),  # sampled
            (8, thrift.i64(one.began)),
            (9, thrift.i64(one.took)),
            (10, thrift.structs([_tag(name, value) for name, value in one.tags.items()])),
        )
        for one in spans
    ]
    process = thrift.struct((1, thrift.text(SERVICE)))
    return thrift.struct((1, process), (2, thrift.structs(told)))[1]


def _tag(name: str, value: str) -> thrift.Value:
    return thrift.struct((1, thrift.text(name)), (2, thrift.i32(0)), (3, thrift.text(value)))


def _posting(endpoint: str) -> Send:
    # No proxy: the collector is the cluster's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(body: bytes) -> None:
        request = urllib.request.Request(endpoint, body, {"Content-Type": "application/x-thrift"})
        opener.open(request, timeout=_PATIENCE_S).close()

    return post
