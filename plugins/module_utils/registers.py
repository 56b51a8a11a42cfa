# Reads registers of people, which are data in YAML, from a file or from the inventory itself.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import Register
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.paths import own
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

_BYTES = 1024 * 1024


def register_of(name: str, given: Mapping[str, Any]) -> Register:
    """A register, from the inventory itself or from a file."""
    value = given[name]
    if not value:
        return Register()
    if isinstance(value, Mapping):
        return Register("the inventory", value)
    if not isinstance(value, str):
        raise InputError(f"{name} is neither the path of a file nor a mapping.")
    path = own(value)
    try:
        loaded = _loaded(path if path.is_absolute() else own(given["folder"] or "") / path, value)
    except InputError as exc:
        return Register(value, problem=f"it cannot be read: {exc.sentence.rstrip('.')}")
    return Register(value, loaded) if isinstance(loaded, Mapping) else Register(value, problem="it is no mapping")


def _loaded(path: Path, shown: str) -> Any:
    try:
        if path.stat().st_size > _BYTES:
            raise InputError(f"it is longer than {_BYTES} bytes")
        return load(path.read_text(encoding="utf-8"), shown)
    except FileNotFoundError as exc:
        raise InputError("it is not there") from exc
    except (OSError, ValueError) as exc:
        raise InputError(f"it is no file of text ({type(exc).__name__})") from exc
