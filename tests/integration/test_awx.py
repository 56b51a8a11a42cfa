# Jobs as AWX runs them, from the built tarball and on an empty disk: deploys to bytebot-production, then judges it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.awx import AWX, FIELDS, Done, Jobs
from tests.integration.conftest import ROOT, SANDBOX

RECORD = "bytebot-record-awx"  # the namespace of the record, made and deleted here
TRAINING = "team.training.operations"
SHIPPED = ROOT / "roles" / "run" / "files" / "record-rbac.yaml"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, kubectl: Callable[..., str]) -> Iterator[Jobs]:
    folder = tmp_path_factory.mktemp("awx")
    rbac = folder / "rbac.yaml"
    rbac.write_text(SHIPPED.read_text().replace("bytebot-record", RECORD))
    kubectl("apply", "-f", str(rbac))
    deployer = SANDBOX / "deployer.kubeconfig"
    whoami = json.loads(kubectl("auth", "whoami", f"--kubeconfig={deployer}", "-o", "json"))
    user = whoami["status"]["userInfo"]["username"]
    kubectl("-n", RECORD, "create", "rolebinding", "deployer", f"--role={RECORD}", f"--user={user}")
    yield Jobs(folder, deployer, {"bytebot_record": {"store": "cluster", "namespace": RECORD}})
    shutil.rmtree(folder)  # the credentials' files are there
    kubectl("delete", "namespace", RECORD)


@pytest.fixture(scope="module")
def deployed(jobs: Jobs) -> Done:
    return jobs.launch("deploy")


@pytest.fixture(scope="module")
def verified(jobs: Jobs, deployed: Done) -> Done:
    return jobs.launch("verify")


def secrets() -> dict[str, list[str]]:
    """What the credentials hold, in the forms in which it could leak; certificates are no secret."""
    found = {name: (SANDBOX / "handover" / name).read_text() for name in FIELDS if not name.endswith(".crt")}
    config = yaml.safe_load((SANDBOX / "deployer.kubeconfig").read_text())
    for user in config["users"]:
        for key, value in user["user"].items():
            if key in {"client-key-data", "token"}:
                found[f"kubeconfig/{key}"] = value
                found[f"kubeconfig/{key}/plain"] = base64.b64decode(value).decode() if key.endswith("-data") else value
    assert len(found) >= 4
    return {name: _forms(value) for name, value in found.items()}


def _forms(value: str) -> list[str]:
    lines = [line for line in value.splitlines() if len(line) > 16 and "-----" not in line]
    return [*(lines or [value.strip()]), base64.b64encode(value.encode()).decode()[:64]]


def leaks(folder: Path) -> list[str]:
    return [
        f"{name} in {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for name, forms in secrets().items()
        if any(form in path.read_text(errors="replace") for form in forms)
    ]


def parts(kubectl: Callable[..., str], run: str) -> set[str]:
    label = f"--selector=bytebot.production/run={run}"
    listed = json.loads(kubectl("-n", RECORD, "get", "configmaps", label, "-o", "json"))["items"]
    return {obj["metadata"]["labels"]["bytebot.production/part"] for obj in listed}


def outcome(done: Done) -> dict[str, Any]:
    told: dict[str, Any] = done.told()["bytebot_environments"]["sandbox"]
    return told


def test_deploy_tells_a_workflow_that_the_gate_is_open(deployed: Done) -> None:
    assert deployed.code == 0, deployed.output[-4000:]
    told = deployed.told()
    assert (told["bytebot_gate_decision"], told["bytebot_failed_controls"]) == ("open", [])
    counts = outcome(deployed)["counts"]
    assert counts["pass"] >= 17
    assert sum(counts.values()) == 204


