# The modules backup and restore_drill as processes: a wrong input is one sentence, before anything is asked or made.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODULES = "ansible_collections.bytebot.production.plugins.modules"
COLLECTIONS = Path(__file__).parents[3] / ".collections"
SERVER = {"host": "http://127.0.0.1:9", "namespace": "shop", "release": "bytebot"}  # nothing listens there
STORE = {"folder": "/nowhere/backups", "certificate": "/nowhere/backup.crt"}
COPY = {
    "endpoint": "https://store.example.net",
    "bucket": "b",
    "access_key_file": "/nowhere/access",
    "secret_key_file": "/nowhere/secret",
}
SOURCE = {"kind": "cron_job", "namespace": "database", "name": "dump"}
TOOL = {"kind": "pgbackrest", "namespace": "database", "pod": "pg-0", "stanza": "main"}


def run(name: str, tmp_path: Path, **options: Any) -> dict[str, Any]:
    arguments = {**SERVER, **options, "_ansible_remote_tmp": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("backup", {}, "store: name the folder"),
        ("backup", {"store": STORE, "keep": 0}, "at least one artifact must stay"),
        ("backup", {"store": STORE, "copy": COPY}, "store.example.net is not in allowed_hosts"),
        (
            "backup",
            {"store": STORE, "copy": COPY, "allowed_hosts": ["store.example.net"]},
            "The file /nowhere/access with a key of the object store cannot be read",
        ),
        ("backup", {"store": STORE, "copy": {**COPY, "endpoint": "http://a"}}, "no address of the form https"),
        ("backup", {"store": STORE}, "tools: name the image"),
        ("backup", {"store": STORE, "parts": ["configuration"]}, "cannot be reached"),
        ("restore_drill", {"only": ["backup.drills.other"]}, "is not settled by restore_drill"),
        ("restore_drill", {"recovery_targets": {"rpo": "soon", "rto": "1h"}}, "recovery_targets.rpo: 'soon'"),
        ("restore_drill", {"recovery_plan": "/nowhere/plan.yml"}, "/nowhere/plan.yml cannot be read"),
        ("restore_drill", {"backup": {**SOURCE, "name": ""}}, "backup: name is needed for kind cron_job"),
        ("restore_drill", {"backup": {**SOURCE, "files": "$(id)"}}, "is no pattern of file names"),
        ("restore_drill", {"backup": {**TOOL, "stanza": ""}}, "backup: stanza is needed for kind pgbackrest"),
        ("restore_drill", {"backup": {**TOOL, "kind": "barman"}}, "backup: server is needed for kind barman"),
        ("restore_drill", {"backup": {**TOOL, "interval": "daily"}}, "backup.interval: 'daily'"),
        ("restore_drill", {"backup": TOOL}, "cannot be reached"),
        ("restore_drill", {"exclude_schemas": ["a; drop"]}, "is no plain name of a schema"),
        ("restore_drill", {"copy": COPY}, "store.example.net is not in allowed_hosts"),
        ("restore_drill", {}, "cannot be reached"),
    ],
)
def test_a_wrong_input_is_one_sentence(tmp_path: Path, name: str, options: dict[str, Any], said: str) -> None:
    answer = run(name, tmp_path, **options)
    assert answer["failed"]
    assert said in answer["msg"]


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    answer = run("backup", tmp_path, store={**STORE, "folder": str(tmp_path / "b")}, _ansible_check_mode=True)
    assert answer["changed"] is True
    assert not (tmp_path / "b").exists()
