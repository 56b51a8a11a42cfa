# The windows after a go-live on the real monitoring: what is not over waits, what is over is answered and tested again.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import FULL, load
from tests.integration.conftest import Player

PLAYBOOK = "playbooks/go_live_window.yml"
WINDOWS = {
    "t_plus_30m.stability",
    "t_plus_30m.functionality",
    "t_plus_30m.errors",
    "t_plus_30m.traffic",
    "t_plus_2h.performance",
    "t_plus_2h.alerts",
    "t_plus_2h.errors",
}
pytestmark = pytest.mark.skipif(load().profile != FULL, reason="the sandbox is up without its profile `full`")


def judged(folder: Path, at: datetime, **more: Any) -> dict[str, dict[str, Any]]:
    variables = {"bytebot_reports_dir": str(folder), "bytebot_go_live": {"at": at.isoformat()}, **more}
    played = Player()(PLAYBOOK, "--tags", "go_live", variables=variables)
    document = json.loads((folder / "sandbox" / "latest" / "results.json").read_text(encoding="utf-8"))
    found = {one["id"].removeprefix("go_live."): one for one in document["controls"]}
    assert found.keys() >= WINDOWS, played.output[-2000:]
    return {name: found[name] for name in WINDOWS}


def test_what_is_not_over_says_until_when(tmp_path: Path) -> None:
    controls = judged(tmp_path, datetime.now(UTC))
    assert {one["state"] for one in controls.values()} == {"pending"}
    assert [name for name, one in controls.items() if "is over at" not in one["summary"]] == []


def test_what_is_over_is_answered_by_the_real_monitoring(tmp_path: Path) -> None:
    controls = judged(tmp_path, datetime.now(UTC) - timedelta(minutes=3), bytebot_expected_traffic={})
    states = {name: (one["state"], one["summary"]) for name, one in controls.items()}
    assert [told for told in states.values() if told[0] == "error"] == []
    assert states["t_plus_30m.functionality"][0] == "pass", states
    assert states["t_plus_30m.traffic"][0] == "pending"
    assert "bytebot_expected_traffic" in controls["t_plus_30m.traffic"]["remedy"]
    (evidence,) = controls["t_plus_2h.alerts"]["evidence"]
    assert evidence["observed"]["rules_evaluated"] > 0
    assert controls["t_plus_30m.functionality"]["weaker"] == ["tested 60s after the go-live, document 30m"]
