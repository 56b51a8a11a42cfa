# Spans: what a collector gets for requests and tasks, whose child they are, and that nothing waits for it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app import tracing
from bytebot_app.settings import Settings
from bytebot_app.worker import Limits

from .test_worker import World

TEXT, I32, I64, STRUCT, LIST = 11, 8, 10, 12, 15


def read(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    """One value of Thrift's binary protocol as a reader of its document reads it, and where the next begins."""
    if kind in (I32, I64):
        size = 4 if kind == I32 else 8
        return int.from_bytes(data[at : at + size], "big", signed=True), at + size
    if kind == TEXT:
        end = at + 4 + struct.unpack_from(">i", data, at)[0]
        return data[at + 4 : end].decode(), end
    if kind == LIST:
        of, number = struct.unpack_from(">bi", data, at)
        values, at = [], at + 5
        for _one in range(number):
            value, at = read(data, at, of)
            values.append(value)
        return values, at
    assert kind == STRUCT
    fields: dict[int, Any] = {}
    while data[at]:
        of, name = struct.unpack_from(">bh", data, at)
        fields[name], at = read(data, at + 3, of)
    return fields, at + 1


class Collector:
    """What was posted, as jaeger.thrift names it."""

    def __init__(self, server: HTTPServer) -> None:
        self.endpoint = f"http://127.0.0.1:{server.server_port}/api/traces"
        self.got: list[tuple[str, str, bytes]] = []

    def spans(self) -> dict[str, dict[int, Any]]:
        """The spans of all batches by name, once all were sent."""
        tracing.close()
        found: dict[str, dict[int, Any]] = {}
        for path, kind, body in self.got:
            assert (path, kind) == ("/api/traces", "application/x-thrift")
            batch, end = read(body, 0, STRUCT)
            assert (end, batch[1][1]) == (len(body), "bytebot-api")
            found |= {one[5]: one for one in batch[2]}
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((self.path, str(self.headers["Content-Type"]), body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Collector(server)
        running = threading.Thread(target=server.serve_forever)
        running.start()
        tracing.configure(Settings(enable_distributed_tracing=True, jaeger_endpoint=made.endpoint))
        yield made
        tracing.close()
        server.shutdown()
        running.join()


def tags(span: dict[int, Any]) -> dict[str, str]:
    return {one[1]: one[3] for one in span[10]}


def test_a_request_is_a_span_with_its_form_its_status_and_its_correlation(
    collector: Collector, client: TestClient
) -> None:
    client.get("/api/v1/tasks/11111111-1111-1111-1111-111111111111", headers={"x-correlation-id": "mine"})
    span = collector.spans()["GET /api/v1/tasks/{task_id}"]
    assert tags(span) == {"correlationId": "mine", "http.status_code": "401"}
    assert span[9] > 0
    assert span[7] == 1


def test_a_task_is_the_documented_span(collector: Collector) -> None:
    world = World()

    async def done() -> str:
        task = await world.add()
        assert await world.worker(Limits()).turn()
        return task

    task_id = asyncio.run(done())
    assert tags(collector.spans()["task.process"])["taskId"] == task_id


def test_what_is_done_inside_is_a_child_and_an_error_is_told(collector: Collector) -> None:
    with pytest.raises(KeyError), tracing.span("outer"), tracing.span("inner"):
        raise KeyError("a secret")
    with tracing.span("other"):
        pass
    found = collector.spans()
    assert found["inner"][4] == found["outer"][3]
    assert found["inner"][1] == found["outer"][1] != found["other"][1]
    assert tags(found["inner"]) == {"error": "KeyError"}


def test_a_collector_that_is_down_costs_its_batch_and_nothing_else() -> None:
    answers: list[Any] = [ConnectionRefusedError(), None]
    got: list[bytes] = []
    failed = threading.Event()

    def send(body: bytes) -> None:
        got.append(body)
        if answer := answers.pop(0):
            failed.set()
            raise answer

    sender = tracing.Sender(send)
    sender.put(tracing.Span("lost", 1))
    assert failed.wait(60)
    sender.put(tracing.Span("told", 2))
    sender.close()
    assert [b"lost" in got[0], b"told" in got[1], len(got)] == [True, True, 2]


def test_switched_off_nothing_is_sent(collector: Collector) -> None:
    tracing.close()
    tracing.configure(Settings(jaeger_endpoint=collector.endpoint))
    with tracing.span("one"):
        pass
    assert collector.spans() == {}
