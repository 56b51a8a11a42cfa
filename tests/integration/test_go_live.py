# The last stages on the real sandbox: all hold while it is healthy, nothing stays, and no stage begins around a gate.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import FULL, load
from tests.integration.conftest import Player

S = load()
pytestmark = pytest.mark.skipif(S.profile != FULL, reason="channels end in sinks, which the profile `full` has alone")
HOLDS = (
    "go_live.t_minus_2h.dashboards", "go_live.t_minus_2h.channels", "go_live.t_zero.deploy", "go_live.t_zero.health",
    "go_live.t_zero.endpoints", "go_live.t_zero.smoke",
)  # fmt: skip


def document(reports: Path) -> dict[str, dict[str, Any]]:
    read = json.loads((reports / "sandbox" / "latest" / "results.json").read_text())
    return {one["id"]: one for one in read["controls"]}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The stages T-2h and T-0, judged alone and once."""
    reports = tmp_path_factory.mktemp("reports")
    played = Player()("tests/sabotage/go_live.yml", variables={"bytebot_reports_dir": str(reports)})
    assert played.changed == 0, "it judges, and changes nothing"
    return document(reports)


def test_the_last_stages_hold(judged: dict[str, dict[str, Any]]) -> None:
    found = {id_: (judged[id_]["state"], judged[id_]["summary"]) for id_ in HOLDS}
    assert {id_: state for id_, (state, _) in found.items()} == dict.fromkeys(HOLDS, "pass"), found


def test_messages_were_delivered_and_dashboards_are_linked(judged: dict[str, dict[str, Any]]) -> None:
    assert "3 delivered" in judged["go_live.t_minus_2h.channels"]["summary"]
    links = judged["go_live.t_minus_2h.dashboards"]["evidence"][0]["observed"]["links"]
    assert links["bytebot-overview"] == "https://grafana.bytebot.test/d/bytebot-overview"


def test_no_stage_begins_where_the_one_before_is_not_open(tmp_path: Path) -> None:
    variables = {"bytebot_reports_dir": str(tmp_path), "go_live_stage": "t_zero"}
    played = Player()("playbooks/go_live.yml", variables=variables)
    assert played.code == 2
    said = " ".join(played.output.split())
    assert "Stage t_zero is not launched: the gate t_minus_2h before it is not assessed" in said
    assert "Nothing was done." in said
    assert played.changed == 0
