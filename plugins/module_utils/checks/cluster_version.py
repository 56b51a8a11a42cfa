# Reads versions as clusters really tell them, and judges nodes: skew of the kubelet, readiness, pressure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Object = dict[str, Any]
Minor = tuple[int, int]

PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")
# Kubernetes, "Version Skew Policy": a kubelet is never newer than the API server, and at most three minor versions
# older; one before 1.25 at most two.
OLDER = 3
OLDER_BEFORE_1_25 = 2
# By what autoscalers and clouds mark a node that they are about to remove: cluster-autoscaler, Karpenter, GKE.
_GOING = (
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    "cloud.google.com/impending-node-termination",
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:[.+-].*)?")


def minor_of(text: str) -> Minor | None:
    """Major and minor of a version ("1.25", "v1.29.3-gke.100", "v1.30.2+k3s1"); None where it is none."""
    found = _VERSION.fullmatch(text.strip())
    return (int(found.group(1)), int(found.group(2))) if found else None


def server_minor(version: Mapping[str, Any]) -> Minor | None:
    """Major and minor in the answer of ``/version``, whose minor may be written "29+"."""
    found = minor_of(str(version.get("gitVersion") or ""))
    if found:
        return found
    major, minor = (re.match(r"\d+", str(version.get(key) or "")) for key in ("major", "minor"))
    return (int(major.group()), int(minor.group())) if major and minor else None


def words(minor: Minor) -> str:
    """A minor version as people write it."""
    return f"{minor[0]}.{minor[1]}"


def skew_problem(kubelet: str, server: Minor) -> str:
    """What is wrong with a kubelet's version beside the API server's; empty where nothing is."""
    found = minor_of(kubelet)
    if found is None:
        return f"its kubelet tells no version ({kubelet or 'nothing'})"
    if found > server:
        return f"its kubelet {kubelet} is newer than the API server ({words(server)})"
    allowed = OLDER if found >= (1, 25) else OLDER_BEFORE_1_25
    if found[0] != server[0] or server[1] - found[1] > allowed:
        return (
            f"its kubelet {kubelet} is more than {allowed} minor versions older than the API server ({words(server)})"
        )
    return ""


def node_problems(nodes: Iterable[Object], server: Minor) -> Iterator[str]:
    """What is wrong with each node: not Ready, under pressure, a kubelet out of skew."""
    for node in nodes:
        name = node["metadata"]["name"]
        conditions = conditions_of(node)
        if conditions.get("Ready") != "True":
            yield f"node {name} is not Ready ({conditions.get('Ready') or 'it tells no state'})"
        for pressure in PRESSURES:
            if conditions.get(pressure) == "True":
                yield f"node {name} is under {pressure}"
        if not _is_virtual(node) and (problem := skew_problem(kubelet_of(node), server)):
            yield f"node {name}: {problem}"


def going(node: Object) -> bool:
    """Whether a node is being removed, so that what it says of itself counts no more."""
    taints = (node.get("spec") or {}).get("taints") or []
    return bool(node["metadata"].get("deletionTimestamp")) or any(one.get("key") in _GOING for one in taints)


def _is_virtual(node: Object) -> bool:
    """Whether no kubelet stands behind a node but Virtual Kubelet, whose version is its own."""
    return (node["metadata"].get("labels") or {}).get("type") == "virtual-kubelet"


def kubelet_of(node: Object) -> str:
    """The version of a node's kubelet."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or "")


def conditions_of(obj: Object) -> dict[str, str]:
    """The conditions of an object by type."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return {str(one.get("type")): str(one.get("status")) for one in conditions}
