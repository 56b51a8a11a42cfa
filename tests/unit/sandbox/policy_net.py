# A bridge with pods, a node and an outside, in network namespaces of the tests' own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sandbox.components.network_policy import kernel
from sandbox.host.netns import call_inside
from sandbox.settings import Settings
from sandbox.shell import run

Result = TypeVar("Result")
NODE, OUTSIDE = "node", "out"
ADDRESSES = {"a": "10.99.0.2", "b": "10.99.0.3", "c": "10.99.0.4", NODE: "10.99.0.1", OUTSIDE: "203.0.113.5"}
GATEWAY, OTHER_OUTSIDE, SERVICE = "203.0.113.1", "203.0.113.9", "10.98.0.10"
# Neither a passing nor a dropped packet within this time is an error, and never a verdict.
WITHIN_S = 10.0


class Net:
    """Namespaces np-…; all of them go with `remove`."""

    def __init__(self) -> None:
        self._prefix = f"np-{os.getpid()}-"
        self.sockets: list[socket.socket] = []

    def make(self) -> None:
        for name in ADDRESSES:
            run("test", ["ip", "netns", "add", self._prefix + name])
            self.ip(name, "link", "set", "lo", "up")
        self.ip(NODE, "link", "add", "cni0", "type", "bridge")
        self.ip(NODE, "addr", "add", f"{ADDRESSES[NODE]}/24", "dev", "cni0")
        self.ip(NODE, "link", "set", "cni0", "up")
        for number, name in enumerate("abc", start=2):
            self._join(name, ADDRESSES[name], ADDRESSES[NODE])
            self.ip(NODE, "link", "set", f"to-{name}", "master", "cni0")
            with contextlib.suppress(Exception):  # a kernel without IPv6; the test of it is skipped
                self.ip(name, "-6", "addr", "add", f"fd00::{number}/64", "dev", "eth0", "nodad")
        self._join(OUTSIDE, ADDRESSES[OUTSIDE], GATEWAY)
        self.ip(OUTSIDE, "addr", "add", f"{OTHER_OUTSIDE}/24", "dev", "eth0")
        self.ip(NODE, "addr", "add", f"{GATEWAY}/24", "dev", f"to-{OUTSIDE}")

        def switches() -> None:
            for file in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"):
                (Path("/proc/sys/net") / file).write_text("1")

        self.inside(NODE, switches)

    def _join(self, name: str, address: str, gateway: str) -> None:
        peer = ["peer", "name", "eth0", "netns", self._prefix + name]
        self.ip(NODE, "link", "add", f"to-{name}", "type", "veth", *peer)
        self.ip(NODE, "link", "set", f"to-{name}", "up")
        self.ip(name, "addr", "add", f"{address}/24", "dev", "eth0")
        self.ip(name, "link", "set", "eth0", "up")
        self.ip(name, "route", "add", "default", "via", gateway)

    def remove(self) -> None:
        self.close()
        for name in ADDRESSES:
            if self.settings(name).netns_file.exists():
                run("test", ["ip", "netns", "del", self._prefix + name])

    def close(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets.clear()

    def ip(self, name: str, *words: str) -> None:
        run("test", ["ip", "-n", self._prefix + name, *words])

    def settings(self, name: str) -> Settings:
        return Settings(checkout=Path("/nowhere"), state=Path("/nowhere"), netns=self._prefix + name)

    def inside(self, name: str, work: Callable[[], Result]) -> Result:
        return call_inside(self.settings(name), work)

    def load(self, text: str) -> None:
        self.inside(NODE, lambda: kernel.load(text))

    def drops(self) -> int:
        """Packets that the rules have dropped since the table is there."""
        listed = self.inside(NODE, lambda: run("test", ["nft", "list", "ruleset"]))
        return sum(int(number) for number in re.findall(r"counter packets (\d+) bytes \d+ drop", listed))

    def open(self, name: str, kind: socket.SocketKind, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        made = self.inside(name, lambda: socket.socket(family, kind))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        self.sockets.append(made)
        return made

    def listen(self, name: str, port: int, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        server = self.open(name, socket.SOCK_STREAM, family)
        server.bind(("", port))
        server.listen(64)
        return server

    def receive(self, name: str, port: int) -> socket.socket:
        server = self.open(name, socket.SOCK_DGRAM)
        server.bind(("", port))
        return server

    def connects(self, name: str, target: str, port: int, source: str = "") -> bool:
        """Whether a connection is made; False where the rules dropped its packet. A refusal is an error."""
        client = self.open(name, socket.SOCK_STREAM, socket.AF_INET6 if ":" in target else socket.AF_INET)
        if source:
            client.bind((source, 0))
        before = self.drops()
        client.connect_ex((target, port))
        return self._passed(client, before)

    def arrives(self, name: str, target: str, server: socket.socket) -> bool:
        """Whether a datagram arrives; False where the rules dropped it."""
        client, before = self.open(name, socket.SOCK_DGRAM), self.drops()
        client.sendto(b"hello", (target, server.getsockname()[1]))
        for _ in self._looks():
            if select.select([server], [], [], 0.01)[0]:
                return server.recv(16) == b"hello"
            if self.drops() > before:
                return False
        raise AssertionError("the datagram neither arrived nor was dropped by the rules")

    def _passed(self, client: socket.socket, before: int) -> bool:
        for _ in self._looks():
            if select.select([], [client], [], 0.01)[1]:
                if error := client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(error, os.strerror(error))
                return True
            if self.drops() > before:
                return False
        raise AssertionError("the connection was neither made nor dropped by the rules")

    @staticmethod
    def _looks() -> Iterator[None]:
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            yield
