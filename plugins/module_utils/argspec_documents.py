# The argument spec of modules that read documents and other files that people and pipelines keep, and who reads them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import LOGIN_ARGS, login_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import BODY_CAP, Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_LOGIN = ("url", "token_file", "token_variable", "username", "password_file", "password_variable")
# doc_fragments/documents.py
DOCUMENTS_ARGS: Spec = {
    "folder": {"type": "path"},
    "document_logins": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {name: LOGIN_ARGS[name] for name in _LOGIN},
    },
}


def documents_of(given: Mapping[str, Any], redactor: Redactor, **more: Any) -> Documents:
    """Who reads what a module's parameters name (``DOCUMENTS_ARGS`` and ``SERVICES_ARGS``).

    :param more: fields of :class:`Documents` that are not the usual ones.
    """
    headers = {
        one["url"]: dict(login_of(f"document_logins, {one['url']}", one, redactor).headers)
        for one in given["document_logins"]
    }
    cap = more.get("most", BODY_CAP)
    return Documents(
        given["folder"] or "", lambda url: http_for(given, url, cap), lambda url: _header(headers, url), **more
    )


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


def http_for(given: Mapping[str, Any], url: str, body_cap: int = BODY_CAP) -> Http:
    """The client of one URL, whose host must be allowed."""
    return Http(
        url,
        given["allowed_hosts"],
        ca_file=given["ca_file"] or "",
        resolve={name: str(address) for name, address in given["resolve"].items()},
        timeout_s=given["timeout"],
        body_cap=body_cap,
    )


def _header(headers: Mapping[str, dict[str, str]], url: str) -> dict[str, str]:
    """What signs in at a URL: that of the longest start which ends where a part of the URL does."""
    fit = [start for start in headers if url == start or url.startswith(f"{start.rstrip('/')}/")]
    return headers[max(fit, key=len)] if fit else {}
