# States of objects as series: an exporter of the sandbox's own, by the names that kube-state-metrics documents.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox import probe
from sandbox.build.pods import IMAGE
from sandbox.component import Context, Rollout, Workload, only_full
from sandbox.settings import load

S = load()
PORT = 8080
VERSION = "1"


def values(_: Context) -> Mapping[str, str | int]:
    return {"image": IMAGE.reference, "version": VERSION, "port": PORT}


def answers(ctx: Context) -> bool:
    """It tells this cluster's node, from a watch that is on."""
    host = ctx.cluster.service_address(S.monitoring_namespace, "object-state")
    said = probe.http_body(ctx.settings, host, PORT, "/metrics").decode() if host else ""
    ready = f'kube_node_status_condition{{node="{S.node_name}",condition="Ready",status="true"}} 1'
    return ready in said and 'bytebot_sandbox_object_state_following{resource="nodes"} 1' in said


COMPONENT = Workload(
    needs=("coredns", "monitoring"),
    version=VERSION,
    images=(IMAGE,),
    rollouts=(Rollout("Deployment", S.monitoring_namespace, "object-state"),),
    values=values,
    answers=answers,
    wanted=only_full,
)
