# What a workflow is told of several environments: open only where every one of them is.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from tests.integration.conftest import Player

PLAY = """
- name: Record and tell
  hosts: all
  gather_facts: false
  tasks:
    - name: Open the run
      ansible.builtin.import_role:
        name: bytebot.production.run

    - name: Break off
      ansible.builtin.fail:
      when: given is not defined

    - name: Record what was judged
      bytebot.production.checklist_record:
        environment: "{{ run_record.environment }}"
        reports_dir: "{{ run_record.reports_dir }}"
        results: "{{ given }}"

    - name: Ask the gate and close
      ansible.builtin.import_role:
        name: bytebot.production.go_live
"""
ACCESS, VERSION = "infrastructure.cluster.access", "infrastructure.cluster.version"
PODS = "deployment.execution.pods"


def judged(**states: str) -> list[dict[str, Any]]:
    observed = {"asked": "nothing"}
    item = {"source": "a test", "observed_at": "2026-01-01T00:00:00Z", "observed": observed}
    evidence = [{**item, "sha256": sha256_of(observed)}]
    names = {"access": ACCESS, "version": VERSION, "pods": PODS}
    return [
        {"control": names[name], "state": state, "summary": "It is.", "evidence": evidence}
        for name, state in states.items()
    ]


GREEN = judged(access="pass", version="pass", pods="pass")


@pytest.mark.parametrize(
    ("given", "decision", "red"),
    [
        ({"one": GREEN, "two": GREEN}, "open", []),
        ({"one": GREEN, "two": judged(access="fail", pods="pass")}, "shut", [ACCESS]),
        (
            {"one": judged(version="fail", pods="pass"), "two": judged(access="fail", pods="pass")},
            "shut",
            [ACCESS, VERSION],
        ),
        ({"one": GREEN, "two": None}, "not_assessed", []),
    ],
)
@pytest.mark.parametrize("serial", [0, 1])
def test_a_workflow_is_told_the_worst(
    given: dict[str, Any], decision: str, red: list[str], serial: int, play: Player, tmp_path: Path
) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY + (f"  serial: {serial}\n" if serial else ""))
    sections = sorted({control.section for control in catalogue.load().controls.values()})
    shared = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "bytebot_environment_kind": "sandbox",
        "bytebot_organization": "a test",
        "bytebot_namespace": "none",
        "bytebot_release": "none",
        "bytebot_reports_dir": str(tmp_path / "reports"),
        "bytebot_gate_policy": {"leave_out": dict.fromkeys(sections, "it is a test")},
    }
    hosts = {name: {} if results is None else {"given": results} for name, results in given.items()}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": shared}}))
    environment = {"ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    played = play(str(playbook), inventory=str(tmp_path / "hosts.json"), environment=environment)
    assert played.code == (0 if decision == "open" else 2), played.output[-4000:]
    told = json.loads(played.output.split("CUSTOM STATS:", 1)[1].split("RUN: ", 1)[1].split("\n\n")[0])
    seen = {name for name, results in given.items() if results is not None}
    if serial and VERSION in red:  # the first batch fails, and the play ends with it
        seen, red = {"one"}, [VERSION]
    assert (told["bytebot_gate_decision"], told["bytebot_failed_controls"]) == (decision, red)
    assert set(told["bytebot_environments"]) == seen
    for outcome in told["bytebot_environments"].values():
        assert sum(outcome["counts"].values()) == 204
