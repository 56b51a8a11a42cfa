# Own controls in the sandbox: the page's examples run, and a changed object turns one red, shuts the gate, and heals.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import ROOT, Player

NAMESPACE = "bytebot-production"
PAGE = ROOT / "docs" / "own-controls.md"
BOUND = {
    "id": "own.config.level",
    "title": "The application logs at info",
    "source": {"kubernetes": {"kind": "ConfigMap", "name": "own-control"}},
    "query": "data.level",
    "expect": {"equals": "info"},
}


def examples() -> list[dict[str, Any]]:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    return [one for block in blocks for one in block.get("bytebot_own_controls", [])]


def verify(play: Player, reports: Path, controls: list[dict[str, Any]], *arguments: str) -> dict[str, Any]:
    variables = {"bytebot_reports_dir": str(reports), "bytebot_own_controls": controls}
    done = play("playbooks/verify.yml", *arguments, variables=variables)
    newest = sorted(reports.glob("*/[0-9]*/results.json"))[-1]
    document: dict[str, Any] = json.loads(newest.read_text())
    return {**document, "output": done.output, "code": done.code, "folder": newest.parent}


def state(document: dict[str, Any]) -> str:
    (own,) = document["own_controls"]
    return str(own["state"])


def test_the_pages_examples_run_and_are_not_counted(play: Player, tmp_path: Path) -> None:
    document = verify(play, tmp_path, examples())
    states = {one["id"]: one["state"] for one in document["own_controls"]}
    # The sandbox's storage class deletes; the control is of level should, and shuts nothing.
    assert states == {
        "own.capacity.replicas": "pass",
        "own.storage.class": "fail",
        "own.secrets.keys": "pass",
        "own.web.version": "pass",
    }
    assert document["code"] == 0, document["output"]
    assert len(document["controls"]) == sum(document["counts"].values()) == 204
    assert "own.storage.class fail" in " ".join(document["gate"]["notes"])
    assert "own.storage.class" in document["output"]
    assert ">Own Controls<" in (document["folder"] / "report.html").read_text()
    assert "own." not in (document["folder"] / "checklist.md").read_text()


def test_a_changed_object_turns_it_red_and_shuts_the_gate(
    play: Player, tmp_path: Path, kubectl: Callable[..., str]
) -> None:
    kubectl("create", "configmap", "own-control", "-n", NAMESPACE, "--from-literal=level=info")
    quick = ("--tags", "team")
    try:
        assert state(verify(play, tmp_path, [BOUND], *quick)) == "pass"
        kubectl("patch", "configmap", "own-control", "-n", NAMESPACE, "--patch", '{"data": {"level": "debug"}}')
        red = verify(play, tmp_path, [BOUND])
        assert (red["code"], red["gate"]["decision"]) == (2, "shut")
        assert [reason.split(":")[0] for reason in red["gate"]["reasons"]] == ["own.config.level fail"]
        kubectl("patch", "configmap", "own-control", "-n", NAMESPACE, "--patch", '{"data": {"level": "info"}}')
        assert state(verify(play, tmp_path, [BOUND], *quick)) == "pass"
    finally:
        kubectl("delete", "configmap", "own-control", "-n", NAMESPACE, "--ignore-not-found")


@pytest.mark.parametrize("change", [{"query": "data.[x"}, {"source": {"url": "https://elsewhere.test"}}])
def test_a_defect_is_one_sentence_with_its_place(play: Player, tmp_path: Path, change: dict[str, Any]) -> None:
    variables = {"bytebot_reports_dir": str(tmp_path), "bytebot_own_controls": [{**BOUND, **change}]}
    done = play("playbooks/verify.yml", variables=variables)
    assert done.code == 2
    assert "own.config.level" in done.output
    assert not list(tmp_path.iterdir()), "it was told after a run had been opened"
    assert "Traceback" not in done.output
