# The argument spec for documents: where those of each control are, and how one signs in where they are kept.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import LOGIN_ARGS, login_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_LOGIN = ("url", "token_file", "token_variable", "username", "password_file", "password_variable")
LOGINS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {name: LOGIN_ARGS[name] for name in _LOGIN},
}


def documents_of(given: Mapping[str, Any], redactor: Redactor) -> Documents:
    """What reads the documents that options name (``folder``, ``document_logins``)."""
    headers = {
        one["url"]: dict(login_of(f"document_logins, {one['url']}", one, redactor).headers)
        for one in given["document_logins"]
    }
    return Documents(given["folder"] or "", lambda url: http_for(given, url), lambda url: header_of(headers, url))


def places_of(documents: Mapping[str, Any]) -> tuple[str, ...] | None:
    """All places of documents, each once; None where none is named.

    :raises InputError: a value names none.
    """
    found: list[str] = []
    for control, value in documents.items():
        entry: Mapping[str, Any] = value if isinstance(value, Mapping) else {"where": value}
        where = entry.get("where")
        places: list[Any] = where if isinstance(where, list) else [where]
        if not places or not all(isinstance(one, str) and one.strip() for one in places):
            raise InputError(f"documents, {control}: where is no path or URL, nor a list of them.")
        found += [one.strip() for one in places]
    return tuple(dict.fromkeys(found)) if found else None


def header_of(headers: Mapping[str, dict[str, str]], url: str) -> dict[str, str]:
    """What signs in at a URL: that of the longest start which ends where a part of the URL does."""
    fit = [start for start in headers if url == start or url.startswith(f"{start.rstrip('/')}/")]
    return headers[max(fit, key=len)] if fit else {}


def http_for(given: Mapping[str, Any], url: str) -> Http:
    """The client of a document's URL."""
    return Http(
        url,
        given["allowed_hosts"],
        ca_file=given["ca_file"] or "",
        resolve={name: str(address) for name, address in given["resolve"].items()},
        timeout_s=given["timeout"],
    )
