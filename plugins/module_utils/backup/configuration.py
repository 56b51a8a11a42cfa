# The state of the application: exported, packed, made again in a scratch namespace, and compared object by object.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import gzip
import json
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import Exported, normal
from ansible_collections.bytebot.production.plugins.module_utils.backup.scratch import LABELS, REAL
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, CommandFailed, Refused
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity

Object = dict[str, Any]
LONGEST = 256 * 1024 * 1024  # bytes that an archive may have when it is unpacked
SHORTEST = 12  # characters of a Secret's value that is looked for


@dataclass(frozen=True, slots=True)
class Kept:
    """One object in an archive: as it is made again, and the version of the live one that it was taken from."""

    version: str
    body: Object


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of an archive's objects.

    :param lost: could not be made, with the reason; :param other: came out as another than was kept.
    :param rehearsed: what only the API server was asked about; :param made: what was really made.
    """

    lost: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    rehearsed: tuple[str, ...] = ()


def packed(exported: Exported, leave_out: Iterable[str]) -> bytes:
    """The archive in clear; it never touches a disk."""
    skipped = set(leave_out)
    lines = [
        json.dumps({"version": str(one["metadata"].get("resourceVersion", "")), "object": normal(one)})
        for one in exported.objects
        if one["kind"] not in skipped
    ]
    return gzip.compress("\n".join(lines).encode())


def unpacked(blocks: Iterable[bytes]) -> dict[Identity, Kept]:
    """The objects of an archive.

    :raises CommandFailed: it is none.
    """
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(b"".join(blocks), LONGEST)
        if not reader.eof:
            raise CommandFailed("The archive of the configuration is not whole.")
        found = [json.loads(line) for line in text.decode().splitlines()]
        return {identity(one["object"]): Kept(str(one["version"]), one["object"]) for one in found}
    except (zlib.error, ValueError, KeyError, TypeError) as exc:
        raise CommandFailed("The archive of the configuration is not whole.") from exc


def counts(objects: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many there are of each kind."""
    return dict(sorted(Counter(str(one["kind"]) for one in objects).items()))


def restored(cluster: Cluster, namespace: str, kept: Mapping[Identity, Kept]) -> Compared:
    """Make each object again, or ask what would be stored, and compare with what was kept."""
    lost: list[str] = []
    other: list[str] = []
    made: list[str] = []
    rehearsed: list[str] = []
    for name, one in sorted(kept.items()):
        real = name.kind in REAL and name.name != "default"
        try:
            came = _made(cluster, namespace, one.body) if real else _asked(cluster, namespace, one.body)
        except CollectionError as exc:
            lost.append(f"{name}: {exc.sentence.rstrip('.')}")
            continue
        (made if real else rehearsed).append(str(name))
        if changed := differing(one.body, _unmarked(normal(came), one.body)):
            other.append(f"{name}: {', '.join(changed[:3])}")
    return Compared(tuple(lost), tuple(other), tuple(made), tuple(rehearsed))


def differing(one: Any, two: Any, path: str = "") -> list[str]:
    """The paths at which two objects are not the same; values are never told."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return [
            found
            for key in sorted({*one, *two})
            for found in differing(one.get(key), two.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [
            found
            for number, (left, right) in enumerate(zip(one, two, strict=True))
            for found in differing(left, right, f"{path}[{number}]")
        ]
    return [] if one == two or (not one and not two) else [path]


def _made(cluster: Cluster, namespace: str, body: Object) -> Object:
    marked = _placed(body, namespace)
    marked["metadata"]["labels"] = {**(marked["metadata"].get("labels") or {}), **LABELS}
    cluster.create(marked)
    found = cluster.get(body["apiVersion"], body["kind"], body["metadata"]["name"], namespace)
    if found is None:
        raise CommandFailed("it is gone after it was made")
    return found


def _asked(cluster: Cluster, namespace: str, body: Object) -> Object:
    """What the API server would store. What each namespace has from its beginning is asked as a change of it."""
    wanted = _placed(body, namespace)
    if body["kind"] == "ServiceAccount":
        return cluster.apply(wanted, manager="bytebot-restore-drill", dry_run=True)
    try:
        return cluster.create(wanted, dry_run=True)
    except Refused as exc:
        if "already exists" not in exc.sentence:
            raise
    # Something of the drill's own fence has that name; the question is about all the rest.
    name = wanted["metadata"]["name"]
    wanted["metadata"]["name"] = f"{name[:40]}-drill"
    came = cluster.create(wanted, dry_run=True)
    came["metadata"]["name"] = name
    return came


def _placed(body: Object, namespace: str) -> Object:
    placed = copy.deepcopy(body)
    placed["metadata"]["namespace"] = namespace
    return placed


def _unmarked(came: Object, kept: Object) -> Object:
    """Without the drill's labels, where they were not there before."""
    before = kept["metadata"].get("labels") or {}
    labels = {k: v for k, v in (came["metadata"].get("labels") or {}).items() if k not in LABELS or k in before}
    for key in LABELS:
        if key in before:
            labels[key] = before[key]
    came["metadata"] = {k: v for k, v in came["metadata"].items() if k != "labels"} | (
        {"labels": labels} if labels else {}
    )
    return came


def values_of_secrets(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """The values of Secrets, in both forms in which an export may show them, by what names them."""
    for one in objects:
        if one["kind"] != "Secret" or str(one.get("type", "")).startswith("helm.sh/"):
            continue
        for key, value in (one.get("data") or {}).items():
            try:
                clear = b64decode(str(value), validate=True)
            except (Base64Error, ValueError):
                continue
            if len(clear) >= SHORTEST:
                name = f"Secret {one['metadata']['name']}/{key}"
                yield name, clear
                yield f"{name} (base64)", str(value).encode()
