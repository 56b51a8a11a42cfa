# network_check against the release that runs: green, nothing left, also not of a run that was killed in the middle.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.settings import FULL, load
from tests.integration.called import call, kube
from tests.integration.conftest import ROOT, SANDBOX

PLACE = "bytebot-production"
POLICIES = "security_configuration.network.policies"
OURS = ("-n", PLACE, "-l", "bytebot.production/scratch=network", "-o", "name")
PATHS = [
    {"name": "the monitoring", "zone": "other_namespace", "host": "prometheus.monitoring.svc", "port": 9090},
    {"name": "the internet", "zone": "outside", "host": "203.0.113.10", "port": 80},
]
USUAL: dict[str, Any] = {
    "namespace": PLACE,
    "probe_image": "registry.sandbox/base:1",
    "paths": PATHS,
    "allowed_hosts": ["203.0.113.10"],
}
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "it-default-deny", "namespace": PLACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}

S = load()
pytestmark = pytest.mark.skipif(S.profile != FULL, reason="the sandbox is up without its profile `full`")


def judge(tmp_path: Path, **options: Any) -> dict[str, Any]:
    found = call("network_check", tmp_path, **{**USUAL, **options})[POLICIES]
    assert left() == ""
    return found


def left() -> str:
    return kube("get", "pods,networkpolicies", *OURS)


@pytest.fixture
def denied() -> Iterator[None]:
    """Default deny for the whole namespace, as the document's strictest reading has it."""
    kube("apply", "-f", "-", stdin=json.dumps(DENY))
    yield
    kube("delete", "networkpolicy", "it-default-deny", "-n", PLACE)


def test_the_release_is_kept_apart(tmp_path: Path) -> None:
    found = judge(tmp_path, isolation="workloads")
    assert (found["state"], len(found["weaker"])) == ("pass", 1), found
    assert judge(tmp_path)["state"] == "fail"


@pytest.mark.usefixtures("denied")
def test_where_the_whole_namespace_is_isolated_the_witness_still_goes_out(tmp_path: Path) -> None:
    found = judge(tmp_path)
    assert (found["state"], found["weaker"]) == ("pass", []), found


@pytest.mark.usefixtures("denied")
def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    given = {**USUAL, "kubeconfig": f"{SANDBOX}/admin.kubeconfig", "_ansible_remote_tmp": str(tmp_path)}
    running = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.bytebot.production.plugins.modules.network_check"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
    )
    assert running.stdin
    running.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
    running.stdin.close()
    while not left():
        assert running.poll() is None, "it ended before it made a pod"
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert left() != ""
    assert judge(tmp_path)["state"] == "pass"
