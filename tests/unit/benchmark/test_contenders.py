# All contenders get the same release to make; what a run says of itself is read, and a wrong run is no sample.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmark.contenders import Ours, Peer, Place, Play, Raw, Told, expect
from tests.benchmark.errors import Broken
from tests.benchmark.peer import Environment
from tests.benchmark.processes import Ended

HELM = Path("/x/helm")
VALUES = {"version": "3"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(Path("/x/kubeconfig"), "sandbox", "mine", Path("/x/chart"), tmp_path)


def ended(code: int = 0, output: str = "") -> Ended:
    return Ended(code, output, 1.0, 1.0, 0.5, 60.0)


def test_the_same_is_asked_of_all(place: Place) -> None:
    environment = Environment(Path("/v/bin"))
    ours = Ours("ours", environment, place).task(HELM, VALUES, 30)["bytebot.production.helm_release"]
    peer = Peer("peer", environment, place).task(HELM, VALUES, 30)["kubernetes.core.helm"]
    raw = list(Raw(place).command(HELM, VALUES, 30).arguments)
    assert (ours["values"], ours["timeout"], ours["chart"]) == (VALUES, 30, "/x/chart")
    assert (peer["release_values"], peer["timeout"], peer["chart_ref"], peer["wait"]) == (
        *(VALUES, "30s", "/x/chart"),
        True,
    )
    assert ours["binary_path"] == peer["binary_path"] == raw[0] == "/x/helm"
    assert {"--install", "--wait", "30s", "version=3", "/x/chart"} <= set(raw)
    assert len({ours["name"], peer["name"], raw[2]}) == 3


def test_a_play_has_one_task_and_plain_settings(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "another")
    monkeypatch.setenv("KUBECONFIG", "/another")
    command = Ours("ours", Environment(Path("/v/bin"), "/here"), place).command(HELM, VALUES, 30)
    (play,) = json.loads(Path(command.arguments[-1]).read_text())
    assert len(play["tasks"]) == 1
    assert play["gather_facts"] is False
    assert command.environment["ANSIBLE_CALLBACKS_ENABLED"] == "benchmark_timing"
    assert command.environment["ANSIBLE_COLLECTIONS_PATH"] == "/here"
    assert "KUBECONFIG" not in command.environment
    assert (
        "ANSIBLE_COLLECTIONS_PATH"
        not in Peer("peer", Environment(Path("/v/bin")), place).command(HELM, VALUES, 30).environment
    )
    bare = Play("start-ours", Environment(Path("/v/bin")), place).command(HELM, {}, 30)
    assert json.loads(Path(bare.arguments[-1]).read_text())[0]["tasks"] == []


def test_what_the_callback_wrote_is_read(place: Place) -> None:
    play = Ours("ours", Environment(Path("/v/bin")), place)
    play.command(HELM, VALUES, 30)
    assert play.told(ended(4, "no inventory")) == Told(True, None, None, "no inventory")
    line = {"seconds": 1.5, "failed": False, "changed": True, "text": "{}", "phases": {"render": 0.2}}
    (place.work / "ours.times").write_text(json.dumps(line) + "\n")
    assert play.told(ended()) == Told(False, 1.5, True, "{}", {"render": 0.2})
    play.command(HELM, VALUES, 30)
    assert play.told(ended()).task_s is None  # a new run begins with nothing


@pytest.mark.parametrize(
    ("told", "failed", "changed", "says"),
    [
        (Told(True, text="it says no"), False, None, "did not succeed: it says no"),
        (Told(False), True, None, "did not fail"),
        (Told(False, changed=True), False, False, "did not say changed=False"),
        (Told(False, changed=False), False, True, "did not say changed=True"),
    ],
)
def test_a_run_of_something_else_is_no_sample(
    place: Place, told: Told, failed: bool, changed: bool | None, says: str
) -> None:
    with pytest.raises(Broken, match=says):
        expect(told, Raw(place), ended(), failed=failed, changed=changed)
    expect(Told(False, changed=None), Raw(place), ended(), failed=False, changed=True)  # helm does not say
