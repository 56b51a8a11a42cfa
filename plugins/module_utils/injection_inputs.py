# The inputs of an API into which a text can be put, as its OpenAPI description names them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Operation as Described

NOBODY = "00000000-0000-4000-8000-000000000000"  # fits where an id is wanted, and is nobody's
PLACES = ("path", "query", "header")


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


def inputs(description: Description) -> tuple[Operation, ...]:
    """All operations with their inputs, in the document's order."""
    return tuple(
        Operation(one.method, one.path, tuple(_parameters(description, one))) for one in description.operations
    )


def _parameters(description: Description, operation: Described) -> Iterator[Parameter]:
    for one in operation.parameters:
        if one.get("in") in PLACES:
            schema = description.found(one.get("schema", {}))
            yield Parameter(str(one["in"]), str(one.get("name")), schema, bool(one.get("required")))
    body = description.found(operation.body or {})
    wanted = body.get("required") or []
    for name, field in (body.get("properties") or {}).items():
        yield Parameter("body", str(name), description.found(field), name in wanted)
