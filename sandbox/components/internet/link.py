# The one link between the sandbox's network namespace and that of the calling process.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.host.netns import call_inside, enter_command
from sandbox.settings import Settings
from sandbox.shell import run

NAME = "internet"
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


def wire(settings: Settings) -> None:
    """Make the link, the addresses and the routes; must be called in a namespace that is still empty.

    There is no default route on either side. The internet's only way back is to pods, so that it reaches neither the
    machine nor the API server; pods and the node reach it, and the metadata address behind it.
    """
    s = settings
    length = s.internet_network.partition("/")[2]

    def here(*words: str) -> None:
        run(NAME, ["ip", *words])

    def there(*words: str) -> None:
        run(NAME, [*enter_command(s), "ip", *words])

    _take_down_former(s)
    FORWARD.write_text("0")
    here("link", "set", "lo", "up")
    here("link", "add", "eth0", "type", "veth", "peer", "name", s.internet_interface, "netns", s.netns)
    here("addr", "add", f"{s.internet_address}/{length}", "dev", "eth0")
    here("addr", "add", f"{s.metadata_address}/32", "dev", "lo")
    here("link", "set", "eth0", "up")
    there("addr", "add", f"{s.internet_gateway}/{length}", "dev", s.internet_interface)
    there("link", "set", s.internet_interface, "up")
    there("route", "add", f"{s.metadata_address}/32", "via", s.internet_address)
    here("route", "add", s.pod_network, "via", s.internet_gateway)


def linked(settings: Settings) -> bool:
    """Whether the sandbox has the link."""
    return call_inside(settings, lambda: f"\n{settings.internet_interface}:" in _interfaces())


def _interfaces() -> str:
    """Of the calling thread's namespace; /sys would be that of whoever mounted it."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return "\n" + "\n".join(line.strip() for line in lines)


def _take_down_former(settings: Settings) -> None:
    """The kernel takes a namespace away a moment after its last process, and the link with it."""
    if not linked(settings):
        return
    try:
        run(NAME, [*enter_command(settings), "ip", "link", "del", settings.internet_interface])
    except SandboxError:
        if linked(settings):
            raise
