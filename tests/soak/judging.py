# What the samples of a soak say: which part started anew, and whose memory grows.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from scipy.stats import theilslopes

# Caches and heaps settle first; a slope over the beginning would be called a leak.
WARM_UP = 1 / 3
CONFIDENCE = 0.95
# Growth per hour that matters: below a tenth of what the part has, or of this, it is the collector's breathing.
SHARE, LEAST_MIB = 0.1, 8.0
FEWEST = 20


@dataclass(frozen=True)
class Sample:
    """All parts at one moment: who they are, and their private memory in MiB."""

    at: float
    identity: Mapping[str, str]
    memory: Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """One process or pod over the whole soak. ``slope`` is in MiB an hour, with the bounds of its confidence."""

    name: str
    starts: int
    first: float
    last: float
    slope: float
    low: float
    high: float
    missed: int

    @property
    def grows(self) -> bool:
        """Even the lower bound is more than breathing."""
        return self.low > max(LEAST_MIB, SHARE * max(self.first, 1.0))

    @property
    def wrong(self) -> str:
        """What is wrong with it, in words; empty where nothing is."""
        causes = [f"started {self.starts} times"] if self.starts > 1 else []
        causes += [f"missing in {self.missed} samples"] if self.missed else []
        causes += [f"grows by {self.slope:.1f} MiB an hour ({self.low:.1f} to {self.high:.1f})"] if self.grows else []
        return ", ".join(causes)


@dataclass
class Load:
    """What was asked, and what came: counts by kind, and the first failures in words."""

    asked: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    first: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{sum(self.asked.values())} requests, {sum(self.failed.values())} failed"

    def count(self, kind: str, wrong: str = "") -> None:
        """One more; with what was wrong about it."""
        self.asked[kind] = self.asked.get(kind, 0) + 1
        if wrong:
            self.failed[kind] = self.failed.get(kind, 0) + 1
            self.first = [*self.first, f"{kind}: {wrong}"][:10]


def parts(samples: Sequence[Sample]) -> list[Part]:
    """Every part that was seen in any sample, by name.

    The slope is Theil and Sen's (the median of all slopes between two samples), which single peaks do not move,
    with its confidence by Sen's method (`scipy.stats.theilslopes`).

    :raises ValueError: fewer samples than a slope can be judged by.
    """
    settled = [one for one in samples if one.at >= samples[0].at + WARM_UP * (samples[-1].at - samples[0].at)]
    if len(settled) < FEWEST:
        raise ValueError(f"{len(settled)} samples after the warm-up are too few to judge: {FEWEST} are needed.")
    names = sorted({name for sample in samples for name in sample.identity})
    return [_part(name, samples, settled) for name in names]


def _part(name: str, samples: Sequence[Sample], settled: Sequence[Sample]) -> Part:
    known = [sample.identity[name] for sample in samples if name in sample.identity]
    starts = 1 + sum(before != after for before, after in pairwise(known))
    there = [(sample.at, sample.memory[name]) for sample in settled if name in sample.memory]
    slope = low = high = 0.0
    if len(there) >= FEWEST:
        found = theilslopes([mib for _, mib in there], [at / 3600 for at, _ in there], CONFIDENCE)
        slope, low, high = float(found[0]), float(found[2]), float(found[3])
    ends = [mib for _, mib in there] or [0.0]
    few = max(1, len(ends) // 10)
    return Part(name, starts, median(ends[:few]), median(ends[-few:]), slope, low, high, len(samples) - len(known))
