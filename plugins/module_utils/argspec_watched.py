# The argument spec of modules that watch what the application's monitoring makes of known requests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, Spec, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import FIELDS
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Fields
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

# doc_fragments/watched.py
WATCHED_ARGS: Spec = {
    **CLUSTER_ARGS,
    "namespace": {"type": "str", "default": ""},
    "release": {"type": "str", "default": ""},
    "base_url": {"type": "str", "default": ""},
    "login_path": {"type": "str", "default": Fields().login_path},
    "login_fields": FIELDS,
    "tasks_path": {"type": "str", "default": "/api/v1/tasks"},
}


def cluster_of(params: Mapping[str, Any], folder: str, redactor: Redactor) -> Cluster | None:
    """The cluster, where a namespace and a release are named; None else."""
    if not params["namespace"] or not params["release"]:
        return None
    connection = connection_of(params)
    redactor.learn(connection.api_key)
    return Cluster(connection, folder)


def application_of(params: Mapping[str, Any]) -> Http | None:
    """The HTTP client of the application; None where its address is not said."""
    if not params["base_url"]:
        return None
    return Http(
        params["base_url"],
        params["allowed_hosts"],
        ca_file=params.get("ca_file") or "",
        resolve={name: str(address) for name, address in (params.get("resolve") or {}).items()},
        timeout_s=params["timeout"],
    )


def fields_of(params: Mapping[str, Any]) -> Fields:
    """How the application's sign-in is spoken to."""
    names = filled(params["login_fields"], FIELDS)
    return Fields(params["login_path"], names["username"], names["password"], names["token"])


def accounts_of(params: Mapping[str, Any]) -> tuple[Account, ...]:
    """The users that sign in for checks."""
    return tuple(Account(**one) for one in params["accounts"])
