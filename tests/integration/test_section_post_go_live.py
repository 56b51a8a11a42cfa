# The reviews on the sandbox: over a replayed history all that is settled from it is green; without one nothing is due.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.history import STAGES
from sandbox import replay
from sandbox.faults import Faults
from sandbox.settings import FULL, load
from tests.integration.conftest import Player

MINE = [control for stage in STAGES.values() for control in stage]
# It also asks what fires now, and the tests before this one sign in wrongly.
LIVE = "post_go_live.week_security.alerts"
TAGS = ("--tags", "post_go_live", "--skip-tags", "deployment")

pytestmark = pytest.mark.skipif(load().profile != FULL, reason="nothing watches here without the profile full")


def states(reports: Path, **more: Any) -> dict[str, dict[str, Any]]:
    variables = {"bytebot_reports_dir": str(reports), "run_fresh": True, **more}
    played = Player()("playbooks/review.yml", *TAGS, variables=variables)
    assert "Traceback" not in played.output
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text(encoding="utf-8"))
    assert document["run"]["closed"], played.output
    return {entry["id"]: entry for entry in document["controls"]}


def test_a_replayed_history_is_green_and_what_is_not_due_says_when(tmp_path: Path) -> None:
    hands = Faults(load()).hands
    replay.play(hands.settings, hands.cluster)
    try:
        found = states(tmp_path / "replayed")
        held = [control for control in MINE if control != LIVE]
        assert {control: found[control]["state"] for control in held} == dict.fromkeys(held, "pass")
        assert found[LIVE]["state"] == "pass" or "fires now" in found[LIVE]["summary"], found[LIVE]["summary"]
    finally:
        replay.stop(hands.settings)
    found = states(tmp_path / "young")
    assert {found[control]["state"] for control in MINE} == {"pending"}
    assert all("not due before" in found[control]["summary"] for control in MINE)
