# What people wrote about the sandbox, judged against what really runs: names in commands, alerts, version, API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import FULL, load
from tests.integration.called import HANDOVER, call, states
from tests.integration.conftest import SANDBOX, Player

S = load()
pytestmark = pytest.mark.skipif(S.profile != FULL, reason="alerts are known in the profile `full` alone")
NAMESPACE = "bytebot-production"
API = "documentation.user.api"
ROLLBACK = "documentation.deployment.rollback"
LIVE = {"workload": "bytebot-scheduler", "command": ["python3", "-m", "bytebot_app", "openapi"]}
SECTIONS = ("documentation.", "emergency.", "team.access.", "go_live.change.")
# The rest of the change is settled by drills.
OTHERS = {"go_live.change.rollback_plan"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, generated: Path) -> dict[str, dict[str, Any]]:
    """One run of the playbook on the healthy sandbox, which also begins documents of its own."""
    reports = tmp_path_factory.mktemp("reports")
    (generated / "users").mkdir()
    (generated / "users" / "faq.md").write_text("mine\n")
    tags = "deployment,documentation,team,emergency,go_live"
    variables = {"bytebot_reports_dir": str(reports), "documentation_generate": str(generated)}
    played = Player()("playbooks/verify.yml", variables=variables, environment={"ANSIBLE_RUN_TAGS": tags})
    assert played.changed == 1, "what is generated, and nothing else"
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text())
    return {one["id"]: one for one in document["controls"]}


def judge(tmp_path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    usual = {
        "namespace": NAMESPACE, "release": "bytebot", "folder": str(SANDBOX / "documents"), "allowed_hosts": [],
    }  # fmt: skip
    return call("document_check", tmp_path, **usual | options)


def test_all_that_was_written_holds(judged: dict[str, dict[str, Any]]) -> None:
    found = {id_: one["state"] for id_, one in judged.items() if id_.startswith(SECTIONS) and id_ not in OTHERS}
    assert found == dict.fromkeys(found, "pass")
    assert len(found) == 12 + 8 + 4 + 3


def test_what_is_generated_tells_what_runs_and_no_secret(judged: dict[str, Any], generated: Path) -> None:
    assert judged
    texts = {str(path.relative_to(generated)): path.read_text() for path in generated.rglob("*.md")}
    assert len(texts) == 14
    assert texts["users/faq.md"] == "mine\n", "what people wrote stays"
    assert "`BytebotServiceDown` | critical" in texts["runbooks/alerts.md"]
    assert "| 1 | " in texts["operations/rollback.md"]
    assert "imageRegistry: registry.sandbox" in texts["operations/configuration.md"]
    assert (
        "| `bytebot-db-secret` | ca.crt, database, host, password, username |" in texts["operations/configuration.md"]
    )
    handed = [path.read_text().strip() for path in HANDOVER.iterdir() if path.name.endswith(("-password", "-token"))]
    assert not [word for word in handed for text in texts.values() if word in text]


def test_check_mode_runs_no_command_in_a_pod(tmp_path: Path) -> None:
    documents = {API: {"where": "users/api.md", "openapi": "users/openapi.json"}}
    found = judge(tmp_path, documents=documents, live_api=LIVE, only=[API], _ansible_check_mode=True)
    assert states(found) == {API: "pending"}
    assert "check mode sends none" in found[API]["summary"]


def test_names_are_looked_up_in_the_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    shutil.copytree(SANDBOX / "documents", folder)
    file = folder / "operations" / "rollback.md"
    text = file.read_text()
    for wrong, said in (
        (text.replace("helm history bytebot", "helm history bytebot-old"), "release bytebot-old"),
        (f"{text}\n`kubectl describe deployment/bytebot-gone --namespace {NAMESPACE}`\n", "Deployment bytebot-gone"),
    ):
        file.write_text(wrong)
        found = judge(tmp_path, folder=str(folder), documents={ROLLBACK: "operations/rollback.md"}, only=[ROLLBACK])
        assert states(found) == {ROLLBACK: "fail"}, found[ROLLBACK]["summary"]
        assert said in found[ROLLBACK]["summary"]


def test_without_a_document_or_a_host_that_may_be_asked_it_says_so(tmp_path: Path) -> None:
    assert states(judge(tmp_path, only=[ROLLBACK])) == {ROLLBACK: "pending"}
    with pytest.raises(AssertionError, match="not in allowed_hosts"):
        judge(tmp_path, documents={ROLLBACK: "https://docs.bytebot.com/rollback"}, only=[ROLLBACK])
