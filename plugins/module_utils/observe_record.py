# Reads one record of whatever system keeps it: by a GET of its REST API, or from a file that the system has exported.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import LOGIN_ARGS, login_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http, shown_url
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import (
    ABSENT,
    WRONG,
    Login,
    Service,
    Told,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

_BYTES = 4 * 1024 * 1024
_BEARER = "Bearer "
_LOGIN = ("token_file", "token_variable", "username", "password_file", "password_variable")
RECORD_ARGS: Spec = {
    **{name: LOGIN_ARGS[name] for name in _LOGIN},
    "url": {"type": "str"},
    "path": {"type": "path"},
    "token_prefix": {"type": "str", "default": _BEARER, "no_log": False},
    "accept": {"type": "str", "default": "application/json"},
}


def record_of(
    name: str, given: Mapping[str, Any], params: Mapping[str, Any], redactor: Redactor
) -> tuple[str, Told | None]:
    """Where a record is from, and what came back; None where nothing says where it is.

    :param given: the values of ``RECORD_ARGS``. :param params: the module's, with those of all services.
    :raises InputError: what is given does not fit together, or what signs in cannot be read.
    """
    if given["url"] and given["path"]:
        raise InputError(f"{name}: url and path exclude each other.")
    if given["path"]:
        return str(given["path"]), _from_file(Path(given["path"]), str(given["path"]))
    if not given["url"]:
        return "", None
    login = login_of(name, given, redactor)
    headers = {"Accept": given["accept"], **login.headers}
    if "Authorization" in headers and headers["Authorization"].startswith(_BEARER):
        headers["Authorization"] = given["token_prefix"] + headers["Authorization"].removeprefix(_BEARER)
    http = Http(
        given["url"],
        params["allowed_hosts"],
        ca_file=params["ca_file"] or "",
        resolve={host: str(address) for host, address in params["resolve"].items()},
        timeout_s=params["timeout"],
    )
    return shown_url(given["url"]), Service(http, Login(headers)).json(given["url"])


def _from_file(path: Path, shown: str) -> Told:
    try:
        if path.stat().st_size > _BYTES:
            return Told(WRONG, None, f"it is longer than {_BYTES} bytes")
        return Told(data=load(path.read_text(encoding="utf-8"), shown))
    except FileNotFoundError:
        return Told(ABSENT, None, "there is no such file")
    except InputError as exc:
        return Told(WRONG, None, exc.sentence.rstrip("."))
    except (OSError, ValueError) as exc:
        return Told(WRONG, None, f"it cannot be read ({type(exc).__name__})")
