# The paths that Ingresses claim, and which of two claims gets the requests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_controllers import (
    LEGACY_CLASS,
    annotations_of,
    is_action,
)

Object = dict[str, Any]
ACME = "/.well-known/acme-challenge/"  # an issuer's solver borrows this path for a while


@dataclass(frozen=True, slots=True)
class Route:
    """One path of one Ingress."""

    ingress: str
    namespace: str
    ingress_class: str
    host: str
    path: str
    exact: bool
    service: str
    port: str

    def same_as(self, other: Route) -> bool:
        """Whether two routes claim the same requests, so that chance decides."""
        return (self.host, self.path, self.exact) == (other.host, other.path, other.exact)

    def loses_to(self, other: Route) -> bool:
        """Whether the other route takes requests that would come here: it claims the same, or more precisely."""
        if self.host != other.host or other.path.startswith(ACME):
            return False
        narrower = other.path == self.path or _below(other.path, self.path)
        return self.same_as(other) or (not self.exact and narrower)


def class_of(obj: Mapping[str, Any]) -> str:
    """The class that an Ingress names; empty where it names none."""
    return str((obj.get("spec") or {}).get("ingressClassName") or annotations_of(obj).get(LEGACY_CLASS) or "")


def name_of(one: Mapping[str, Any]) -> str:
    """What an Ingress is called."""
    metadata = one.get("metadata") or {}
    return f"Ingress {metadata.get('namespace')}/{metadata.get('name')}"


def place_of(one: Mapping[str, Any]) -> str:
    """The namespace of an Ingress."""
    return str((one.get("metadata") or {}).get("namespace") or "")


def routes_of(objects: Iterable[Mapping[str, Any]]) -> list[Route]:
    """The paths that Ingresses claim."""
    return [route for one in objects for route in _of_one(one)]


def _of_one(one: Mapping[str, Any]) -> Iterator[Route]:
    for rule in rules_of(one):
        for path in (rule.get("http") or {}).get("paths") or []:
            text, kind = str(path.get("path") or "/"), path.get("pathType")
            yield _route(one, str(rule.get("host") or ""), text, kind == "Exact", path.get("backend") or {})
    default = (one.get("spec") or {}).get("defaultBackend")
    if default:
        yield _route(one, "", "/", False, default)


def _route(one: Mapping[str, Any], host: str, path: str, exact: bool, backend: Mapping[str, Any]) -> Route:
    service = backend.get("service") or {}
    number = service.get("port") or {}
    name, port = str(service.get("name") or ""), str(number.get("name") or number.get("number") or "")
    return Route(
        name_of(one),
        place_of(one),
        class_of(one),
        host.lower(),
        path if exact else path.rstrip("/") or "/",
        exact,
        "" if is_action(one, name, port) else name,
        port,
    )


def rules_of(one: Mapping[str, Any]) -> list[Object]:
    """The rules of an Ingress."""
    return list((one.get("spec") or {}).get("rules") or [])


def _below(path: str, prefix: str) -> bool:
    """Whether a path lies under a prefix, counted in whole elements (pathType Prefix)."""
    return path.startswith("/" if prefix == "/" else f"{prefix}/")
