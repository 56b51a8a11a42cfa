# The one image of the sandbox's own pods: Python of Debian, a few packages, and the programs of sandbox/pods.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox.build.images import Image
from sandbox.build.layers import PYTHON_ROOT, tree_files, tree_hash, write_tree
from sandbox.build.python import Packages
from sandbox.settings import Settings

PACKAGE = Path(__file__).resolve().parent.parent
PODS = PACKAGE / "pods"
REQUIRED = PODS / "requirements.txt"
SHARED = tuple(PACKAGE / name for name in ("__init__.py", "api.py", "watch.py"))
USER = "65532:65532"


@dataclass(frozen=True)
class Programs:
    """sandbox/pods, and what it shares with the sandbox."""

    name: str = "pods-programs"

    def key(self, settings: Settings) -> str:
        del settings
        return tree_hash([*SHARED, *tree_files(PODS)], PACKAGE)

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        del log
        folder = settings.source / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in SHARED:
            shutil.copy(path, folder / path.name)
        shutil.copytree(PODS, folder / "pods", ignore=shutil.ignore_patterns("__pycache__"))
        write_tree(tar, folder, "opt/pods/src/sandbox")


# Another content is another tag, so that what runs is renewed when a program changes.
TAG = f"1-{tree_hash([*SHARED, REQUIRED, *tree_files(PODS)], PACKAGE)[:12]}"
IMAGE = Image(
    "sandbox/pods",
    TAG,
    (
        PYTHON_ROOT,
        Packages("pods-packages", "sandbox/pods/requirements.txt", at="opt/pods/site-packages"),
        Programs(),
    ),
    entrypoint=("python3", "-m"),
    env=(
        ("PYTHONPATH", "/opt/pods/site-packages:/opt/pods/src"),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ),
    user=USER,
    folder="/opt/pods",
)
