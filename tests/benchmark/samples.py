# Takes the samples of one case: a counted warm-up for each contender, then repetitions in turns.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.benchmark.contenders import Contender, Told
from tests.benchmark.counting import CountingHelm, count_execve, strace_command
from tests.benchmark.processes import Command, Ended, run

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One run and what it says of itself; ``sign_s`` is the time from the first sign of failure to its end."""

    ended: Ended
    told: Told
    sign_s: float | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """What the warm-up shows: helm's processes (by the wrapper, and by strace where it is there), the tree's memory."""

    helm_starts: tuple[str, ...]
    tree_mib: float
    by_strace: int | None = None


@dataclass
class Samples:
    """All samples of one case, by contender."""

    runs: dict[str, list[Sample]] = field(default_factory=dict)
    traced: dict[str, Traced] = field(default_factory=dict)

    def add(self, name: str, sample: Sample) -> None:
        """Keep one."""
        self.runs.setdefault(name, []).append(sample)

    def seconds(self, name: str) -> list[float]:
        """Wall time of each run of a contender."""
        return [sample.ended.seconds for sample in self.runs.get(name, ())]

    def cpu(self, name: str) -> list[float]:
        """Processor time of each run of a contender."""
        return [sample.ended.cpu_s for sample in self.runs.get(name, ())]

    def tasks(self, name: str) -> list[float]:
        """Seconds of the one task, of each run that had one."""
        return [sample.told.task_s for sample in self.runs.get(name, ()) if sample.told.task_s is not None]


# One deployment by a contender with a helm; it prepares, runs, and sees that what ran is what the case measures.
Attempt = Callable[[Contender, Path, Callable[[Command], Ended]], Sample]


def traced(contender: Contender, attempt: Attempt, helm: Path, folder: Path, *, strace: bool) -> Traced:
    """Warm up: one run with the counting wrapper and the tree's memory sampled, and one under strace."""
    counting = CountingHelm(helm, folder / contender.name)
    sample = attempt(contender, counting.path, lambda command: run(command, sample_memory=True))
    starts = tuple(counting.take())
    if not strace or not shutil.which("strace"):
        return Traced(starts, sample.ended.tree_mib)
    output = folder / f"{contender.name}.strace"
    attempt(contender, helm, lambda command: run(_under_strace(command, output)))
    with output.open(encoding="utf-8", errors="replace") as lines:
        return Traced(starts, sample.ended.tree_mib, count_execve(lines, str(helm)))


def _under_strace(command: Command, output: Path) -> Command:
    return replace(command, arguments=[*strace_command(output), *command.arguments])


def rotations(contenders: Sequence[Contender], times: int) -> Iterator[list[Contender]]:
    """The contenders once for each repetition, each time with another one first."""
    for turn in range(times):
        cut = turn % len(contenders)
        yield [*contenders[cut:], *contenders[:cut]]
