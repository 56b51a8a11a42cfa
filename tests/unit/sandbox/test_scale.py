# Nodes and pods that only the API knows: what they are, and that all of them go again, whatever was broken off.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox import cli, scale
from sandbox.api import ApiError
from sandbox.errors import SandboxError
from sandbox.scale import LABEL, Scale, Size, node, pod

Object = dict[str, Any]
SMALL = Size(nodes=3, pods=600, role_bindings=7)


class Server:
    """Plays the API server and kwok: what is made is ready at once. It may be lost after a number of calls."""

    def __init__(self) -> None:
        self.kept: dict[str, Object] = {"/api/v1/nodes/sandbox": {"metadata": {"name": "sandbox"}}}
        self.calls, self.lost_after = 0, -1
        self._lock = threading.Lock()

    @contextmanager
    def session(self, _: float = 0.0) -> Iterator[Any]:
        yield self.call

    def call(self, method: str, path: str, body: str = "", _: str = "") -> str:
        with self._lock:
            self.calls += 1
            if self.calls == self.lost_after:
                raise OSError("the connection is lost")
            path, _, query = path.partition("?")
            return getattr(self, method.lower())(path, query, body)  # type: ignore[no-any-return]

    def post(self, path: str, _: str, body: str) -> str:
        one = json.loads(body)
        key = f"{path}/{one['metadata']['name']}"
        if key in self.kept:
            raise ApiError(409, "there already")
        ready = [{"type": "Ready", "status": "True"}]
        one["status"] = {"phase": "Running", "conditions": ready}
        self.kept[key] = one
        return body

    def get(self, path: str, query: str, _: str) -> str:
        assert f"labelSelector={LABEL}" in query
        base, _, plural = path.rpartition("/")
        pattern = re.compile(rf"{re.escape(base)}(/namespaces/[^/]+)?/{plural}/[^/]+")
        items = [one for key, one in self.kept.items() if pattern.fullmatch(key) and LABEL in _labels(one)]
        return json.dumps({"items": items, "metadata": {}})

    def delete(self, path: str, query: str, _: str) -> str:
        if f"labelSelector={LABEL}" in query:
            gone = [k for k, one in self.kept.items() if k.startswith(f"{path}/") and LABEL in _labels(one)]
        else:
            gone = [key for key in self.kept if key == path]
            if not gone:
                raise ApiError(404, "not there")
            held = [
                key
                for key in self.kept
                if key.startswith(f"{path}/") or f"{path.rsplit('/v1', maxsplit=1)[-1]}/" in key
            ]
            assert held == [], "a namespace is emptied before"
        for key in gone:
            del self.kept[key]
        return ""


def _labels(one: Object) -> Object:
    return one["metadata"].get("labels") or {}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "LOOK_S", 0.0)
    monkeypatch.setattr(scale, "WITHIN_S", 5.0)


def made(server: Server) -> tuple[Scale, list[str]]:
    said: list[str] = []
    return Scale(server, said.append), said  # type: ignore[arg-type]


def counts(server: Server) -> dict[str, int]:
    kinds = [key.split("/")[-2] for key in server.kept]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


FULL = {"namespaces": 3, "nodes": 4, "pods": 600, "rolebindings": 7}


def test_up_makes_what_was_asked_for_in_batches_and_tells_of_it() -> None:
    server = Server()
    one, said = made(server)
    one.up(SMALL)
    assert counts(server) == FULL
    assert {"3 nodes", "3 nodes are ready", "600 pods", "600 pods run"} <= set(said)
    assert sum(line.endswith(" pods") for line in said) == 3


def test_up_again_makes_only_what_is_missing() -> None:
    server = Server()
    made(server)[0].up(SMALL)
    del server.kept["/api/v1/namespaces/scale-001/pods/scale-00001"]
    made(server)[0].up(SMALL)
    assert counts(server) == FULL


@pytest.mark.parametrize("broken_off", [-1, 5, 30, 300])
def test_down_leaves_only_what_was_there_before(broken_off: int) -> None:
    server = Server()
    server.lost_after = broken_off
    if broken_off > 0:
        with pytest.raises(OSError, match="lost"):
            made(server)[0].up(SMALL)
    else:
        made(server)[0].up(SMALL)
    for _ in range(2):
        made(server)[0].down()
        assert list(server.kept) == ["/api/v1/nodes/sandbox"]


def test_what_does_not_come_up_is_told_with_its_number() -> None:
    server = Server()
    server.post = lambda path, query, body: ""  # type: ignore[method-assign]
    scale.WITHIN_S = 0.0
    with pytest.raises(SandboxError, match="0 of 3 nodes are ready"):
        made(server)[0].up(SMALL)


def test_no_real_pod_can_be_placed_on_such_a_node_and_nothing_counts_its_room() -> None:
    spec = node(1)["spec"]
    assert spec["unschedulable"] is True
    assert spec["taints"] == [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]


def test_no_such_pod_can_be_placed_on_a_real_node() -> None:
    nodes = {node(number)["metadata"]["name"] for number in range(SMALL.nodes)}
    assert {pod(number, SMALL)["spec"]["nodeName"] for number in range(SMALL.pods)} == nodes


def test_pods_need_nodes() -> None:
    with pytest.raises(SandboxError, match="pods need nodes"):
        made(Server())[0].up(Size(nodes=0, pods=1, role_bindings=0))


def test_the_command_has_the_sizes_of_the_document() -> None:
    words = cli.parser().parse_args(["scale", "up"])
    assert (words.nodes, words.pods, words.role_bindings) == (500, 10_000, 5_000)
    words = cli.parser().parse_args(["scale", "up", "--nodes", "7", "--role-bindings", "0"])
    assert (words.nodes, words.role_bindings) == (7, 0)
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["scale", "up", "--pods", "-1"])
