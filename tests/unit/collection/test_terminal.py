# The table in the terminal and the action that shows it: nothing unjudged looks green, nothing unknown is shown.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.action.checklist_report import ActionModule
from ansible_collections.bytebot.production.plugins.module_utils.model import State
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.render import terminal

KNOWN = catalogue.load()
SECTION = ["deployment"]
LINT, PODS = "deployment.validation.lint", "deployment.execution.pods"
LINT_TITLE, PODS_TITLE = "Helm chart syntax validation passes", "All pods start successfully within timeout"


def result(control: str, state: str, summary: str = "So it was seen.", remedy: str = "") -> dict[str, Any]:
    return {"control": control, "state": state, "summary": summary, "remedy": remedy}


def lines_about(title: str, text: str) -> list[str]:
    """The line with a title and what is indented below it."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if title in line)
    below = next((number for number in range(at + 1, len(lines)) if not lines[number].startswith(" " * 11)), len(lines))
    return [line.strip() for line in lines[at:below]]


def test_every_control_has_its_line_in_the_documents_order() -> None:
    text = terminal.table(KNOWN, SECTION, [], 100)
    titles = [control.title for control in KNOWN.section("deployment")]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert text.splitlines()[0] == "Deployment Process"
    assert text.count("Step ") == 5


def test_what_was_not_judged_is_pending_and_not_green() -> None:
    text = terminal.table(KNOWN, SECTION, [], 100)
    assert " ok " not in text
    assert lines_about(LINT_TITLE, text) == [f"-      {LINT_TITLE}"]


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_own_sign(state: State) -> None:
    line = lines_about(LINT_TITLE, terminal.table(KNOWN, SECTION, [result(LINT, state)], 100))[0]
    assert line.startswith(terminal.SIGNS[state])
    assert len(set(terminal.SIGNS.values())) == len(terminal.SIGNS)


def test_a_red_control_shows_summary_and_remedy_in_full() -> None:
    long = "word " * 40
    red = result(LINT, "fail", f"It failed: {long}end.", "Mend it.")
    shown = lines_about(LINT_TITLE, terminal.table(KNOWN, SECTION, [red], 80))
    assert " ".join(shown[1:]) == f"It failed: {long}end. -> Mend it."
    assert max(len(line) for line in terminal.table(KNOWN, SECTION, [red], 80).splitlines()) <= 80


def test_a_green_control_takes_one_line_however_long_its_summary() -> None:
    green = result(LINT, "pass", "seen\nin two lines " + "word " * 60, "")
    text = terminal.table(KNOWN, SECTION, [green], 80)
    assert len(text.splitlines()) == len(terminal.table(KNOWN, SECTION, [], 80).splitlines())
    line = next(line for line in text.splitlines() if LINT_TITLE in line)
    assert len(line) == 80
    assert line.endswith("…")


@pytest.mark.parametrize("state", ["pass", "fail"])
def test_what_a_service_answered_moves_no_cursor(state: str) -> None:
    control = next(iter(catalogue.load().controls.values()))
    acting = "It answers \x1b[2K\x1b[1A\x9b2J\u202eno."
    told = terminal.table(catalogue.load(), [control.section], [result(control.id, state, acting, acting)], 120)
    assert "It answers [2K[1A2Jno." in told
    assert not {"\x1b", "\x9b", "\u202e"} & set(told)


def test_the_last_result_of_a_control_counts() -> None:
    both = [result(LINT, "fail", "Red."), result(LINT, "pass", "Green.")]
    assert "Green." in terminal.table(KNOWN, SECTION, both, 100)
    assert "FAIL" not in terminal.table(KNOWN, SECTION, both, 100)


def test_counts_say_what_is_judged_and_that_the_rest_is_pending() -> None:
    some = [result(LINT, "pass"), result(PODS, "fail"), result("deployment.health.pods", "pending")]
    assert terminal.counts(KNOWN, SECTION, some) == (
        "2 of 22 controls judged: 1 fail, 1 pass; 20 are not judged yet, so they are pending."
    )
    assert (
        terminal.counts(KNOWN, SECTION, [])
        == "0 of 22 controls judged: none; 22 are not judged yet, so they are pending."
    )
    every = [result(control.id, "pass") for control in KNOWN.section("deployment")]
    assert terminal.counts(KNOWN, SECTION, every) == "22 of 22 controls judged: 22 pass."


def test_facts_are_two_columns() -> None:
    assert (
        terminal.facts([("release", "bytebot 3"), ("url", "https://x")]) == "  release  bytebot 3\n  url      https://x"
    )
    assert terminal.facts([]) == ""


# ---------------------------------------------------------------------- the action


def act(**args: Any) -> dict[str, Any]:
    task = SimpleNamespace(args=args, async_val=0, check_mode=False, diff=False, action="checklist_report")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), supports_persistence=False)
    action = ActionModule(task, connection, SimpleNamespace(), None, None, None)
    return action.run(None, {})


def test_the_action_shows_and_names_what_is_red() -> None:
    out = act(results=[result(LINT, "error"), result(PODS, "pass")], sections=SECTION, facts={"release": "bytebot"})
    assert out["failed_controls"] == [LINT]
    assert "release  bytebot" in out["msg"]
    assert PODS_TITLE in out["msg"]
    assert not out.get("failed")


def test_what_is_red_is_what_the_table_shows_as_red() -> None:
    assert act(results=[result(LINT, "fail"), result(LINT, "pass")], sections=SECTION)["failed_controls"] == []
    assert act(results=[result(LINT, "pass"), result(LINT, "fail")], sections=SECTION)["failed_controls"] == [LINT]


def test_advice_is_red_and_no_failed_must() -> None:
    advice = {**result(PODS, "fail"), "level": "should"}
    out = act(results=[result(LINT, "fail"), advice], sections=SECTION)
    assert (out["failed_controls"], out["failed_must_controls"]) == ([LINT, PODS], [LINT])


def test_without_sections_all_are_shown() -> None:
    assert all(control.title in act(results=[])["msg"] for control in KNOWN.controls.values())


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({}, "results: give the list of results"),
        ({"results": "all"}, "results: give the list of results"),
        ({"results": {"a": 1}}, "results: give the list of results"),
        ({"results": ["pass"]}, "is no result (control, state and summary are needed)"),
        ({"results": [{"control": LINT, "state": "pass"}]}, "is no result"),
        (
            {"results": [result("deployment.validation.typo", "pass")]},
            "the catalogue has no control deployment.validation.typo",
        ),
        ({"results": [result(LINT, "green")]}, "is in the state green, which is none"),
        ({"results": [result(LINT, "FAIL")]}, "which is none"),
        ({"results": [], "sections": ["depolyment"]}, "the catalogue has no section depolyment"),
        ({"results": [], "sections": "deployment"}, "sections: give a list"),
        ({"results": [], "facts": ["x"]}, "facts: give names and values"),
    ],
)
def test_bad_input_is_one_sentence(args: dict[str, Any], sentence: str) -> None:
    out = act(**args)
    assert out["failed"] is True
    assert sentence in out["msg"]
