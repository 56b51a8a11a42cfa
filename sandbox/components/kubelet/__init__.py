# The kubelet: this machine as the cluster's one node.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import datetime

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
    lease = ctx.cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{s.node_name}")
    if not node or not lease:
        return False
    renewed = datetime.datetime.fromisoformat(lease["spec"]["renewTime"]).timestamp()
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
    return ready and renewed >= ctx.supervisor.state("kubelet").started


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