def test_verify_goes_on_from_an_empty_disk_and_decides_the_same(deployed: Done, verified: Done) -> None:
    assert verified.code == 0, verified.output[-4000:]
    assert verified.told()["bytebot_gate_decision"] == "open"
    assert outcome(verified)["run"] != outcome(deployed)["run"]
    reports = verified.artifacts.parents[1] / "project" / "reports" / "sandbox"
    document = json.loads((reports / outcome(verified)["run"] / "results.json").read_text())
    assert document["previous"]["run"] == outcome(deployed)["run"], "the run before is known from the cluster alone"
    assert document["counts"] == outcome(verified)["counts"]


def test_the_record_is_in_the_cluster(deployed: Done, verified: Done, kubectl: Callable[..., str]) -> None:
    for done in (deployed, verified):
        assert parts(kubectl, outcome(done)["run"]) >= {"run", "outcome", "infrastructure", "deployment"}


def test_no_secret_stands_in_what_the_jobs_leave(deployed: Done, verified: Done) -> None:
    for done in (deployed, verified):
        assert list(done.events())
        assert leaks(done.artifacts) == []
        assert leaks(done.artifacts.parents[1] / "project") == []


def test_the_grep_can_find(deployed: Done) -> None:
    assert leaks(deployed.artifacts.parents[1] / "env"), "the credentials' files are there"


def test_the_first_node_of_the_workflow_asks_the_gate_of_its_stage_alone(jobs: Jobs, deployed: Done) -> None:
    first = yaml.safe_load((AWX / "workflow.yml").read_text())["awx_workflow"]["nodes"][0]
    done = jobs.launch(first["template"], first["answers"], first["tags"])
    assert (done.code, done.told()["bytebot_gate_decision"]) == (0, "open"), done.output[-4000:]
    assert "gate preflight is open" in done.output


@pytest.mark.parametrize(("decision", "code"), [("open", 2), ("shut", 0), (None, 2)])
def test_a_workflow_branches_on_what_a_job_has_told(
    decision: str | None, code: int, jobs: Jobs, verified: Done
) -> None:
    told = {**verified.told(), "bytebot_gate_decision": decision} if decision else {}
    done = jobs.launch("decision", artifacts=told)
    assert done.code == code, done.output[-4000:]
    assert code == 0 or "going back is offered only where it is shut" in " ".join(done.output.split())


def test_attest_asks_for_what_waits_in_the_name_of_who_launched_it(jobs: Jobs, verified: Done, tmp_path: Path) -> None:
    key = tmp_path / "operations"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    (tmp_path / "allowed_signers").write_text(f"demo-operations {key.with_suffix('.pub').read_text()}")
    who = [{"signer": "demo-operations", "name": "Operations", "roles": ["operations"]}]
    inventory = {"bytebot_allowed_signers": str(tmp_path / "allowed_signers"), "bytebot_signers": who}
    done = jobs.launch("attest", {**inventory, "sign_off_controls": TRAINING})
    assert done.code == 0, done.output[-4000:]
    asked = sorted((done.artifacts.parents[1] / "project" / "reports" / "sandbox" / "requests").glob("*.json"))
    assert [path.name for path in asked] == [f"{TRAINING}.attestation.json"]
    assert '"launcher"' in asked[0].read_text()


def test_discover_shows_the_inventory_since_its_disk_vanishes(jobs: Jobs) -> None:
    done = jobs.launch("discover")
    assert done.code == 0, done.output[-4000:]
    assert "bytebot_hosts:" in done.output
    assert "bytebot-production:" in done.output
    assert leaks(done.artifacts) == []


@pytest.mark.parametrize("path", sorted((AWX / "credential_types").glob("*.yml")), ids=lambda path: path.stem)
def test_a_secret_is_never_an_extra_variable_or_an_environment_variable(path: Path) -> None:
    kind = yaml.safe_load(path.read_text())
    fields = {field["id"] for field in kind["inputs"]["fields"] if field.get("secret")}
    assert fields
    given = json.dumps([kind["injectors"].get("extra_vars", {}), kind["injectors"].get("env", {})])
    assert [field for field in fields if f"{{{{ {field} }}}}" in given] == []
