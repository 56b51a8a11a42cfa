# The section Performance Testing on the healthy sandbox: all green by one run of load, nothing left, and none unasked.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.called import kube
from tests.integration.conftest import Played, Player, Whole

TAGS = ("--tags", "performance_testing")
EVERY = {f"performance_testing.load.{item}" for item in ("latency", "concurrency", "resources", "leak", "database")}


def results(reports: Path) -> dict[str, Mapping[str, Any]]:
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text(encoding="utf-8"))
    return {entry["id"]: entry for entry in document["controls"] if entry["id"] in EVERY}


Play = Callable[..., tuple[Played, dict[str, Mapping[str, Any]]]]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """What a run records of the section."""

    def run(*arguments: str, **variables: Any) -> tuple[Played, dict[str, Mapping[str, Any]]]:
        reports = tmp_path_factory.mktemp("reports")
        given = {"bytebot_reports_dir": str(reports), "run_fresh": True, **variables}
        done = Player()("playbooks/verify.yml", *TAGS, *arguments, variables=given)
        return done, results(reports)

    return run


@pytest.fixture(scope="module")
def healthy(whole: Whole) -> tuple[Played, dict[str, Mapping[str, Any]]]:
    return whole.played, {id_: one for id_, one in whole.controls("performance_testing.").items() if id_ in EVERY}


def evidence(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = entry["evidence"][0]["observed"]
    return found


def test_all_is_green_and_told_while_it_runs(healthy: tuple[Played, dict[str, Mapping[str, Any]]]) -> None:
    done, found = healthy
    assert {one: entry["state"] for one, entry in found.items()} == dict.fromkeys(EVERY, "pass"), [
        entry["summary"] for entry in found.values()
    ]
    assert "16 sessions for 16 users" in done.output
    assert "requests done, 0 failed" in done.output


def test_the_evidence_can_be_drawn(healthy: tuple[Played, dict[str, Mapping[str, Any]]]) -> None:
    _done, found = healthy
    latency = evidence(found["performance_testing.load.latency"])
    assert latency["all"]["requests"] == 720
    assert len(latency["series"]) >= 10
    assert all(len(row) == len(latency["series_columns"]) for row in latency["series"])
    containers = evidence(found["performance_testing.load.leak"])["containers"]
    assert {one["container"].split("/")[1] for one in containers} >= {"api", "worker"}
    assert all(len(one["series"]) > 10 for one in containers)
    assert "0.25 hours" in str(found["performance_testing.load.leak"]["weaker"])


def test_nothing_is_left(healthy: tuple[Played, dict[str, Mapping[str, Any]]]) -> None:
    assert healthy
    assert kube("get", "pods", "-n", "bytebot-production", "-l", "bytebot.production/scratch", "-o", "name") == ""


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        ((), {"bytebot_tests_allowed": ["writes"]}, "not permitted"),
        ((), {"bytebot_load": {"think_time": 1}}, "how many users"),
        (("--check",), {}, "check mode"),
    ],
    ids=["not permitted", "no number of users", "check mode"],
)
def test_no_load_is_sent_unasked(
    judged: Play, arguments: tuple[str, ...], variables: Mapping[str, Any], words: str
) -> None:
    if arguments:
        done = Player()("playbooks/verify.yml", *TAGS, *arguments)
        assert "requests in" not in done.output
        return
    done, found = judged(*arguments, **variables)
    assert {entry["state"] for entry in found.values()} == {"pending"}
    assert all(words in entry["summary"] for entry in found.values())
    assert "requests in" not in done.output


def test_more_than_the_bounds_allow_is_one_sentence(judged: Play) -> None:
    load = {"users": 10_000, "think_time": 1}
    done, _found = judged(bytebot_load=load)
    assert done.failed
    assert "more than maximum_rate allows (200)" in done.output
    assert "Traceback" not in done.output
