# Two shares compared: by tables, and by what must hold for any numbers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.two_shares import (
    FINE,
    UNSURE,
    WORSE,
    Share,
    drift,
    rise,
)

MARGINS = st.floats(0.001, 0.3)
ORDER = (FINE, UNSURE, WORSE)


@st.composite
def shares(draw: st.DrawFn, most: int = 5000) -> Share:
    total = draw(st.integers(0, most))
    return Share(draw(st.integers(0, total)), total)


@pytest.mark.parametrize(
    ("before", "after", "chance"),
    [
        # R: fisher.test(matrix(c(8, 2, 1, 5), nrow = 2), alternative = "greater") has p = 0.02447552
        (Share(1, 6), Share(8, 10), 0.024475524),
        (Share(0, 10), Share(0, 10), 1.0),
        (Share(5, 10), Share(1, 10), 1.0),
        (Share(0, 0), Share(3, 10), 1.0),
        (Share(0, 1_000_000), Share(1000, 1_000_000), 0.0),
    ],
)
def test_fishers_exact_test(before: Share, after: Share, chance: float) -> None:
    assert rise(before, after).chance == pytest.approx(chance, abs=1e-8)


def test_wilsons_interval_is_as_published() -> None:
    # With z = 1.645 the upper bound of none of n is z² / (n + z²).
    low, high = Share(0, 20).bounds()
    assert (low, round(high, 4)) == (0.0, 0.1192)
    assert Share(0, 0).bounds() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "margin", "judged"),
    [
        (Share(0, 1200), Share(0, 1200), 0.005, FINE),
        (Share(0, 1200), Share(240, 1200), 0.005, WORSE),
        (Share(0, 100), Share(0, 100), 0.005, UNSURE),
        (Share(0, 20), Share(1, 20), 0.005, UNSURE),
        (Share(10, 1_000_000), Share(200, 1_000_000), 0.005, FINE),
        (Share(0, 0), Share(0, 5000), 0.005, UNSURE),
        (Share(0, 5000), Share(0, 0), 0.005, UNSURE),
        (Share(300, 1000), Share(10, 1000), 0.05, FINE),
    ],
)
def test_a_rise_counts_where_it_is_certain_and_large(before: Share, after: Share, margin: float, judged: str) -> None:
    assert rise(before, after).judged(margin) == judged


@given(shares(), MARGINS)
def test_the_same_twice_is_never_worse(share: Share, margin: float) -> None:
    assert rise(share, share).judged(margin) != WORSE


@given(shares(400), shares(400), MARGINS)
@settings(max_examples=200)
def test_one_more_is_never_better(before: Share, after: Share, margin: float) -> None:
    if after.hits == after.total:
        return
    one, more = rise(before, after), rise(before, Share(after.hits + 1, after.total))
    assert more.chance <= one.chance + 1e-12
    assert more.most >= one.most - 1e-12
    assert ORDER.index(more.judged(margin)) >= ORDER.index(one.judged(margin))


@given(shares(), shares())
def test_bounds_and_chances_are_what_they_are_called(before: Share, after: Share) -> None:
    found = rise(before, after)
    low, high = after.bounds()
    assert 0 <= low <= after.value <= high <= 1
    assert 0 <= found.chance <= 1
    assert found.most >= found.difference


@given(st.lists(st.integers(1, 500), min_size=6, max_size=12), st.integers(0, 1))
def test_what_stays_does_not_drift(totals: list[int], hits: int) -> None:
    rows = [(float(at), Share(total * hits, total)) for at, total in enumerate(totals)]
    found = drift(rows)
    assert found is not None
    assert found.judged(0.005) == FINE


def test_what_rises_drifts_and_what_falls_does_not() -> None:
    rows = [(60.0 * at, Share(at, 100)) for at in range(12)]
    rising, falling = drift(rows), drift([(at, Share(11 - share.hits, 100)) for at, share in rows])
    assert rising is not None and rising.judged(0.005) == WORSE and rising.difference == pytest.approx(0.11)
    assert falling is not None and falling.judged(0.005) == FINE
    assert drift(rows[:5]) is None
    assert drift([(0.0, Share(1, 2))] * 8) is None
