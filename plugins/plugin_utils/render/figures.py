# Finds in evidence what bars can show (percentiles, memory, restarts, alerts), and when the run judged what.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeGuard

from ansible_collections.bytebot.production.plugins.plugin_utils.render.charts import MOST, Chart, charts

MOST_BARS = 20
MIB = 1024 * 1024
LATENCY, MEMORY, RESTARTS = "Latency by percentile", "Memory and its limit", "Restarts"
ALERTS, DELIVERY, TIMES = "Alert rules by state", "Delivery of test alerts", "When it was judged"
# In this order the first of each kind stands at the top of the report.
SHOWN = (TIMES, LATENCY, "Latency", "Requests", MEMORY, "Memory", RESTARTS, ALERTS, DELIVERY)


@dataclass(frozen=True, slots=True)
class Bar:
    """One value: where its bar begins and how long it is, as shares of the whole width."""

    name: str
    said: str
    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Values that share a scale, which the note tells."""

    title: str
    note: str
    bars: tuple[Bar, ...]


Drawn: TypeAlias = "Chart | Bars"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure at the top, and the control whose evidence has it; the run's own has none."""

    drawn: Drawn
    control: str = ""
    title: str = ""

    @property
    def lines(self) -> bool:
        """Whether it is drawn by lines, else by bars."""
        return isinstance(self.drawn, Chart)


def bars(observed: Any) -> list[Bars]:
    """What of evidence bars can show; whatever is of another shape is passed over."""
    return list(_all(observed)) if isinstance(observed, Mapping) else []


def overview(document: Mapping[str, Any]) -> list[Figure]:
    """The first figure of each kind, for the top of the report."""
    found: dict[str, Figure] = {}
    if times := timeline(document):
        found[TIMES] = Figure(times)
    for control in document["controls"]:
        for item in control["evidence"]:
            drawn: list[Drawn] = [*bars(item["observed"]), *charts(item["observed"])]
            for one in drawn:
                found.setdefault(one.title, Figure(one, str(control["id"]), str(control["title"])))
    return [found[title] for title in SHOWN if title in found]


def timeline(document: Mapping[str, Any]) -> Bars | None:
    """For each section from its first observation in this run to its last judgement; none where nothing was judged."""
    opened, updated = _moment(document["run"]["opened"]), _moment(document["run"]["updated"])
    if opened is None or updated is None or updated <= opened:
        return None
    whole = (updated - opened).total_seconds()
    spans: dict[str, list[float]] = {}
    for control in document["controls"]:
        times = [control["started"], *(item["observed_at"] for item in control["evidence"])]
        at = [(moment - opened).total_seconds() for one in times if (moment := _moment(one))]
        # What an earlier run or a person said stands in the record, too, and has no place on this line.
        spans.setdefault(str(control["section_title"]), []).extend(one for one in at if -1 <= one <= whole + 1)
    rows = sorted((max(0.0, min(at)), min(whole, max(at)), name) for name, at in spans.items() if at)
    if not rows:
        return None
    shown = tuple(
        Bar(name, f"{first:.0f} to {last:.0f} s", first / whole, max(0.0, last - first) / whole)
        for first, last, name in rows[:MOST_BARS]
    )
    return Bars(TIMES, f"seconds after the run was opened; it took {whole:.0f} s", shown)


def _all(observed: Mapping[str, Any]) -> Iterator[Bars]:
    everything = observed.get("all")
    latency = everything.get("latency_ms") if isinstance(everything, Mapping) else observed.get("latency_ms")
    if isinstance(latency, Mapping):
        values = [(str(name), value) for name, value in latency.items() if _number(value)]
        yield from _scaled(LATENCY, values, "ms")
    restarts = observed.get("restarts")
    if isinstance(restarts, Mapping):
        counts = [(str(name), value) for name, value in restarts.items() if _number(value)]
        yield from _restarts(counts)
    yield from _limited(MEMORY, _memory(observed.get("containers")), "MiB")
    yield from _states(observed.get("rules"))
    yield from _limited(DELIVERY, _ways(observed.get("sent")), "s")


def _restarts(counts: Sequence[tuple[str, float]]) -> Iterator[Bars]:
    some = [(name, value) for name, value in counts if value > 0]
    if some:
        yield from _scaled(RESTARTS, some, "")
    elif counts:
        yield Bars(RESTARTS, f"none of {len(counts)} containers was restarted", ())


def _memory(containers: Any) -> Iterator[tuple[str, float, float]]:
    for one in _mappings(containers):
        used, limit = one.get("memory"), one.get("memory_limit")
        if _number(used) and _number(limit) and limit > 0:
            yield str(one.get("container", "")), used / MIB, limit / MIB


def _ways(sent: Any) -> Iterator[tuple[str, float, float]]:
    for alert in _mappings(sent):
        for way in _mappings(alert.get("ways")):
            took, within = way.get("alert_after_s"), way.get("within_s")
            if _number(took) and _number(within) and within > 0:
                yield f"{way.get('receiver', '')} by {way.get('by', '')}", took, within


def _states(rules: Any) -> Iterator[Bars]:
    states = Counter(str(rule["state"]) for rule in _mappings(rules) if "alert" in rule and "state" in rule)
    yield from _scaled(ALERTS, sorted(states.items()), "")


def _scaled(title: str, values: Sequence[tuple[str, float]], unit: str) -> Iterator[Bars]:
    """Values on a scale that ends with the greatest."""
    if values:
        most = max(value for _name, value in values)
        shown = tuple(
            Bar(name, _told(value, unit), 0.0, max(0.0, value) / most if most > 0 else 0.0)
            for name, value in values[:MOST_BARS]
        )
        yield Bars(title, f"up to {_told(most, unit)}", shown)


def _limited(title: str, values: Iterator[tuple[str, float, float]], unit: str) -> Iterator[Bars]:
    """Values each on a scale that ends with its own limit."""
    shown = tuple(
        Bar(name, f"{_told(value, '')} of {_told(limit, unit)}", 0.0, min(1.0, max(0.0, value / limit)))
        for name, value, limit in list(values)[:MOST_BARS]
    )
    if shown:
        yield Bars(title, "the whole width is the limit", shown)


def _mappings(given: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(given, Sequence) and not isinstance(given, str):
        yield from (one for one in given if isinstance(one, Mapping))


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST


def _told(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".strip()


def _moment(given: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
