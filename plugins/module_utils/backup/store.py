# The folder in which the artifacts of backups are kept: encrypted, hashed while they are written, each with a manifest.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cms import HEAD, is_envelope
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused

DATABASE, CONFIGURATION = "database", "configuration"
_NAME = re.compile(r"(database|configuration)-(\d{8}T\d{6}Z)-[0-9a-f]{8}\.cms")
BLOCK = 256 * 1024
MANIFEST = 16 * 1024 * 1024  # bytes of the longest manifest that is read
SEARCHED = 64 * 1024 * 1024  # bytes of a file that are searched for secrets


@dataclass(frozen=True, slots=True)
class Artifact:
    """One encrypted file and what its manifest says of it."""

    path: Path
    made: float
    size: int
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Folder:
    """Artifacts in a folder of the controller, which nobody else may read."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser()

    def write(self, kind: str, sealed: Iterable[bytes], facts: Callable[[], Mapping[str, Any]]) -> Artifact:
        """Write an artifact; it has its name only when it is whole.

        :param facts: what the manifest says, asked when all is written.
        :raises Refused: there is no room, or the folder cannot be written.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = self.path / f"{kind}-{stamp}-{os.urandom(4).hex()}.cms"
        partly = path.with_suffix(".partly")
        total, size = hashlib.sha256(), 0
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._clear_partly()
            with os.fdopen(os.open(partly, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for data in sealed:
                    file.write(data)
                    total.update(data)
                    size += len(data)
                file.flush()
                os.fsync(file.fileno())
            told = {"kind": kind, "made": time.time(), "bytes": size, "sha256": total.hexdigest(), "facts": facts()}
            manifest = path.with_suffix(".json")
            with os.fdopen(os.open(manifest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(told, file)
            partly.rename(path)
        except OSError as exc:
            raise Refused(f"The backup cannot be written to {self.path}: {exc.strerror or exc}.") from exc
        finally:
            for rest in () if path.exists() else (partly, path.with_suffix(".json")):
                with contextlib.suppress(OSError):
                    rest.unlink()
        return _read(path)

    def newest(self, kind: str) -> Artifact | None:
        """The newest artifact of a kind; None where there is none."""
        found = self._all(kind)
        return _read(found[-1]) if found else None

    def keep(self, kind: str, number: int) -> list[str]:
        """Remove all but the newest ones, and tell which."""
        old = self._all(kind)[:-number] if number else []
        for path in old:
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
        return [path.name for path in old]

    def in_clear(self, secrets: Mapping[str, bytes]) -> list[str]:
        """What lies in the folder and shows a secret, or is an artifact that is not encrypted.

        :param secrets: values by what names them.
        """
        found: list[str] = []
        for path in sorted(self.path.rglob("*")) if self.path.is_dir() else []:
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                data = file.read(SEARCHED)
            if path.suffix == ".cms" and not is_envelope(data[:HEAD]):
                found.append(f"{path.name} is not encrypted")
            shown = [name for name, value in secrets.items() if value in data]
            if shown:
                more = f" and {len(shown) - 1} more" if len(shown) > 1 else ""
                found.append(f"{path.name} shows {shown[0]}{more} in clear")
        return found

    def _all(self, kind: str) -> list[Path]:
        if not self.path.is_dir():
            return []
        named = [(path, _NAME.fullmatch(path.name)) for path in self.path.iterdir()]
        return sorted(path for path, name in named if name and name[1] == kind)

    def _clear_partly(self) -> None:
        """What a run left that was killed while it wrote; one that still writes is younger."""
        for old in self.path.glob("*.partly"):
            if time.time() - old.stat().st_mtime > 24 * 3600:
                old.unlink(missing_ok=True)


def _read(path: Path) -> Artifact:
    manifest = path.with_suffix(".json")
    try:
        told = json.loads(manifest.read_bytes()[:MANIFEST])
        return Artifact(path, float(told["made"]), int(told["bytes"]), str(told["sha256"]), dict(told["facts"]))
    except FileNotFoundError as exc:
        raise InputError(f"{path.name} has no manifest beside it.") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InputError(f"The manifest of {path.name} cannot be read.") from exc


def pieces(path: Path, expected: str) -> Iterator[bytes]:
    """The bytes of an artifact, which end with an error where they are not those of the manifest."""
    with path.open("rb") as file:
        yield from hashed(iter(lambda: file.read(BLOCK), b""), expected, path.name)


def hashed(source: Iterable[bytes], expected: str, name: str) -> Iterator[bytes]:
    """Bytes as they come; at their end their SHA-256 must be as expected.

    :raises Refused: it is not.
    """
    total = hashlib.sha256()
    for data in source:
        total.update(data)
        yield data
    if total.hexdigest() != expected:
        raise Refused(f"The SHA-256 of {name} is not that of when it was made: it was changed, or cut.")
