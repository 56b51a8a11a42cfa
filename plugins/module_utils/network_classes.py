# The kinds of pods that policies tell apart, and labels by which a pod of ours is taken for one and does no harm.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import Object
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_policies import (
    DIRECTIONS,
    isolating,
    keys_used,
    labels_of,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError

# Set by controllers for themselves: by these they know their pods.
_OWNED = ("pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid", "job-name")
_OWNED_UNDER = ("batch.kubernetes.io/", "statefulset.kubernetes.io/", "apps.kubernetes.io/")
_INSTANCE = "app.kubernetes.io/instance"
# These take any pod that bears their labels; a ReplicaSet of a Deployment asks for its own hash as well.
_ADOPTING = ("DaemonSet", "ReplicationController")


class Unsafe(CollectionError):
    """A pod with the release's labels would be taken for one of it by what serves or owns its pods."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Kind:
    """Pods that the same policies select.

    :param labels: by which a pod is taken for one of them; :param pod: one of them, with its address and a TCP port of
        it, 0 where it declares none; :param ours: whether a pod of the release is among them.
    """

    name: str
    labels: Mapping[str, str]
    pod: str
    address: str = ""
    port: int = 0
    ours: bool = True


def kinds_of(
    pods: Sequence[Object], policies: Sequence[Object], services: Sequence[Object], release: str = ""
) -> tuple[Kind, ...]:
    """One kind for each set of policies that pods are selected by, and for each set of labels that policies look at.

    :param release: whose pods are told from others by their label; where none bears it, all count as the release's.
    :raises Unsafe: a pod with such labels would be served traffic, or be adopted.
    """
    keys = keys_used(policies)
    told = any(labels_of(pod).get(_INSTANCE) == release for pod in pods)
    groups: dict[tuple[object, ...], list[Object]] = {}
    for pod in pods:
        if (pod.get("spec") or {}).get("hostNetwork"):
            continue  # policies say nothing of it
        labels = labels_of(pod)
        looked_at = tuple(sorted((key, labels.get(key, "")) for key in keys))
        by = tuple(tuple(isolating(policies, labels, one)) for one in DIRECTIONS)
        groups.setdefault((looked_at, by), []).append(pod)
    return tuple(
        replace(
            _kind(group, keys, pods, services),
            ours=not told or any(labels_of(pod).get(_INSTANCE) == release for pod in group),
        )
        for group in groups.values()
    )


def _kind(group: Sequence[Object], keys: set[str], pods: Sequence[Object], services: Sequence[Object]) -> Kind:
    with_port = [pod for pod in group if _port(pod) and _address(pod)]
    pod = (with_port or list(group))[0]
    labels = _without_services({key: value for key, value in labels_of(pod).items() if not _owned(key)}, keys, services)
    _refuse_adoption(labels, pods)
    named = ",".join(f"{key}={labels[key]}" for key in sorted(keys & labels.keys())) or "no label that policies look at"
    return Kind(f"a pod with {named}", labels, name_of(pod), _address(pod), _port(pod))


def _owned(key: str) -> bool:
    return key in _OWNED or key.startswith(_OWNED_UNDER)


def _without_services(labels: Mapping[str, str], keys: set[str], services: Iterable[Object]) -> dict[str, str]:
    """The labels, less one of each Service's where policies do not look at it.

    A Service that still selects the pod sends it nothing, since it never becomes ready.
    """
    left = dict(labels)
    for service in services:
        selector = (service.get("spec") or {}).get("selector") or {}
        if not selector or any(left.get(key) != value for key, value in selector.items()):
            continue
        spare = sorted(set(selector) - keys)
        if spare:
            del left[spare[0]]
        elif (service.get("spec") or {}).get("publishNotReadyAddresses"):
            raise Unsafe(
                f"Service {name_of(service)} would send traffic to a pod with the labels that policies look at, since "
                "it publishes addresses that are not ready",
                "Let policies select by a label that this Service does not ask for, or judge the policies by hand.",
            )
    return left


def _refuse_adoption(labels: Mapping[str, str], pods: Iterable[Object]) -> None:
    """What adopts pods asks for some of the labels of those it has; which ones is not looked up."""
    for pod in pods:
        owners = (pod.get("metadata") or {}).get("ownerReferences") or []
        kinds = {str(one.get("kind")) for one in owners}
        adopting = kinds & set(_ADOPTING) or (
            kinds & {"ReplicaSet"} if "pod-template-hash" not in labels_of(pod) else set()
        )
        if adopting and labels.items() & labels_of(pod).items():
            raise Unsafe(
                f"A pod with the labels of {name_of(pod)} might be adopted by its {min(adopting)}",
                "Judge the policies of this namespace by hand.",
            )


def _address(pod: Object) -> str:
    return str((pod.get("status") or {}).get("podIP") or "")


def _port(pod: Object) -> int:
    """The first TCP port that a container declares; 0 where none does."""
    containers = (pod.get("spec") or {}).get("containers") or []
    return next(
        (
            int(one["containerPort"])
            for container in containers
            for one in container.get("ports") or []
            if one.get("protocol", "TCP") == "TCP" and one.get("containerPort")
        ),
        0,
    )
