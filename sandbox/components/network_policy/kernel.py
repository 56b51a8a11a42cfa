# The table in the kernel: put in, looked for, taken out. All of it in the network namespace of the calling process.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path

from sandbox.components.network_policy.table import GONE, TABLE
from sandbox.errors import SandboxError
from sandbox.shell import environment, run

NAME = "network-policy"
BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def load(text: str) -> None:
    """One transaction: all of the new table is in force at once, or the former one stays.

    :raises SandboxError: the kernel or nft refuses the table.
    """
    run(NAME, ["nft", "-f", "-"], stdin=text, what="nft")


def remove() -> None:
    run(NAME, ["nft", "-f", "-"], stdin=GONE, what="nft")


def present() -> bool:
    """Whether the table is there; only that, not what is in it."""
    command = ["nft", "--terse", "list", "table", *TABLE.split()]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0


def require_bridged_frames(switch: Path = BRIDGED) -> None:
    """Pods of one node talk over a bridge; without this switch the kernel shows no filter their traffic.

    :raises SandboxError: it is off, so that nothing could be enforced.
    """
    try:
        on = switch.read_text().strip() == "1"
    except OSError:
        on = False
    if not on:
        remedy = "load the kernel module br_netfilter and write 1 to that file in the sandbox's network namespace"
        raise SandboxError(NAME, f"{switch} is not 1, so traffic between pods would pass unjudged", remedy=remedy)
