# The record in the real cluster: it outlives the machine's disk and the play, and is guarded as the one in files.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import AS_ADMIN, BIN, ROOT, SANDBOX, Played, Player, kill_all

NAMESPACE = "bytebot-record-test"
FOUND_WITHIN_S = 120  # only so that a test that waits in vain ends

PLAY = """
- name: Record
  hosts: all
  gather_facts: false
  module_defaults:
    group/bytebot.production.all:
      kubeconfig: "{{ bytebot_kubeconfig }}"
  tasks:
    - name: Open the run
      ansible.builtin.import_role:
        name: bytebot.production.run

    - name: Record what was judged
      bytebot.production.checklist_record:
        environment: "{{ run_record.environment }}"
        reports_dir: "{{ run_record.reports_dir }}"
        results: "{{ [item | combine({'evidence': [given_evidence]})] }}"
      loop: "{{ given_results if not run_settled else [] }}"
      loop_control:
        pause: "{{ given_pause | default(0) }}"

    - name: Ask the gate and close
      ansible.builtin.import_role:
        name: bytebot.production.go_live
"""
OBSERVED = {"asked": "nothing"}


def result(control: str, state: str) -> dict[str, Any]:
    return {"control": control, "state": state, "summary": f"It is {state}.", "started": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture
def variables(namespace: str, kubectl: Callable[..., str], tmp_path: Path) -> dict[str, Any]:
    kubectl("--namespace", namespace, "delete", "configmaps,leases", "--selector=app.kubernetes.io/component=record")
    from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of

    item = {"source": "a test", "observed_at": "2026-01-01T00:00:00Z", "observed": OBSERVED}
    return {
        **AS_ADMIN,
        "bytebot_record": {"store": "cluster", "namespace": namespace},
        "bytebot_reports_dir": str(tmp_path / "first"),
        "given_evidence": {**item, "sha256": sha256_of(OBSERVED)},
        "given_results": [
            result("infrastructure.cluster.version", "pass"),
            result("deployment.execution.pods", "fail"),
            result("infrastructure.cluster.access", "pass"),
        ],
    }


@pytest.fixture
def playbook(tmp_path: Path) -> str:
    (tmp_path / "record.yml").write_text(PLAY)
    return str(tmp_path / "record.yml")


def objects(kubectl: Callable[..., str], kind: str = "configmaps") -> list[dict[str, Any]]:
    listed = kubectl("-n", NAMESPACE, "get", kind, "-o", "json", "-l", "app.kubernetes.io/component=record")
    found: list[dict[str, Any]] = json.loads(listed)["items"]
    return found


def content(obj: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(obj["binaryData"]["content.json.gz"])))
    return read


@contextmanager
def paused(playbook: str, variables: dict[str, Any], kubectl: Callable[..., str]) -> Iterator[str]:
    """A play that has recorded its first result and waits before the second: the id of its run."""
    command = [str(BIN / "ansible-playbook"), playbook, "-i", str(ROOT / "inventories" / "sandbox")]
    command += ["-e", json.dumps({**variables, "given_pause": 3600})]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            end = time.monotonic() + FOUND_WITHIN_S
            while not (found := [obj for obj in objects(kubectl) if "-infrastructure" in obj["metadata"]["name"]]):
                assert process.poll() is None, "the play ended before"
                assert time.monotonic() < end, "nothing was recorded"
                time.sleep(0.1)
            yield found[0]["metadata"]["labels"]["bytebot.production/run"]
        finally:
            kill_all(process.pid)


def decided(played: Played, folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "sandbox" / "latest" / "results.json").read_text())
    assert "Traceback" not in played.output
    return document


def test_a_run_that_was_killed_goes_on_from_another_disk_and_decides_as_files_do(
    playbook: str, variables: dict[str, Any], play: Player, tmp_path: Path, kubectl: Callable[..., str]
) -> None:
    with paused(playbook, variables, kubectl) as killed:
        pass
    variables["bytebot_reports_dir"] = str(tmp_path / "empty")
    rest = {**variables, "given_results": variables["given_results"][1:], "run_settled": []}
    again = play(playbook, variables=rest)
    assert again.code == 2, again.output[-4000:]
    document = decided(again, tmp_path / "empty")
    assert (document["run"]["id"], document["run"]["resumed"]) == (killed, 1)
    assert document["run"]["closed"]
    assert (tmp_path / "empty" / "sandbox" / killed / "report.html").is_file()
    on_files = play(
        playbook,
        variables={**variables, "bytebot_record": {"store": "files"}, "bytebot_reports_dir": str(tmp_path / "files")},
    )
    assert on_files.code == 2
    same = decided(on_files, tmp_path / "files")
    assert document["gate"] == same["gate"]
    assert document["gate"]["decision"] == "shut"
    assert {entry["id"]: entry["state"] for entry in document["controls"]} == {
        entry["id"]: entry["state"] for entry in same["controls"]
    }
    sections = [obj for obj in objects(kubectl) if "results" in content(obj)]
    assert {content(obj)["section"]: obj["immutable"] for obj in sections} == {
        "deployment": True,
        "infrastructure": True,
    }
    assert [lease["spec"].get("holderIdentity", "") for lease in objects(kubectl, "leases")] == [""]


