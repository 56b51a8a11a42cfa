# The enforcer of NetworkPolicy objects: a process of the sandbox's own that keeps one nftables table.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import sys

from sandbox import probe
from sandbox.component import Context, Process
from sandbox.settings import Settings

HEALTH_PORT = 10260


def command(s: Settings) -> list[str]:
    """The supervisor runs in / with an environment of its own."""
    where = [f"PYTHONPATH={s.checkout}", f"SANDBOX_DIR={s.state}"]
    return ["/usr/bin/env", *where, sys.executable, "-m", "sandbox.components.network_policy"]


def answers(ctx: Context) -> bool:
    """Also false while what is in force may not be what the API says."""
    return probe.healthy(ctx.settings, HEALTH_PORT)


COMPONENT = Process(
    needs=("kube-apiserver",),
    package="nftables",
    command=command,
    answers=answers,
    wanted=lambda s: s.network_policy,
)
