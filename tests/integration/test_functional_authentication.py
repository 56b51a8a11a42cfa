# Signing in and rights on the real application: green in order, nobody is left who was made, nothing forbidden is done.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts as of
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import MARK
from tests.integration.conftest import ROOT, SANDBOX, Whole

Kubectl = Callable[..., str]
MODULE = "ansible_collections.bytebot.production.plugins.modules.auth_check"
NINE = {
    of.LOGIN, of.JWT, of.REFRESH, of.LOGOUT, of.INVALID, of.RBAC, of.PERMISSIONS, of.UNAUTHORIZED, of.ADMIN,
}  # fmt: skip
WITHIN_S = 60.0


def left(kubectl: Kubectl, table: str = "users", column: str = "username") -> int:
    """How many users, or tasks, of runs are in the application's database."""
    question = f"SELECT count(*) FROM \"{table}\" WHERE {column} LIKE '{MARK}%'"
    psql = ("psql", "-qtA", "-h", "/run/postgresql", "-U", "postgres", "bytebot_production", "-c", question)
    return int(kubectl("-n", "database", "exec", "postgres-0", "--", *psql))


def process(**options: Any) -> subprocess.Popen[str]:
    """The module in a process of its own."""
    given = {
        "kubeconfig": f"{SANDBOX}/deployer.kubeconfig",
        "base_url": "https://api.bytebot.test",
        "allowed_hosts": ["api.bytebot.test"],
        "ca_file": f"{SANDBOX}/handover/ingress-ca.crt",
        "resolve": {"api.bytebot.test": "10.250.0.2"},
        "namespace": "bytebot-production",
        "accounts": [{"role": "admin", "secret": "bytebot-bootstrap-admin"}],
        "timeout": 20,
        "writes": True,
        **options,
    }
    begun = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
    )
    assert begun.stdin
    begun.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    begun.stdin.close()
    begun.stdin = None
    return begun


@pytest.fixture(scope="module")
def judged(whole: Whole) -> tuple[dict[str, str], str]:
    states = {id_: one["state"] for id_, one in whole.controls("functional_testing.").items()}
    return states, whole.played.output


def test_an_application_in_order_is_green_and_it_is_told_what_is_waited_for(judged: tuple[dict[str, str], str]) -> None:
    states, output = judged
    assert {control: states[control] for control in NINE} == dict.fromkeys(NINE, "pass")
    assert "An account of this run is locked" in output


def test_nothing_is_left(judged: tuple[dict[str, str], str], kubectl: Kubectl) -> None:
    assert judged
    assert left(kubectl) == 0
    assert left(kubectl, "Task", "description") == 0


def test_what_a_killed_run_left_is_removed_by_the_next_one(kubectl: Kubectl) -> None:
    begun = process(only=[of.RBAC])
    end = time.monotonic() + WITHIN_S
    while left(kubectl) == 0:
        assert time.monotonic() < end, "no user was made"
        assert begun.poll() is None, "it ended before it was killed"
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert left(kubectl) > 0
    said, _error = process(only=[of.LOGIN]).communicate(timeout=WITHIN_S)
    assert json.loads(said)["removed"] > 0
    assert left(kubectl) == 0
    assert left(kubectl, "Task", "description") == 0


def test_without_permission_nothing_is_made(kubectl: Kubectl) -> None:
    begun = process(writes=False)
    said, _error = begun.communicate(timeout=WITHIN_S)
    states = {one["control"]: one["state"] for one in json.loads(said)["results"]}
    assert {states[one] for one in (of.INVALID, of.RBAC, of.PERMISSIONS, of.ADMIN)} == {"pending"}
    assert states[of.LOGIN] == "pass"
    assert left(kubectl) == 0


def test_another_host_is_refused_in_one_sentence() -> None:
    said, _error = process(base_url="https://api.elsewhere.test").communicate(timeout=WITHIN_S)
    answer = json.loads(said)
    assert answer["failed"]
    assert "is not in allowed_hosts" in answer["msg"]
