# Gives helm the same connection as the API client; a token goes by a private file, never by argument.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Target


def target_of(connection: Connection, namespace: str, private_dir: str) -> Target:
    """Helm's target for a connection.

    :param private_dir: the task's own 0700 folder, which is removed when the task ends.
    """
    if not connection.host:
        return Target(namespace, str(Path(connection.kubeconfig or "~/.kube/config").expanduser()), connection.context)
    path = Path(private_dir) / "helm.kubeconfig"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(yaml_text.dump(_kubeconfig(connection)))
    return Target(namespace, str(path))


def _kubeconfig(connection: Connection) -> dict[str, object]:
    name = "target"
    cluster = {"server": connection.host} | (
        {"certificate-authority": str(Path(connection.ca_cert).absolute())} if connection.ca_cert else {}
    )
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": connection.api_key}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
