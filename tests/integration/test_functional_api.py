# The API and the desktop of the healthy sandbox, judged by the playbook: all green, nothing left, nothing made unasked.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import ROOT, Player, Whole
from tests.integration.deployed import API, world

CONTROLS = [
    control
    for name, listed in yaml.safe_load((ROOT / "roles/functional_testing/vars/main.yml").read_text()).items()
    if name in {"functional_testing_api_controls", "functional_testing_computer_use_controls"}
    for control in listed
]
MARKS = ("bytebot-api-check", "bytebot-desktop-check")
TAGS = ("--tags", "functional_testing")


def judged(reports: Path) -> dict[str, Any]:
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text())
    return {one["id"]: one for one in document["controls"] if one["id"] in CONTROLS}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


def test_every_control_is_green(whole: Whole) -> None:
    found = whole.controls("functional_testing.")
    states = {id_: f"{found[id_]['state']}: {found[id_]['summary']}" for id_ in CONTROLS if id_ in found}
    wrong = {id_: told for id_, told in states.items() if not told.startswith("pass")}
    assert wrong == {}
    assert sorted(states) == sorted(CONTROLS)


def test_nothing_that_was_made_is_left(whole: Whole) -> None:
    with world() as there:
        for path in ("tasks?limit=100", "users?limit=100", "roles"):
            answer = there.client.get(f"{API}/{path}", headers=there.administrator, timeout=30)
            assert answer.status_code == 200
            assert [mark for mark in MARKS if mark in answer.text] == [], path


def test_no_file_is_left_on_the_desktop(whole: Whole, kubectl: Callable[..., str]) -> None:
    listed = kubectl("-n", "bytebot-production", "exec", "deployment/bytebot-desktop", "--", "ls", "/home/user/Desktop")
    assert [mark for mark in MARKS if mark in listed] == []


def test_check_mode_sends_nothing(reports: Path) -> None:
    foretold = Player()(
        "playbooks/verify.yml", *TAGS, "--check", variables={"bytebot_reports_dir": str(reports), "run_fresh": True}
    )
    assert foretold.changed == 0
    assert foretold.output.count("check mode sends none") >= len(CONTROLS), "nothing is recorded in check mode"


def test_nothing_is_made_where_it_is_not_permitted(reports: Path) -> None:
    without = {"bytebot_tests_allowed": [], "bytebot_burst_allowed": False, "bytebot_reports_dir": str(reports)}
    Player()("playbooks/verify.yml", *TAGS, variables={**without, "run_fresh": True})
    found = judged(reports)
    assert {id_.rpartition(".")[2] for id_, one in found.items() if one["state"] == "pass"} == {"errors", "cors"}
    pending = [one for one in found.values() if one["state"] == "pending"]
    assert len(pending) == len(CONTROLS) - 2
    assert all("bytebot_" in one["remedy"] for one in pending)
