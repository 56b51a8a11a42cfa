# Compares two descriptions of an API (OpenAPI): what is published, and what the running application says of itself.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import canonical_json
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

_WHERE_IT_IS = ("servers", "externalDocs")  # these hang on where it is published
_SHOWN = 60


def parsed(text: str, where: str) -> Mapping[str, Any]:
    """A description, from JSON or YAML.

    :raises InputError: it is none.
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = load(text, where)
    if not isinstance(found, Mapping) or not (found.get("openapi") or found.get("swagger")):
        raise InputError(f"{where} is no OpenAPI description.")
    if not isinstance(found.get("paths"), Mapping) or not found["paths"]:
        raise InputError(f"{where} describes no path.")
    return found


def version_of(description: Mapping[str, Any]) -> str:
    """The version of the API that it says it describes."""
    info = description.get("info")
    return str(info.get("version") or "") if isinstance(info, Mapping) else ""


def differences(published: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Where the two differ, each as a clause; none where they say the same, wherever they are published."""
    return list(_different(published, live))


def _different(published: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    ours, theirs = dict(_operations(published)), dict(_operations(live))
    for name in sorted(theirs.keys() - ours.keys()):
        yield f"{name} is not published"
    for name in sorted(ours.keys() - theirs.keys()):
        yield f"{name} is published, and the application does not have it"
    for name in sorted(ours.keys() & theirs.keys()):
        if changed := _changed(ours[name], theirs[name]):
            yield f"{name} differs in {changed}"
    if version_of(published) != version_of(live):
        yield f"version {version_of(published) or '(none)'} is published, and {version_of(live) or '(none)'} runs"
    yield from _parts(published, live)


def _parts(published: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    """What stands beside the operations: schemas one by one, the rest by its key."""
    kinds = {key: _mapping(one.get("components")) for key, one in (("ours", published), ("theirs", live))}
    for kind in sorted(kinds["ours"].keys() | kinds["theirs"].keys()):
        ours, theirs = (_mapping(kinds[side].get(kind)) for side in ("ours", "theirs"))
        for name in sorted(ours.keys() | theirs.keys()):
            if not _same(ours.get(name), theirs.get(name)):
                yield f"{kind} {str(name)[:_SHOWN]} differs"
    known = {"paths", "components", "info", *_WHERE_IT_IS}
    for key in sorted((published.keys() | live.keys()) - known):
        if not _same(published.get(key), live.get(key)):
            yield f"{str(key)[:_SHOWN]} differs"


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, item in description["paths"].items():
        for method, operation in _mapping(item).items():
            yield f"{str(method).upper()} {str(path)[:_SHOWN]}", operation


def _changed(ours: Any, theirs: Any) -> str:
    if _same(ours, theirs):
        return ""
    one, other = _mapping(ours), _mapping(theirs)
    keys = sorted(key for key in one.keys() | other.keys() if not _same(one.get(key), other.get(key)))
    return ", ".join(str(key)[:_SHOWN] for key in keys) or "its content"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _same(one: Any, other: Any) -> bool:
    return canonical_json(one) == canonical_json(other)
