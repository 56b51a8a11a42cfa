# A helm and its module are killed with SIGKILL in the middle of their work, and the next run goes on from there.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ROOT, SANDBOX

CHART = ROOT / "tests" / "integration" / "charts" / "small"
CODE = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
with patch_module_args(json.loads(sys.argv[2])):
    importlib.import_module(f"ansible_collections.bytebot.production.plugins.modules.{sys.argv[1]}").main()
"""


class Modules:
    """Runs a module in a process of its own, which can be killed."""

    def __init__(self, namespace: str, helm: str) -> None:
        self.given = {
            "kubeconfig": str(SANDBOX / "admin.kubeconfig"),
            "binary_path": str(SANDBOX / "bin" / helm),
            "name": "small",
            "namespace": namespace,
            "timeout": 120,
        }

    def start(self, name: str, **given: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
        command = [sys.executable, "-c", CODE, name, json.dumps({**self.given, **given})]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, name: str, **given: Any) -> dict[str, Any]:
        output, _nothing = self.start(name, **given).communicate()
        result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return result

    def deploy(self, **values: Any) -> dict[str, Any]:
        return self.run("helm_release", chart=str(CHART), values={"password": "long-enough", **values})


@pytest.fixture
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    name = "trial-killed"
    kubectl("delete", "namespace", name, "--ignore-not-found")
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def eventually(true: Callable[[], Any], within_s: float = 90) -> Any:
    until = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_what_a_killed_run_left_is_taken_up_again(kubectl: Callable[..., str], namespace: str, helm: str) -> None:
    modules = Modules(namespace, helm)
    assert modules.deploy()["changed"]
    # an image that never comes, and a cause that takes longer to be certain than this test: helm is at work
    stuck = {"password": "long-enough", "replicas": 1, "image": "registry.sandbox/no-such-image:1"}
    running = modules.start("helm_release", chart=str(CHART), values=stuck, grace={"image_missing": 600})
    pending = "owner=helm,status=pending-upgrade"
    eventually(lambda: kubectl("get", "secrets", "-n", namespace, "-l", pending, "-o", "name"))

    second = modules.deploy()
    assert second["failed"]
    assert "is held by" in second["msg"]

    for pid in (*children(running.pid), running.pid):  # helm first, so that it can tidy up nothing
        os.kill(pid, signal.SIGKILL)
    running.communicate()
    assert kubectl("get", "secrets", "-n", namespace, "-l", pending, "-o", "name")

    # the Lease must run out first, and the record must be as old
    taken_up = eventually(lambda: found if not (found := modules.deploy()).get("failed") else None)
    assert taken_up["recovered"]["was"] == "pending-upgrade", taken_up
    assert taken_up["release"]["status"] == "deployed"
    assert kubectl("get", "leases", "-n", namespace, "-o", "name") == ""
