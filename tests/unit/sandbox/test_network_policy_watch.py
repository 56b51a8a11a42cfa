# Collections follow the API through lost watches and forgotten versions; the enforcer keeps the kernel up with them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import json
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sandbox import watch
from sandbox.api import ApiError
from sandbox.cluster import Cluster
from sandbox.components.network_policy import enforcer as enforcing
from sandbox.components.network_policy import kernel
from sandbox.components.network_policy.enforcer import Enforcer, serve_health
from sandbox.errors import SandboxError
from sandbox.pki import Pki
from sandbox.settings import Settings
from sandbox.watch import Collection
from tests.unit.sandbox.policy_world import namespace, pod, policies

Object = dict[str, Any]
PODS, NAMESPACES = "/api/v1/pods", "/api/v1/namespaces"
POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
WITHIN_S = 20.0


class Server:
    """Plays the API: what is listed, and what each watch tells; an exception is raised to who watches."""

    def __init__(self, **lists: list[Object]) -> None:
        self.lists: dict[str, list[Object]] = {PODS: [], NAMESPACES: [], POLICIES: [], **lists}
        self.events: dict[str, queue.Queue[Any]] = {path: queue.Queue() for path in self.lists}
        self.asked: list[tuple[str, str]] = []
        self.version = 100

    def call(self, method: str, path: str) -> str:
        self.asked.append((method, path))
        self.version += 1
        return json.dumps({"metadata": {"resourceVersion": str(self.version)}, "items": self.lists[path]})

    def watch(self, path: str, version: str) -> Iterator[Object]:
        self.asked.append(("WATCH", f"{path}@{version}"))
        return self._events(path)

    def _events(self, path: str) -> Iterator[Object]:
        while True:
            event = self.events[path].get()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event

    def tell(self, path: str, kind: str, found: Object) -> None:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        self.events[path].put({"type": kind, "object": found})


class Follower:
    """A collection of names and labels that a thread follows."""

    def __init__(self, server: Server) -> None:
        self.changes: queue.Queue[list[Any]] = queue.Queue()
        self.said: list[str] = []
        self.stop = threading.Event()
        self.one: Collection[Any] = Collection(
            NAMESPACES, lambda found: found["metadata"]["labels"], self._told, self.said.append
        )
        self._server = server
        self._thread = threading.Thread(target=self.one.follow, args=(server, self.stop), daemon=True)
        self._thread.start()

    def _told(self) -> None:
        self.changes.put(sorted(one.get("team", "") for one in self.one.things()))

    def next(self) -> list[Any]:
        return self.changes.get(timeout=WITHIN_S)

    def end(self) -> None:
        self.stop.set()
        self._server.events[NAMESPACES].put(None)
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(watch, "PAUSE_S", 0.0)
    return Server(**{NAMESPACES: [namespace("a", team="1")]})


@pytest.fixture
def follower(server: Server) -> Iterator[Follower]:
    made = Follower(server)
    assert made.next() == ["1"]
    yield made
    made.end()


def test_events_change_what_is_known(server: Server, follower: Follower) -> None:
    server.tell(NAMESPACES, "ADDED", namespace("b", team="2"))
    assert follower.next() == ["1", "2"]
    server.tell(NAMESPACES, "MODIFIED", namespace("b", team="3"))
    assert follower.next() == ["1", "3"]
    server.tell(NAMESPACES, "DELETED", namespace("a", team="1"))
    assert follower.next() == ["3"]


def test_what_changes_nothing_that_counts_is_passed_over(server: Server, follower: Follower) -> None:
    server.tell(NAMESPACES, "MODIFIED", {**namespace("a", team="1"), "status": {"phase": "Active"}})
    server.tell(NAMESPACES, "BOOKMARK", {"metadata": {}})
    server.tell(NAMESPACES, "ADDED", namespace("b", team="2"))
    assert follower.next() == ["1", "2"]
    assert follower.changes.empty()


def test_a_lost_watch_goes_on_from_its_last_version(server: Server, follower: Follower) -> None:
    server.tell(NAMESPACES, "BOOKMARK", {"metadata": {}})
    seen = server.version
    server.events[NAMESPACES].put(http.client.IncompleteRead(b""))
    server.tell(NAMESPACES, "ADDED", namespace("b", team="2"))
    assert follower.next() == ["1", "2"]
    assert server.asked[-1] == ("WATCH", f"{NAMESPACES}@{seen}")
    assert [what for what, _ in server.asked].count("GET") == 1
    assert follower.one.trouble == ""
    assert "IncompleteRead" in follower.said[-1]


@pytest.mark.parametrize("inside", [True, False])
def test_a_forgotten_version_is_listed_anew(server: Server, follower: Follower, inside: bool) -> None:
    """Told as an event, or as the answer to the watch; what went meanwhile is gone."""
    server.lists[NAMESPACES] = [namespace("c", team="9")]
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}
    server.events[NAMESPACES].put(gone if inside else ApiError(410, "too old resource version"))
    assert follower.next() == ["9"]
    assert [what for what, _ in server.asked].count("GET") == 2


def test_an_object_that_cannot_be_read_is_told_and_not_taken_for_done(server: Server, follower: Follower) -> None:
    server.events[NAMESPACES].put({"type": "ADDED", "object": {"metadata": {"name": "odd"}}})
    server.tell(NAMESPACES, "ADDED", namespace("b", team="2"))
    assert follower.next() == ["1", "2"]
    assert any("KeyError" in line for line in follower.said)


