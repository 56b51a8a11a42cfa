# containerd of Debian, with its state, sockets and pod namespaces in the sandbox's own folders.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from pathlib import Path

from sandbox import probe
from sandbox.build.golang import GoSource
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Process
from sandbox.files import put, render
from sandbox.settings import VERSIONS, Settings

FOLDER = Path(__file__).parent
PAUSE = GoSource("pause", VERSIONS.pause, FOLDER / "pause.go")
PAUSE_IMAGE = Image("pause", VERSIONS.pause, (ProgramLayer(PAUSE),), entrypoint=("/usr/local/bin/pause",), user="65534")


def command(s: Settings) -> list[str]:
    return ["containerd", "--config", f"{s.conf}/containerd.toml", "--log-level", "warn"]


def prepare(ctx: Context) -> None:
    """Both are read anew for each pull or pod, so they need no restart."""
    s = ctx.settings
    put(s.conf / "certs.d" / "_default" / "hosts.toml", render(FOLDER / "hosts.toml", {"s": s}), 0o644)
    put(s.conf / "cni" / "10-bridge.conflist", render(FOLDER / "10-bridge.conflist", {"s": s}), 0o644)


def answers(ctx: Context) -> bool:
    return probe.unix_socket_open(ctx.settings.containerd_socket)


COMPONENT = Process(
    needs=("registry",),
    package="containerd",
    builds=(PAUSE,),
    images=(PAUSE_IMAGE,),
    prepare=prepare,
    command=command,
    answers=answers,
    within_s=60,
)
