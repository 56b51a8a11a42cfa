# Judges how long requests take in a window: against a limit, against the window before, and as a trend.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks.two_shares import FINE, WORSE, rise
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import (
    TREND_POINTS,
    Wanted,
    WindowSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_notes import (
    Notes,
    chance,
    percent,
    points,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_series import P95, Durations
from ansible_collections.bytebot.production.plugins.module_utils.load.slope import slope_of

FEWEST = 20  # requests of a part of the window that a 95th percentile is read of
_MORE = "Judge a longer window, or one with more requests."
_SLOW = "Compare the endpoints and the slowest statements of the database, or roll back (rollback.yml)."
_EDGES = "Give the histogram finer buckets around that time."
_EDGES_UP = "Give the histogram buckets that reach further, and look at what was slow at that time."
_BASELINE = "Name the start of a window to compare with (baseline), as of the last release or of the day before."


def ms(seconds: float | None) -> str:
    """Milliseconds for a person."""
    return "more than the histogram tells" if seconds is None else f"{seconds * 1e3:.3g} ms"


def absolute(notes: Notes, seen: WindowSeen, wanted: Wanted) -> None:
    """Whether 95 of 100 requests are answered in time. Above an edge of the histogram the numbers are exact."""
    after, limit = seen.after.durations(), wanted.latency_ms / 1e3
    notes.slow(wanted, latency=True)
    if not after.total:
        return
    value = after.quantile()
    told = f"95 % of {after.total} requests took up to {ms(value)}"
    edge = after.edge_above(limit)
    if edge is not None and after.slower(edge).bounds()[0] > 1 - P95:
        notes.bad(
            f"{told}, and {percent(after.slower(edge).value)} more than {ms(edge)}; {ms(limit)} are wanted", _SLOW
        )
    elif value is None or value > limit:
        notes.unsure(f"{told}; {ms(limit)} are wanted, and the histogram does not tell it for certain", _EDGES)
    else:
        notes.good(told)


def slower(notes: Notes, seen: WindowSeen, wanted: Wanted) -> None:
    """Whether more requests are slow than before.

    Slow is what takes longer than the 95th percentile of before and what is allowed on top, up to the next edge of the
    histogram. So both windows are counted exactly, and the shares are compared by Fisher's exact test.
    """
    before, after = seen.before.durations(), seen.after.durations()
    notes.slow(wanted)
    notes.mixed(seen)
    notes.fact("durations", {"before": _told(before), "after": _told(after)})
    if not after.total:
        notes.unsure("no request was timed", "Judge a window with requests of users.")
        return
    if not before.total:
        notes.unsure("no request was timed in the window before", _BASELINE)
        return
    value = before.quantile()
    edge = (
        None
        if value is None
        else before.edge_above(max(value * (1 + wanted.latency_rise), value + wanted.floor_ms / 1e3))
    )
    if edge is None or edge not in after.edges:
        notes.unsure(
            f"the histogram has no edge above {ms(value)}, the 95th percentile of before, to compare at", _EDGES
        )
        return
    slow = (before.slower(edge), after.slower(edge))
    found = rise(*slow)
    told = (
        f"{percent(slow[1].value)} of {after.total} requests took more than {ms(edge)}, {percent(slow[0].value)} of "
        f"{before.total} before ({chance(found.chance)}, Fisher's exact test; 95 % within {ms(after.quantile())} and "
        f"{ms(value)})"
    )
    effect = {"slow_is_above_ms": round(edge * 1e3, 3), "before": slow[0].hits, "after": slow[1].hits}
    notes.fact(
        "slow", effect | {"rise": round(found.difference, 6), "at_most": round(found.most, 6), "p": found.chance}
    )
    verdict = found.judged(wanted.slow_rise)
    if verdict == WORSE:
        notes.bad(f"{told}; a rise by {points(wanted.slow_rise)} counts", _SLOW)
    elif verdict == FINE:
        notes.good(told)
    else:
        notes.unsure(f"{told}; it may be a rise by {points(found.most)}, and {points(wanted.slow_rise)} counts", _MORE)


def trend(notes: Notes, seen: WindowSeen, wanted: Wanted) -> None:
    """Whether the 95th percentile rises while the window lasts, by Theil and Sen's slope and Sen's interval of it.

    The interval is that of Mann and Kendall's test: where it lies above zero, the trend is no chance.
    """
    parts = [(at, seen.after.durations(part)) for at, part in seen.after.parts(TREND_POINTS)]
    full = [(at, of.quantile()) for at, of in parts if of.total >= FEWEST]
    rows = [(at, value) for at, value in full if value is not None]
    if beyond := len(full) - len(rows):
        what = f"in {beyond} of {len(full)} parts of the window the 95th percentile is more than the histogram tells"
        notes.unsure(what, _EDGES_UP)
    notes.fact("p95_in_parts_ms", [[round(at, 1), round(value * 1e3, 2)] for at, value in rows])
    slope = slope_of(rows)
    if slope is None:
        notes.unsure(f"too few parts of the window have {FEWEST} requests to tell a trend", _MORE)
        return
    length = rows[-1][0] - rows[0][0]
    allowed = max(wanted.latency_rise * min(value for _at, value in rows), wanted.drift_ms / 1e3)
    growth, low, high = (one * length for one in (slope.median, slope.low, slope.high))
    told = (
        f"the 95th percentile changes by {growth * 1e3:+.3g} ms from the first part to the last "
        f"({low * 1e3:+.3g} to {high * 1e3:+.3g}, Theil and Sen)"
    )
    notes.fact("trend_ms", {"growth": round(growth * 1e3, 3), "low": round(low * 1e3, 3), "high": round(high * 1e3, 3)})
    if low > 0 and growth >= allowed:
        notes.bad(f"{told}; {ms(allowed)} are allowed", _SLOW)
    elif high < allowed:
        notes.good(told)
    else:
        notes.unsure(f"{told}; {ms(allowed)} are allowed", _MORE)


def _told(of: Durations) -> dict[str, object]:
    value = of.quantile()
    return {
        "requests": of.total,
        "p95_ms": None if value is None else round(value * 1e3, 2),
        "within_ms": {f"{edge * 1e3:g}": round(count) for edge, count in zip(of.edges, of.within, strict=True)},
    }
