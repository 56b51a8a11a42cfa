# Counts latencies in buckets whose width grows with the value, so that memory is bounded and the error is known.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

BITS = 8  # a bucket is at most 1/128 of its value wide
WITHIN = (1 << BITS) - 1  # mask of a bucket's place in its octave
ERROR = 1 / (1 << (BITS - 1))
Z_95 = 1.959964  # the normal distribution's 0.975 quantile


class Histogram:
    """Latencies in microseconds, after the idea of HdrHistogram: octaves of 128 equal buckets.

    A value is told as the upper edge of its bucket: never less than it was, and less than 0.8 % more (:data:`ERROR`).
    """

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts: Counter[int] = Counter(counts or {})
        self.count = sum(self._counts.values())

    def add(self, seconds: float) -> None:
        self._counts[_bucket(max(0, round(seconds * 1e6)))] += 1
        self.count += 1

    def merge(self, other: Histogram) -> None:
        self._counts.update(other._counts)
        self.count += other.count

    def at_rank(self, rank: int) -> float | None:
        """The value, in seconds, that is the ``rank``-th from below (1 is the least); None where there is none."""
        if not 1 <= rank <= self.count:
            return None
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                return _edge(bucket) / 1e6
        return None

    def over(self, seconds: float) -> int:
        """How many values are certainly more than this."""
        at = _bucket(max(0, round(seconds * 1e6)))
        return sum(count for bucket, count in self._counts.items() if bucket > at)

    def quantile(self, share: float, failed: int = 0) -> float | None:
        """A quantile where those that failed count as slower than all others; None where it falls among them."""
        return self.at_rank(max(1, math.ceil(share * (self.count + failed))))

    def interval(self, share: float, failed: int = 0) -> tuple[float | None, float | None]:
        """Bounds between which a quantile lies with 95 % confidence, whatever the distribution.

        Ranks by the normal approximation of the binomial distribution: Conover, Practical Nonparametric Statistics,
        3rd edition, section 3.2, "Confidence interval for a quantile". None stands for more than any answer took.
        """
        number = self.count + failed
        width = Z_95 * math.sqrt(number * share * (1 - share))
        low, high = math.ceil(number * share - width), math.ceil(number * share + width)
        return (self.at_rank(low) if low >= 1 else 0.0), self.at_rank(high)

    def told(self) -> dict[str, float | None]:
        """The usual quantiles in milliseconds, of what was answered."""
        return {f"p{share * 100:g}": _ms(self.quantile(share)) for share in (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)}

    def plain(self) -> dict[int, int]:
        """What makes it again elsewhere."""
        return dict(self._counts)


def least_number(share: float) -> int:
    """How many values are needed until a quantile's interval has an upper bound."""
    number = 1
    while math.ceil(number * share + Z_95 * math.sqrt(number * share * (1 - share))) > number:
        number += 1
    return number


def _bucket(micros: int) -> int:
    """Exact below 256; above, the top eight bits, with the number of those that are left out before them."""
    shift = max(0, micros.bit_length() - BITS)
    return (shift << BITS) + (micros >> shift)


def _edge(bucket: int) -> int:
    shift, top = bucket >> BITS, bucket & WITHIN
    return ((top + 1) << shift) - 1


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 2)
