# Writes the results as one page that needs nothing else: gate, difference, every control with its evidence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.bytebot.production.plugins.plugin_utils.render.charts import charts

TEMPLATES = Path(__file__).resolve().parent / "templates"
TEMPLATE = "report.html.j2"
MANY_CHANGES = 8  # more of them are folded away
MINUTE_S = 60
THINNEST = 0.012  # of a bar


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: a sign that differs in shape, and a word."""

    sign: str
    word: str


# In the order of the bar: what is good, what is open, what is bad.
STATES: Mapping[str, Look] = {
    "pass": Look("✓", "pass"),
    "attested": Look("✎", "attested"),
    "waived": Look("⚑", "waived"),
    "not_applicable": Look("⊘", "not applicable"),
    "pending": Look("○", "pending"),
    "stale": Look("↻", "stale"),
    "inconclusive": Look("?", "inconclusive"),
    "error": Look("!", "error"),
    "fail": Look("✕", "fail"),
}
SETTLED = frozenset({"pass", "attested", "waived", "not_applicable"})
RED = frozenset({"fail", "error"})
DECISIONS: Mapping[str, Look] = {
    "open": Look("✓", "The gate is open"),
    "shut": Look("✕", "The gate is shut"),
    "not_assessed": Look("○", "The gate was not assessed"),
}
STAGES: Mapping[str, str] = {
    "preflight": "preflight",
    "deploy": "deploy",
    "validate": "validation",
    "operations": "operations",
    "sign_off": "sign-off",
    "t_minus_2h": "T-2 hours",
    "t_zero": "T-0",
    "t_plus_30m": "T+30 minutes",
    "t_plus_2h": "T+2 hours",
    "day": "first day",
    "week": "first week",
    "month": "first month",
}


def render(document: Mapping[str, Any]) -> str:
    """The page for a results document. Whatever the document says is shown as text, never as markup or template."""
    plain = _complete(json.loads(json.dumps(document, default=str)))  # no object that calls itself safe markup is left
    controls = plain["controls"]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            document=plain,
            total=len(controls),
            bar_segments=_bar(controls),
            sections=[*_sections(controls), *_sections(plain["own_controls"])],
            changes=list(_changes(plain)),
            states=STATES,
            decision=DECISIONS[plain["gate"]["decision"]],
            stages=STAGES,
            many_changes=MANY_CHANGES,
        )
    )


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what may be left out, so that the template can be strict."""
    document["run"] = {"requester": "not recorded", "collection_version": "", "defects": [], **document["run"]}
    document["run"] = {"demo": False, "approval": None, **document["run"]}
    document["gate"] = {"notes": [], **document["gate"]}
    for name in ("controls", "own_controls"):
        document[name] = [
            {"weaker": [], "expires": None, "waiver": None, **control} for control in document.get(name, ())
        ]
    return document


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(charts=charts, csp=_csp, pretty=_pretty, moment=_moment, span=_span, resumed=_resumed)
    return environment


@dataclass(frozen=True, slots=True)
class Segment:
    """One state's part of a bar: its width is its count, but never too thin to be seen."""

    state: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Group:
    """Controls under one heading."""

    id: str
    title: str
    controls: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Section:
    """One section with its progress."""

    id: str
    title: str
    groups: Sequence[Group]
    progress: Sequence[Segment]
    total: int
    settled: int
    red: int


def _bar(controls: Sequence[Mapping[str, Any]]) -> list[Segment]:
    counts = Counter(control["state"] for control in controls)
    segments: list[Segment] = []
    start = 0.0
    for state in STATES:
        if count := counts[state]:
            width = max(count, len(controls) * THINNEST)
            segments.append(Segment(state, count, start, width))
            start += width
    return segments


def _sections(controls: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    for name, given in groupby(controls, key=lambda control: control["section"]):
        members = list(given)
        groups = [
            Group(f"{name}.{group}", inside[0]["group_title"], inside)
            for group, inside in (
                (key, list(each)) for key, each in groupby(members, key=lambda control: control["group"])
            )
        ]
        counts = Counter(control["state"] for control in members)
        yield Section(
            id=name,
            title=members[0]["section_title"],
            groups=groups,
            progress=_bar(members),
            total=len(members),
            settled=sum(counts[state] for state in SETTLED),
            red=sum(counts[state] for state in RED),
        )


def _changes(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What moved since the previous run, with its title where the control is in this document."""
    titles = {control["id"]: control["title"] for control in document["controls"]}
    for change in document["previous"]["changed"]:
        yield {
            **change,
            "title": titles.get(change["id"], ""),
            "worse": _rank(change["to"]) > _rank(change["from"] or "pending"),
        }


def _rank(state: str) -> int:
    """How bad a state is; what is settled is equally good."""
    order = list(STATES)
    return order.index(state) if state not in SETTLED else 0


# ---------------------------------------------------------------------- filters


def _csp(text: str) -> str:
    """The hash by which a content security policy permits one inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()}'"


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _moment(text: str | None) -> str:
    """RFC 3339 as a person reads it; what is none is shown as it is."""
    if not text:
        return "not yet"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return text
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _resumed(how_often: Any) -> str:
    """Times of resuming, given as their number, as a list, or as a truth."""
    number = len(how_often) if isinstance(how_often, list) else int(how_often or 0)
    return {0: "no", 1: "once"}.get(number, f"{number} times")
