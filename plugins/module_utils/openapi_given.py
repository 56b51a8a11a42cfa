# The OpenAPI description that an inventory names: from a file on the controller, or from an address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description

LARGEST = 4 << 20  # bytes
OPENAPI_ARG: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {"file": {"type": "path"}, "url": {"type": "str"}},
}


def description_of(given: Mapping[str, Any], http: Http) -> Description | None:
    """The description; None where neither ``file`` nor ``url`` is given.

    :raises InputError: it is there and cannot be used.
    """
    file, url = (given.get(key) or "" for key in ("file", "url"))
    if not file and not url:
        return None
    text = _read(file) if file else _asked(url, http)
    try:
        return Description(json.loads(text))
    except (ValueError, RecursionError) as exc:
        raise InputError(f"openapi: {file or url} is no JSON of at most {LARGEST >> 20} MiB.") from exc


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8") if Path(file).stat().st_size <= LARGEST else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"openapi: the file {file} cannot be read ({type(exc).__name__}).") from exc


def _asked(url: str, http: Http) -> str:
    answer = http.get(url)
    if answer.status != HTTPStatus.OK:
        why = answer.failure.sentence.rstrip(".") if answer.failure else f"it answers {answer.status}"
        raise InputError(f"openapi: {url} has no description: {why}.")
    return answer.body
