# The sandbox's own cgroups: versions 1 and 2, each with its own small code path.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path("/sys/fs/cgroup")
SUPERVISOR = "supervisor"
PODS = "kubepods"
REMOVE_S = 5.0


class Cgroups(Protocol):
    """What the rest needs to know of cgroups."""

    def ensure(self) -> None: ...

    def enter_files(self) -> list[Path]:
        """Files into which a process writes its id to belong to the sandbox."""

    def membership(self) -> Path:
        """The one tree that tells which processes are the sandbox's."""

    def trees(self) -> list[Path]:
        """The sandbox's existing top folders."""


@dataclass(frozen=True)
class V1:
    """One tree per controller. Membership is told by the pids controller."""

    name: str
    root: Path = ROOT

    def ensure(self) -> None:
        for controller in sorted(p for p in self.root.iterdir() if p.is_dir() and not p.is_symlink()):
            (controller / self.name).mkdir(exist_ok=True)
        # A new cpuset is empty and takes no process until both are set.
        cpuset = self.root / "cpuset"
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (cpuset / file).exists():
                (cpuset / self.name / file).write_text((cpuset / file).read_text())
        (self.root / "pids" / self.name / SUPERVISOR).mkdir(exist_ok=True)

    def enter_files(self) -> list[Path]:
        return [self.membership() / SUPERVISOR / "cgroup.procs"]

    def membership(self) -> Path:
        return self.root / "pids" / self.name

    def trees(self) -> list[Path]:
        return sorted(
            p / self.name for p in self.root.iterdir() if p.is_dir() and not p.is_symlink() and (p / self.name).is_dir()
        )


@dataclass(frozen=True)
class V2:
    """One tree. Controllers must be handed down explicitly, and only leaves hold processes."""

    name: str
    root: Path = ROOT

    def ensure(self) -> None:
        own = self.root / self.name
        self._hand_down(self.root)
        own.mkdir(exist_ok=True)
        self._hand_down(own)
        (own / SUPERVISOR).mkdir(exist_ok=True)

    def enter_files(self) -> list[Path]:
        return [self.membership() / SUPERVISOR / "cgroup.procs"]

    def membership(self) -> Path:
        return self.root / self.name

    def trees(self) -> list[Path]:
        own = self.root / self.name
        return [own] if own.is_dir() else []

    @staticmethod
    def _hand_down(folder: Path) -> None:
        for controller in (folder / "cgroup.controllers").read_text().split():
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def detect(name: str, root: Path = ROOT) -> Cgroups:
    """Only a pure version 2 machine has `cgroup.controllers` at the root of the mount."""
    return V2(name, root) if (root / "cgroup.controllers").exists() else V1(name, root)


def members(cgroups: Cgroups) -> set[int]:
    """Ids of all processes of the sandbox."""
    return _processes(cgroups.membership())


def container_members(cgroups: Cgroups) -> set[int]:
    """Ids of the processes of pods only."""
    return _processes(cgroups.membership() / PODS)


def pod_members(cgroups: Cgroups, uid: str) -> set[int]:
    """Ids of one pod's processes."""
    found: set[int] = set()
    for folder in _folders(cgroups.membership() / PODS):
        if f"pod{uid}" in folder.parts:
            found |= _listed(folder)
    return found


def _processes(tree: Path) -> set[int]:
    found: set[int] = set()
    for folder in _folders(tree):
        found |= _listed(folder)
    return found


def _listed(folder: Path) -> set[int]:
    try:
        return {int(word) for word in (folder / "cgroup.procs").read_text().split()}
    except OSError:
        return set()


def remove(cgroups: Cgroups) -> None:
    """Folders go from the leaves up; the kernel needs a moment after the last process is gone."""
    end = time.monotonic() + REMOVE_S
    while True:
        for tree in cgroups.trees():
            for folder in _folders(tree):
                _remove_folder(folder)
        if not cgroups.trees() or time.monotonic() > end:
            return
        time.sleep(0.05)


def _remove_folder(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _folders(tree: Path) -> Iterator[Path]:
    """Leaves first."""
    for folder, _, _ in os.walk(tree, topdown=False):
        yield Path(folder)
