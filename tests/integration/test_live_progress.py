# A roll-out is told while it happens: here it can only end because somebody read the line and let it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.conftest import AS_ADMIN, BIN, LOGS, ROOT, SANDBOX

NAMESPACE = "live-progress"
LIMIT_S = 180  # a play that hangs is ended, and has then failed
PLAY = """
- name: Tell while it happens
  hosts: all
  gather_facts: false
  module_defaults:
    group/bytebot.production.all:
      kubeconfig: "{{ bytebot_kubeconfig }}"
  tasks:
    - name: Roll out what waits for a person
      bytebot.production.helm_release:
        name: small
        namespace: live-progress
        create_namespace: true
        chart: "{{ chart }}"
        binary_path: "{{ bytebot_helm }}"
        timeout: 150
        values:
          replicas: 1
          command: "{{ command | default('exec sleep 3600') }}"
          image: "{{ image | default('registry.sandbox/base:1') }}"
          password: "{{ canary }}"
      no_log: "{{ quiet | default(false) }}"
"""


@pytest.fixture
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    """The test's own namespace, fresh, and removed in the end."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


@contextmanager
def playing(folder: Path, *arguments: str, **variables: object) -> Iterator[Iterator[str]]:
    """Run the play, and give its lines as they come; what it printed is kept like that of every other play."""
    playbook = folder / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    given = {"chart": str(ROOT / "tests" / "integration" / "charts" / "small"), **AS_ADMIN, **variables}
    given.setdefault("bytebot_helm", str(SANDBOX / "bin" / "helm"))
    command = [str(BIN / "ansible-playbook"), str(playbook), "-i", str(ROOT / "inventories" / "sandbox")]
    command += ["-e", json.dumps(given), *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "ANSIBLE_", "K8S_"))}
    own = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**kept, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    guard = threading.Timer(LIMIT_S, process.terminate)
    guard.start()
    seen: list[str] = []

    def lines() -> Iterator[str]:
        for line in process.stdout or ():
            seen.append(line.rstrip("\n"))
            yield seen[-1]

    try:
        yield lines()
        for _rest in lines():
            pass
    finally:
        guard.cancel()
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait()
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{time.time_ns()}-live-progress.log").write_text("\n".join(seen), encoding="utf-8")


def test_a_line_comes_while_the_module_runs(tmp_path: Path, namespace: str, kubectl: Callable[..., str]) -> None:
    canary = f"Canary-{secrets.token_hex(8)}"
    told: list[str] = []
    with playing(tmp_path, canary=canary) as lines:
        for line in lines:
            told.append(line)
            if "Deployment small: 0 of 1 ready" in line:
                _let_it_become_ready(namespace, kubectl)
    shown = "\n".join(told)
    assert "Release small: install (the release is not there)" in shown, shown
    end = next((at for at, line in enumerate(told) if line.startswith("changed: [sandbox]")), None)
    assert end is not None, shown  # it succeeded, which nothing but the reader of the line made possible
    progress = [at for at, line in enumerate(told) if line.startswith("  Deployment small: ")]
    assert progress, shown
    assert max(progress) < end
    assert "1 of 1 ready" in told[max(progress)]
    assert canary not in shown


def _let_it_become_ready(namespace: str, kubectl: Callable[..., str]) -> None:
    """Start in the pod what its readiness probe asks for."""
    kubectl("-n", namespace, "wait", "pod", "-l", "app=small", "--for=jsonpath={.status.phase}=Running")
    pod = kubectl("-n", namespace, "get", "pods", "-l", "app=small", "-o", "name").strip()
    kubectl("-n", namespace, "exec", pod, "--", "busybox", "httpd", "-p", "8080", "-h", "/usr/share")


def test_the_certain_cause_is_told_before_the_end(tmp_path: Path, namespace: str) -> None:
    canary = f"Canary-{secrets.token_hex(8)}"
    with playing(tmp_path, canary=canary, image="registry.sandbox/no-such-image:1") as lines:
        told = list(lines)
    shown = "\n".join(told)
    cause = next((at for at, line in enumerate(told) if line.startswith("  Certain to fail: ")), None)
    end = next((at for at, line in enumerate(told) if line.startswith(("fatal: [sandbox]", "[ERROR]"))), None)
    assert cause is not None, shown
    assert end is not None, shown
    assert cause < end
    assert "no-such-image" in told[cause]
    assert canary not in shown


def test_no_log_shows_nothing(tmp_path: Path, namespace: str) -> None:
    with playing(tmp_path, "--check", canary="none-yet", quiet=True) as lines:
        told = list(lines)
    assert any(line.startswith("changed: [sandbox]") for line in told), told
    assert not any(line.startswith("  Release small") for line in told)
