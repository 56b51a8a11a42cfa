# etcd, the store behind the API server; loopback only, client certificates required.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox import probe
from sandbox.build.golang import GoTool
from sandbox.component import Context, Process
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings

CLIENT = "https://127.0.0.1:2379"
PEER = "http://127.0.0.1:2380"
METRICS_PORT = 2381


def command(s: Settings) -> list[str]:
    return [
        f"{s.bin}/etcd",
        f"--data-dir={s.state}/etcd",
        f"--listen-client-urls={CLIENT}",
        f"--advertise-client-urls={CLIENT}",
        f"--listen-peer-urls={PEER}",
        f"--initial-advertise-peer-urls={PEER}",
        f"--initial-cluster=default={PEER}",
        f"--cert-file={s.pki}/etcd.crt",
        f"--key-file={s.pki}/etcd.key",
        "--client-cert-auth",
        f"--trusted-ca-file={s.pki}/ca.crt",
        "--auto-compaction-retention=10m",
        "--quota-backend-bytes=4294967296",
        f"--listen-metrics-urls=http://127.0.0.1:{METRICS_PORT}",
        "--log-level=warn",
    ]


def answers(ctx: Context) -> bool:
    return probe.healthy(ctx.settings, METRICS_PORT, "/health")


COMPONENT = Process(
    version=VERSIONS.etcd,
    builds=(GoTool("etcd", "go.etcd.io/etcd/server/v3", VERSIONS.etcd),),
    authorities=(("ca", ""),),
    certificates=(Certificate("etcd", "ca", "etcd", names=("127.0.0.1", "localhost")),),
    command=command,
    answers=answers,
    within_s=60,
)
