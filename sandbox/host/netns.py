# The cluster's network namespace, its one link to the machine, and sockets opened inside it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sandbox.settings import Settings
from sandbox.shell import run

CLONE_NEWNET = 0x40000000
REMEDY = "run `python -m sandbox down`, then `up` again"
Result = TypeVar("Result")


def enter_command(settings: Settings) -> list[str]:
    """`ip netns exec` mounts a new /sys and so hides the cgroups; nsenter does not."""
    return ["nsenter", f"--net={settings.netns_file}", "--"]


def ensure(settings: Settings) -> None:
    """A fresh namespace. Whoever calls has removed an old one before."""
    s = settings

    def outside(*words: str) -> None:
        run("network", ["ip", *words], remedy=REMEDY)

    def inside(*words: str) -> None:
        run("network", [*enter_command(s), *words], remedy=REMEDY)

    outside("netns", "add", s.netns)
    outside("link", "add", s.machine_interface, "type", "veth", "peer", "name", s.node_interface, "netns", s.netns)
    outside("addr", "add", f"{s.machine_address}/30", "dev", s.machine_interface)
    outside("link", "set", s.machine_interface, "up")
    inside("ip", "link", "set", "lo", "up")
    inside("ip", "addr", "add", f"{s.node_address}/30", "dev", s.node_interface)
    inside("ip", "link", "set", s.node_interface, "up")
    # Without any route the kernel refuses a connection to a service address before it can be translated.
    inside("ip", "route", "add", s.service_network, "dev", s.node_interface)
    call_inside(s, _forward)


def _forward() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    bridge = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridge.exists():
        bridge.write_text("1")


def remove(settings: Settings) -> None:
    if interface_exists(settings.machine_interface):
        run("network", ["ip", "link", "del", settings.machine_interface])
    if settings.netns_file.exists():
        run("network", ["ip", "netns", "del", settings.netns])


def interface_exists(name: str) -> bool:
    return (Path("/sys/class/net") / name).exists()


def call_inside(settings: Settings, work: Callable[[], Result]) -> Result:
    """Runs `work` in a thread that has moved into the namespace; sockets it opens stay in there."""

    def moved() -> Result:
        libc = ctypes.CDLL(None, use_errno=True)
        handle = os.open(settings.netns_file, os.O_RDONLY)
        try:
            if libc.setns(handle, CLONE_NEWNET):
                error = ctypes.get_errno()
                raise OSError(error, os.strerror(error))
        finally:
            os.close(handle)
        return work()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(moved).result()
