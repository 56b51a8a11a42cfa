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


@pytest.mark.parametrize("decision", ["shut", "not_assessed", ""])
def test_no_gate_but_an_open_one_lets_a_stage_begin(decision: str) -> None:
    assert refused(go_live_early=0, go_live_wait=900, go_live_gate_before={"decision": decision}) == "not open"
