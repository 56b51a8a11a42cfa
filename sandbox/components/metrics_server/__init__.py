# metrics-server: `kubectl top` and autoscaling.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox.build.golang import GoTool
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Rollout, Workload
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS

PROGRAM = GoTool("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", VERSIONS.metrics_server)


def values(_: Context) -> Mapping[str, str]:
    return {"version": VERSIONS.metrics_server}


def answers(ctx: Context) -> bool:
    return ctx.cluster.get(f"/apis/metrics.k8s.io/v1beta1/nodes/{ctx.settings.node_name}") is not None


COMPONENT = Workload(
    needs=("kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler"),
    version=VERSIONS.metrics_server,
    builds=(PROGRAM,),
    images=(
        Image(
            "metrics-server",
            VERSIONS.metrics_server,
            (ProgramLayer(PROGRAM),),
            entrypoint=("/usr/local/bin/metrics-server",),
            user="65532",
        ),
    ),
    certificates=(Certificate("metrics-server", "ca", "metrics-server", names=("metrics-server.kube-system.svc",)),),
    rollouts=(Rollout("Deployment", "kube-system", "metrics-server"),),
    values=values,
    answers=answers,
)
