# Medians, spreads and ratios: pure arithmetic over the samples of one run.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What several samples of one quantity say.

    :param median: in the row's unit; :param low, high: the smallest and the largest sample; :param samples: how many.
    """

    median: float
    low: float
    high: float
    samples: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure | None:
        """The figure of some samples; None where there are none."""
        if not samples:
            return None
        return cls(statistics.median(samples), min(samples), max(samples), len(samples))


def ratio(value: Figure | None, other: Figure | None) -> float | None:
    """How many times the other; None where either is missing or the other is 0."""
    if value is None or other is None or other.median == 0:
        return None
    return value.median / other.median


def differences(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Sample by sample, since both were taken in the same repetition; a lone sample is dropped."""
    return [first - second for first, second in zip(one, other, strict=False)]
