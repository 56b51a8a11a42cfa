# Runs a command and says how long it took and how much memory it had at most.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_S = 0.02  # how often the memory of the tree is looked at, in runs whose time is not taken
LIMIT_S = 300.0  # no command here takes so long; one that does is broken


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, in a folder, with an environment of its own."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    :param seconds: wall time; :param at: ``time.monotonic()`` of the end;
    :param cpu_s: processor time of the command and of all that it started; other load on the machine disturbs it less;
    :param largest_mib: resident memory of the largest single process at its peak (the kernel's own account);
    :param tree_mib: memory of all its processes together at its peak, shared pages counted once (PSS), 0 where it was
        not sampled.
    """

    code: int
    output: str
    seconds: float
    at: float
    cpu_s: float
    largest_mib: float
    tree_mib: float = 0.0


def run(command: Command, *, sample_memory: bool = False) -> Ended:
    """Run a command to its end. Sampling the tree's memory takes time, so do not use the time of such a run."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(
            list(command.arguments),
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        guard = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGTERM))
        guard.start()
        try:
            with _sampled(process.pid, enabled=sample_memory) as peak:
                _pid, status, usage = os.wait4(process.pid, 0)
                at = time.monotonic()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        finally:
            guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Ended(process.returncode, text, at - began, at, cpu_s, usage.ru_maxrss / 1024, peak.mib)


@dataclass
class _Peak:
    mib: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def follow(self, root: int) -> None:
        while not self.ended.wait(SAMPLE_S):
            self.mib = max(self.mib, sum(_pss_kib(pid) for pid in tree(root, _parents())) / 1024)


@contextmanager
def _sampled(root: int, *, enabled: bool) -> Iterator[_Peak]:
    peak = _Peak()
    thread = threading.Thread(target=peak.follow, args=(root,), daemon=True)
    if enabled:
        thread.start()
    try:
        yield peak
    finally:
        peak.ended.set()
        if enabled:
            thread.join()


def tree(root: int, parents: Iterable[tuple[int, int]]) -> set[int]:
    """A process and all its descendants, from pairs of process and parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents:
        children.setdefault(parent, []).append(pid)
    found, open_ends = set[int](), [root]
    while open_ends:
        pid = open_ends.pop()
        if pid not in found:
            found.add(pid)
            open_ends += children.get(pid, [])
    return found


def _parents() -> list[tuple[int, int]]:
    pairs = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - a Path for each of some hundred processes is slow
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        pairs.append((int(entry), int(stat.rpartition(")")[2].split()[1])))
    return pairs


def _pss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0  # it has ended
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
