# The argument spec for monitoring services: an URL each, and by which files or variables one signs in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Login, Service
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

# doc_fragments/services.py
SERVICES_ARGS: Spec = {
    "allowed_hosts": {"type": "list", "elements": "str", "required": True},
    "ca_file": {"type": "path"},
    "resolve": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 10.0},
}
# What each service takes (URL and LOGIN in doc_fragments/services.py); every one of them is the name of where a secret
# stands, and none is one.
LOGIN_ARGS: Spec = {
    "url": {"type": "str", "required": True},
    "ca_file": {"type": "path"},
    "token_file": {"type": "path", "no_log": False},
    "token_variable": {"type": "str", "no_log": False},
    "username": {"type": "str"},
    "password_file": {"type": "path", "no_log": False},
    "password_variable": {"type": "str", "no_log": False},
    "certificate_file": {"type": "path"},
    "key_file": {"type": "path", "no_log": False},
    "tenant": {"type": "str"},
}


def service_args(**more: dict[str, Any]) -> dict[str, Any]:
    """The spec of one service."""
    return {"type": "dict", "options": {**LOGIN_ARGS, **more}}


ALERTMANAGER_ARGS: Spec = {"alertmanager": service_args()}  # doc_fragments/alertmanager.py
PROMETHEUS_ARGS: Spec = {"prometheus": service_args(volume={"type": "str"})}  # doc_fragments/prometheus.py


def service_of(name: str, params: Mapping[str, Any], redactor: Redactor) -> Service | None:
    """The service that an option describes; None where it is not given.

    :raises InputError: it is not usable, or what signs in cannot be read.
    """
    given = params.get(name)
    if not given:
        return None
    login = login_of(name, given, redactor)
    http = Http(
        given["url"],
        params["allowed_hosts"],
        ca_file=given.get("ca_file") or params.get("ca_file") or "",
        resolve={host: str(address) for host, address in (params.get("resolve") or {}).items()},
        timeout_s=params["timeout"],
        certificate=login.certificate,
    )
    return Service(http, login)


def login_of(name: str, given: Mapping[str, Any], redactor: Redactor) -> Login:
    """How one signs in, by the files and variables that an option names.

    :raises InputError: they do not fit together, or cannot be read.
    """
    token = secret_of(name, given, "token", redactor)
    password = secret_of(name, given, "password", redactor)
    user, files = given.get("username") or "", (given.get("certificate_file"), given.get("key_file"))
    if token and (user or password):
        raise InputError(f"{name}: give a token, or a user name and a password, and not both.")
    if bool(user) != bool(password):
        raise InputError(f"{name}: a user name and a password belong together.")
    if bool(files[0]) != bool(files[1]):
        raise InputError(f"{name}: certificate_file and key_file belong together.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if user:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        redactor.learn(pair)
        headers = {"Authorization": f"Basic {pair}"}
    if given.get("tenant"):
        headers["X-Scope-OrgID"] = str(given["tenant"])
    for path in files:
        if path and not Path(path).is_file():
            raise InputError(f"{name}: there is no file {path}.")
    return Login(headers, (str(files[0]), str(files[1])) if files[0] else None)


def secret_of(name: str, given: Mapping[str, Any], what: str, redactor: Redactor) -> str:
    """What must stay secret, such as a password, from a file or a variable; empty where neither is named."""
    path, variable = given.get(f"{what}_file"), given.get(f"{what}_variable")
    if path and variable:
        raise InputError(f"{name}: {what}_file and {what}_variable exclude each other.")
    if path:
        try:
            found = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as exc:
            raise InputError(f"{name}.{what}_file: {path} cannot be read ({_words(exc)}).") from exc
    elif variable:
        found = os.environ.get(variable, "").strip()
    else:
        return ""
    if not found or "\n" in found:
        raise InputError(f"{name}: the {what} in {path or variable} is {'of several lines' if found else 'empty'}.")
    redactor.learn(found)
    return found


def _words(exc: Exception) -> str:
    return (exc.strerror or "").lower() if isinstance(exc, OSError) and exc.strerror else "it is no text"
