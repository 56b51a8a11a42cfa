# The argument spec of modules that speak HTTP to the application, apart: others need not send the HTTP client.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.silence import Silence

# doc_fragments/web.py
HTTP_ARGS: Spec = {
    "base_url": {"type": "str", "required": True},
    "allowed_hosts": {"type": "list", "elements": "str", "required": True},
    "ca_file": {"type": "path"},
    "resolve": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 5.0},
}


def http_of(params: Mapping[str, Any], silence: Silence | None = None) -> Http:
    """The HTTP client that a module's parameters (``HTTP_ARGS``) describe.

    :param silence: for modules that ask much: what is known of servers that do not answer.
    """
    return Http(
        params["base_url"],
        params["allowed_hosts"],
        ca_file=params.get("ca_file") or "",
        resolve={name: str(address) for name, address in (params.get("resolve") or {}).items()},
        timeout_s=params["timeout"],
        silence=silence,
    )
