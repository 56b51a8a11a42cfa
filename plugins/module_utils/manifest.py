# Kubernetes manifests as texts and objects: parse, name, mask, compare.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # repeats the object, a Secret's data included
Object = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What names an object: its kind, namespace and name (and API group, so that equal kinds do not clash)."""

    kind: str
    namespace: str
    name: str
    group: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def parse(text: str, source: str = "the rendered manifest") -> list[Object]:
    """The objects in a multi-document YAML text; Lists are opened, empty documents are left out."""
    return [obj for document in yaml_text.load_all(text, source) for obj in _opened(document, source)]


def _opened(document: Any, source: str, inherited: Mapping[str, Any] | None = None) -> Iterator[Object]:
    """The objects in a document; those in a typed list (ConfigMapList) may leave their kind to it."""
    if isinstance(document, dict):
        document = {**(inherited or {}), **document}
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        # its text is not repeated: a file that is no manifest may be a secret
        raise InputError(f"{source} holds something that is not a Kubernetes object (no kind).")
    if not document["kind"].endswith("List") or "items" not in document:
        yield document
        return
    kind = document["kind"].removesuffix("List")
    typed = {"apiVersion": document.get("apiVersion", ""), "kind": kind} if kind else None
    for item in document["items"] or []:
        yield from _opened(item, source, typed)


def identity(obj: Mapping[str, Any], default_namespace: str = "") -> Identity:
    """The identity of an object; one without a namespace gets the default."""
    metadata = obj.get("metadata") or {}
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return Identity(obj["kind"], metadata.get("namespace") or default_namespace, metadata.get("name", ""), group)


def digest(objects: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over objects, whatever their order and comments."""
    texts = sorted(yaml_text.dump(dict(obj)) for obj in objects)
    return sha256("---\n".join(texts).encode()).hexdigest()


def digests(objects: Iterable[Mapping[str, Any]], namespace: str) -> dict[str, str]:
    """SHA-256 of each object by its identity in words. Of a Secret only the keys count: a digest of a poor password
    could be guessed.
    """
    return {str(identity(obj, namespace)): digest([masked(obj)]) for obj in objects}


def masked(obj: Mapping[str, Any], other: Mapping[str, Any] | None = None) -> Object:
    """A copy whose Secret data is hidden; keys whose value is not the same in ``other`` are marked as changed."""
    copy = {key: value for key, value in obj.items() if key != "stringData"}
    if obj.get("kind") != "Secret":
        return copy
    known = None if other is None else _secret_data(other)
    copy["data"] = {
        key: MASK + (" (changed)" if known is not None and known.get(key) != value else "")
        for key, value in sorted(_secret_data(obj).items())
    }
    metadata = obj.get("metadata") or {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    if "annotations" in metadata:
        copy["metadata"] = {**metadata, "annotations": annotations}
    return copy


def _secret_data(obj: Mapping[str, Any]) -> dict[str, str]:
    """Data and stringData in one form (base64), as the API server stores them."""
    plain = {key: b64encode(str(value).encode()).decode() for key, value in (obj.get("stringData") or {}).items()}
    return {**(obj.get("data") or {}), **plain}


def as_text(objects: Iterable[Mapping[str, Any]], others: Mapping[Identity, Object] | None = None) -> str:
    """Objects as readable YAML, in a stable order, Secrets masked (and compared with ``others``)."""
    texts = []
    for obj in sorted(objects, key=identity):
        hidden = masked(obj, (others or {}).get(identity(obj)))
        texts.append("---\n" + yaml_text.dump(hidden))
    return "".join(texts)


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two sets of objects."""

    created: tuple[Identity, ...]
    changed: tuple[Identity, ...]
    deleted: tuple[Identity, ...]

    def __bool__(self) -> bool:
        return bool(self.created or self.changed or self.deleted)

    def to_dict(self) -> dict[str, list[str]]:
        return {
            "created": [str(item) for item in self.created],
            "changed": [str(item) for item in self.changed],
            "deleted": [str(item) for item in self.deleted],
        }


def compare(before: Iterable[Object], after: Iterable[Object], namespace: str) -> Change:
    """The objects that one set has and the other has not, or has otherwise."""
    old = {identity(obj, namespace): obj for obj in before}
    new = {identity(obj, namespace): obj for obj in after}
    return Change(
        created=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(key for key in new.keys() & old.keys() if new[key] != old[key])),
        deleted=tuple(sorted(old.keys() - new.keys())),
    )


def diff(before: Iterable[Object], after: Iterable[Object], change: Change, namespace: str) -> dict[str, str]:
    """Ansible's ``diff`` for a change: only the objects that differ, masked."""
    touched = {*change.created, *change.changed, *change.deleted}
    old = {identity(obj): obj for obj in before if identity(obj, namespace) in touched}
    new = {identity(obj): obj for obj in after if identity(obj, namespace) in touched}
    return {
        "before_header": "deployed",
        "after_header": "wanted",
        "before": as_text(old.values()),
        "after": as_text(new.values(), old),
    }
