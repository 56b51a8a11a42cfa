# The one place that imports PyYAML: safe, and by the C library where it is there (ten times as fast).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing


def load_all(text: str, source: str) -> list[Any]:
    """The documents in a YAML text, empty ones left out.

    :param source: where the text comes from, for the error.
    """
    yaml = _yaml()
    try:
        return [document for document in yaml.load_all(text, Loader=_of(yaml, "SafeLoader")) if document]
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or "syntax error"
        raise InputError(f"{source} is not YAML:{where} {problem}.") from exc


def load(text: str, source: str) -> Any:
    """The first document in a YAML text, or None where it is empty."""
    documents = load_all(text, source)
    return documents[0] if documents else None


def dump(value: Any) -> str:
    """Block-style YAML with sorted keys."""
    yaml = _yaml()
    text: str = yaml.dump(value, Dumper=_of(yaml, "SafeDumper"), sort_keys=True, width=120, allow_unicode=True)
    return text


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise LibraryMissing("PyYAML", str(exc)) from exc
    return yaml


def _of(yaml: Any, name: str) -> Any:
    return getattr(yaml, f"C{name}", None) or getattr(yaml, name)
