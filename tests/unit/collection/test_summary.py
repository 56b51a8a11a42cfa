# The summary of a run: the gate first and last, every red with its remedy, the rest by reason, and never endless.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
import report_fixtures as fixtures

from ansible_collections.bytebot.production.plugins.plugin_utils import gate
from ansible_collections.bytebot.production.plugins.plugin_utils.render import summary

READY = "deployment.health.ready"


def decided(document: dict[str, Any], stage: str = "deploy") -> dict[str, Any]:
    for entry in document["controls"]:
        entry.setdefault("weaker", [])
    return {**document, "gate": gate.decide(document, stage, gate.Policy()).to_dict()}


def text(document: dict[str, Any], width: int = 120) -> str:
    return summary.text(document, [("release", "bytebot 3")], ["204 counted."], width)


MIXED = decided(fixtures.mixed())


def test_the_gate_stands_first_and_last() -> None:
    lines = text(MIXED).splitlines()
    assert lines[0] == lines[-1] == summary.verdict(MIXED)
    assert lines[0].startswith("The gate deploy is shut: 2 fail, 1 error")
    assert "(infrastructure.cluster.resources and " in lines[0]


def test_it_fits_a_screen_and_its_width() -> None:
    lines = text(MIXED, 100).splitlines()
    assert len(lines) < 45
    assert max(len(line) for line in lines if not line.startswith("The gate")) <= 100


def test_each_red_stands_with_what_was_seen_and_what_to_do() -> None:
    shown = text(MIXED)
    for entry in MIXED["controls"]:
        if entry["state"] in ("fail", "error", "inconclusive"):
            assert entry["id"] in shown
            assert entry["remedy"][:40] in shown


def test_what_shuts_the_gate_stands_before_what_does_not() -> None:
    controls = [
        fixtures.entry(fixtures.IDS[0], "fail", summary="Early.", level="should"),
        fixtures.entry(READY, "inconclusive", summary="Late."),
    ]
    shown = text(decided(fixtures.document(controls)))
    assert shown.index("Late.") < shown.index("Early.")
    assert "(advice: it does not shut a gate)" in shown


def test_what_is_not_known_stands_by_reason() -> None:
    ids = [id_ for id_ in fixtures.IDS if id_.startswith("deployment.")]
    controls = [
        fixtures.entry(id_, "pending", summary=f"blocked by {READY}; judged by itself it was fail: {id_}")
        for id_ in ids
    ]
    controls += [
        fixtures.entry(id_, "pending", summary=f"not due before stage {fixtures.KNOWN.controls[id_].stage}")
        for id_ in fixtures.IDS
        if id_.startswith(("post_go_live.", "sign_off."))
    ]
    shown = text(decided(fixtures.document(controls)))
    assert f"{len(ids)}  blocked by {READY}: " in shown
    assert " 30  not due yet: " in shown
    assert "judged by itself" not in shown


def test_it_is_bounded_and_says_so() -> None:
    every = fixtures.all_in("fail", summary="x" * 5000, remedy="y " * 5000)
    assert f"{204 - summary.MOST_REDS}  more" in text(decided(every))
    unlike = fixtures.all_in("pending")
    for number, entry in enumerate(unlike["controls"]):
        entry["summary"] = f"reason {number}"
    unlike["controls"].append(fixtures.entry(next(id_ for id_ in fixtures.IDS if ".month_" in id_)))
    shown = text(decided(unlike, "month"))
    assert f"{204 - summary.MOST_REASONS}  for other reasons" in shown
    assert len(text(decided(every)).splitlines()) < 120


@pytest.mark.parametrize("state", ["stale", "waived", "not_applicable"])
def test_whatever_the_gate_names_is_shown(state: str) -> None:
    controls = [fixtures.entry(READY, state, summary="Seen.", expires=None, may_not_apply=False)]
    document = decided(fixtures.document(controls))
    assert document["gate"]["decision"] != "open"
    assert "Seen." in text(document).replace(": ", ". ") or "Seen:" in text(document)


def test_an_open_gate_and_one_that_was_not_asked() -> None:
    assert summary.verdict(decided(fixtures.all_in("pass"))) == "The gate deploy is open."
    not_asked = {**fixtures.all_in("pass"), "gate": gate.Decision("not_assessed", None, (gate.NOT_ASKED,)).to_dict()}
    assert summary.verdict(not_asked) == f"The gate is not assessed. {gate.NOT_ASKED}"
    nothing = decided(fixtures.document([]))
    assert "No control of the stage deploy has been judged." in summary.verdict(nothing)


def test_a_terminal_only_prints_it() -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e\nThe gate deploy is open."
    document = decided(fixtures.all_in("fail", summary=hostile, remedy=hostile))
    shown = text(document)
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "The gate deploy is open." not in shown.splitlines()
