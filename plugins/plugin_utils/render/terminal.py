# Draws results for a terminal: one line per control in the order of the document, reds with their remedy below.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.progress_line import one_line
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control

Result = Mapping[str, Any]
SIGNS = {
    "pass": "ok",
    "fail": "FAIL",
    "error": "ERROR",
    "inconclusive": "unsure",
    "pending": "-",
    "not_applicable": "n/a",
    "attested": "signed",
    "waived": "waived",
}
NARROWEST, WIDEST = 60, 160


def table(catalogue: Catalogue, sections: Sequence[str], results: Iterable[Result], width: int = 0) -> str:
    """The controls of some sections with their states, and those of other sections that have a result.

    :param results: results of modules; where a control has several, the last one counts.
    :param width: columns; the terminal's own where it is 0.
    """
    by_id = {str(result["control"]): result for result in results}
    width = columns(width)
    lines: list[str] = []
    for name in _sections(catalogue):
        controls = catalogue.section(name)
        lines += _section(controls if name in sections else _told(controls, by_id), by_id, width)
    return "\n".join(lines)


def columns(width: int = 0) -> int:
    """How wide the text may be: as given, or as the terminal is."""
    return max(NARROWEST, min(WIDEST, width or shutil.get_terminal_size((160, 20)).columns))


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns: a name and what it is."""
    widest = max((len(name) for name, _value in rows), default=0)
    return "\n".join(f"  {name:<{widest}}  {value}" for name, value in rows)


def counts(catalogue: Catalogue, sections: Sequence[str], results: Iterable[Result]) -> str:
    """How many controls are in which state, in one sentence. What is pending is not judged."""
    by_id = {str(result["control"]): str(result["state"]) for result in results}
    whole = [(name in sections, catalogue.section(name)) for name in _sections(catalogue)]
    controls = [control for wanted, some in whole for control in (some if wanted else _told(some, by_id))]
    judged = Counter(state for control in controls if (state := by_id.get(control.id, "pending")) != "pending")
    words = ", ".join(f"{number} {state}" for state, number in sorted(judged.items()))
    rest = len(controls) - sum(judged.values())
    unjudged = f"; {rest} are not judged yet, so they are pending" if rest else ""
    return f"{sum(judged.values())} of {len(controls)} controls judged: {words or 'none'}{unjudged}."


def _sections(catalogue: Catalogue) -> list[str]:
    return list(dict.fromkeys(control.section for control in catalogue.controls.values()))


def _told(controls: Sequence[Control], by_id: Mapping[str, Any]) -> list[Control]:
    return [control for control in controls if _state(by_id.get(control.id)) != "pending"]


def _state(result: Any) -> str:
    """The state in a result, or the state itself; what has no result is pending."""
    return str(result["state"] if isinstance(result, Mapping) else result or "pending")


def _section(controls: Sequence[Control], by_id: Mapping[str, Result], width: int) -> list[str]:
    lines: list[str] = [controls[0].section_title] if controls else []
    group = ""
    for control in controls:
        if control.group != group:
            group = control.group
            if control.group_title != control.section_title:
                lines.append(f"  {control.group_title}")
        lines += _lines(control, by_id.get(control.id), width)
    return lines


def _lines(control: Control, result: Result | None, width: int) -> list[str]:
    state = str(result["state"]) if result else "pending"
    first = f"    {SIGNS.get(state, state):<7}{control.title}"
    if result is None:
        return [first]
    if state == "pass":
        return [cut(f"{first}: {_printed(result['summary'])}", width)]
    words = [first, *wrapped(_printed(result["summary"]), width)]
    return [*words, *wrapped(f"-> {_printed(result['remedy'])}", width)] if result.get("remedy") else words


def _printed(text: Any) -> str:
    """All of a text, in letters that a terminal only prints: it may quote what a service answered."""
    return one_line(str(text), sys.maxsize)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines below a sign."""
    return textwrap.wrap(text, width, initial_indent=" " * 11, subsequent_indent=" " * 11, break_long_words=False)


def cut(line: str, width: int) -> str:
    """The line, shortened where it is longer than the screen is wide."""
    return line if len(line) <= width else f"{line[: width - 1]}…"
