# Layers for Python programs: their packages as wheels for the image's Python, and their source.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.build.layers import tree_files, tree_hash, write_tree
from sandbox.errors import SandboxError
from sandbox.settings import VERSIONS, Settings
from sandbox.shell import run


@dataclass(frozen=True)
class Packages:
    """Packages of a requirements file, whatever Python builds them; paths begin at the checkout."""

    name: str
    requirements: str
    # What pip leaves out wrongly: it judges markers by the Python it runs under, not by --python-version.
    more: tuple[str, ...] = ()
    at: str = "opt/app/site-packages"

    def key(self, settings: Settings) -> str:
        file = _required(settings, self.name, self.requirements)
        return " ".join([tree_hash([file], file.parent), VERSIONS.app_python, *self.more])

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        folder = settings.source / self.name
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-compile", f"--target={folder}",
            f"--python-version={VERSIONS.app_python}", "--platform=manylinux2014_x86_64", "--only-binary=:all:",
            f"--requirement={_required(settings, self.name, self.requirements)}", *self.more,
        ]  # fmt: skip
        run(self.name, ["rm", "-rf", folder])
        run(self.name, command, log=log, remedy=f"read {log}; is the Python package index reachable?")
        write_tree(tar, folder, self.at)


@dataclass(frozen=True)
class Source:
    """A program's own files."""

    name: str
    folder: str

    def key(self, settings: Settings) -> str:
        folder = _required(settings, self.name, self.folder)
        return tree_hash(tree_files(folder), folder)

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        del log
        write_tree(tar, _required(settings, self.name, self.folder), "opt/app/src")


# How such an image runs them.
PYTHON_ENV = (
    ("PYTHONPATH", "/opt/app/site-packages:/opt/app/src"),
    ("PYTHONUNBUFFERED", "1"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
)


def _required(settings: Settings, name: str, path: str) -> Path:
    found = settings.checkout / path
    if not found.exists():
        raise SandboxError(name, f"{found} is not there", remedy=f"restore {path} from the repository")
    return found
