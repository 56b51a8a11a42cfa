# Writes a folder of files, never over what a person has changed since; says truthfully what changes, also beforehand.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused

LIST = "discovered.sha256"  # in the form of sha256sum, so that `sha256sum --check` says what was changed
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done in a folder.

    :param write: by path, the content that is not there yet. :param remove: paths that were written before, and are
        not written any more. :param before: by path, the content of what is replaced or removed.
    """

    folder: Path
    write: Mapping[str, bytes]
    remove: tuple[str, ...]
    before: Mapping[str, bytes]

    @property
    def changed(self) -> bool:
        return bool(self.write or self.remove)

    def to_dict(self) -> dict[str, list[str]]:
        """The paths by what becomes of them."""
        return {
            "created": sorted(path for path in self.write if path not in self.before),
            "changed": sorted(path for path in self.write if path in self.before),
            "removed": sorted(self.remove),
        }

    def diff(self) -> list[dict[str, str]]:
        """Ansible's ``diff``, one entry for each file but the list of digests."""
        touched = sorted(({*self.write, *self.remove}) - {LIST})
        return [
            {
                "before_header": path if path in self.before else "nothing",
                "after_header": path if path in self.write else "nothing",
                "before": self.before.get(path, b"").decode("utf-8", "replace"),
                "after": self.write.get(path, b"").decode("utf-8", "replace"),
            }
            for path in touched
        ]


def plan(folder: Path, wanted: Mapping[str, bytes]) -> Plan:
    """What it takes to have the wanted files, and no others of an earlier run.

    :raises Refused: a file that is to be written or removed was changed since it was written, or is somebody else's.
    :raises InputError: the folder, or a file in it, cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"path: {folder} is a file; give a folder.")
    written = _written(folder)
    wanted = {**wanted, LIST: _listed(wanted)}
    there = {path: content for path in {*wanted, *written} if (content := _content(folder / path)) is not None}
    gone = tuple(path for path in written if path not in wanted and path in there)
    write = {path: content for path, content in wanted.items() if there.get(path) != content}
    foreign = sorted(
        path
        for path in {*write, *gone} - {LIST}
        if path in there and hashlib.sha256(there[path]).hexdigest() not in written.get(path, ())
    )
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise Refused(
            f"Nothing was written to {folder}, for these were changed since they were written, or are not of the "
            f"discovery: {', '.join(foreign[:_SHOWN])}{more}. Move them away, or give another path; answers belong "
            "into inventory/group_vars/all/own.yml, which is left alone."
        )
    return Plan(folder, write, gone, {path: there[path] for path in {*write, *gone} if path in there})


def carry_out(todo: Plan) -> None:
    """Write and remove, each file whole or not at all; the list knows old and new digests while that goes on."""
    try:
        if LIST in todo.write:
            _replace(todo.folder / LIST, todo.before.get(LIST, b"") + todo.write[LIST])
        for path in sorted(todo.write, key=lambda one: one == LIST):
            _replace(todo.folder / path, todo.write[path])
        for path in todo.remove:
            (todo.folder / path).unlink()
            _remove_empty(todo.folder, PurePosixPath(path))
    except OSError as exc:
        raise InputError(f"path: {todo.folder} cannot be written ({exc.strerror}); give another folder.") from exc


def _written(folder: Path) -> dict[str, set[str]]:
    """By path, the digest of what an earlier run wrote; two where it was broken off at that."""
    text = (_content(folder / LIST) or b"").decode("utf-8", "replace")
    known: dict[str, set[str]] = {}
    for found in filter(None, map(_LINE.fullmatch, text.splitlines())):
        if _below(found[2]):
            known.setdefault(found[2], set()).add(found[1])
    return known


def _below(path: str) -> bool:
    return not path.startswith("/") and ".." not in PurePosixPath(path).parts


def _listed(wanted: Mapping[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content in sorted(wanted.items())]
    return ("\n".join(lines) + "\n").encode()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise InputError(f"path: {path} cannot be read ({exc.strerror}).") from exc


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _remove_empty(folder: Path, path: PurePosixPath) -> None:
    for parent in path.parents:
        if str(parent) == "." or any((folder / parent).iterdir()):
            return
        (folder / parent).rmdir()
