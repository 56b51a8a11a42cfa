# Whether a stage of going live begins: what the task says, as values come from the inventory or the command line.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

BEGIN = Path(__file__).parents[3] / "roles" / "go_live" / "tasks" / "begin.yml"
SAID = {"go_live_not_open": "not open", "go_live_too_early": "too early", "ansible_check_mode": False}


def refused(**variables: Any) -> str:
    (task,) = [one for one in yaml.safe_load(BEGIN.read_text()) if one["name"] == "Say why the stage cannot begin"]
    said = Environment(autoescape=True).from_string(task["ansible.builtin.set_fact"]["go_live_refused"])
    return said.render({**SAID, "go_live_gate_before": {"decision": "open"}, **variables}).strip()


@pytest.mark.parametrize("wait", [900, "900"])
def test_how_long_is_waited_may_come_from_the_command_line(wait: Any) -> None:
    assert refused(go_live_early="901", go_live_wait=wait) == "too early"
    assert refused(go_live_early="900", go_live_wait=wait) == ""


@pytest.mark.parametrize(
    ("minutes", "wait", "early_s"), [(-120, 900, 8100), ("-240", "600", 15000), (0, 900, 8100), (-120, 3600, 10800)]
)
def test_what_counts_for_this_go_live_is_judged_since_its_stage_may_begin(
    minutes: Any, wait: Any, early_s: int
) -> None:
    name = "Remember how long before the go-live its stage T-2h may begin"
    (task,) = [one for one in yaml.safe_load(BEGIN.read_text()) if one["name"] == name]
    said = Environment(autoescape=True).from_string(task["ansible.builtin.set_fact"]["go_live_early_s"])
    assert int(said.render(go_live_minutes={"t_minus_2h": minutes}, go_live_wait=wait)) == early_s


@pytest.mark.parametrize("decision", ["shut", "not_assessed", ""])
def test_no_gate_but_an_open_one_lets_a_stage_begin(decision: str) -> None:
    assert refused(go_live_early=0, go_live_wait=900, go_live_gate_before={"decision": decision}) == "not open"
