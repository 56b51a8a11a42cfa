# The controllers: Deployments, StatefulSets, certificates, node addresses, autoscaling.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox import probe
from sandbox.build.golang import KUBERNETES
from sandbox.component import Context, Process
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings


def command(s: Settings) -> list[str]:
    kubeconfig = s.kubeconfig_of("controller-manager")
    return [
        f"{s.bin}/kube-controller-manager",
        # The only one of its kind: waiting for an old lease would only cost time.
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--root-ca-file={s.pki}/ca.crt",
        f"--cluster-signing-cert-file={s.pki}/ca.crt",
        f"--cluster-signing-key-file={s.pki}/ca.key",
        f"--service-account-private-key-file={s.pki}/sa.key",
        "--use-service-account-credentials",
        "--allocate-node-cidrs",
        f"--cluster-cidr={s.pod_network}",
        f"--service-cluster-ip-range={s.service_network}",
        "--horizontal-pod-autoscaler-sync-period=5s",
    ]


def answers(ctx: Context) -> bool:
    return probe.healthy(ctx.settings, 10257, tls=True)


COMPONENT = Process(
    needs=("kube-apiserver",),
    version=VERSIONS.kubernetes,
    builds=(KUBERNETES,),
    certificates=(Certificate("controller-manager", "ca", "system:kube-controller-manager", kubeconfig=True),),
    command=command,
    answers=answers,
)
