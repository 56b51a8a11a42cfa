# Compares shares of two windows: whether one has risen, by how much at most, and whether it rises all the time; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CERTAIN = 0.01  # chance that a rise is only chance, below which it is none
Z = 1.644854  # the normal distribution's 0.95 quantile: bounds hold with 95 % confidence to their side
WORSE, UNSURE, FINE = "worse", "unsure", "fine"
_FEWEST = 6  # points of a trend
_NEGLIGIBLE = 1e-17


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share itself; 0 of nothing."""
        return self.hits / self.total if self.total else 0.0

    def bounds(self) -> tuple[float, float]:
        """Each holds with 95 % confidence.

        E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209-212: the score interval.
        """
        if not self.total:
            return 0.0, 1.0
        spread = Z * Z / self.total
        middle = (self.value + spread / 2) / (1 + spread)
        half = Z * math.sqrt(self.value * (1 - self.value) / self.total + spread / self.total / 4) / (1 + spread)
        return max(0.0, min(self.value, middle - half)), min(1.0, max(self.value, middle + half))


@dataclass(frozen=True, slots=True)
class Rise:
    """How a share has changed.

    :param difference: after less before; :param most: what it is at most, with 95 % confidence.
    :param chance: how likely so many or more are where nothing has changed.
    """

    difference: float
    most: float
    chance: float

    def judged(self, margin: float) -> str:
        """Worse where it has certainly risen and by the margin; fine where it has certainly risen by less."""
        if self.chance < CERTAIN and self.difference >= margin:
            return WORSE
        return FINE if self.most < margin else UNSURE


def rise(before: Share, after: Share) -> Rise:
    """Compare by Fisher's exact test, to one side.

    The bound is R. G. Newcombe's hybrid score interval (Statistics in Medicine 17 (1998) 873-890, method 10). Few
    samples make it wide, and so the answer is unsure.
    """
    if not before.total or not after.total:
        return Rise(0.0, 1.0, 1.0)
    difference = after.value - before.value
    low = before.value - before.bounds()[0]
    high = after.bounds()[1] - after.value
    return Rise(difference, min(1.0, difference + math.hypot(low, high)), _fisher(before, after))


def _fisher(before: Share, after: Share) -> float:
    """The upper tail of the hypergeometric distribution; 1 where the share has not risen, which needs no sum."""
    if after.value <= before.value:
        return 1.0
    hits, total, number = before.hits + after.hits, before.total + after.total, after.total
    most = min(hits, number)
    term = math.exp(_choose(hits, after.hits) + _choose(total - hits, number - after.hits) - _choose(total, number))
    found = term
    for one in range(after.hits, most):
        term *= (hits - one) * (number - one) / ((one + 1) * (total - hits - number + one + 1))
        found += term
        if term <= found * _NEGLIGIBLE:
            break
    return min(1.0, found)


def _choose(many: int, few: int) -> float:
    return math.lgamma(many + 1) - math.lgamma(few + 1) - math.lgamma(many - few + 1)


def drift(rows: Sequence[tuple[float, Share]]) -> Rise | None:
    """Whether a share rises from the first point to the last; None where there are too few points.

    The test for a linear trend of W. G. Cochran (Biometrics 10 (1954)) and P. Armitage (Biometrics 11 (1955)).
    """
    points = [(at, share) for at, share in rows if share.total]
    if len(points) < _FEWEST:
        return None
    total = sum(share.total for _at, share in points)
    whole = sum(share.hits for _at, share in points) / total
    middle = sum(at * share.total for at, share in points) / total
    spread = sum(share.total * (at - middle) ** 2 for at, share in points)
    length = points[-1][0] - points[0][0]
    if not spread or not length:
        return None
    slope = sum((at - middle) * (share.hits - share.total * whole) for at, share in points) / spread
    error = math.sqrt(whole * (1 - whole) / spread)
    chance = 0.5 * math.erfc(slope / error / math.sqrt(2)) if error else 1.0
    return Rise(slope * length, (slope + Z * error) * length, chance)
