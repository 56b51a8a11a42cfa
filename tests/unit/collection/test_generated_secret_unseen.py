# No value of a Secret leaves: not in results, diffs, what Ansible prints, the log of the system, or errors.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK
from ansible_collections.bytebot.production.plugins.modules import generated_secret, kube_apply
from tests.unit.collection.fakes import FakeCluster, served
from tests.unit.collection.secret_keeper import CANARY, PAIRS, PASSWORD, ROOT, keep, keeper, secret


def test_results_and_diffs_hold_no_value() -> None:
    cluster = FakeCluster(secret({"old": f"{CANARY}-live".encode()}))
    one = keeper(cluster, data={**PASSWORD, "literal": {"value": CANARY}}, key_pairs=PAIRS, prune=True)
    result = one.present(with_diff=True)  # before the redactor, which is the second line
    text = json.dumps(result)
    for value in [*cluster.values("app").values(), f"{CANARY}-live".encode()]:
        for form in (value.decode(), json.dumps(value.decode())[1:-1], b64encode(value).decode()):
            assert form not in text
            assert form not in one.redactor.text(f"An error that repeats {form}.")
    assert f"literal: '{MASK} (changed)'" in result["diff"]["after"]


def test_a_value_that_is_part_of_a_name_does_not_blind_the_result() -> None:
    cluster = FakeCluster(namespaces=("bytebot-production",))
    result = keep(cluster, namespace="bytebot-production", name="bytebot-db", data={"username": {"value": "bytebot"}})
    assert result["secret"] == {"namespace": "bytebot-production", "name": "bytebot-db"}
    assert "username: bytebot" not in result["diff"]["after"]


@pytest.mark.parametrize(
    ("options", "rc"),
    [
        ({"data": {"literal": {"value": CANARY}, "token": {"environment": "TRIAL_TOKEN"}}}, 0),
        ({"data": {"literal": {"value": CANARY}, "missing": {"environment": "TRIAL_NONE"}}}, 2),
        ({"data": {"literal": {"value": CANARY}, "wrong": CANARY}}, 2),
        ({"data": {"literal": {"value": CANARY}}, "state": "sideways"}, 2),  # Ansible itself refuses, before our code
    ],
)
def test_no_canary_in_what_ansible_prints(options: dict[str, Any], rc: int, tmp_path: Path) -> None:
    cluster = FakeCluster()
    with served(cluster) as address:
        task = {"host": address, "namespace": "default", "name": "app", **options}
        done = run_playbook(tmp_path, {"bytebot.production.generated_secret": task})
    assert done.returncode == rc, done.stdout + done.stderr
    printed = done.stdout + done.stderr
    assert "module_args" in printed  # the place where a value would stand
    for canary in (CANARY, f"{CANARY}-environment"):
        assert canary not in printed
        assert b64encode(canary.encode()).decode() not in printed
    if rc == 0:
        assert cluster.values("app") == {"literal": CANARY.encode(), "token": f"{CANARY}-environment".encode()}
        assert '"environment": "TRIAL_TOKEN"' in printed or "environment: TRIAL_TOKEN" in printed


@pytest.mark.parametrize("more", [{}, {"data_too": True}, {"restart_workloads": "not a truth"}])
def test_a_looked_up_value_is_nowhere_printed(more: dict[str, Any], tmp_path: Path) -> None:
    """What a lookup fetches from another store, and what is composed of it, at Ansible's most talkative."""
    cluster = FakeCluster()
    wrong = {key: value for key, value in more.items() if key != "data_too"}
    data: dict[str, Any] = {"token": {"value": "{{ lookup('ansible.builtin.env', 'TRIAL_TOKEN') }}"}}
    if more:
        data["url"] = {"dsn": {"scheme": "redis", "host": "cache", "password": {"key": "token"}}}
    with served(cluster) as address:
        task = {"host": address, "namespace": "default", "name": "app", "data": data, **wrong}
        done = run_playbook(tmp_path, {"bytebot.production.generated_secret": task})
    assert done.returncode == (2 if wrong else 0), done.stdout + done.stderr
    assert "module_args" in done.stdout
    secret_value = f"{CANARY}-environment"
    assert (cluster.values("app").get("token") == secret_value.encode()) is not bool(wrong)
    for form in (secret_value, b64encode(secret_value.encode()).decode()):
        assert form not in done.stdout + done.stderr


@pytest.mark.parametrize(("state", "rc"), [("present", 0), ("sideways", 2)])
def test_no_canary_of_an_applied_secret_in_what_ansible_prints(state: str, rc: int, tmp_path: Path) -> None:
    manifest = {**secret({}), "stringData": {"password": CANARY}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"}, "data": {"visible": "yes-visible"}}
    with served(FakeCluster()) as address:
        task = {"host": address, "namespace": "default", "objects": [manifest, config], "state": state}
        done = run_playbook(tmp_path, {"bytebot.production.kube_apply": task})
    assert done.returncode == rc, done.stdout + done.stderr
    assert "module_args" in done.stdout
    assert ("yes-visible" in done.stdout) is (rc == 0)
    for form in (CANARY, b64encode(CANARY.encode()).decode()):
        assert form not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (generated_secret.ARGUMENTS, {"name": "app", "namespace": "default", "data": {"literal": {"value": CANARY}}}),
        (kube_apply.ARGUMENTS, {"objects": [{**secret({}), "stringData": {"password": CANARY}}]}),
    ],
)
def test_no_canary_in_the_systems_log(
    arguments: dict[str, Any], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    basic.AnsibleModule(argument_spec=arguments)
    assert len(logged) == 1 and "state=present" in logged[0]
    assert CANARY not in logged[0]


def run_playbook(folder: Path, task: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """A real ``ansible-playbook -vvvv --diff``, as a user runs it."""
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    (folder / "ansible.cfg").write_text("[defaults]\n")
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_", "KUBE"))},
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "TRIAL_TOKEN": f"{CANARY}-environment",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-vvvv", "--diff", str(folder / "play.yml")]
    python = ["-e", f"ansible_python_interpreter={sys.executable}"]
    return subprocess.run(
        [*command, *python], env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )


def test_every_error_is_the_collections_own() -> None:
    """A refusal by the API server names the Secret and repeats no value."""
    cluster = FakeCluster()
    one = keeper(cluster, data={"literal": {"value": CANARY}})
    cluster._patch = lambda *_args: (_ for _ in ()).throw(_status(f'admission webhook "x" denied: {CANARY}'))
    with pytest.raises(CollectionError) as caught:
        one.present(with_diff=False)
    assert caught.value.sentence.startswith("Secret default/app cannot be applied: the Kubernetes API refused")
    assert CANARY not in one.redactor.text(caught.value.sentence)


def _status(message: str) -> Exception:
    from tests.unit.collection.fakes import _Status

    return _Status(422, message)
