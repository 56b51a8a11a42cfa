# The trend of a series by Theil and Sen: the median of all slopes between two points, which outliers hardly move.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.load.histogram import Z_95

BLOCKS = 12  # points that a series is brought down to
FEWEST = 6


@dataclass(frozen=True, slots=True)
class Slope:
    """Units a second, with the bounds of its 95 % confidence interval."""

    median: float
    low: float
    high: float
    points: int


def slope_of(series: Sequence[tuple[float, float]]) -> Slope | None:
    """The trend of values over time; None where there are too few points.

    Neighbouring values of a process's memory depend on each other, and the interval supposes that they do not, so it is
    computed over medians of up to twelve blocks. Source: P. K. Sen, Estimates of the Regression Coefficient Based on
    Kendall's Tau, Journal of the American Statistical Association 63 (1968): the ranks of the ordered slopes.
    """
    points = _blocks(series)
    number = len(points)
    if number < FEWEST:
        return None
    slopes = sorted(
        (after[1] - before[1]) / (after[0] - before[0])
        for index, before in enumerate(points)
        for after in points[index + 1 :]
        if after[0] > before[0]
    )
    width = Z_95 * math.sqrt(number * (number - 1) * (2 * number + 5) / 18)
    low = math.floor((len(slopes) - width) / 2)
    high = math.ceil((len(slopes) + width) / 2)
    return Slope(statistics.median(slopes), slopes[max(0, low)], slopes[min(len(slopes) - 1, high)], number)


def _blocks(series: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    ordered = sorted(series)
    size = max(1, math.ceil(len(ordered) / BLOCKS))
    return [
        (statistics.median(at for at, _value in block), statistics.median(value for _at, value in block))
        for block in (ordered[start : start + size] for start in range(0, len(ordered), size))
    ]
