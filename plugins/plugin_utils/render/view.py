# Prepares what the page shows beside the results themselves: progress, differences, history, how to repeat, signatures.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue, own
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier

THINNEST = 0.012  # of a bar
PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
REVIEWS = ("day", "week", "month")
WINDOW = ("t_minus_2h", "t_zero", "t_plus_30m", "t_plus_2h")
VERIFIED = "ssh-keygen -Y verify, statement "  # how the source of a signature begins, which our own code writes
_RUN = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{4}")


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


@dataclass(frozen=True, slots=True)
class Spell:
    """Runs one after the other in which a control had the same state.

    :param since: when the first of them was opened.
    """

    state: str
    runs: int
    since: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A statement that was verified, and what it was signed for."""

    control: str
    title: str
    kind: str
    by: str
    key: str
    until: str
    digest: str
    demo: bool


def segments(controls: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """The bar of some controls."""
    counts = Counter(control["state"] for control in controls)
    found: list[Segment] = []
    start = 0.0
    for state in STATES:
        if count := counts[state]:
            width = max(count, len(controls) * THINNEST)
            found.append(Segment(state, count, start, width))
            start += width
    return found


def sections(controls: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    """The controls in their sections and groups."""
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
            progress=segments(members),
            total=len(members),
            settled=sum(counts[state] for state in SETTLED),
            red=sum(counts[state] for state in RED),
        )


def changes(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
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


def spells(control: str, history: Sequence[Earlier]) -> list[Spell]:
    """The states of a control in earlier runs, the newest first."""
    known = [(one.states[control], one.run) for one in history if one.states.get(control) in STATES]
    found: list[Spell] = []
    for state, given in groupby(known, key=lambda pair: pair[0]):
        runs = [run for _state, run in given]
        found.append(Spell(state, len(runs), run_moment(runs[-1])))
    return found


def run_moment(run: str) -> str:
    """When a run was opened, which its id says; the id itself where it does not."""
    parts = _RUN.fullmatch(run)
    if parts is None:
        return run
    return f"{datetime.strptime(parts[1], '%Y%m%dT%H%M%SZ').replace(tzinfo=UTC):%Y-%m-%d %H:%M}"


def about(control: Mapping[str, Any], environment: str) -> dict[str, str]:
    """How a control is judged again, and what the catalogue says of looking by hand and of a remedy."""
    known = None if control.get("own") else catalogue.load().controls.get(control["id"])
    return {
        "repeat": repeat(control, known, environment),
        "by_hand": known.by_hand if known else "",
        "helps": known.remedy if known and known.remedy != control["remedy"] else "",
    }


def repeat(control: Mapping[str, Any], known: catalogue.Control | None, environment: str) -> str:
    """The command that judges a control again; empty where no playbook does."""
    section, stage = str(control["section"]), str(control["stage"])
    if control.get("own") or section == own.SECTION:
        name, tags = "verify", "deployment"
    elif known is None:
        return ""
    elif control["method"] == "attested":
        name, tags = "attest", ""
    elif stage in REVIEWS:
        name, tags = "review", stage
    elif stage in WINDOW:
        name, tags = "go_live", ""
    else:
        name, tags = "verify", ",".join(dict.fromkeys(("deployment", section)))
    if name not in _playbooks() or (name == "verify" and not set(tags.split(",")) <= _judged()):
        return ""
    words = ["ansible-playbook", f"bytebot.production.{name}", "--limit", shlex.quote(environment)]
    return " ".join([*words, "--tags", tags] if tags else words)


@cache
def _playbooks() -> frozenset[str]:
    return frozenset(path.stem for path in PLAYBOOKS.glob("*.yml"))


@cache
def _judged() -> frozenset[str]:
    """The sections that ``verify`` judges, which are its tags."""
    text = (PLAYBOOKS / "verify.yml").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^ +tags: (\w+)$", text, flags=re.MULTILINE))


def signatures(controls: Sequence[Mapping[str, Any]]) -> Iterator[Signature]:
    """The statements that were verified and count, in the order of the controls."""
    for control in controls:
        for item in control["evidence"]:
            seen = item["observed"]
            if str(item["source"]).startswith(VERIFIED) and isinstance(seen, Mapping):
                name, role = seen.get("name", ""), str(seen.get("role", "")).replace("_", " ")
                yield Signature(
                    control=str(control["id"]),
                    title=str(control["title"]),
                    kind=str(seen.get("kind", "")),
                    by=f"{name} ({role})" if role else str(name),
                    key=str(seen.get("key", "")),
                    until=str(seen.get("valid_until", "")),
                    digest=str(seen.get("statement", "")),
                    demo=bool(seen.get("demo")),
                )
