# Plain statistics of series: two samples compared, change points, outliers, trends, and a forecast with its interval.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, median

_NORMAL = NormalDist()
_MAD = 1.4826  # makes the median of absolute deviations that of a normal distribution's standard deviation
SHORTEST = 6  # points of a segment between two changes
PENALTY = 10.0  # times the logarithm of the number of points; samples that follow each other are not independent
_EXACT = 1e-6  # as a share of the widest, so that sums of squares stay exact
_MOST_PAIRS = 400  # points of which all pairs are taken


@dataclass(frozen=True, slots=True)
class Compared:
    """Two samples, the earlier one first.

    :param p: two-sided, by the Mann-Whitney U test in its normal approximation with ties and continuity corrected.
    :param delta: Cliff's delta, from -1 to 1; above 0 the later ones are larger.
    """

    before: float
    after: float
    p: float
    delta: float

    @property
    def change(self) -> float:
        """By which share the median has moved."""
        return relative(self.after - self.before, self.before)


def relative(difference: float, base: float) -> float:
    """A difference as a share of a base; without a base it is whole."""
    if base:
        return difference / abs(base)
    return 0.0 if not difference else math.copysign(1.0, difference)


def compared(before: Sequence[float], after: Sequence[float]) -> Compared:
    """Compare two samples that each have at least one value."""
    few, many = len(after), len(before)
    ranks = _ranks([*after, *before])
    u = sum(ranks[:few]) - few * (few + 1) / 2
    total = few + many
    ties = sum(count**3 - count for count in Counter([*after, *before]).values())
    spread = few * many / 12 * (total + 1 - ties / (total * (total - 1))) if total > 1 else 0.0
    middle = few * many / 2
    z = max(0.0, abs(u - middle) - 0.5) / math.sqrt(spread) if spread > 0 else 0.0
    return Compared(median(before), median(after), 2 * (1 - _NORMAL.cdf(z)), 2 * u / (few * many) - 1)


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, with the mean rank for equal values."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end + 1 < len(order) and values[order[end + 1]] == values[order[begin]]:
            end += 1
        for place in range(begin, end + 1):
            ranks[order[place]] = (begin + end) / 2 + 1
        begin = end + 1
    return ranks


def spread_of(values: Sequence[float]) -> float:
    """The standard deviation, by the median of absolute deviations, which outliers do not move."""
    middle = median(values)
    return _MAD * median([abs(value - middle) for value in values])


def noise_of(values: Sequence[float]) -> float:
    """The standard deviation of what is no level, by the differences of neighbours."""
    return spread_of([after - before for before, after in pairwise(values)]) / math.sqrt(2)


def change_points(values: Sequence[float], least_noise: float = 0.0) -> list[int]:
    """Where the level changes, by binary segmentation with squared costs.

    A change is kept where it lowers the cost by more than ``PENALTY * log(n)`` times the noise's variance.

    :param least_noise: standard deviation that the noise has at least, so that the steady has no changes of nothing.
    """
    if len(values) < 2 * SHORTEST:
        return []
    middle = median(values)
    widest = max(abs(value - middle) for value in values)
    if widest == 0:
        return []
    noise = max(noise_of(values), least_noise, _EXACT * widest)
    sums, squares = [0.0], [0.0]
    for value in (value - middle for value in values):
        sums.append(sums[-1] + value / noise)
        squares.append(squares[-1] + (value / noise) ** 2)

    def cost(begin: int, end: int) -> float:
        return squares[end] - squares[begin] - (sums[end] - sums[begin]) ** 2 / (end - begin)

    penalty, found, ahead = PENALTY * math.log(len(values)), [], [(0, len(values))]
    while ahead:
        begin, end = ahead.pop()
        places = range(begin + SHORTEST, end - SHORTEST + 1)
        if not places:
            continue
        whole = cost(begin, end)
        gain, best = max((whole - cost(begin, place) - cost(place, end), place) for place in places)
        if gain > penalty:
            found.append(best)
            ahead += [(begin, best), (best, end)]
    return sorted(found)


