# Reads an OpenAPI description as far as requests are made of it: operations, parameters, bodies, and values that fit.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
NOBODY = "00000000-0000-4000-8000-000000000000"  # fits where an id is wanted, and is nobody's
_DEPTH = 12  # of references that lead to references
_BY_FORMAT = {
    "uuid": NOBODY,
    "date-time": "2030-01-01T00:00:00Z",
    "date": "2030-01-01",
    "email": "nobody@example.invalid",
    "uri": "https://example.invalid/",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of an operation.

    :param place: ``path``, ``query``, ``header`` or ``body`` (a field of a JSON object).
    """

    place: str
    name: str
    schema: Mapping[str, Any]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with its inputs."""

    method: str
    path: str
    parameters: tuple[Parameter, ...] = ()

    def at(self, place: str) -> tuple[Parameter, ...]:
        return tuple(one for one in self.parameters if one.place == place)


def operations(document: Mapping[str, Any]) -> tuple[Operation, ...]:
    """All operations, in the document's order.

    :raises InputError: it is no OpenAPI 3 description.
    """
    paths = document.get("paths")
    if not str(document.get("openapi", "")).startswith("3.") or not isinstance(paths, Mapping):
        raise InputError("openapi: this is no OpenAPI 3 description (it needs openapi and paths).")
    return tuple(
        Operation(method.upper(), str(path), tuple(_parameters(document, item, item[method])))
        for path, item in paths.items()
        if isinstance(item, Mapping)
        for method in METHODS
        if isinstance(item.get(method), Mapping)
    )


def resolved(document: Mapping[str, Any], given: Any) -> Mapping[str, Any]:
    """A part of the document with its reference followed; empty where it leads nowhere, or in circles."""
    for _step in range(_DEPTH):
        if not isinstance(given, Mapping):
            return {}
        reference = given.get("$ref")
        if not isinstance(reference, str):
            return given
        given = _at(document, reference)
    return {}


def sample(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits a schema, the plainest there is."""
    schema = resolved(document, schema)
    for key in ("const", "default", "example"):
        if schema.get(key) is not None:
            return schema[key]
    if choices := schema.get("enum") or schema.get("examples"):
        return choices[0]
    for key in ("anyOf", "oneOf", "allOf"):
        if (options := schema.get(key)) and depth < _DEPTH:
            return sample(document, options[0], depth + 1)
    return _plain(document, schema, depth)


def _plain(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object" or (kind is None and "properties" in schema):
        wanted = schema.get("required") or []
        fields = schema.get("properties") or {}
        return {name: sample(document, fields[name], depth + 1) for name in wanted if name in fields and depth < _DEPTH}
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    simple: dict[Any, Any] = {"boolean": False, "array": [], "null": None}
    if kind in simple:
        return simple[kind]
    return _BY_FORMAT.get(str(schema.get("format")), "probe".ljust(int(schema.get("minLength") or 0), "x"))


def _parameters(
    document: Mapping[str, Any], item: Mapping[str, Any], operation: Mapping[str, Any]
) -> Iterator[Parameter]:
    seen: dict[tuple[str, str], Parameter] = {}
    for given in [*(item.get("parameters") or []), *(operation.get("parameters") or [])]:
        one = resolved(document, given)
        place, name = str(one.get("in")), str(one.get("name"))
        if place in ("path", "query", "header"):
            seen[place, name] = Parameter(
                place, name, resolved(document, one.get("schema") or {}), bool(one.get("required"))
            )
    yield from seen.values()
    body = resolved(document, operation.get("requestBody") or {})
    schema = resolved(document, ((body.get("content") or {}).get(JSON) or {}).get("schema") or {})
    required = schema.get("required") or []
    for name, field in (schema.get("properties") or {}).items():
        yield Parameter("body", str(name), resolved(document, field), name in required)


def _at(document: Mapping[str, Any], reference: str) -> Any:
    """Where a reference within the document leads (RFC 6901)."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def description_at(where: str, http: Http) -> Mapping[str, Any]:
    """The description from a file, or from an address that may be asked.

    :raises InputError: there is none, or it is neither JSON nor YAML.
    """
    if where.lower().startswith(("http://", "https://")):
        answer = http.get(where, follow=3)
        if answer.failure or answer.status != HTTPStatus.OK:
            raise InputError(f"openapi: {where} gives no description ({answer.label}).")
        text = answer.body
    else:
        try:
            text = Path(where).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeError) as exc:
            raise InputError(f"openapi: {where} cannot be read ({getattr(exc, 'strerror', None) or exc}).") from exc
    found = _parsed(text)
    if not isinstance(found, Mapping):
        raise InputError(f"openapi: {where} holds no JSON or YAML object.")
    return found


def _parsed(text: str) -> Any:
    import yaml

    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError:
        return None
