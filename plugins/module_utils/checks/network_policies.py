# What NetworkPolicies say by the documented semantics of networking.k8s.io/v1: whom they select, isolate, and let pass.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

Object = Mapping[str, Any]
INGRESS, EGRESS = "Ingress", "Egress"
DIRECTIONS = (INGRESS, EGRESS)
_PEERS = {INGRESS: ("ingress", "from"), EGRESS: ("egress", "to")}


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses what has these labels; an empty one chooses everything."""
    given = selector or {}
    wanted = given.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches(one, labels) for one in given.get("matchExpressions") or [])


def _matches(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":  # a label that is not there is in no list
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def directions_of(policy: Object) -> frozenset[str]:
    """The directions that a policy isolates. By default Ingress, and Egress where it has egress rules."""
    spec = policy.get("spec") or {}
    return frozenset(spec.get("policyTypes") or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS]))


def isolating(policies: Iterable[Object], labels: Mapping[str, str], direction: str) -> list[str]:
    """The policies that isolate a pod with these labels in a direction, by name."""
    return [
        name_of(one)
        for one in policies
        if direction in directions_of(one) and selects((one.get("spec") or {}).get("podSelector"), labels)
    ]


def selecting_all(policies: Iterable[Object], direction: str) -> list[str]:
    """The policies that isolate every pod of the namespace in a direction, those to come, too."""
    return isolating([one for one in policies if not _narrows(one)], {}, direction)


def _narrows(policy: Object) -> bool:
    selector = (policy.get("spec") or {}).get("podSelector") or {}
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


def wide_open(policies: Iterable[Object]) -> list[tuple[str, str]]:
    """The policies that let everything pass in a direction, and so undo what all others say of the pods they select."""
    return [
        (name_of(one), direction)
        for one in policies
        for direction in DIRECTIONS
        if direction in directions_of(one) and any(_lets_all(rule, direction) for rule in _rules(one, direction))
    ]


def _rules(policy: Object, direction: str) -> list[Object]:
    return list((policy.get("spec") or {}).get(_PEERS[direction][0]) or [])


def _lets_all(rule: Object, direction: str) -> bool:
    """Whether a rule names no port, and no peer or every address."""
    if rule.get("ports"):
        return False
    peers = rule.get(_PEERS[direction][1]) or []
    return not peers or any(_everybody(one) for one in peers)


def _everybody(peer: Object) -> bool:
    block = peer.get("ipBlock")
    if block:
        return _is_all(str(block.get("cidr"))) and not block.get("except")
    # every pod of every namespace: nothing inside the cluster is kept out
    return peer.get("namespaceSelector") == {} and not peer.get("podSelector")


def _is_all(cidr: str) -> bool:
    try:
        return ip_network(cidr, strict=False).prefixlen == 0
    except ValueError:
        return False


def keys_used(policies: Iterable[Object]) -> set[str]:
    """The labels by which policies tell pods apart, as those that they select or as peers."""
    return {key for one in policies for selector in _selectors(one) for key in _keys(selector)}


def _selectors(policy: Object) -> Iterator[Object]:
    spec = policy.get("spec") or {}
    yield spec.get("podSelector") or {}
    for direction, (_rules_of, peers) in _PEERS.items():
        for rule in _rules(policy, direction):
            yield from (peer.get("podSelector") or {} for peer in rule.get(peers) or [])


def _keys(selector: Object) -> Iterator[str]:
    yield from selector.get("matchLabels") or {}
    yield from (str(one.get("key")) for one in selector.get("matchExpressions") or [])


def name_of(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("name"))


def labels_of(obj: Object) -> dict[str, str]:
    return dict((obj.get("metadata") or {}).get("labels") or {})
