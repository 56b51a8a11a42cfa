# kube-proxy in nftables mode: service addresses and the load balancer's address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox import probe
from sandbox.build.golang import KUBERNETES
from sandbox.component import Context, Process
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings


def command(s: Settings) -> list[str]:
    return [f"{s.bin}/kube-proxy", f"--config={s.conf}/kube-proxy.yaml"]


def answers(ctx: Context) -> bool:
    return probe.healthy(ctx.settings, 10256)


COMPONENT = Process(
    # It looks its own node up at the start.
    needs=("kubelet",),
    version=VERSIONS.kubernetes,
    builds=(KUBERNETES,),
    certificates=(Certificate("kube-proxy", "ca", "system:kube-proxy", kubeconfig=True),),
    command=command,
    answers=answers,
)
