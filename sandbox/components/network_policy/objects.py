# Pods, namespaces and policies as the enforcer sees them, and the selectors that choose among them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Any

Object = Mapping[str, Any]
FINISHED = frozenset({"Succeeded", "Failed"})
# None yet, that of the node's network, or one that is free again since the pod is done.
NO_ADDRESS = None


@dataclass(frozen=True)
class NamedPort:
    """A port that a container declares by name."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    """What policies can see of a pod.

    :param address: its IPv4 address; None where policies do not apply to it and do not find it as a peer.
    :param age: order by which a later pod wins where two claim one address; on its way out comes first.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    address: IPv4Address | None
    node: str = ""
    ports: tuple[NamedPort, ...] = ()
    age: tuple[bool, str] = (True, "")


@dataclass(frozen=True)
class Namespace:
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy; its `spec` as the API server has admitted it."""

    namespace: str
    name: str
    spec: Object = field(hash=False)


def pod(found: Object) -> Pod:
    meta, spec, status = found["metadata"], found.get("spec") or {}, found.get("status") or {}
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        labels=dict(meta.get("labels") or {}),
        address=_address(spec, status),
        node=spec.get("nodeName") or "",
        ports=_named_ports(spec),
        age=("deletionTimestamp" not in meta, meta.get("creationTimestamp") or ""),
    )


def namespace(found: Object) -> Namespace:
    meta = found["metadata"]
    return Namespace(meta["name"], dict(meta.get("labels") or {}))


def policy(found: Object) -> Policy:
    meta = found["metadata"]
    return Policy(meta["namespace"], meta["name"], found.get("spec") or {})


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """A LabelSelector: all of its terms must hold; an empty one selects everything."""
    wanted = selector.get("matchLabels") or {}
    terms = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(term, labels) for term in terms
    )


def _holds(term: Object, labels: Mapping[str, str]) -> bool:
    key, operator, values = term["key"], term["operator"], term.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":  # also holds where there is no such label
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(f"a label selector has the operator {operator!r}, which the API does not know")


def _address(spec: Object, status: Object) -> IPv4Address | None:
    if spec.get("hostNetwork") or status.get("phase") in FINISHED:
        return NO_ADDRESS
    given = [status.get("podIP") or "", *(one.get("ip") or "" for one in status.get("podIPs") or [])]
    for text in given:
        try:
            return IPv4Address(text)
        except AddressValueError:
            continue
    return NO_ADDRESS


def _named_ports(spec: Object) -> tuple[NamedPort, ...]:
    """Of the containers that run along with the pod: the plain ones, and init containers that never end."""
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return tuple(
        NamedPort(port["name"], port.get("protocol") or "TCP", port["containerPort"])
        for container in [*(spec.get("containers") or []), *sidecars]
        for port in container.get("ports") or []
        if port.get("name")
    )
