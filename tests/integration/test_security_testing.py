# The section Security Testing on the sandbox: green as it is, nothing left behind, and nothing sent in check mode.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Player, Whole

SECTION = "security_testing"
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def section(whole: Whole) -> dict[str, dict[str, Any]]:
    return {one["item"]: one for one in whole.controls(f"{SECTION}.").values()}


def test_a_sound_application_is_green(section: dict[str, dict[str, Any]]) -> None:
    states = {item: (one["state"], one["summary"]) for item, one in section.items()}
    assert {state for state, _summary in states.values()} == {"pass"}, states


def test_many_texts_were_tried_and_none_is_left(section: dict[str, dict[str, Any]], kubectl: Kubectl) -> None:
    tried = section["injection"]["evidence"][0]["observed"]["tried"]
    assert {"POST /api/v1/tasks (body description)", "POST /api/v1/auth/login (body username)"} <= set(tried)
    asked = ("psql", "-qtA", "-h", "/run/postgresql", "-U", "postgres", "bytebot_production")
    count = """SELECT count(*) FROM "Task" WHERE description LIKE '%bbprobe%'"""
    assert kubectl("-n", "database", "exec", "postgres-0", "--", *asked, "-c", count).strip() == "0"


def test_check_mode_sends_nothing(tmp_path: Path) -> None:
    played = Player()(
        "playbooks/verify.yml", "--check", "--tags", SECTION, variables={"bytebot_reports_dir": str(tmp_path)}
    )
    assert "check mode sends none" in played.output, played.output[-3000:]
    assert "texts in 19 inputs" not in played.output
