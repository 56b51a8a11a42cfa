# The peer's virtual environment: made once in a git-ignored folder, gone on with after a break.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmark.errors import Broken

# The PyPI package `ansible` brings kubernetes.core; 12 and 13 need ansible-core 2.19 and newer, as the checkout has.
PACKAGES = ("ansible>=12,<14", "kubernetes>=31,<38")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with ansible-playbook, and where it finds collections of its own (empty: its default)."""

    bin: Path
    collections: str = ""

    @property
    def playbook(self) -> Path:
        """The program that runs playbooks."""
        return self.bin / "ansible-playbook"

    def core_version(self) -> str:
        """The version of ansible-core."""
        return _asked(self.bin / "python", "import ansible.release as r; print(r.__version__)")


def peer_environment(folder: Path, tell: Callable[[str], None]) -> Environment:
    """The environment with ``kubernetes.core``; installed where it is missing or was left half made.

    :param folder: e.g. ``.cache/benchmark-venv``; a mark in it says that the same packages were installed to the end.

    :raises Broken: the packages cannot be installed.
    """
    mark, wanted = folder / "installed.txt", "\n".join(PACKAGES)
    if not mark.is_file() or mark.read_text(encoding="utf-8") != wanted:
        tell("Installing the peer (a few minutes when new)")
        if not (folder / "bin" / "python").exists():
            _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES])
        mark.write_text(wanted, encoding="utf-8")
    return Environment(folder / "bin")


def peer_version(peer: Environment) -> str:
    """The version of ``kubernetes.core`` that the peer's environment has."""
    asked = "import ansible_collections.kubernetes.core as c; print(list(c.__path__)[0])"
    manifest = Path(_asked(peer.bin / "python", asked)) / "MANIFEST.json"
    return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])


def _asked(python: Path, code: str) -> str:
    return _run([str(python), "-c", code]).strip()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise Broken(f"{' '.join(command[:4])} ended with status {done.returncode}: {' '.join(said)}")
    return done.stdout
