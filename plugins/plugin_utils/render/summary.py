# Says in a screenful what came out of a run: the gate first and last, what is red with its remedy, what else is open.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import SHOULD
from ansible_collections.bytebot.production.plugins.module_utils.progress_line import one_line
from ansible_collections.bytebot.production.plugins.plugin_utils import gate
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import BLOCKED, NOT_DUE
from ansible_collections.bytebot.production.plugins.plugin_utils.render import terminal

MOST_REDS, MOST_REASONS, MOST_LATER, MOST_NOTES, MOST_NAMED = 10, 8, 4, 5, 3
LONGEST = 400  # letters of what is said of one control
_RED = ("fail", "error", "inconclusive")
_NOT_KNOWN = ("stale", "pending")

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some controls are not settled."""

    said: str
    controls: tuple[str, ...]


def verdict(document: Mapping[str, Any]) -> str:
    """The decision, how much stands against it, and what does first, in one line."""
    decision = document["gate"]
    named = f"gate {decision['stage']}" if decision["stage"] else "gate"
    head = f"The {named} is {str(decision['decision']).replace('_', ' ')}"
    against = list(_against(document))
    if decision["decision"] == gate.OPEN:
        return f"{head}."
    if not against:
        return one_line(f"{head}. {' '.join(decision['reasons'])}", LONGEST)
    counts = Counter(str(entry["state"]) for entry in against)
    states = [state for state in terminal.SIGNS if counts[state]] + sorted(counts.keys() - terminal.SIGNS.keys())
    numbers = ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in states)
    more = f" and {len(against) - 1} more" if len(against) > 1 else ""
    none = f" {decision['reasons'][0]}" if decision["decision"] == gate.NOT_ASSESSED else ""
    return one_line(f"{head}: {numbers} ({against[0]['id']}{more}).{none}", LONGEST)


def text(document: Mapping[str, Any], facts: Sequence[tuple[str, str]], counted: Sequence[str], width: int = 0) -> str:
    """The whole, in paragraphs.

    :param counted: sentences that count the controls.
    :param width: columns; the terminal's own where it is 0.
    """
    width = terminal.columns(width)
    against = {entry["id"] for entry in _against(document)}
    controls = [*document["controls"], *document.get("own_controls", ())]
    paragraphs = [
        [verdict(document)],
        [terminal.facts([(one_line(name), one_line(value)) for name, value in facts])],
        _reds(controls, against, width),
        _not_known("Not known, and the gate wants it", _reasons(controls, against, True), MOST_REASONS, width),
        _not_known("Not known, and not wanted yet", _reasons(controls, against, False), MOST_LATER, width),
        _notes(document["gate"].get("notes", ()), width),
        list(counted),
        [verdict(document)],
    ]
    return "\n\n".join(joined for lines in paragraphs if (joined := "\n".join(line for line in lines if line)))


def _against(document: Mapping[str, Any]) -> Iterator[Entry]:
    """What the gate names as a reason, in its order."""
    known = {entry["id"]: entry for entry in (*document["controls"], *document.get("own_controls", ()))}
    for line in document["gate"]["reasons"]:
        if entry := known.get(str(line).partition(" ")[0]):
            yield entry


def _reds(controls: Sequence[Entry], against: set[str], width: int) -> list[str]:
    """What is wrong or was not sure, that against which the gate stands first, each with what to do."""
    found = [entry for state in _RED for entry in controls if entry["state"] == state]
    found += [entry for entry in controls if entry["id"] in against and entry["state"] not in (*_RED, *_NOT_KNOWN)]
    found.sort(key=lambda entry: entry["id"] not in against)
    lines = ["To put right" if found else ""]
    for entry in found[:MOST_REDS]:
        sign = terminal.SIGNS.get(str(entry["state"]), str(entry["state"]))
        advice = " (advice: it does not shut a gate)" if entry["level"] == SHOULD else ""
        lines.append(f"  {sign:<7}{entry['id']}{advice}")
        lines += terminal.wrapped(one_line(str(entry["summary"]), LONGEST), width)
        if entry.get("remedy"):
            lines += terminal.wrapped(f"-> {one_line(str(entry['remedy']), LONGEST)}", width)
    return [*lines, _left(len(found) - MOST_REDS, "more")]


def _reasons(controls: Sequence[Entry], against: set[str], wanted: bool) -> list[Reason]:
    """What is not known, by reason, what concerns the most controls first."""
    by_reason: dict[str, list[str]] = {}
    for entry in controls:
        if entry["state"] in _NOT_KNOWN and (entry["id"] in against) == wanted:
            by_reason.setdefault(_why(entry), []).append(str(entry["id"]))
    found = [Reason(said, tuple(ids)) for said, ids in by_reason.items()]
    return sorted(found, key=lambda reason: -len(reason.controls))


def _why(entry: Entry) -> str:
    """The reason without what holds for one control or one stage only."""
    said = one_line(str(entry["summary"]), LONGEST)
    if said.startswith(NOT_DUE):
        return "not due yet"
    return said.partition(";")[0] if said.startswith(BLOCKED) else said


def _not_known(title: str, reasons: Sequence[Reason], most: int, width: int) -> list[str]:
    shown = [
        terminal.cut(f"  {len(reason.controls):>3}  {reason.said.rstrip('.')}: {_named(reason.controls)}", width)
        for reason in reasons[:most]
    ]
    rest = sum(len(reason.controls) for reason in reasons[most:])
    return [title if reasons else "", *shown, _left(rest, "for other reasons")]


def _notes(notes: Sequence[str], width: int) -> list[str]:
    shown = [terminal.cut(f"  {one_line(note)}", width) for note in notes[:MOST_NOTES]]
    return ["To be known" if notes else "", *shown, _left(len(notes) - MOST_NOTES, "more")]


def _named(ids: Sequence[str]) -> str:
    rest = len(ids) - MOST_NAMED
    return ", ".join(ids[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _left(number: int, words: str) -> str:
    return f"  {number:>3}  {words}" if number > 0 else ""
