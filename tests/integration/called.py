# Calls one module in a process of its own, as Ansible does on the controller, and reads what it returns.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.conftest import ROOT, SANDBOX

HANDOVER = SANDBOX / "handover"
KUBECTL = [str(SANDBOX / "bin" / "kubectl"), f"--kubeconfig={SANDBOX}/admin.kubeconfig"]


def kube(*arguments: str, stdin: str = "") -> str:
    return subprocess.run([*KUBECTL, *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


def call(module: str, folder: Path, /, **arguments: Any) -> dict[str, dict[str, Any]]:
    """What an examining module says, by control; no secret that was handed over is in it."""
    given = {"kubeconfig": f"{SANDBOX}/admin.kubeconfig", **arguments, "_ansible_remote_tmp": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", f"ansible_collections.bytebot.production.plugins.modules.{module}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert "results" in answer, answer
    for name in ("database-password", "redis-password"):
        assert (HANDOVER / name).read_text().strip() not in done.stdout
    return {one["control"]: one for one in answer["results"]}


def states(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {control: one["state"] for control, one in results.items()}
