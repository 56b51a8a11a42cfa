# The layers that images are made of: a Debian root file system, a program, a folder.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.build.plan import Build, stamp
from sandbox.settings import VERSIONS, Settings
from sandbox.shell import run

EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")


class Layer(Protocol):
    """Equal names are the same layer; the key says whether a cached one still holds."""

    @property
    def name(self) -> str: ...

    def key(self, settings: Settings) -> str: ...

    def write(self, settings: Settings, tar: Path, log: Path) -> None: ...


@dataclass(frozen=True)
class User:
    """A system user with a fixed number, so that manifests may name it."""

    name: str
    number: int
    home: str


@dataclass(frozen=True)
class DebianRoot:
    """A minimal Debian with some packages, without documentation."""

    name: str
    packages: tuple[str, ...]
    users: tuple[User, ...] = ()
    without: tuple[str, ...] = ()

    def command(self) -> list[str]:
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(self.packages)}"]
        command.append('--aptopt=APT::Install-Recommends "false"')
        command += [f"--dpkgopt=path-exclude={path}" for path in (*EXCLUDED, *self.without)]
        for user in self.users:
            # Before the package, whose script takes an existing system user as it is.
            line = f"{user.name}:x:{user.number}:{user.number}::{user.home}:/bin/sh"
            command.append(f"--essential-hook=echo {line} >>\"$1/etc/passwd\"")
            command.append(f"--essential-hook=echo {user.name}:x:{user.number}: >>\"$1/etc/group\"")
        command.append('--customize-hook=rm -rf "$1"/var/lib/postgresql/* "$1"/var/cache/* "$1"/var/log/*')
        return command

    def key(self, settings: Settings) -> str:
        del settings
        return _hash(" ".join([*self.command(), VERSIONS.debian]))

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        del settings
        run(
            f"image layer {self.name}",
            [*self.command(), VERSIONS.debian, tar],
            log=log,
            remedy="is a Debian mirror reachable? The build resumes where it stopped",
        )


# Equal names must be equal layers, so what has Python shares it.
PYTHON_ROOT = DebianRoot("python", ("python3", "ca-certificates"))


@dataclass(frozen=True)
class ProgramLayer:
    """A static program in /usr/local/bin, nothing else."""

    program: Build

    @property
    def name(self) -> str:
        return self.program.name

    def key(self, settings: Settings) -> str:
        del settings
        return stamp(self.program)

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        del log
        with tarfile.open(tar, "w") as archive:
            for folder in ("usr", "usr/local", "usr/local/bin", "tmp"):
                _add_folder(archive, folder, 0o1777 if folder == "tmp" else 0o755)
            for file in self.program.produces:
                _add_file(archive, f"usr/local/bin/{file}", (settings.bin / file).read_bytes(), 0o755)


def write_tree(tar: Path, folder: Path, at: str) -> None:
    """A folder's files under `at`, in a fixed order and without owners or times, so that equal trees are equal."""
    with tarfile.open(tar, "w") as archive:
        parts = Path(at).parts
        for depth in range(1, len(parts) + 1):
            _add_folder(archive, str(Path(*parts[:depth])), 0o755)
        for path in tree_files(folder):
            inside = f"{at}/{path.relative_to(folder)}"
            if path.is_dir():
                _add_folder(archive, inside, 0o755)
            else:
                _add_file(archive, inside, path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)


def tree_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if "__pycache__" not in p.parts and not p.is_symlink())


def tree_hash(paths: Sequence[Path], base: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(f"{path.relative_to(base)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _add_folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    archive.addfile(info)


def _add_file(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
