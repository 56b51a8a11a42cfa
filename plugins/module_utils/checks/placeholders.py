# Finds texts that stand for a value that was never given, in values and in manifests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity

Object = dict[str, Any]
# RFC 2606 reserves the example names; the others are what documents and charts write where a person must.
_MARKS = (
    re.compile(r"(?<![A-Za-z0-9-])(?:[\w-]+\.)*example\.(?:com|org|net|edu)(?![\w-])", re.IGNORECASE),
    re.compile(r"(?<![\w-])[\w-]+(?:\.[\w-]+)*\.(?:example|invalid)(?![\w.-])", re.IGNORECASE),
    re.compile(r"change[-_ ]?(?:me|this|it)(?![a-z])", re.IGNORECASE),
    re.compile(r"replace[-_ ]?(?:me|this|with)(?![a-z])", re.IGNORECASE),
    re.compile(r"(?<![A-Za-z0-9])your[-_](?:[a-z]+[-_.]?)+", re.IGNORECASE),
    re.compile(r"(?<![A-Za-z0-9+/=])(?:TODO|FIXME|TBD|XXX+)(?![A-Za-z0-9+/=])"),
    re.compile(r"(?<![a-z])(?:placeholder|dummy)(?![a-z])", re.IGNORECASE),
)
_ANGLES = re.compile(r"^[^<>\n]*(<[A-Za-z][\w .:/-]*>)[^<>\n]*$")  # in a single line only: files may hold markup
_COMMENT = re.compile(r"^\s*(?:#|//|;|-{2,}(?:\s|$))")  # --option on a line of its own is none


def is_comment(line: str) -> bool:
    """Whether a line of a file is a comment."""
    return bool(_COMMENT.match(line))


def mark_in(text: str) -> str:
    """The first part of a text that stands for something else, or nothing. Comment lines of a file do not count."""
    single = "\n" not in text.strip()
    if single and (found := _ANGLES.match(text.strip())):
        return found.group(1)
    for line in text.splitlines():
        if not single and is_comment(line):
            continue
        for mark in _MARKS:
            if found := mark.search(line):
                return found.group(0)
    return ""


def in_values(leaves: Iterable[tuple[tuple[str, ...], Any]]) -> Iterator[tuple[str, str]]:
    """Where values hold a placeholder: the dotted path, and the placeholder."""
    for path, value in leaves:
        for where, text in _texts(value, ".".join(path)):
            if mark := mark_in(text):
                yield where, mark


def in_objects(objects: Iterable[Object], namespace: str) -> Iterator[tuple[str, str]]:
    """Where rendered objects hold a placeholder; what a Secret holds is read decoded."""
    for obj in objects:
        for where, text in _texts(_decoded(_ours(obj)), ""):
            if mark := mark_in(text):
                yield f"{identity(obj, namespace)}{where}", mark


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{index}]")


def _ours(obj: Object) -> Object:
    """An object without what the cluster writes about it; a key of the same name elsewhere is a value like others."""
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": meta}


def _decoded(obj: Object) -> Object:
    if obj.get("kind") != "Secret":
        return obj
    return {**obj, "data": {key: _text(value) for key, value in (obj.get("data") or {}).items()}}


def _text(value: Any) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
