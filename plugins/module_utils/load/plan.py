# When each request is due: fixed before the first one is sent, whatever the answers do.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

WARM_UP, STEADY, LEVEL = "warm-up", "steady", "level"
POISSON, EVEN = "poisson", "even"


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the run in which requests arrive at a rate, which may rise evenly from ``rate`` to ``to_rate``."""

    kind: str
    rate: float
    seconds: float
    to_rate: float | None = None

    @property
    def last_rate(self) -> float:
        return self.rate if self.to_rate is None else self.to_rate

    @property
    def requests(self) -> int:
        """How many are sent in it, which is part of the plan."""
        return round((self.rate + self.last_rate) / 2 * self.seconds)


@dataclass(frozen=True, slots=True)
class Shot:
    """One request: when it is due after the start, in which phase, to which endpoint, as which user."""

    at: float
    phase: int
    endpoint: int
    user: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All phases, the weights of the endpoints, and how many users there are; the seed makes it the same again."""

    phases: tuple[Phase, ...]
    weights: tuple[float, ...] = (1.0,)
    users: int = 1
    arrivals: str = POISSON
    seed: int = 1

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def requests(self) -> int:
        return sum(phase.requests for phase in self.phases)

    @property
    def most_rate(self) -> float:
        return max((max(phase.rate, phase.last_rate) for phase in self.phases), default=0.0)

    def began(self, phase: int) -> float:
        """When a phase begins, in seconds after the start."""
        return sum(one.seconds for one in self.phases[:phase])

    def shots(self) -> list[Shot]:
        """Every request in the order in which it is due; users take turns in a random order."""
        dice = random.Random(self.seed)  # noqa: S311 - repeatable turns, no secret
        found: list[Shot] = []
        turn = list(range(self.users))
        for number, phase in enumerate(self.phases):
            began = self.began(number)
            chosen = dice.choices(range(len(self.weights)), self.weights, k=phase.requests)
            for at, endpoint in zip(_arrivals(phase, self.arrivals, dice), chosen, strict=True):
                if len(found) % self.users == 0:
                    dice.shuffle(turn)
                found.append(Shot(began + at, number, endpoint, turn[len(found) % self.users]))
        return found


def _arrivals(phase: Phase, arrivals: str, dice: random.Random) -> Sequence[float]:
    """Times within a phase. Given their number, those of a Poisson process are independent, uniform by the rate."""
    number = phase.requests
    shares = (
        [(one + 0.5) / number for one in range(number)]
        if arrivals == EVEN
        else sorted(dice.random() for _number in range(number))
    )
    return [_when(share, phase) for share in shares]


def _when(share: float, phase: Phase) -> float:
    """When this share of a phase's requests has arrived: the rate's integral turned round."""
    first, last, seconds = phase.rate, phase.last_rate, phase.seconds
    if math.isclose(first, last):
        return share * seconds
    slope = (last - first) / seconds
    area = share * (first + last) / 2 * seconds
    return (math.sqrt(first * first + 2 * slope * area) - first) / slope