def runs(marks: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last place of each unbroken row of marks."""
    found: list[tuple[int, int]] = []
    for place, mark in enumerate(marks):
        if mark and found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        elif mark:
            found.append((place, place))
    return found


@dataclass(frozen=True, slots=True)
class Trend:
    """A trend over time.

    :param slope: Theil-Sen's, for each second; :param p: two-sided, by the (seasonal) Mann-Kendall test.
    :param grown: what it comes to over the whole time, as a share of the first tenth's median.
    """

    slope: float
    p: float
    grown: float


def trend(times: Sequence[float], values: Sequence[float], season_s: float = 0.0) -> Trend:
    """The trend of a series; with a season only equal times of it are compared (Hirsch and Slack, 1984, without its
    correction for dependence between seasons).
    """
    thin = max(1, math.ceil(len(values) / _MOST_PAIRS)) if not season_s else 1
    times, values = times[::thin], values[::thin]
    if len(values) <= 1:
        return Trend(0.0, 1.0, 0.0)
    groups: dict[int, list[int]] = {}
    step = median([after - before for before, after in pairwise(times)]) or 1.0
    for place, at in enumerate(times):
        groups.setdefault(round(at % season_s / step) if season_s else 0, []).append(place)
    slopes, score, spread = [], 0, 0.0
    for places in groups.values():
        for first, one in enumerate(places):
            for other in places[first + 1 :]:
                slopes.append((values[other] - values[one]) / (times[other] - times[one]))
                score += (values[other] > values[one]) - (values[other] < values[one])
        spread += _kendall_spread([values[place] for place in places])
    if not slopes:
        return Trend(0.0, 1.0, 0.0)
    z = max(0, abs(score) - 1) / math.sqrt(spread) if spread > 0 else 0.0
    slope = median(slopes)
    grown = slope * (times[-1] - times[0])
    return Trend(slope, 2 * (1 - _NORMAL.cdf(z)), relative(grown, median(values[: max(1, len(values) // 10)])))


def _kendall_spread(values: Sequence[float]) -> float:
    count = len(values)
    ties = sum(same * (same - 1) * (2 * same + 5) for same in Counter(values).values())
    return (count * (count - 1) * (2 * count + 5) - ties) / 18


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line by least squares, and how far what comes may be from it.

    :param deviation: standard deviation of the residuals; :param slope_p: two-sided, by Student's t.
    """

    count: int
    middle: float
    level: float
    slope: float
    deviation: float
    spread: float
    slope_p: float

    def at(self, time: float) -> float:
        """The line itself."""
        return self.level + self.slope * (time - self.middle)

    def margin(self, time: float, confidence: float = 0.95) -> float:
        """Half of the prediction interval of one new value at a time."""
        t = student(1 - (1 - confidence) / 2, self.count - 2)
        return t * self.deviation * math.sqrt(1 + 1 / self.count + (time - self.middle) ** 2 / self.spread)


def line(times: Sequence[float], values: Sequence[float]) -> Line:
    """Fit a line to at least three points at different times."""
    count, middle, level = len(times), fmean(times), fmean(values)
    spread = sum((time - middle) ** 2 for time in times)
    slope = sum((time - middle) * (value - level) for time, value in zip(times, values, strict=True)) / spread
    rest = sum(
        (value - level - slope * (time - middle)) ** 2 for time, value in zip(times, values, strict=True)
    )  # fmt: skip
    deviation = math.sqrt(rest / (count - 2))
    if deviation == 0:
        return Line(count, middle, level, slope, 0.0, spread, 0.0 if slope else 1.0)
    return Line(
        count, middle, level, slope, deviation, spread, _student_p(slope * math.sqrt(spread) / deviation, count - 2)
    )


def student(share: float, degrees: int) -> float:
    """A quantile of Student's t, by the expansion of Cornish and Fisher (Abramowitz and Stegun, 26.7.5)."""
    z = _NORMAL.inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def _student_p(t: float, degrees: int) -> float:
    """Two-sided (Abramowitz and Stegun, 26.7.8)."""
    z = abs(t) * (1 - 1 / (4 * degrees)) / math.sqrt(1 + t * t / (2 * degrees))
    return 2 * (1 - _NORMAL.cdf(z))


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile, between the two neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
