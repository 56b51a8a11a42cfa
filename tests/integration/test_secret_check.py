# secret_check against real services, in a namespace of its own: every trap turns red what it must, and nothing else.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster import Cluster
from sandbox.faults import secrets as faults
from sandbox.faults.fault import Fault, Hands
from sandbox.pki import Pki
from sandbox.settings import load
from tests.integration.called import HANDOVER, call, kube, states
from tests.integration.conftest import SANDBOX

ROOT = Path(__file__).parents[2]
OURS = os.environ.get("BYTEBOT_TEST_NAMESPACE", "it-secret-check")
DOCUMENT = ROOT / "catalogue" / "checklist.md"
DATABASE, STRENGTH = faults.DATABASE, faults.STRENGTH
EVERY = (DATABASE, faults.REDIS, faults.JWT, faults.TLS, faults.ENCODING, STRENGTH)
# What the module judges of this, the playbooks tell as blocked by what is red at the server itself.
_BLOCKED = {"database_secret_wrong_host": {DATABASE}}
_OTHER = {"bytebot_other_secrets": "others", "bytebot_tls": "tls"}  # the inventory's names, and the module's


def judge(tmp_path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """What the module says in a process of its own, by control; no scratch pod and no secret is left behind."""
    own = {"ca_file": str(HANDOVER / "ingress-ca.crt"), **options.pop("tls", {})}
    arguments = {
        "namespace": OURS,
        "release": "bytebot",
        "hosts": ["api.bytebot.test"],
        "probe_image": "registry.sandbox/base:1",
        "minimum_entropy": 192,
        "tls": own,
        "only": EVERY,
        **options,
    }
    found = call("secret_check", tmp_path, **arguments)
    assert kube("get", "pods", "-n", OURS, "-o", "name") == ""
    return found


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS, "labels": labels}}
    kube("apply", "-f", "-", stdin=json.dumps(meta))
    yield
    kube("delete", "namespace", OURS, "--wait=false")


@pytest.fixture
def good(tmp_path: Path) -> None:
    """The four Secrets as a platform team hands them over."""
    kube("delete", "secrets", "--all", "-n", OURS)
    new = ("create", "secret", "-n", OURS)
    database, cache = "postgres.database.svc.cluster.local", "redis.cache.svc.cluster.local"
    kube(
        *new, "generic", "bytebot-db-secret", "--from-literal=username=bytebot_user", f"--from-literal=host={database}",
        "--from-literal=database=bytebot_production", f"--from-file=password={HANDOVER}/database-password",
        f"--from-file=ca.crt={HANDOVER}/database-ca.crt",
    )  # fmt: skip
    kube(
        *new, "generic", "bytebot-redis-secret", "--from-literal=username=bytebot", f"--from-literal=host={cache}",
        f"--from-file=password={HANDOVER}/redis-password",
    )  # fmt: skip
    keys = tmp_path / "keys"
    keys.mkdir()
    for half in ("access", "refresh"):
        private, public = keys / f"{half}-token-private-key", keys / f"{half}-token-public-key"
        subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    kube(*new, "generic", "bytebot-jwt-secret", f"--from-file={keys}")
    shutil.rmtree(keys)
    kube(*new, "tls", "bytebot-tls-secret", f"--cert={HANDOVER}/tls.crt", f"--key={HANDOVER}/tls.key")


@pytest.fixture
def hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    """The faults' hands, in this namespace and a folder of their own, which goes: it holds what faults replaced."""
    folder = tmp_path / "faults"
    monkeypatch.setattr(faults, "NAMESPACE", OURS)
    monkeypatch.setattr(faults, "CORE", f"/api/v1/namespaces/{OURS}/secrets")
    monkeypatch.setattr(Hands, "folder", property(lambda _: folder))
    settings = load()
    pki = Pki(settings.pki)
    yield Hands(settings, Cluster(settings, pki), pki)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.usefixtures("good")
def test_good_secrets_are_green(tmp_path: Path) -> None:
    assert states(judge(tmp_path)) == dict.fromkeys(EVERY, "pass")


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_a_fault_turns_red_what_it_says_and_nothing_else(tmp_path: Path, hands: Hands, fault: Fault) -> None:
    wanted = set(fault.turns_red) & set(EVERY) | _BLOCKED.get(fault.name, set())
    fault.put(hands)
    given = {_OTHER[name]: value for name, value in fault.variables(hands).items()}
    found = states(judge(tmp_path, **given))
    assert {control for control, state in found.items() if state == "fail"} == wanted
    assert {state for control, state in found.items() if control not in wanted} == {"pass"}
    fault.heal(hands)
    assert states(judge(tmp_path, only=list(wanted))) == dict.fromkeys(wanted, "pass")


@pytest.mark.usefixtures("good")
def test_the_documents_own_commands_are_red_and_the_remedy_says_what_to_write(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    block = re.search(r"# Database secrets\n(kubectl create secret generic bytebot-db-secret .*?)\n\n", text, re.DOTALL)
    assert block is not None
    command = block[1].replace("bytebot-production", OURS)
    kube("delete", "secret", "bytebot-db-secret", "-n", OURS)
    environment = {
        **os.environ,
        "PATH": f"{SANDBOX}/bin:{os.environ['PATH']}",
        "KUBECONFIG": f"{SANDBOX}/admin.kubeconfig",
    }
    subprocess.run(["bash", "-c", command], env=environment, check=True, capture_output=True)
    found = judge(tmp_path)
    for control in (DATABASE, STRENGTH):
        assert found[control]["state"] == "fail"
        assert "literal text of a command that was never run" in found[control]["summary"]
        assert '--from-literal=KEY="$(openssl rand -base64 32)"' in found[control]["remedy"]
    assert {state for control, state in states(found).items() if control not in (DATABASE, STRENGTH)} == {"pass"}


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"password": "bm90LXRoZS1wYXNzd29yZC1vZi1hbnlib2R5LWF0LWFsbA-x9"}, "the user or the password is refused"),
        ({"database": "no_such_database"}, "the database does not exist"),
        ({"host": "postgres.nowhere.svc.cluster.local"}, "its name does not resolve"),
        ({"port": "5433"}, "."),
        ({"host": "localhost"}, "is localhost"),
    ],
)
def test_each_cause_has_its_own_sentence(tmp_path: Path, data: dict[str, str], said: str) -> None:
    kube("patch", "secret", "bytebot-db-secret", "-n", OURS, "-p", json.dumps({"stringData": data}))
    found = judge(tmp_path, only=[DATABASE])[DATABASE]
    assert found["state"] == "fail"
    assert said in found["summary"]


@pytest.mark.usefixtures("good")
def test_without_a_probe_nobody_signs_in(tmp_path: Path) -> None:
    found = judge(tmp_path, probe_image=None)
    assert {found[control]["state"] for control in (DATABASE, faults.REDIS)} == {"pending"}


def test_nothing_there(tmp_path: Path, kubectl: Callable[..., str]) -> None:
    kubectl("delete", "secrets", "--all", "-n", OURS)
    found = states(judge(tmp_path))
    assert found == {
        DATABASE: "fail", faults.REDIS: "pending", faults.JWT: "fail", faults.TLS: "fail", faults.ENCODING: "pending",
        STRENGTH: "pending",
    }  # fmt: skip