def test_two_plays_exclude_each_other(
    playbook: str, variables: dict[str, Any], play: Player, tmp_path: Path, kubectl: Callable[..., str]
) -> None:
    with paused(playbook, variables, kubectl) as first:
        second = play(playbook, variables={**variables, "bytebot_reports_dir": str(tmp_path / "second")})
    assert second.code == 2
    assert f"Run {first} of this environment is going on (process" in second.output
    assert ", since 20" in second.output
    assert not (tmp_path / "second").exists()


def test_what_was_edited_by_hand_is_not_used(
    playbook: str, variables: dict[str, Any], play: Player, tmp_path: Path, kubectl: Callable[..., str]
) -> None:
    with paused(playbook, variables, kubectl):
        pass
    obj = next(obj for obj in objects(kubectl) if "-infrastructure" in obj["metadata"]["name"])
    edited = json.dumps(content(obj)).replace("It is pass.", "It is well.")
    text = base64.b64encode(gzip.compress(edited.encode())).decode()
    patch = json.dumps({"binaryData": {"content.json.gz": text}})
    name = obj["metadata"]["name"]
    kubectl("-n", NAMESPACE, "patch", "configmap", name, "--type=merge", "-p", patch)
    again = play(playbook, variables={**variables, "given_results": []})
    document = decided(again, tmp_path / "first")
    states = {entry["id"]: entry["state"] for entry in document["controls"]}
    assert states["infrastructure.cluster.version"] == "pending"
    assert f"ConfigMap {NAMESPACE}/{name} was changed after it was written" in " ".join(document["run"]["defects"])


@pytest.fixture
def keeper(namespace: str, kubectl: Callable[..., str], tmp_path: Path) -> Iterator[str]:
    """A kubeconfig of an account that may do what the shipped role says, and nothing else."""
    shipped = (ROOT / "roles" / "run" / "files" / "record-rbac.yaml").read_text()
    (tmp_path / "rbac.yaml").write_text(shipped.replace("bytebot-record", namespace))
    kubectl("apply", "-f", str(tmp_path / "rbac.yaml"))
    kubectl("-n", namespace, "create", "serviceaccount", "keeper", check=False)
    binding = ["create", "rolebinding", "keeper", f"--role={namespace}", f"--serviceaccount={namespace}:keeper"]
    kubectl("-n", namespace, *binding, check=False)
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    token = kubectl("-n", namespace, "create", "token", "keeper").strip()
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = tmp_path / "keeper.kubeconfig"
    path.touch(0o600)
    path.write_text(json.dumps(config))
    yield str(path)
    path.unlink()


def test_the_shipped_role_is_enough_and_no_other_namespace_opens(
    playbook: str, variables: dict[str, Any], play: Player, keeper: str, tmp_path: Path, kubectl: Callable[..., str]
) -> None:
    variables["bytebot_kubeconfig"] = keeper
    played = play(playbook, variables=variables)
    assert "pass" in played.output
    assert decided(played, tmp_path / "first")["run"]["closed"], played.output[-4000:]
    for elsewhere in ("default", "no-such-namespace"):
        record = {"store": "cluster", "namespace": elsewhere}
        refused = play(playbook, variables={**variables, "bytebot_record": record})
        assert refused.code == 2
        assert "Not permitted to" in refused.output
        assert "record-rbac.yaml" in refused.output
    lost = play(playbook, variables={**variables, **AS_ADMIN, "bytebot_record": record})
    assert "There is no namespace no-such-namespace" in lost.output


def test_no_credentials_are_left_behind(playbook: str, variables: dict[str, Any], play: Player, tmp_path: Path) -> None:
    """The client writes a kubeconfig's keys to files for its own time."""
    config = (SANDBOX / "admin.kubeconfig").read_text()
    key = next(line.split(":", 1)[1].strip() for line in config.splitlines() if "client-key-data:" in line)
    pem = base64.b64decode(key).decode()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    assert tempfile.gettempdir() != str(temporary)
    played = play(playbook, variables=variables, environment={"TMPDIR": str(temporary)})
    assert "pass" in played.output
    texts = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert [text for text in texts if pem in text or key in text] == []


def test_check_mode_writes_nothing(
    playbook: str, variables: dict[str, Any], play: Player, tmp_path: Path, kubectl: Callable[..., str]
) -> None:
    played = play(playbook, "--check", "-v", variables=variables)
    assert "1 results would be recorded in run check-mode" in played.output, played.output[-4000:]
    assert "Traceback" not in played.output
    assert (objects(kubectl), objects(kubectl, "leases"), (tmp_path / "first").exists()) == ([], [], False)
