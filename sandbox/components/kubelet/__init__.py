# The kubelet: this machine as the cluster's one node.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import datetime
from collections.abc import Mapping

from sandbox import probe
from sandbox.build.golang import KUBERNETES
from sandbox.component import Context, Process
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings, load

S = load()


def command(s: Settings) -> list[str]:
    return [
        f"{s.bin}/kubelet",
        f"--config={s.conf}/kubelet.yaml",
        f"--kubeconfig={s.kubeconfig_of('kubelet')}",
        # Deprecated, and still the only way to tell its cAdvisor, which else knows no container's name.
        f"--containerd={s.containerd_socket}",
        f"--root-dir={s.state}/kubelet",
        f"--cert-dir={s.pki}",
        f"--hostname-override={s.node_name}",
        f"--node-ip={s.node_address}",
    ]


def answers(ctx: Context) -> bool:
    """Ready, and said so by the kubelet of now: the stored condition outlives a restart."""
    s = ctx.settings
    if not probe.healthy(s, 10248):
        return False
    node = ctx.cluster.get(f"/api/v1/nodes/{s.node_name}")
    started = ctx.supervisor.state("kubelet").started
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" and _seconds(condition) >= started
        for condition in (node or {}).get("status", {}).get("conditions", [])
    )


def _seconds(condition: Mapping[str, str]) -> float:
    return datetime.datetime.fromisoformat(condition["lastHeartbeatTime"]).timestamp()


COMPONENT = Process(
    needs=("kube-apiserver", "containerd"),
    version=VERSIONS.kubernetes,
    builds=(KUBERNETES,),
    certificates=(
        Certificate(
            "kubelet",
            "ca",
            f"system:node:{S.node_name}",
            organization="system:nodes",
            names=(S.node_name, S.node_address),
            kubeconfig=True,
        ),
    ),
    command=command,
    answers=answers,
)
