# The fence around the sandbox's release: what it denies is denied by the kernel, and the application still works.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SANDBOX, Player

NAMESPACE = "bytebot-production"
IMAGE, SLEEP = "registry.sandbox/bytebot/api:1.0.0", "import time; time.sleep(3600)"  # an image with Python
OWNED = "app.kubernetes.io/managed-by=bytebot.production"
KINDS = "networkpolicies,limitranges,resourcequotas,poddisruptionbudgets"
INPUTS = {
    "security_configuration_apply_kubeconfig": str(SANDBOX / "admin.kubeconfig"),
    "security_configuration_ingress_namespaces": ["ingress"],
    "security_configuration_monitoring_namespaces": ["monitoring"],
    "security_configuration_metrics_ports": [9090],
}
Ask = Callable[..., str]


@pytest.fixture(autouse=True)
def _gone(kubectl: Ask) -> Iterator[None]:
    yield
    kubectl("delete", KINDS, "-n", NAMESPACE, "-l", OWNED)
    kubectl("delete", "pod", "stranger", "-n", NAMESPACE, "--ignore-not-found", "--wait=false")


@pytest.fixture
def stranger(kubectl: Ask, tmp_path: Path) -> None:
    """A pod in the namespace that is none of the release."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "x",
        "image": IMAGE,
        "command": ["python3", "-c", SLEEP],
        "securityContext": secure,
    }
    bounds = {"cpu": "50m", "memory": "64Mi"}
    container |= {"resources": {"requests": bounds, "limits": bounds}}
    context = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": context, "terminationGracePeriodSeconds": 0}
    pod = tmp_path / "stranger.json"
    meta = {"name": "stranger", "namespace": NAMESPACE}
    pod.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}))
    kubectl("create", "-f", str(pod))
    kubectl("wait", "pod/stranger", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=120s")


def reaches(kubectl: Ask, address: str, port: int) -> bool:
    """Whether the stranger's connection to an address is taken; anything but yes and no is neither."""
    program = f"""
import socket
try:
    socket.create_connection(("{address}", {port}), timeout=5).close()
    print("taken")
except OSError:
    print("refused")
"""
    said = kubectl("exec", "stranger", "-n", NAMESPACE, "--", "python3", "-c", program).strip()
    assert said in ("taken", "refused"), said
    return said == "taken"


def address(kubectl: Ask, kind: str, name: str, namespace: str, path: str) -> str:
    return kubectl("get", kind, name, "-n", namespace, "-o", f"jsonpath={path}")


@pytest.mark.usefixtures("stranger")
def test_what_is_not_needed_is_denied_and_the_application_works(play: Player, kubectl: Ask, tmp_path: Path) -> None:
    database = address(kubectl, "service", "postgres", "database", "{.spec.clusterIP}")
    assert reaches(kubectl, database, 5432)  # a prober that could: else a denial would say nothing
    assert play("tests/integration/playbooks/secure.yml", "--check", "--diff", variables=INPUTS).changed == 1
    assert kubectl("get", KINDS, "-n", NAMESPACE, "-l", OWNED, "-o", "name") == ""
    did = play("tests/integration/playbooks/secure.yml", variables=INPUTS)
    assert (did.code, did.changed) == (0, 1), did.output
    again = play("tests/integration/playbooks/secure.yml", "--diff", variables=INPUTS)
    assert (again.code, again.changed) == (0, 0), again.output
    assert not reaches(kubectl, database, 5432)
    judged = play("playbooks/verify.yml", variables={"bytebot_reports_dir": str(tmp_path / "reports")})
    assert judged.code == 0, judged.output
    assert "The gate deploy is open" in judged.output


def test_it_says_what_is_missing_before_anything_is_denied(play: Player, kubectl: Ask) -> None:
    inputs = {**INPUTS, "security_configuration_ingress_namespaces": []}
    done = play("tests/integration/playbooks/secure.yml", variables=inputs)
    assert done.code == 2
    assert "ingress_namespaces is empty" in done.output
    assert kubectl("get", KINDS, "-n", NAMESPACE, "-l", OWNED, "-o", "name") == ""
