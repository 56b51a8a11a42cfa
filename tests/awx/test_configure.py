# awx/configure.yml with the modules of awx.awx, against a stand-in of AWX's API: made once, nothing the second time,
# and check mode says what would be. Minutes, so it is no part of `make test`: `make awx` runs it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.awx.stub import TOKEN, Awx, serving
from tests.benchmark.peer import peer_environment

ROOT = Path(__file__).parents[2]
AWX = ROOT / "awx"
SITE = {
    "awx_project_url": "https://git.example.org/bytebot.git",
    "awx_image": "registry.example.org/bytebot:1",
    "awx_environments": [
        {
            "name": "staging",
            "credentials": ["cluster of staging", "handover of staging"],
            "time_zone": "Europe/Zurich",
            "schedules_from": "2026-12-01",
            "go_live": "2026-12-07 09:00",
        }
    ],
}


class Played(NamedTuple):
    """How a run ended."""

    code: int
    changed: int
    output: str


def load(name: str) -> Any:
    return yaml.safe_load((AWX / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def awx() -> Awx:
    return Awx()


@pytest.fixture(scope="module")
def configure(awx: Awx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Played]]:
    peer = peer_environment(ROOT / ".cache" / "benchmark-venv", lambda text: None)  # its package has awx.awx, too
    home = tmp_path_factory.mktemp("home")
    with serving(awx) as address:

        def run(*arguments: str, **variables: Any) -> Played:
            token = variables.pop("token", TOKEN)
            given = json.dumps({**SITE, "awx_host": address, **variables})
            command = [str(peer.playbook), str(AWX / "configure.yml"), "-i", "localhost,", "-e", given, *arguments]
            done = subprocess.run(
                command,
                cwd=home,
                env={
                    "PATH": f"{peer.bin}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(home),
                    "LANG": "C.UTF-8",
                    "CONTROLLER_OAUTH_TOKEN": token,
                    "ANSIBLE_NOCOLOR": "1",
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            output = done.stdout + done.stderr
            found = re.search(r"changed=(\d+)", output)
            assert TOKEN not in output
            return Played(done.returncode, int(found.group(1)) if found else 0, output)

        yield run


def test_1_it_stops_for_the_credentials_and_has_made_their_types(awx: Awx, configure: Callable[..., Played]) -> None:
    done = configure()
    assert done.code == 2
    assert "Make these credentials in AWX" in done.output
    assert "cluster of staging, handover of staging" in done.output
    kinds = awx.named("credential_types")
    for path in sorted((AWX / "credential_types").glob("*.yml")):
        wanted = load(f"credential_types/{path.name}")
        assert {key: kinds[wanted["name"]][key] for key in wanted} == wanted, "templates in it are not filled in"
    assert awx.named("job_templates") == {}


def test_2_check_mode_makes_nothing_and_says_so(awx: Awx, configure: Callable[..., Played]) -> None:
    for name in SITE["awx_environments"][0]["credentials"]:  # type: ignore[index]
        awx.make("credentials", {"name": name, "organization": 1})
    awx.changes.clear()
    done = configure("--check")
    assert (done.code, awx.changes) == (0, [])
    assert done.changed > 0
    assert "Would be made" in done.output


def test_3_everything_is_made(awx: Awx, configure: Callable[..., Played]) -> None:
    done = configure()
    assert done.code == 0, done.output[-4000:]
    templates, nodes = awx.named("job_templates"), awx.named("workflow_job_template_nodes")
    for one in load("templates.yml")["awx_templates"]:
        made = templates[f"Bytebot staging: {one['name']}"]
        assert made["playbook"] == one["playbook"]
        assert made["limit"] == ("staging" if one.get("limited", True) else "")
        assert awx.linked(made["id"], "credentials") == set(SITE["awx_environments"][0]["credentials"])  # type: ignore[index]
        assert awx.surveys.get(made["id"], {"spec": []})["spec"] == one.get("survey", [])
    for node in load("workflow.yml")["awx_workflow"]["nodes"]:
        number = nodes[node["node"]]["id"]
        assert awx.linked(number, "success_nodes") == set(node.get("success", []))
        assert awx.linked(number, "failure_nodes") == set(node.get("failure", []))
        if "approval" in node:
            assert node["approval"] in awx.named("workflow_approval_templates")
        else:
            assert (
                nodes[node["node"]]["unified_job_template"] == templates[f"Bytebot staging: {node['template']}"]["id"]
            )
    rules = {name: one["rrule"] for name, one in awx.named("schedules").items()}
    assert set(rules) == {f"Bytebot staging: {one['name']}" for one in load("schedules.yml")["awx_schedules"]}
    assert (
        rules["Bytebot staging: daily backup"]
        == "DTSTART;TZID=Europe/Zurich:20261201T013000 RRULE:FREQ=DAILY;INTERVAL=1"
    )


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_4_a_second_run_changes_nothing(arguments: tuple[str, ...], awx: Awx, configure: Callable[..., Played]) -> None:
    awx.changes.clear()
    done = configure(*arguments)
    assert (done.code, done.changed, awx.changes) == (0, 0, []), done.output[-4000:]


def test_5_what_is_otherwise_is_put_right_and_a_node_that_is_no_more_goes(
    awx: Awx, configure: Callable[..., Played]
) -> None:
    workflow = awx.named("workflow_job_templates")["Bytebot staging: release"]
    awx.make("workflow_job_template_nodes", {"identifier": "of_old", "workflow_job_template": workflow["id"]})
    awx.named("job_templates")["Bytebot staging: deploy"]["limit"] = "all"
    awx.changes.clear()
    done = configure()
    assert (done.code, done.changed) == (0, 2), done.output[-4000:]
    assert awx.changes == [
        "changed job_templates Bytebot staging: deploy",
        "deleted workflow_job_template_nodes of_old",
    ]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"token": ""}, "Say CONTROLLER_OAUTH_TOKEN first"),
        ({"awx_host": "http://awx.example.org"}, "awx_host begins with https://"),
        ({"awx_environments": [{"name": "staging"}]}, "has name, credentials, time_zone, schedules_from"),
        ({"token": "another"}, "Invalid authentication credentials"),
    ],
    ids=["no token", "in clear", "half an environment", "wrong token"],
)
def test_6_what_is_missing_is_said_before_anything_is_made(
    variables: dict[str, Any], words: str, awx: Awx, configure: Callable[..., Played]
) -> None:
    awx.changes.clear()
    done = configure(**variables)
    assert (done.code, awx.changes) == (2, [])
    assert words in done.output
