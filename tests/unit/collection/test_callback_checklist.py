# The optional callback: one line per judged control as it comes, in the checklist's order, and never a broken play.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.callback import checklist
from ansible_collections.bytebot.production.plugins.callback.checklist import CallbackModule
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue

ROOT = Path(__file__).parents[3]
PODS, SERVICES, LIVE = "deployment.execution.pods", "deployment.execution.services", "deployment.health.live"
TITLES = {control.id: control.title for control in catalogue.load().controls.values()}


class Screen:
    """What was displayed, with colours."""

    verbosity = 0

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.colors: list[str | None] = []

    def display(self, text: str, color: str | None = None) -> None:
        self.lines.append(text)
        self.colors.append(color)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def callback(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> CallbackModule:
    monkeypatch.setenv("COLUMNS", "120")
    return CallbackModule(display=screen)


def found(control: str, state: str = "pass", summary: str = "seen", **more: Any) -> dict[str, Any]:
    return {"control": control, "state": state, "summary": summary, "remedy": "", **more}


def outcome(*results: Any, host: str = "sandbox", task: str = "Judge", no_log: bool = False, **more: Any) -> Any:
    doing = SimpleNamespace(_uuid=f"uuid-{task}", get_name=lambda: task, no_log=no_log)
    of = SimpleNamespace(get_name=lambda: host)
    return SimpleNamespace(_task=doing, _host=of, _result={"results": list(results), **more})


def test_it_is_optional_and_stands_beside_the_owner_of_standard_output() -> None:
    assert (CallbackModule.CALLBACK_TYPE, CallbackModule.CALLBACK_NEEDS_ENABLED) == ("aggregate", True)
    page = yaml.safe_load(checklist.DOCUMENTATION)
    assert (page["name"], page["type"]) == ("checklist", "aggregate")
    assert "callbacks_enabled" in str(page["requirements"])


def test_controls_come_in_the_documents_order_state_first(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_ok(outcome(found(LIVE), found(SERVICES, "fail", "no pod"), found(PODS)))
    order = sorted((LIVE, SERVICES, PODS), key=list(TITLES).index)
    assert screen.lines[0] == "  Judge [sandbox]"
    assert [line[11 : 11 + len(TITLES[control])] for line, control in zip(screen.lines[1:], order, strict=True)] == [
        TITLES[control] for control in order
    ]
    states = {control: line[:11] for line, control in zip(screen.lines[1:], order, strict=True)}
    assert states == {PODS: "    ok     ", SERVICES: "    FAIL   ", LIVE: "    ok     "}


def test_a_failed_task_shows_what_it_judged(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_failed(outcome(found(PODS, "fail", "an image is missing")), ignore_errors=True)
    assert screen.lines[1].endswith(": an image is missing")


def test_items_of_a_loop_come_under_one_heading_and_their_sum_repeats_nothing(
    callback: CallbackModule, screen: Screen
) -> None:
    callback.v2_runner_item_on_ok(outcome(found(PODS)))
    callback.v2_runner_item_on_failed(outcome(found(LIVE, "fail")))
    callback.v2_runner_on_failed(outcome({"item": 1, "results": [found(PODS)]}, {"item": 2, "results": [found(LIVE)]}))
    assert [line for line in screen.lines if line.startswith("  Judge")] == ["  Judge [sandbox]"]
    assert len(screen.lines) == 3


def test_each_host_has_its_heading(callback: CallbackModule, screen: Screen) -> None:
    for host in ("a", "b", "a"):
        callback.v2_runner_on_ok(outcome(found(PODS), host=host))
    assert screen.lines[::2] == ["  Judge [a]", "  Judge [b]", "  Judge [a]"]


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (found(PODS), "COLOR_OK"),
        (found(PODS, "fail"), "COLOR_ERROR"),
        (found(PODS, "error"), "COLOR_ERROR"),
        (found(PODS, "fail", level="should"), "COLOR_WARN"),
        (found(PODS, "inconclusive"), "COLOR_WARN"),
        (found(PODS, "pending"), "COLOR_SKIP"),
        (found(PODS, "not_applicable"), "COLOR_SKIP"),
    ],
)
def test_colors_are_ansibles_own(callback: CallbackModule, screen: Screen, result: dict[str, Any], name: str) -> None:
    callback.v2_runner_on_ok(outcome(result))
    assert screen.colors == [None, checklist.constants.config.get_config_value(name)]


def test_a_long_pass_is_cut_and_a_failure_is_told_whole(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_ok(outcome(found(PODS, "pass", "x" * 900), found(SERVICES, "fail", "y" * 900)))
    passed, failed = screen.lines[1:]
    assert (len(passed), passed[-1]) == (120, "…")
    assert failed.endswith("y" * 900)


def test_a_summary_is_one_line_and_cannot_steer_the_terminal(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_ok(outcome(found(PODS, "fail", "a\n  b\x1b[2J"), task="Do\x1b[2J it"))
    assert screen.lines[0] == "  Do[2J it [sandbox]"
    assert screen.lines[1].endswith(": a b[2J")


def test_what_no_log_hides_is_not_shown(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_ok(outcome(found(PODS), no_log=True))
    callback.v2_runner_item_on_ok(outcome(found(PODS), _ansible_no_log=True))
    callback.v2_runner_item_on_ok(outcome(found(PODS), censored="hidden"))
    callback.v2_runner_on_ok(outcome(found(PODS, _ansible_no_log=True)))
    assert screen.lines == []


ODD = [None, 1, "text", b"bytes", {}, {"a": 1}, [], [None], [1], ["text"], [[]], [{}], [{"control": PODS}]]
ODD += [[found(PODS, state)] for state in ("", "green", 1, None, [])]  # type: ignore[arg-type]
ODD += [[{**found(PODS), "summary": None}], [{**found(PODS), "control": ["a"]}]]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_results_are_passed_over(callback: CallbackModule, screen: Screen, odd: Any) -> None:
    result = outcome()
    result._result = {"results": odd}
    callback.v2_runner_on_ok(result)
    result._result = odd
    callback.v2_runner_on_ok(result)
    assert screen.lines == []


def test_odd_ones_among_good_ones_hide_nothing(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_ok(outcome(None, found(PODS), {"control": 1}))
    assert len(screen.lines) == 2


def test_a_control_that_the_catalogue_does_not_have_stands_last_by_its_id(
    callback: CallbackModule, screen: Screen
) -> None:
    callback.v2_runner_on_ok(outcome(found("own.group.item"), found(PODS)))
    assert screen.lines[2] == "    ok     own.group.item: seen"


def test_without_a_catalogue_ids_are_shown(
    callback: CallbackModule, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise InputError("index.yml is broken")

    monkeypatch.setattr(checklist.catalogue, "load", broken)
    checklist._titles.cache_clear()
    callback.v2_runner_on_ok(outcome(found(PODS)))
    checklist._titles.cache_clear()
    assert screen.lines[1] == f"    ok     {PODS}: seen"


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Judge in check mode
      bytebot.production.health_probe:
        base_url: https://api.example.com
        allowed_hosts: [api.example.com]
        only: ["{{ item }}"]
      check_mode: true
      no_log: "{{ hidden }}"
      loop: [deployment.health.ready, deployment.health.live]
"""


@pytest.mark.parametrize("hidden", [False, True])
def test_a_real_play(tmp_path: Path, hidden: bool) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CALLBACKS_ENABLED": "bytebot.production.checklist",
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "a,b", "-c", "local", str(playbook)]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", "-e", f'{{"hidden": {str(hidden).lower()}}}']
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("    -      ")]
    assert len(lines) == (0 if hidden else 4), done.stdout
    assert ("  Judge in check mode [a]" in done.stdout) == (not hidden)
