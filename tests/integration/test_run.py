# A run survives a kill and goes on; two plays of one environment exclude each other; a red one is judged to its end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import BIN, ROOT, Player, kill_all

# One section is judged before a kill and one after it; the gate stays shut, for what was not judged.
SECTIONS = ("--tags", "infrastructure,deployment")
FOUND_WITHIN_S = 120  # only so that a test that waits in vain ends


@contextmanager
def playing(reports: Path) -> Iterator[subprocess.Popen[str]]:
    """A play of deploy.yml in a process group of its own."""
    command = [str(BIN / "ansible-playbook"), "deploy.yml", "-i", str(ROOT / "inventories" / "sandbox")]
    command += ["-e", json.dumps({"bytebot_reports_dir": str(reports)}), *SECTIONS]
    play = subprocess.Popen(
        command,
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield play
    finally:
        if play.poll() is None:
            kill_all(play.pid)
        play.wait()
        if play.stdout and not play.stdout.closed:
            play.stdout.close()


def appears(path: Path, play: subprocess.Popen[str]) -> None:
    end = time.monotonic() + FOUND_WITHIN_S
    while not path.exists():
        assert play.poll() is None, "the play ended before"
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_run_that_was_killed_goes_on(tmp_path: Path, play: Player) -> None:
    latest = tmp_path / "sandbox" / "latest"
    recorded = latest / "results" / "infrastructure.json"
    with playing(tmp_path) as first:
        appears(recorded, first)
        kill_all(first.pid)
    killed, before = latest.resolve().name, read(recorded)["results"]["infrastructure.cluster.version"]
    play("deploy.yml", *SECTIONS, variables={"bytebot_reports_dir": str(tmp_path)})
    document = read(latest / "results.json")
    assert (latest.resolve().name, document["run"]["resumed"]) == (killed, 1)
    assert document["run"]["closed"] is not None
    assert read(recorded)["results"]["infrastructure.cluster.version"] == before, "it was judged again"
    passed = {control["id"] for control in document["controls"] if control["state"] == "pass"}
    strength = "security_configuration.secrets.strength"  # a deployment proves its secrets before it uses them
    assert {one.partition(".")[0] for one in passed - {strength}} == {"infrastructure", "deployment"}
    assert (strength in passed, len(document["controls"])) == (True, 204)
    play("deploy.yml", "--tags", "deployment", variables={"bytebot_reports_dir": str(tmp_path)})
    assert latest.resolve().name != killed, "a closed run takes nothing more"
    assert read(latest / "results.json")["previous"]["run"] == killed


def test_two_plays_exclude_each_other(tmp_path: Path, play: Player) -> None:
    with playing(tmp_path) as first:
        appears(tmp_path / "sandbox" / "latest" / "run.json", first)
        os.killpg(first.pid, signal.SIGSTOP)  # it is in the middle, for as long as the other one needs
        try:
            second = play("deploy.yml", *SECTIONS, variables={"bytebot_reports_dir": str(tmp_path)})
        finally:
            os.killpg(first.pid, signal.SIGCONT)
        assert second.code == 2
        assert (tmp_path / "sandbox" / "latest").resolve().name in second.output
        assert "Traceback" not in second.output
        said, _ = first.communicate()
        assert "controls judged" in said, said[-4000:]
    assert len([path for path in (tmp_path / "sandbox").iterdir() if path.name.startswith("2")]) == 1


@pytest.mark.parametrize(
    ("variables", "red", "gate"),
    [
        ({"bytebot_values": {"replicas": {"api": "two"}}}, "deployment.validation.lint", "shut"),
        ({"bytebot_helm": "/no/such/helm"}, "infrastructure.cluster.helm", "shut"),
    ],
)
def test_what_cannot_be_deployed_is_judged_and_reported(
    tmp_path: Path, play: Player, variables: dict[str, Any], red: str, gate: str
) -> None:
    played = play("deploy.yml", variables={"bytebot_reports_dir": str(tmp_path), **variables})
    document = read(tmp_path / "sandbox" / "latest" / "results.json")
    states = {control["id"]: control["state"] for control in document["controls"]}
    assert played.code == 2, played.output[-4000:]
    assert played.changed == 0, "something was deployed"
    assert [id_ for id_, state in states.items() if state in {"fail", "error"}] == [red]
    assert states["deployment.execution.pods"] == "pending"
    assert document["gate"]["decision"] == gate
    assert (tmp_path / "sandbox" / "latest" / "report.html").exists()
