# Finds the storage classes that a release needs, and holds what a scratch claim of each has shown.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec

Object = dict[str, Any]
DEFAULT_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
BY_HAND = "kubernetes.io/no-provisioner"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a scratch claim of one storage class.

    :param state: ``works``; ``broken`` (the storage's own failure); ``unable`` (the probe could not work, which says
        nothing of the storage); ``disturbed`` (something else came between); ``by_hand`` (nothing provisions it).
    :param steps: what was done; :param cause: why it ended early; :param left: objects that could not be removed.
    """

    storage_class: str
    state: str
    steps: tuple[str, ...] = ()
    cause: str = ""
    remedy: str = ""
    left: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Needed:
    """The classes that are needed, or the first thing that is wrong with them."""

    classes: tuple[Object, ...] = ()
    problem: str = ""
    remedy: str = ""


def claims_of(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """Every claim that a release brings, by the name of what brings it: claims, templates, ephemeral volumes."""
    for obj in objects:
        owner = f"{obj['kind']} {(obj.get('metadata') or {}).get('name', '')}"
        spec = obj.get("spec") or {}
        if obj["kind"] == "PersistentVolumeClaim":
            yield owner, spec
        for template in (spec.get("volumeClaimTemplates") or []) if obj["kind"] == "StatefulSet" else []:
            yield owner, template.get("spec") or {}
        for volume in (pod_spec(obj) or {}).get("volumes") or []:
            template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
            if template:
                yield owner, template.get("spec") or {}


def needed(classes: Iterable[Object], claims: Iterable[tuple[str, Object]]) -> Needed:
    """The classes that the claims name, and the default one where a claim names none or there is no claim.

    A claim of the class "" takes a volume that is made by hand, and needs no class.
    """
    known = {item["metadata"]["name"]: item for item in classes}
    named: dict[str, str] = {}
    default_wanted, some = "", False
    for owner, spec in claims:
        some = True
        if (name := spec.get("storageClassName")) is None:
            default_wanted = default_wanted or owner
        elif name:
            named.setdefault(str(name), owner)
    for name, owner in named.items():
        if name not in known:
            return Needed(
                problem=f"{owner} names the storage class {name}, which the cluster has not",
                remedy=f"Create the class, or name one of: {', '.join(sorted(known)) or '(the cluster has none)'}.",
            )
    found = {name: known[name] for name in named}
    if default_wanted or not some:
        defaults = sorted(name for name, item in known.items() if is_default(item))
        if len(defaults) != 1:
            return _no_single_default(defaults, default_wanted)
        found[defaults[0]] = known[defaults[0]]
    return Needed(tuple(found.values()))


def is_default(storage_class: Object) -> bool:
    """Whether claims that name no class get this one."""
    annotations: Mapping[str, Any] = storage_class["metadata"].get("annotations") or {}
    return any(str(annotations.get(mark)).lower() == "true" for mark in DEFAULT_MARKS)


def _no_single_default(defaults: list[str], owner: str) -> Needed:
    why = f"; {owner} names no class" if owner else ""
    remedy = f"Annotate exactly one class with {DEFAULT_MARKS[0]}=true"
    if not defaults:
        return Needed(problem=f"No storage class is the default{why}", remedy=f"{remedy}, or name a class.")
    return Needed(
        problem=f"{len(defaults)} storage classes are the default: {', '.join(defaults)}", remedy=f"{remedy}."
    )
