# Looks for everything a sandbox may leave behind on the machine, and clears it away.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.files import put
from sandbox.host import cgroups, mounts, netns
from sandbox.settings import Settings
from sandbox.shell import environment

TERM_S = 2.0
INT_S = 4.0
KILL_S = 5.0


@dataclass(frozen=True)
class Remain:
    """One thing that is left."""

    kind: str
    what: str


@dataclass(frozen=True)
class Owner:
    """The sandbox that uses, or last used, this machine."""

    state: Path
    checkout: Path

    def command(self, word: str) -> str:
        other = "" if self.state == self.checkout / ".sandbox" else f"SANDBOX_DIR={self.state} "
        return f"cd {self.checkout} && {other}.venv/bin/python -m sandbox {word}"


def owner(settings: Settings) -> Owner | None:
    try:
        lines = settings.owner_file.read_text().splitlines()
        return Owner(Path(lines[0]), Path(lines[1]))
    except (OSError, IndexError):
        return None


def claim(settings: Settings) -> None:
    settings.run.mkdir(parents=True, exist_ok=True)
    put(settings.owner_file, f"{settings.state}\n{settings.checkout}\n", 0o644)


def look(settings: Settings) -> list[Remain]:
    found = [Remain("process", f"{pid} {command(pid)}") for pid in sorted(processes(settings))]
    if netns.interface_exists(settings.machine_interface):
        found.append(Remain("interface", settings.machine_interface))
    if settings.netns_file.exists():
        found.append(Remain("network namespace", settings.netns))
    found += [Remain("mount", point) for point in mounts.below(_folders(settings), mounts.PROC_MOUNTS.read_text())]
    found += [Remain("cgroup", str(tree)) for tree in cgroups.detect(settings.cgroup).trees()]
    found += [Remain("packet filter rule", line) for line in filter_rules(settings, _ruleset())]
    if settings.run.exists():
        found.append(Remain("folder", str(settings.run)))
    return found


def clear(settings: Settings) -> None:
    """Works on whatever state things are in; each step bears that its subject is gone already."""
    groups = cgroups.detect(settings.cgroup)
    folders = _folders(settings)
    end(lambda: processes(settings))
    mounts.remove(folders)
    netns.remove(settings)
    cgroups.remove(groups)
    mounts.remove_made_folders(settings)
    shutil.rmtree(settings.run, ignore_errors=True)


def processes(settings: Settings) -> set[int]:
    """What runs in the sandbox's cgroups. Its own callers (`ns`) that lead to this process are not counted."""
    found = cgroups.members(cgroups.detect(settings.cgroup))
    return found - ancestors(os.getpid())


def ancestors(pid: int) -> set[int]:
    found = set()
    while pid > 1:
        found.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        # The name in brackets may itself contain spaces and brackets.
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return found


def end(find: Callable[[], set[int]]) -> None:
    """TERM, then INT (a database's fast shutdown), then KILL, each with a bound."""
    for number, bound in ((signal.SIGTERM, TERM_S), (signal.SIGINT, INT_S), (signal.SIGKILL, KILL_S)):
        send(find(), number)
        until = time.monotonic() + bound
        while left := find():
            if time.monotonic() > until:
                break
            time.sleep(0.05)
            if number == signal.SIGKILL:
                # What forks while it is being killed is met by the next round.
                send(left, number)
        else:
            return


def send(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words[:2]).decode(errors="replace").strip() or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "(gone)"


def filter_rules(settings: Settings, ruleset: str) -> list[str]:
    """Lines of the machine's own packet filter that name the sandbox's addresses."""
    marks = (settings.node_address, settings.pod_network, settings.service_network, settings.machine_interface)
    return [line.strip() for line in ruleset.splitlines() if any(mark in line for mark in marks)]


def _ruleset() -> str:
    try:
        done = subprocess.run(
            ["nft", "list", "ruleset"], env=environment(), text=True, capture_output=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout


def _folders(settings: Settings) -> list[Path]:
    last = owner(settings)
    return [settings.run, settings.state, *([last.state] if last else [])]
