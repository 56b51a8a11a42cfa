# The section of backups on the healthy sandbox: all is restored and green, nothing stays behind, nothing is in clear.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import BIN, ROOT, SANDBOX, Player, Whole, kill_all

SECTION = (
    "infrastructure.database.backup",
    "backup.drills.database",
    "backup.drills.configuration",
    "backup.drills.recovery",
    "backup.drills.rto_rpo",
    "backup.drills.disaster",
)
FOUND_WITHIN_S = 120.0  # only so that a test that waits in vain ends
SCRATCH = "bytebot-restore-drill"
pytestmark = pytest.mark.skipif(
    not (SANDBOX / "profile").is_file() or (SANDBOX / "profile").read_text().strip() != "full",
    reason="backups come with the profile full",
)


def judged(reports: Path) -> dict[str, Any]:
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text())
    return {entry["id"]: entry for entry in document["controls"] if entry["id"] in SECTION}


@pytest.fixture(scope="module")
def reports(whole: Whole) -> Path:
    """Where the record has drills that passed."""
    return whole.reports


def left(kubectl: Callable[..., str]) -> list[str]:
    """What a drill has not removed, in any namespace."""
    kinds = "pods,secrets,configmaps,serviceaccounts,roles,poddisruptionbudgets"
    marks = "bytebot.production/scratch in (restore-drill,backup-dump,backup-read,backup-copy)"
    return kubectl("get", kinds, "-A", "-l", marks, "-o", "name").split()


def test_everything_is_restored_and_green(whole: Whole) -> None:
    found = whole.controls(*SECTION)
    assert {id_: one["state"] for id_, one in found.items()} == dict.fromkeys(SECTION, "pass"), found
    drill = found["backup.drills.database"]["evidence"][0]["observed"]
    assert [one["same_snapshot"] for one in drill["restored"]] == [True, False]
    assert drill["restored"][0]["restored"]["tables"] == drill["snapshot"]["tables"]
    kept = found["backup.drills.configuration"]["evidence"][0]["observed"]
    omitted_by_get_all = {"Secret", "ConfigMap", "Ingress", "NetworkPolicy", "RoleBinding", "PodDisruptionBudget"}
    assert omitted_by_get_all <= set(kept["kept"])
    assert kept["kept"] == kept["live"]


def test_each_part_of_the_drill_is_timed(whole: Whole) -> None:
    took = [one["observed"] for one in whole.controls("backup.")["backup.drills.rto_rpo"]["evidence"]]
    assert took[0]["seconds"]
    assert all(part > 0 for part in took[0]["seconds"].values())


def test_nothing_of_it_stays(whole: Whole, kubectl: Callable[..., str]) -> None:
    assert left(kubectl) == []
    assert kubectl("get", "namespace", SCRATCH, "-o", "name").strip()  # an administrator has made it


def test_artifacts_are_private_and_show_no_secret(whole: Whole, kubectl: Callable[..., str]) -> None:
    secret = json.loads(kubectl("get", "secret", "bytebot-db-secret", "-n", "bytebot-production", "-o", "json"))
    password = b64decode(secret["data"]["password"])
    files = list((SANDBOX / "backups").iterdir())
    assert {path.suffix for path in files} == {".cms", ".json"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert not [path.name for path in files if password in path.read_bytes() or b"PGDMP" in path.read_bytes()]
    assert password.decode() not in whole.played.output


def test_what_a_killed_drill_left_the_next_one_removes(reports: Path, kubectl: Callable[..., str]) -> None:
    given = {"bytebot_reports_dir": str(reports), "run_fresh": True}
    command = [str(BIN / "ansible-playbook"), "playbooks/verify.yml", "--tags", "backup", "-e", json.dumps(given)]
    command += ["-i", str(ROOT / "inventories" / "sandbox")]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **quiet) as running:  # type: ignore[call-overload]
        until = time.monotonic() + FOUND_WITHIN_S
        while not kubectl("get", "pods", "-n", SCRATCH, "-o", "name").strip() and time.monotonic() < until:
            assert running.poll() is None
            time.sleep(0.3)
        kill_all(running.pid)
    assert left(kubectl), "the kill came while the drill's pod was there"
    Player()("playbooks/verify.yml", "--tags", "backup", variables=given)
    assert judged(reports)["backup.drills.database"]["state"] == "pass"
    assert left(kubectl) == []


def test_a_namespace_that_is_no_drills_is_refused(reports: Path, kubectl: Callable[..., str]) -> None:
    before = kubectl("get", "all,secrets,configmaps", "-n", "cache", "-o", "name")
    given = {
        "bytebot_reports_dir": str(reports),
        "backup_scratch_namespace": "cache",
        "backup_kubeconfig": f"{SANDBOX}/admin.kubeconfig",
    }
    played = Player()("playbooks/verify.yml", "--tags", "backup", variables=given)
    assert "does not bear the label" in " ".join(played.output.split())
    assert kubectl("get", "all,secrets,configmaps", "-n", "cache", "-o", "name") == before


def test_where_drills_are_not_permitted_the_record_is_judged(reports: Path) -> None:
    given = {"bytebot_reports_dir": str(reports), "run_fresh": True, "bytebot_tests_allowed": []}
    Player()("playbooks/verify.yml", "--tags", "backup", variables=given)
    states = {id_.rpartition(".")[2]: one["state"] for id_, one in judged(reports).items()}
    proved = {"recovery": "pass", "rto_rpo": "pass", "disaster": "pass", "backup": "pass"}
    assert states == {"database": "pending", "configuration": "pending", **proved}


def test_check_mode_restores_nothing(reports: Path, kubectl: Callable[..., str]) -> None:
    before = sorted((SANDBOX / "backups").iterdir())
    given = {"bytebot_reports_dir": str(reports)}
    played = Player()("playbooks/verify.yml", "--tags", "backup", "--check", variables=given)
    assert "Needs a probe: check mode restores nothing" in played.output or played.failed == 0
    assert sorted((SANDBOX / "backups").iterdir()) == before
    assert left(kubectl) == []


@pytest.mark.parametrize(("kind", "named"), [("pgbackrest", "stanza"), ("barman", "server")])
def test_what_a_tool_says_of_its_backups_is_asked_in_its_pod_and_is_no_restore(
    tmp_path: Path, kubectl: Callable[..., str], kind: str, named: str
) -> None:
    tools = {"kind": kind, "namespace": "backup-tools", "pod": "app=backup-tools", named: "main", "interval": "24h"}
    given = {"bytebot_reports_dir": str(tmp_path), "bytebot_tests_allowed": [], "bytebot_backup": tools}
    Player()("playbooks/verify.yml", "--tags", "backup", variables=given)
    said = judged(tmp_path)["infrastructure.database.backup"]
    assert (said["state"], "Needs a restore drill" in said["summary"]) == ("pending", True), said
    words = ["exec", "backup-tools-0", "-n", "backup-tools", "--"]
    if kind == "pgbackrest":
        words += ["pgbackrest", "--stanza=main", "--log-level-console=off", "info", "--output=json"]
        newest = json.loads(kubectl(*words))[0]["backup"][-1]["label"]
    else:
        newest = json.loads(kubectl(*words, "barman", "-f", "json", "list-backups", "main"))["main"][0]["backup_id"]
    assert newest in json.dumps(said["evidence"]), "it is the backup that the tool itself lists"
