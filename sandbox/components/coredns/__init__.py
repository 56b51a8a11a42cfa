# CoreDNS: the cluster's names, and the sandbox's own zone for the ingress.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox import probe
from sandbox.build.golang import GoTool
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Reach, Rollout, Workload
from sandbox.settings import VERSIONS

PROGRAM = GoTool("coredns", "github.com/coredns/coredns", VERSIONS.coredns)
# By this port the machine asks for the public names; pods ask by the usual one.
OUTSIDE = 5353


def values(_: Reach) -> Mapping[str, str]:
    return {"version": VERSIONS.coredns, "outside": str(OUTSIDE)}


def answers(ctx: Context) -> bool:
    s = ctx.settings
    return probe.resolves(s, s.dns_service, "kubernetes.default.svc.cluster.local", s.api_service) and probe.resolves(
        s, s.dns_service, f"api.{s.domain}", s.node_address
    )


COMPONENT = Workload(
    needs=("kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler"),
    version=VERSIONS.coredns,
    builds=(PROGRAM,),
    images=(
        Image(
            "coredns", VERSIONS.coredns, (ProgramLayer(PROGRAM),), entrypoint=("/usr/local/bin/coredns",), user="65532"
        ),
    ),
    rollouts=(Rollout("Deployment", "kube-system", "coredns"),),
    values=values,
    answers=answers,
)
