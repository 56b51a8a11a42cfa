# The node's own series. A process beside the kubelet: it reads the machine's /proc and file systems, for which a pod
# would need the privileges that the namespace `monitoring` forbids.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox import probe
from sandbox.build.golang import GoModule
from sandbox.component import Context, Process, only_full
from sandbox.settings import VERSIONS, Settings

PORT = 9100
PROGRAM = GoModule("node_exporter", "github.com/prometheus/node_exporter", VERSIONS.node_exporter, (".",))


def command(s: Settings) -> list[str]:
    return [f"{s.bin}/node_exporter", f"--web.listen-address={s.node_address}:{PORT}", "--log.level=warn"]


def answers(ctx: Context) -> bool:
    """The size of this machine's root file system and its memory, read now."""
    said = probe.http_body(ctx.settings, ctx.settings.node_address, PORT, "/metrics")
    return b"node_filesystem_size_bytes{device" in said and b"\nnode_memory_MemTotal_bytes " in said


COMPONENT = Process(
    needs=("kube-apiserver",),
    version=VERSIONS.node_exporter,
    builds=(PROGRAM,),
    command=command,
    answers=answers,
    wanted=only_full,
)
