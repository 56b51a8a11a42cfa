# Reads the DaemonSet of a log agent, its pods and the nodes, for the checks in checks/logs.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks.log_agents import AgentSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted


def look_at_agents(cluster: Cluster, namespace: str, name: str, nodes: str) -> AgentSeen:
    """Look once.

    :param nodes: label selector of the nodes that need an agent; empty for all.
    """
    try:
        found = cluster.list("apps/v1", "DaemonSet", namespace, fields=f"metadata.name={name}")
        need = cluster.list("v1", "Node", labels=nodes)
        uid = found[0]["metadata"]["uid"] if found else ""
        every = cluster.list("v1", "Pod", namespace) if found else []
    except NotPermitted as exc:
        return AgentSeen(namespace, name, selector=nodes, denied=exc.sentence.rstrip("."))
    pods = [
        pod
        for pod in every
        if any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences") or [])
    ]  # fmt: skip
    return AgentSeen(namespace, name, found[0] if found else None, tuple(pods), tuple(need), nodes)
