# The module helm_chart_check in its own process: what leaves a chart unjudged, and what is a wrong input only.
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

MODULE = "ansible_collections.bytebot.production.plugins.modules.helm_chart_check"
ROOT = Path(__file__).parents[3]
SERVER = {"host": "http://127.0.0.1:9"}  # nothing listens there
CHART = str(ROOT / "tests" / "integration" / "charts" / "small")


def run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    given = {"name": "shop", "namespace": "shop", "chart": CHART, **options, "_ansible_remote_tmp": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def helm(tmp_path: Path, version: str) -> str:
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "There is no helm program"), ("Client: v2.17.0", "helm 2.17.0 is too old"), ("?", "printed no version")],
)
def test_without_a_helm_that_is_supported_nothing_is_known(tmp_path: Path, version: str | None, said: str) -> None:
    binary = str(tmp_path / "none") if version is None else helm(tmp_path, version)
    answer = run(tmp_path, **SERVER, binary_path=binary)
    assert not answer.get("failed")
    assert {result["state"] for result in answer["results"]} == {"pending"}
    assert all(said in result["summary"] for result in answer["results"])
    assert answer["failed_controls"] == []
    assert answer["digests"]["values"] == ""


@pytest.mark.parametrize("version", [None, "v4.0.0"])
def test_a_wrong_kubeconfig_is_no_matter_of_helm(tmp_path: Path, version: str | None) -> None:
    binary = str(tmp_path / "none") if version is None else helm(tmp_path, version)
    answer = run(tmp_path, kubeconfig=str(tmp_path / "kubeconfig"), binary_path=binary)
    assert answer["failed"]
    assert "There is no kubeconfig at" in answer["msg"]
    assert "results" not in answer
