# Writes the record's files so that a kill or a full disk loses nothing, and reads them only where they are whole.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of

SCHEMA = 1
SEAL = "sha256"  # finds damage and careless edits; it is no signature


class NotWritten(CollectionError):
    """The record cannot be written; what was recorded before is as it was."""


class Unusable(CollectionError):
    """A file of the record cannot be used; it is left where it is."""


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with the SHA-256 over its canonical form."""
    plain = {key: value for key, value in content.items() if key != SEAL}
    return {**plain, SEAL: sha256_of(plain)}


def make_folder(path: Path) -> None:
    """A folder that only its owner enters; the folders above it are made alike where they are missing."""
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(folder.parent)
    except OSError as exc:
        raise _not_written(path, exc) from exc


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Put the whole file in place at once, readable by its owner only.

    :raises NotWritten: the disk is full, the folder is read-only, and the like; the file is as it was.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        raise _not_written(path, exc) from exc


def link(path: Path, target: str) -> None:
    """Let a symbolic link point elsewhere, at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise _not_written(path, exc) from exc


def read_json(path: Path) -> dict[str, Any]:
    """A file of JSON that holds a mapping.

    :raises Unusable: it cannot be read, is not whole, or is of another schema.
    """
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise Unusable(f"{path} cannot be read: {exc.strerror}.") from exc
    return parsed(str(path), text)


def read_sealed(path: Path) -> dict[str, Any]:
    """The content of a file of the record, verified, without its seal.

    :raises Unusable: as :func:`read_json`, or its SHA-256 is not that of its content.
    """
    return unsealed(str(path), read_json(path))


def parsed(where: str, text: bytes) -> dict[str, Any]:
    """The mapping in a text of JSON.

    :param where: what holds the text, in words.
    :raises Unusable: it is not whole, or of another schema.
    """
    try:
        content = json.loads(text.decode("utf-8"))
    except ValueError as exc:
        raise Unusable(f"{where} is damaged or only half written; restore it from a copy, or judge again.") from exc
    if not isinstance(content, dict):
        raise Unusable(f"{where} holds no mapping; restore it from a copy, or judge again.")
    if content.get("schema_version") != SCHEMA:
        raise Unusable(
            f"{where} is of schema version {content.get('schema_version')!r}, and this version reads {SCHEMA}; "
            "use the version of the collection that wrote it, or judge again."
        )
    return content


def unsealed(where: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content without its seal.

    :raises Unusable: its SHA-256 is not that of its content.
    """
    plain = {key: value for key, value in content.items() if key != SEAL}
    if content.get(SEAL) != sha256_of(plain):
        raise Unusable(f"{where} was changed after it was written (its SHA-256 differs); restore it, or judge again.")
    return plain


def put_aside(path: Path) -> None:
    """Rename a file that cannot be used, so that another can take its place and nothing is lost."""
    try:
        number = 1
        while (aside := path.with_name(f"{path.name}.unusable-{number}")).exists():
            number += 1
        path.rename(aside)
        _sync_folder(path.parent)
    except OSError as exc:
        raise _not_written(path, exc) from exc


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_written(path: Path, exc: OSError) -> NotWritten:
    return NotWritten(
        f"{path} cannot be written: {exc.strerror}; make room or give another reports_dir, then run again "
        "(what was recorded before is kept)."
    )
