# Writes the checklist's own document with every box in its place: ticked or not, with the state and what was seen.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control, Group
from ansible_collections.bytebot.production.plugins.plugin_utils.render.view import SETTLED, STATES

LONGEST = 200  # letters of a summary
REPORT = "report.html"  # in the same folder
APPROVED = "**Production Deployment Approved**"  # how the line of the approval begins
DEMO = ("> **DEMO**: signers for trying out signed here; none of it counts outside a sandbox.", "")

_BOX = re.compile(r"(?P<before>\s*- \[) (?P<text>\] .*?)(?P<after>\s*)")
_FENCE = re.compile(r"\s*```")
_BOLD = re.compile(r"\*\*(?P<title>[^*]+)\*\*(?::.*)?")
_MARKUP = re.compile(r"([\\`*_\[\]{}<>~|&$#!@])")
_LINK = re.compile(r"(?i)(?::(?=//)|(?<=www)\.)")  # GitHub makes links of bare addresses


def render(document: Mapping[str, Any], catalogue: Catalogue, text: str) -> str:
    """The document with its boxes ticked where a control is settled.

    :param text: the document as it was written, with empty boxes.
    :raises InputError: the boxes are not those of the catalogue.
    """
    results = {str(control["id"]): control for control in document["controls"]}
    ahead = _boxes(catalogue)
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        box = None if fenced else _BOX.fullmatch(line)
        lines.append(_ticked(box, next(ahead, None), results) if box else _approved(line, document["run"]))
    if (left := next(ahead, None)) is not None:
        raise InputError(f"The checklist's document has no box for {left.id}; give the document of this catalogue.")
    return "\n".join([*(DEMO if document["run"].get("demo") else ()), *lines])


def _approved(line: str, run: Mapping[str, Any]) -> str:
    """The line of the approval, with what was signed, also where it does not hold."""
    approval = run.get("approval")
    return f"{line} — {escape(_short(str(approval['said'])))}" if approval and line.startswith(APPROVED) else line


def _boxes(catalogue: Catalogue) -> Iterator[Control | Group]:
    """What the document prints a box for, in its order."""
    for group in catalogue.groups.values():
        if group.box:
            yield group
        for id_ in group.controls:
            yield catalogue.controls[id_]


def _ticked(box: re.Match[str], about: Control | Group | None, results: Mapping[str, Mapping[str, Any]]) -> str:
    label = box["text"][2:]
    bold = _BOLD.fullmatch(label)
    title = bold["title"] if bold else label
    if about is None or about.title != title:
        there = about.id if about else "none"
        raise InputError(
            f"The checklist's document has a box {title!r} where the catalogue has {there}; "
            "give the document of this catalogue."
        )
    if isinstance(about, Group):
        tick, words = all(_settled(results.get(id_)) for id_ in about.controls), ""
    else:
        tick, words = _settled(results.get(about.id)), _words(about.id, results.get(about.id))
    return f"{box['before']}{'x' if tick else ' '}{box['text']}{words}{box['after']}"


def _settled(result: Mapping[str, Any] | None) -> bool:
    return result is not None and result["state"] in SETTLED


def _words(id_: str, result: Mapping[str, Any] | None) -> str:
    if result is None or result["state"] == "pending":
        return " — pending"
    summary = escape(_short(str(result["summary"])))
    link = f" ([evidence]({REPORT}#{id_}))" if result["evidence"] else ""
    return f" — **{STATES[result['state']].word}**{': ' if summary else ''}{summary}{link}"


def _short(text: str) -> str:
    """One line of readable letters, cut where it is long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"


def escape(text: str) -> str:
    """The text so that Markdown, and GitHub's, shows it as it is."""
    return _LINK.sub(r"\\\g<0>", _MARKUP.sub(r"\\\1", text))