# ------------------------------------------------------------------ the client's part


class Watched(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if "resourceVersion=1&" in self.path:
            self._send(410, [json.dumps({"kind": "Status", "message": "too old"})])
        else:
            self._send(200, ['{"type": "ADDED", "n": 1}\n{"type"', ': "ADDED", "n": 2}\n'])

    def _send(self, status: int, parts: list[str]) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in [*parts, ""]:
            self.wfile.write(f"{len(part):x}\r\n{part}\r\n".encode())

    def log_message(self, *_: Any) -> None: ...


def test_the_client_tells_events_one_by_one_and_refusals_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    http_server = HTTPServer(("127.0.0.1", 0), Watched)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    cluster = Cluster(settings, Pki(settings.pki))
    port = http_server.server_port
    monkeypatch.setattr(cluster, "_connection", lambda s: http.client.HTTPConnection("127.0.0.1", port, timeout=s))
    try:
        assert [event["n"] for event in cluster.watch(PODS, "2")] == [1, 2]
        with pytest.raises(ApiError) as caught:
            cluster.watch(PODS, "1")
        assert caught.value.status == 410
    finally:
        http_server.shutdown()
        http_server.server_close()


# ------------------------------------------------------------------ the enforcer


class Kernel:
    """Plays the kernel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loaded: queue.Queue[str] = queue.Queue()
        self.there, self.refuses = False, ""
        for name in ("load", "present", "remove"):
            monkeypatch.setattr(kernel, name, getattr(self, name))

    def load(self, text: str) -> None:
        if self.refuses:
            raise SandboxError("network-policy", self.refuses)
        self.there = True
        self.loaded.put(text)

    def present(self) -> bool:
        return self.there

    def remove(self) -> None:
        self.there = False

    def next(self) -> str:
        return self.loaded.get(timeout=WITHIN_S)


DENY = policies("in: shop\npodSelector: {}\n")


class Running:
    """An enforcer in a thread."""

    def __init__(self, server: Server, plays: Kernel) -> None:
        self.server, self.kernel, self.said = server, plays, []  # type: ignore[var-annotated]
        self.one = Enforcer(server, "sandbox", "10.96.0.0/16", self.said.append)
        self._thread = threading.Thread(target=self.one.run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.one.stop()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()


@pytest.fixture
def running(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(enforcing, "LOOK_S", 0.05)
    server.lists[PODS] = [pod("shop/web", "10.244.0.1")]
    made = Running(server, Kernel(monkeypatch))
    yield made
    if made._thread.is_alive():
        made.stop()


def test_a_policy_comes_into_force_and_goes(running: Running) -> None:
    running.start()
    assert "hook" not in running.kernel.next()
    running.server.tell(POLICIES, "ADDED", dict(DENY[0]))
    assert "ip daddr vmap { 10.244.0.1 : jump ingress-1 }" in running.kernel.next()
    assert running.one.troubles == []
    running.server.tell(POLICIES, "DELETED", dict(DENY[0]))
    assert "hook" not in running.kernel.next()


def test_many_changes_go_in_together(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcing, "GATHER_S", 0.5)
    running.start()
    running.kernel.next()
    running.server.tell(POLICIES, "ADDED", dict(DENY[0]))
    for number in range(2, 52):
        running.server.tell(PODS, "ADDED", pod(f"shop/p{number}", f"10.244.0.{number}"))
    texts = [running.kernel.next()]
    while "10.244.0.51" not in texts[-1]:
        texts.append(running.kernel.next())
    assert len(texts) < 10


def test_nothing_is_loaded_before_all_is_listed(running: Running) -> None:
    """Half of the policies would be wrong rules."""
    missing, asked = threading.Event(), threading.Event()
    call = running.server.call

    def late(method: str, path: str) -> str:
        if path == POLICIES:
            asked.set()
            missing.wait(WITHIN_S)
        return call(method, path)

    running.server.call = late  # type: ignore[method-assign]
    running.server.lists[POLICIES] = DENY
    running.start()
    assert asked.wait(WITHIN_S)
    assert any("not listed yet" in line for line in running.one.troubles)
    missing.set()
    assert "jump ingress-1" in running.kernel.next()


def test_a_table_that_somebody_deleted_comes_back(running: Running) -> None:
    running.start()
    first = running.kernel.next()
    running.kernel.there = False
    assert running.kernel.next() == first


def test_what_the_kernel_refuses_is_trouble_until_it_is_taken(running: Running) -> None:
    running.kernel.refuses = "nft ended with status 1"
    running.start()
    end = threading.Event()
    while not running.said:
        assert not end.wait(0.01)
    assert any("nft ended with status 1" in line for line in running.one.troubles)
    running.kernel.refuses = ""
    running.kernel.next()


def test_stopping_takes_the_table_out(running: Running) -> None:
    running.start()
    running.kernel.next()
    running.stop()
    assert running.kernel.there is False


def test_health_is_good_only_while_the_kernel_has_what_the_api_says(running: Running) -> None:
    running.server.lists[POLICIES] = DENY
    server = serve_health(running.one, 0)

    def health(path: str = "/healthz") -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    try:
        status, reasons = health()
        assert (status, "not listed yet" in reasons) == (503, True)
        running.start()
        running.kernel.next()
        while any("not loaded yet" in line for line in running.one.troubles):
            os.sched_yield()
        assert health() == (200, "ok")
        assert health("/other")[0] == 404
        running.stop()
        assert health() == (503, "the table is not in the kernel")
    finally:
        server.shutdown()
        server.server_close()
