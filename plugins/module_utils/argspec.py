# The argument specs that modules share, each beside its documentation fragment of the same meaning.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection

Spec = dict[str, dict[str, Any]]

# doc_fragments/cluster.py
CLUSTER_ARGS: Spec = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "ca_cert": {"type": "path"},
}

# doc_fragments/chart.py
CHART_ARGS: Spec = {
    "repository": {"type": "str"},
    "version": {"type": "str"},
    "chart_digest": {"type": "str"},
    "verify": {"type": "bool", "default": False},
    "keyring": {"type": "path"},
    "plain_http": {"type": "bool", "default": False},
}

# doc_fragments/results.py
ONLY_ARGS: Spec = {"only": {"type": "list", "elements": "str", "default": []}}


def connection_of(params: Mapping[str, Any]) -> Connection:
    """The connection that a module's parameters (``CLUSTER_ARGS``) describe, or else the environment.

    The variables are those of kubernetes.core, and so those that the controller's own credential types set.
    """
    given = {name: params.get(name) or "" for name in CLUSTER_ARGS}
    if given["kubeconfig"] or given["host"]:
        return Connection(**given)
    if not given["context"] and (host := os.environ.get("K8S_AUTH_HOST")):
        given |= {
            "host": host,
            "api_key": given["api_key"] or os.environ.get("K8S_AUTH_API_KEY", ""),
            "ca_cert": given["ca_cert"] or _path("K8S_AUTH_SSL_CA_CERT"),
        }
        return Connection(**given)
    given["kubeconfig"] = _path("K8S_AUTH_KUBECONFIG") or _path("KUBECONFIG")
    given["context"] = given["context"] or os.environ.get("K8S_AUTH_CONTEXT", "")
    return Connection(**given)


def _path(variable: str) -> str:
    return str(Path(found).expanduser()) if (found := os.environ.get(variable)) else ""
