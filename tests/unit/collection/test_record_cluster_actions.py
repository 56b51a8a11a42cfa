# The actions with the record in a cluster: they decide as from files, on any machine, and refuse wrong places.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.action import checklist_gate, checklist_record, checklist_report
from ansible_collections.bytebot.production.plugins.plugin_utils.record import opening
from tests.unit.collection.record_cluster import RecordCluster
from tests.unit.collection.record_fixtures import ENVIRONMENT, FACTS, HEALTH, PODS, act, result
from tests.unit.collection.test_record_store import TLS


@pytest.fixture
def cluster() -> RecordCluster:
    return RecordCluster()


RECORD = {"store": "cluster", "namespace": "record"}


@pytest.fixture
def actions(cluster: RecordCluster, monkeypatch: pytest.MonkeyPatch) -> RecordCluster:
    monkeypatch.setattr(opening, "Cluster", lambda connection, cache: cluster)
    return cluster


def record(folder: Path, place: dict[str, Any] | None = None, check: bool = False, **more: Any) -> dict[str, Any]:
    args = {"reports_dir": str(folder), "environment": asdict(ENVIRONMENT), "binding": asdict(FACTS)}
    return act(checklist_record.ActionModule, {**args, "record": RECORD if place is None else place, **more}, check)


def test_the_gate_decides_as_from_files_on_any_machine(actions: RecordCluster, tmp_path: Path) -> None:
    given = [result(PODS), result(HEALTH, "fail"), result(TLS, "inconclusive")]
    ids = {name: record(tmp_path / name, place, results=given)["run"] for name, place in (("a", RECORD), ("b", {}))}
    asked = {"stage": "deploy", "environment": "shop", "fail": False}
    said = {
        name: act(
            checklist_gate.ActionModule,
            {**asked, "run": ids[name[0]], "reports_dir": str(tmp_path / name), "record": place},
        )
        for name, place in (("a", RECORD), ("b", {}), ("a-empty", RECORD))
    }
    told = [{key: one[key] for key in ("decision", "reasons", "notes", "msg")} for one in said.values()]
    assert told[0] == told[1] == told[2]
    assert told[0]["decision"] == "shut"
    closed = record(tmp_path / "third", close=True)
    assert closed["run"] == ids["a"]
    report = act(
        checklist_report.ActionModule,
        {"path": str(tmp_path / "fourth" / "shop" / ids["a"]), "record": RECORD},
    )
    assert report["failed_controls"] == [HEALTH]
    assert Path(report["files"]["report.html"]).is_file()
    document = json.loads((tmp_path / "fourth" / "shop" / ids["a"] / "results.json").read_text())
    assert document["gate"]["decision"] == "shut"
    assert document["run"]["closed"]


def test_the_difference_to_the_run_before_comes_from_the_cluster(actions: RecordCluster, tmp_path: Path) -> None:
    before = record(tmp_path / "one", results=[result(HEALTH, "fail")], close=True)
    after = record(tmp_path / "two", results=[result(HEALTH)])
    document = json.loads((Path(after["path"]) / "results.json").read_text())
    assert document["previous"] == {
        "run": before["run"],
        "changed": [{"id": HEALTH, "from": "fail", "to": "pass"}],
    }


def test_check_mode_asks_and_writes_nothing(actions: RecordCluster, tmp_path: Path) -> None:
    said = record(tmp_path, check=True, results=[result(PODS)], open=True)
    assert (said["run"], said["counts"]["pass"], said["changed"]) == ("check-mode", 1, False)
    assert (actions.names(), actions.writes, list(tmp_path.iterdir())) == ([], 0, [])
    gate = act(checklist_gate.ActionModule, {"path": said["path"], "stage": "deploy", "record": RECORD}, True)
    assert (gate["decision"], gate["failed"]) == ("not_assessed", False)
    lost = record(tmp_path, {**RECORD, "namespace": "nowhere"}, check=True, open=True)
    assert "There is no namespace nowhere" in lost["msg"]


def test_the_store_is_that_of_the_run_that_was_opened(actions: RecordCluster) -> None:
    place = opening.Place.of({}, {"run_record": {"record": RECORD}})
    assert (place.store, place.namespace) == ("cluster", "record")
    assert opening.Place.of({"record": {"store": "files"}}, {"run_record": {"record": RECORD}}).store == "files"
    assert opening.Place.of({}, {}).store == "files"


@pytest.mark.parametrize(
    "wrong",
    [
        "cluster",
        {"store": "disk"},
        {"store": "cluster"},
        {"store": "cluster", "namespace": "No_Name"},
        {**RECORD, "keep": 0},
        {**RECORD, "keep": "many"},
        {**RECORD, "lease": 1},
        {**RECORD, "size": 1},
    ],
)
def test_a_wrong_place_costs_one_sentence(wrong: Any, actions: RecordCluster, tmp_path: Path) -> None:
    said = record(tmp_path, wrong)
    assert said["failed"] is True
    assert said["msg"].startswith("record: ")
    assert "\n" not in said["msg"]
    assert (actions.names(), list(tmp_path.iterdir())) == ([], [])


def test_a_run_or_a_gate_that_is_not_there_costs_one_sentence(actions: RecordCluster, tmp_path: Path) -> None:
    path = str(tmp_path / "shop" / "20261124T160102Z-3f9a")
    for plugin, args in ((checklist_gate.ActionModule, {"stage": "deploy"}), (checklist_report.ActionModule, {})):
        said = act(plugin, {"path": path, "record": RECORD, **args})
        assert said["failed"] is True
        assert "in namespace record" in said["msg"]
