# The section monitoring on the healthy sandbox: every control is green, and nothing of what it makes is left.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import FULL, load
from tests.integration.conftest import Played, Player, Whole
from tests.integration.test_monitoring import ask

S = load()
SECTION = "monitoring."
MARK = "BytebotDeliveryTest"
pytestmark = pytest.mark.skipif(S.profile != FULL, reason="the sandbox is up without its profile `full`")


def judged(folder: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((folder / "sandbox" / "latest" / "results.json").read_text(encoding="utf-8"))
    return {one["id"]: one for one in document["controls"] if one["id"].startswith(SECTION)}


@pytest.fixture(scope="module")
def healthy(whole: Whole) -> tuple[Played, dict[str, dict[str, Any]]]:
    """What was judged of the section."""
    return whole.played, whole.controls(SECTION)


def test_every_control_is_green(healthy: tuple[Played, dict[str, dict[str, Any]]]) -> None:
    played, controls = healthy
    assert {name: (one["state"], one["summary"]) for name, one in controls.items() if one["state"] != "pass"} == {}, (
        played.output[-2000:]
    )
    assert len(controls) == 12


def test_a_test_alert_arrived_by_each_way_and_is_over(healthy: tuple[Played, dict[str, dict[str, Any]]]) -> None:
    _played, controls = healthy
    (evidence,) = controls["monitoring.alerting.delivery"]["evidence"]
    sent = evidence["observed"]["sent"]
    assert {(way["receiver"], way["by"]) for one in sent for way in one["ways"]} == {
        ("critical-alerts", "webhook"), ("critical-alerts", "slack"), ("critical-alerts", "email"),
        ("warning-alerts", "webhook"), ("warning-alerts", "email"), ("default-receiver", "email"),
    }  # fmt: skip
    for one in sent:
        assert ask("sinks", f"/received?contains={one['alert']}")["messages"]
    assert [one for one in ask("alertmanager", "/api/v2/alerts") if one["labels"]["alertname"].startswith(MARK)] == []
    assert [one for one in ask("alertmanager", "/api/v2/silences") if one["status"]["state"] == "active"] == []


def test_check_mode_causes_nothing(tmp_path: Path) -> None:
    before = ask("sinks", f"/received?contains={MARK}")["came"]
    variables = {"bytebot_reports_dir": str(tmp_path)}
    played = Player()("playbooks/verify.yml", "--tags", "monitoring", "--check", variables=variables)
    assert "Traceback" not in played.output, played.output[-2000:]
    assert "Judge the lines that come to the log store" in played.output
    assert ask("sinks", f"/received?contains={MARK}&after={before}")["messages"] == []


def test_where_nothing_may_be_written_no_alert_goes_out(tmp_path: Path) -> None:
    before = ask("sinks", "/received")["came"]
    variables = {"bytebot_reports_dir": str(tmp_path), "bytebot_tests_allowed": []}
    Player()("playbooks/verify.yml", "--tags", "monitoring", variables=variables)
    states = {name: (one["state"], one["summary"]) for name, one in judged(tmp_path).items()}
    for name in ("metrics.business", "alerting.trigger", "alerting.delivery"):
        state, summary = states[f"monitoring.{name}"]
        assert state == "pending", summary
    assert ask("sinks", f"/received?contains={MARK}&after={before}")["messages"] == []
