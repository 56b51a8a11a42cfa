# Mounts below the sandbox's folders, and the private view of folders that programs insist on.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sandbox.settings import Settings
from sandbox.shell import run

PROC_MOUNTS = Path("/proc/self/mounts")


def below(folders: Sequence[Path], mounts: str) -> list[str]:
    """Mount points at or under the folders, deepest first."""
    points = []
    for line in mounts.splitlines():
        point = line.split()[1].replace("\\040", " ")
        if any(point == str(folder) or point.startswith(f"{folder}/") for folder in folders):
            points.append(point)
    return sorted(points, key=len, reverse=True)


def remove(folders: Sequence[Path]) -> None:
    for point in below(folders, PROC_MOUNTS.read_text()):
        run("mounts", ["umount", "-l", point])


def private_view(settings: Settings) -> str:
    """Shell lines for a new mount namespace: the fixed folders become the sandbox's own, all mounts vanish with it."""
    lines = ["set -e", "mount --make-rprivate /", "mount --make-rshared /"]
    for folder in settings.fixed_folders:
        lines.append(f"mount --bind {_own(settings, folder)} {folder}")
    return "\n".join(lines)


def make_folders(settings: Settings) -> None:
    """Mount points must exist; those made here are noted, to be removed at the end."""
    made = settings.run / "made-folders"
    noted = set(made.read_text().split()) if made.exists() else set()
    for folder in settings.fixed_folders:
        _own(settings, folder).mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            noted.add(str(folder))
    made.write_text("\n".join(sorted(noted)))
    for folder in settings.fixed_folders:
        folder.mkdir(parents=True, exist_ok=True)


def remove_made_folders(settings: Settings) -> None:
    made = settings.run / "made-folders"
    if not made.exists():
        return
    for word in made.read_text().split():
        folder = Path(word)
        if folder in settings.fixed_folders and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _own(settings: Settings, folder: Path) -> Path:
    return settings.run / "private" / str(folder).strip("/").replace("/", "-")
