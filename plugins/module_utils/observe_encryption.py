# What a cluster tells of the encryption of Secrets at rest: by its metrics, or by its API server's flags.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError

# Kubernetes metrics reference: what the API server did to Secrets on their way to etcd (EncryptionConfiguration).
_ENCRYPTED = re.compile(
    r'apiserver_storage_transformation_operations_total\{[^}]*resource="secrets"[^}]*'
    r'transformation_type="to_storage"[^}]*transformer_prefix="k8s:enc:([a-z0-9]+)'
)
_FLAG = "--encryption-provider-config"


def encryption_of(cluster: Cluster) -> tuple[str, str]:
    """What the cluster tells of encryption at rest: ``on``, ``off`` or nothing, and by what."""
    why = []
    try:
        if found := _ENCRYPTED.search(cluster.raw_text("GET", "/metrics")):
            return "on", f"the API server's metrics count Secrets written by the provider {found[1]}"
        why.append("the API server's metrics count no encrypted write")
    except CollectionError as exc:
        why.append(exc.sentence.rstrip("."))
    try:
        servers = cluster.list("v1", "Pod", "kube-system", labels="component=kube-apiserver")
    except CollectionError as exc:
        return "", "; ".join((*why, exc.sentence.rstrip(".")))
    for one in servers:
        words = [
            word
            for container in one["spec"]["containers"]
            for word in (*container.get("command", ()), *container.get("args", ()))
        ]
        if not any(str(word).startswith(_FLAG) for word in words):
            return "off", f"pod {one['metadata']['name']} runs the API server without {_FLAG}."
    why.append(f"the API server has {_FLAG}" if servers else "no pod of the API server is to be seen")
    return "", "; ".join(why)
