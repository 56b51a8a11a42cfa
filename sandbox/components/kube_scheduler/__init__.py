# The scheduler.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox import probe
from sandbox.build.golang import KUBERNETES
from sandbox.component import Context, Process
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings


def command(s: Settings) -> list[str]:
    kubeconfig = s.kubeconfig_of("scheduler")
    return [
        f"{s.bin}/kube-scheduler",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
    ]


def answers(ctx: Context) -> bool:
    return probe.healthy(ctx.settings, 10259, tls=True)


COMPONENT = Process(
    needs=("kube-apiserver",),
    version=VERSIONS.kubernetes,
    builds=(KUBERNETES,),
    certificates=(Certificate("scheduler", "ca", "system:kube-scheduler", kubeconfig=True),),
    command=command,
    answers=answers,
)
