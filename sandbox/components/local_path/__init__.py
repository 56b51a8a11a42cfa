# The storage class `local-path`, and the base image that its helper pods and people's trials use.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox.build.golang import GoTool
from sandbox.build.images import Image
from sandbox.build.layers import DebianRoot, ProgramLayer
from sandbox.component import Context, Rollout, Workload
from sandbox.settings import VERSIONS

PROGRAM = GoTool("local-path-provisioner", "github.com/rancher/local-path-provisioner", VERSIONS.local_path)
TOOLS = DebianRoot(
    "tools",
    ("ca-certificates", "curl", "iproute2", "netcat-openbsd", "procps", "dnsutils", "busybox-static"),
)


def values(_: Context) -> Mapping[str, str]:
    return {"version": VERSIONS.local_path, "tools": VERSIONS.tools}


COMPONENT = Workload(
    needs=("kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler"),
    version=VERSIONS.local_path,
    builds=(PROGRAM,),
    images=(
        Image("base", VERSIONS.tools, (TOOLS,)),
        Image(
            "local-path-provisioner",
            VERSIONS.local_path,
            (ProgramLayer(PROGRAM),),
            entrypoint=("/usr/local/bin/local-path-provisioner",),
            user="65532",
        ),
    ),
    rollouts=(Rollout("Deployment", "local-path-storage", "local-path-provisioner"),),
    values=values,
)
