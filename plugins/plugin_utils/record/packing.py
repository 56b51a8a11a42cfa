# Makes a part of the record fit into one object of a cluster: compressed, and with its largest evidence trimmed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import gzip
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import NotWritten, Unusable, sealed

# A ConfigMap holds 1 MiB (Kubernetes, ConfigMap). In base64, with its name and labels, this many bytes stay below it.
LARGEST = 720 * 1024
LARGEST_UNPACKED = 256 * 1024 * 1024  # bytes; what unpacks to more was not written by this
TRIMMED = "trimmed"  # the key by which trimmed evidence says so


def packed(where: str, content: Mapping[str, Any], largest: int = LARGEST) -> str:
    """The sealed content as gzip in base64, with as much of the largest evidence trimmed as it takes.

    :param where: the object in words.
    :param largest: bytes of gzip.
    :raises NotWritten: it is too large without any evidence.
    """
    text = _gzip(content)
    if len(text) > largest:
        text = _gzip(_trimmed_to(where, content, largest))
    return b64encode(text).decode()


def unpacked(where: str, text: str) -> bytes:
    """The text of a packed content.

    :raises Unusable: it is not whole.
    """
    try:
        unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with the head and the checksum of gzip
        content = unzip.decompress(b64decode(text, validate=True), LARGEST_UNPACKED)
    except (ValueError, zlib.error) as exc:
        raise _damaged(where) from exc
    if not unzip.eof or unzip.unused_data:
        raise _damaged(where)
    return content


def _trimmed_to(where: str, content: Mapping[str, Any], largest: int) -> Mapping[str, Any]:
    """The content with the fewest of its largest observations trimmed."""
    items = [(size, name, at) for name, at, item in _evidence(content) if (size := _size(item["observed"])) > _least()]
    items.sort(key=lambda found: (-found[0], *found[1:]))
    few, many = 0, len(items)
    if len(_gzip(_without(content, items))) > largest:
        raise NotWritten(
            f"{where} cannot be written: its results take more than {largest} bytes without their evidence; "
            "keep the record in files (bytebot_record: store: files)."
        )
    while few + 1 < many:
        middle = (few + many) // 2
        if len(_gzip(_without(content, items[:middle]))) > largest:
            few = middle
        else:
            many = middle
    return _without(content, items[:many])


def _without(content: Mapping[str, Any], items: list[tuple[int, str, int]]) -> Mapping[str, Any]:
    trimmed = copy.deepcopy(dict(content))
    for size, name, at in items:
        item = trimmed["results"][name]["evidence"][at]
        item["observed"] = _told(item["sha256"], size)
        item["sha256"] = sha256_of(item["observed"])
    return trimmed


def _told(sha256: str, size: int) -> dict[str, Any]:
    """What stands in the place of an observation that was too large."""
    return {TRIMMED: "too large for the record in the cluster", "sha256": sha256, "bytes": size}


def _least() -> int:
    """Bytes from which on trimming saves anything."""
    return _size(_told("0" * 64, LARGEST))


def _evidence(content: Mapping[str, Any]) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    for name, result in (content.get("results") or {}).items():
        for at, item in enumerate(result["evidence"]):
            yield name, at, item


def _size(observed: Any) -> int:
    return len(json.dumps(observed, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _gzip(content: Mapping[str, Any]) -> bytes:
    """The same for the same content; the seal is that of what is packed."""
    text = json.dumps(sealed(content), ensure_ascii=True, separators=(",", ":"))
    return gzip.compress(text.encode("ascii"), mtime=0)


def _damaged(where: str) -> Unusable:
    return Unusable(f"{where} is damaged or only half written; restore it from a copy, or judge again.")
