# The one place that imports PyYAML: safe, and by the C library where it is there (ten times as fast).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing


def load_all(text: str, source: str) -> list[Any]:
    """The documents in a YAML text, empty ones left out.

    :param source: where the text comes from, for the error.
    """
    yaml = _yaml()
    try:
        return [document for document in yaml.load_all(text, Loader=_loader(_of(yaml, "SafeLoader"))) if document]
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or "syntax error"
        raise InputError(f"{source} is not YAML:{where} {problem}.") from exc
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{source} is not YAML that can be read: {exc}.") from exc


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


# Kubernetes and Helm (sigs.k8s.io/yaml) read no dates and no numbers to the base 60: such a scalar is a text.
_INT = re.compile(r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_TAG = "tag:yaml.org,2002:"
_REPLACED = {f"{_TAG}{name}" for name in ("timestamp", "int", "float", "value")}


@cache
def _loader(base: Any) -> Any:
    loader: Any = type("Loader", (base,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, shape) for tag, shape in known if tag not in _REPLACED]
        for first, known in base.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
    loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
    return loader


def _of(yaml: Any, name: str) -> Any:
    return getattr(yaml, f"C{name}", None) or getattr(yaml, name)
