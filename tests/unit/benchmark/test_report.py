# The document holds to its published schema, the table shows every figure, and names choose cases.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.benchmark.__main__ import FULL, chosen
from tests.benchmark.errors import Broken
from tests.benchmark.figures import Figure
from tests.benchmark.goals import judge
from tests.benchmark.model import Row
from tests.benchmark.report import About, document, goals_text, notes_text, table

SCHEMA = Path(__file__).parents[3] / "docs" / "benchmark.schema.json"
MOMENT = "2026-01-02T03:04:05Z"
ABOUT = About(MOMENT, MOMENT, 5, 2, {"python": "3.11.7"}, {"helm4.noop": 0.5})
ROWS = [
    Row("helm4.noop.task", "the task", "s", Figure(1.23456, 1.0, 2.0, 5), Figure(2.0, 2.0, 2.5, 5)),
    Row("helm4.noop.processes", "helm processes", "processes", Figure(3.0, 3.0, 3.0, 1)),
    Row("helm3.noop.playbook", "the playbook", "s", Figure(1.0, 1.0, 1.0, 1), note="no figures of peer: it says no"),
]


def built() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(document(ABOUT, ROWS, judge(ROWS))))
    return content


def test_the_document_holds_to_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(built())] == []
    wrong = built()
    wrong["rows"][0]["name"] = "noop"
    assert not validator.is_valid(wrong)


def test_the_document_has_figures_and_goals() -> None:
    content = built()
    first, second, third = content["rows"]
    assert (first["value"], first["peer"], first["ratio"], first["raw"]) == (1.235, 2.0, 0.617, None)
    assert first["spread"]["ours"] == {"low": 1.0, "high": 2.0, "samples": 5}
    assert first["repeat"] == "make benchmark NAME=helm4.noop"
    assert (second["peer"], second["ratio"]) == (None, None)
    assert third["note"] == "no figures of peer: it says no"
    assert {goal["name"]: goal["holds"] for goal in content["goals"]} == {
        "helm4.noop.task": True,
        "helm4.noop.processes": False,
        "helm3.noop.playbook": None,
    }


def test_the_table_has_a_line_for_each_row() -> None:
    head, *lines = table(ROWS).splitlines()
    assert head.split()[:3] == ["what", "ours", "peer"]
    assert [line.split()[0] for line in lines] == [row.name for row in ROWS]
    assert "1.23 (1.00-2.00)" in lines[0]
    assert "0.62" in lines[0]


def test_a_note_is_told_once_for_all_its_rows() -> None:
    assert notes_text([*ROWS, ROWS[2]]) == "  helm3.noop: playbook, playbook: no figures of peer: it says no"


def test_goals_are_told_as_they_are() -> None:
    said = goals_text(judge(ROWS)).splitlines()
    assert [line.split("  ")[1].strip() for line in said] == ["holds", "DOES NOT HOLD", "cannot be judged"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], list(FULL)),
        (["helm3.noop"], ["helm3.noop"]),
        (["noop"], ["helm4.noop", "helm3.noop"]),
        (["helm4", "helm3.failing"], ["helm4.noop", "helm4.upgrade", "helm4.failing", "helm3.failing"]),
    ],
)
def test_names_choose_cases(names: list[str], expected: list[str]) -> None:
    assert chosen(names) == expected


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(Broken, match=r"no case nop\. Known: helm4\.noop"):
        chosen(["nop", "noop"])
