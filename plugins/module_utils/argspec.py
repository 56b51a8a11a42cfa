# The argument specs that modules share, each beside its documentation fragment of the same meaning.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.parameters import env_fallback

from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection

Spec = dict[str, dict[str, Any]]

# doc_fragments/cluster.py
CLUSTER_ARGS: Spec = {
    "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
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
    """The connection that a module's parameters (``CLUSTER_ARGS``) describe."""
    return Connection(**{name: params.get(name) or "" for name in CLUSTER_ARGS})
