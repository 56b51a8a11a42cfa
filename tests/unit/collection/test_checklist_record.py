# The action checklist_record: wrong results and arguments are refused, check mode writes nothing, one run until closed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.action import checklist_record
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import checked
from tests.unit.collection.record_fixtures import ENVIRONMENT, FACTS, HEALTH, KNOWN, PODS, act, result

TLS = "infrastructure.database.tls"

# ---------------------------------------------------------------------- refused results


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("x", "no result"),
        ({"control": PODS}, "no result"),
        (result("a.b.c"), "has no control a.b.c"),
        (result(PODS, "green"), "which no check gives"),
        (result(PODS, "waived"), "signed statement"),
        (result(PODS, "stale"), "which no check gives"),
        (result(PODS, evidence=[]), "pass without evidence"),
        (result(PODS, evidence=["x"]), "evidence without source"),
        (result(PODS, evidence=[{**result(PODS)["evidence"][0], "sha256": "0"}]), "does not match its SHA-256"),
        (result(PODS, started="yesterday"), "no time"),
        (result(PODS, started="2026-11-24T16:00:00"), "no time"),
        (result(PODS, duration_s=-1), "no duration"),
        (result(PODS, weaker="x"), "list of texts"),
    ],
)
def test_a_wrong_result_is_refused_in_one_sentence(wrong: Any, said: str) -> None:
    with pytest.raises(CollectionError, match=said):
        checked([result(HEALTH), wrong], KNOWN)


def test_results_must_be_a_list() -> None:
    with pytest.raises(InputError, match="give the list of results"):
        checked("x", KNOWN)


# ---------------------------------------------------------------------- the action


def record(folder: Path, check_mode: bool = False, **more: Any) -> dict[str, Any]:
    args = {"reports_dir": str(folder / "reports"), "environment": asdict(ENVIRONMENT), "binding": asdict(FACTS)}
    return act(checklist_record.ActionModule, {**args, **more}, check_mode)


def test_the_action_records_into_one_run_until_it_is_closed(tmp_path: Path) -> None:
    first = record(tmp_path, results=[result(PODS)], open=True)
    second = record(tmp_path, results=[result(TLS)])
    last = record(tmp_path, close=True)
    assert first["run"] == second["run"] == last["run"]
    assert (last["changed"], last["counts"]["pass"]) == (False, 2)
    document = json.loads((Path(last["path"]) / "results.json").read_text())
    assert document["run"]["closed"]
    assert document["counts"] == last["counts"]
    assert record(tmp_path)["run"] != last["run"]


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    said = record(tmp_path, check_mode=True, results=[result(PODS)], open=True)
    assert (said["changed"], said["run"], said["counts"]["pass"]) == (False, "check-mode", 1)
    assert list(tmp_path.iterdir()) == []
    before = record(tmp_path, results=[result(PODS)])
    contents = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    again = record(tmp_path, check_mode=True, results=[result(TLS)], close=True)
    assert (again["run"], again["counts"]["pass"]) == (before["run"], 2)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == contents


def test_check_mode_carries_no_older_result_over_a_newer_one(tmp_path: Path) -> None:
    record(tmp_path, results=[result(PODS), result(TLS)], open=True, close=True)
    record(tmp_path, results=[result(PODS, "fail")], open=True)
    said = record(tmp_path, check_mode=True, open=True, carry=True)
    assert (said["counts"]["fail"], said["counts"]["pass"]) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"results": "x"},
        {"results": [{"control": "a.b.c"}]},
        {"environment": None},
        {"environment": {"name": "shop"}},
        {"binding": {"chart_digest": "a"}},
        {"reports_dir": " "},
        {"reports_dir": ["x"]},
        {"open": "perhaps"},
        {"close": 3},
    ],
)
def test_a_wrong_argument_costs_one_sentence(wrong: dict[str, Any], tmp_path: Path) -> None:
    said = record(tmp_path, **wrong)
    assert said["failed"] is True
    assert said["msg"].endswith((".", ")"))
    assert "\n" not in said["msg"]
    assert list(tmp_path.iterdir()) == []
