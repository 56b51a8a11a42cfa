# The table for people and the document for programs (docs/benchmark.schema.json).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmark.figures import Figure
from tests.benchmark.goals import Judged
from tests.benchmark.model import Row

SCHEMA_VERSION = 1
HEAD = ("what", "ours", "peer", "ours/peer", "raw helm", "ours/raw", "unit")
_SIGNS = {True: "holds", False: "DOES NOT HOLD", None: "cannot be judged"}


@dataclass(frozen=True, slots=True)
class About:
    """The run as a whole.

    :param began, ended: UTC, RFC 3339; :param load: load averages (1 minute) before each case and at the end, by name;
    :param versions: of what took part.
    """

    began: str
    ended: str
    repetitions: int
    cpus: int
    versions: Mapping[str, str]
    load: Mapping[str, float] = field(default_factory=dict)


def document(about: About, rows: Sequence[Row], judged: Sequence[Judged]) -> dict[str, Any]:
    """The content of ``reports/benchmark.json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": asdict(about),
        "rows": [_row(row) for row in rows],
        "goals": [
            {**{key: _rounded(value) for key, value in asdict(goal).items()}, "holds": goal.holds} for goal in judged
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "value": _rounded(row.ours.median),
        "peer": _rounded(row.peer.median) if row.peer else None,
        "ratio": _rounded(row.peer_ratio),
        "raw": _rounded(row.raw.median) if row.raw else None,
        "raw_ratio": _rounded(row.raw_ratio),
        "spread": {"ours": _spread(row.ours), "peer": _spread(row.peer), "raw": _spread(row.raw)},
        "note": row.note,
        "repeat": row.repeat,
    }


def _spread(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {"low": _rounded(figure.low), "high": _rounded(figure.high), "samples": figure.samples}


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


def table(rows: Iterable[Row]) -> str:
    """Every row with medians and, in brackets, the smallest and the largest sample."""
    lines: list[tuple[str, ...]] = [HEAD]
    for row in rows:
        ratios = [f"{one:.2f}" if one is not None else "-" for one in (row.peer_ratio, row.raw_ratio)]
        cells = [_cell(figure) for figure in (row.ours, row.peer, row.raw)]
        lines.append((row.name, cells[0], cells[1], ratios[0], cells[2], ratios[1], row.unit))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    spread = f" ({figure.low:.2f}-{figure.high:.2f})" if figure.samples > 1 else ""
    return f"{figure.median:.2f}{spread}"


def notes_text(rows: Iterable[Row]) -> str:
    """What a reader must know beside the figures: each note once, with the rows that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            about.setdefault((row.case, row.note), []).append(row.quantity.split(".", 1)[1])
    return "\n".join(f"  {case}: {', '.join(names)}: {' '.join(note.split())}" for (case, note), names in about.items())


def goals_text(judged: Iterable[Judged]) -> str:
    """Each goal in one line: whether it holds, where, and the two figures."""
    return "\n".join(
        f"  {_SIGNS[goal.holds]:<17} {goal.name:<24} {goal.says}: {goal.value:.2f}"
        + (f" of at most {goal.limit:.2f} {goal.unit}" if goal.limit is not None else f" {goal.unit}")
        for goal in judged
    )
