# The argument specs of modules that sign in as users of the application, and the door that they describe.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled, key
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Door, Fields
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ACCOUNTS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "role": {"type": "str", "required": True},
        "secret": {"type": "str", "required": True, "no_log": False},
        "username_key": key("username"),
        "password_key": key("password"),
    },
}
FIELDS: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {"username": key("username"), "password": key("password"), "token": key("access_token")},
}
USER_ARGS: Spec = {
    "namespace": {"type": "str", "default": ""},
    "login_path": {"type": "str", "default": Fields().login_path},
    "accounts": ACCOUNTS,
    "login_fields": FIELDS,
}


def door_of(given: Mapping[str, Any], folder: str, http: Http, redactor: Redactor) -> Door | None:
    """Where users sign in; None where no account is given, and the cluster is not opened then."""
    if not given["accounts"]:
        return None
    if not given["namespace"]:
        raise InputError("accounts: name the namespace in which their Secrets are (namespace).")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    names = filled(given["login_fields"], FIELDS)
    fields = Fields(given["login_path"], names["username"], names["password"], names["token"])
    return Door(Cluster(connection, folder), given["namespace"], http, fields)
