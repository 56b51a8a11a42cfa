# The section Security Testing on the sandbox: green as it is, nothing left behind, and nothing sent in check mode.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Played, Player

TAGS = ("--tags", "deployment,security_testing")
SECTION = "security_testing"
Kubectl = Callable[..., str]


def section(reports: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text())
    return {one["item"]: one for one in document["controls"] if one["section"] == SECTION}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def tested(reports: Path) -> Played:
    return Player()("playbooks/verify.yml", *TAGS, variables={"bytebot_reports_dir": str(reports)})


def test_a_sound_application_is_green(tested: Played, reports: Path) -> None:
    states = {item: (one["state"], one["summary"]) for item, one in section(reports).items()}
    assert {state for state, _summary in states.values()} == {"pass"}, (states, tested.output[-3000:])


def test_many_texts_were_tried_and_none_is_left(tested: Played, kubectl: Kubectl, reports: Path) -> None:
    tried = next(
        one["evidence"][0]["observed"]["tried"] for item, one in section(reports).items() if item == "injection"
    )
    assert {"POST /api/v1/tasks (body description)", "POST /api/v1/auth/login (body username)"} <= set(tried)
    asked = ("psql", "-qtA", "-h", "/run/postgresql", "-U", "postgres", "bytebot_production")
    count = """SELECT count(*) FROM "Task" WHERE description LIKE '%bbprobe%'"""
    assert kubectl("-n", "database", "exec", "postgres-0", "--", *asked, "-c", count).strip() == "0"


def test_check_mode_sends_nothing(tmp_path: Path) -> None:
    played = Player()("playbooks/verify.yml", "--check", *TAGS, variables={"bytebot_reports_dir": str(tmp_path)})
    assert "check mode sends none" in played.output, played.output[-3000:]
    assert "texts in 19 inputs" not in played.output
