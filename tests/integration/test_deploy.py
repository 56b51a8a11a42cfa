# The main job on the sandbox: deployed from nothing, unchanged the second time, foretold, and explained when red.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.conftest import AS_ADMIN, REPORTS, ROOT, SANDBOX, Played, Player

Kubectl = Callable[..., str]
NAMESPACE = "bytebot-production"
JUDGED = 63  # controls that this version judges and that can pass on a healthy system
SHOWN = 69  # controls of the sections that the terminal shows
# For what only one section can show; the gate stays shut then, for what was not judged.
SECTION = ("--tags", "deployment")
DEPLOYMENT = 27  # controls that its role judges: its own, and five of the ingress


@pytest.fixture(scope="module")
def deployed(kubectl: Kubectl) -> str:
    """From nothing: foretold, then deployed. Returns what the deployment printed.

    Only an administrator may do that: the deployer's rights in the namespace go with the namespace. `sandbox up` gives
    them again, and everything after is done by the deployer.
    """
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    psql = ("psql", "-q", "-h", "/run/postgresql", "-U", "postgres", "bytebot_production")
    kubectl("-n", "database", "exec", "postgres-0", "--", *psql, "-c", "DROP OWNED BY bytebot_user CASCADE")
    foretold = Player()("deploy.yml", "--check", "--diff", variables=AS_ADMIN)
    assert foretold.code == 0, foretold.output[-4000:]
    assert NAMESPACE not in kubectl("get", "namespaces", "-o", "name"), "check mode made the namespace"
    played = Player()("deploy.yml", "--diff", variables=AS_ADMIN)
    assert played.code == 0, played.output[-6000:]
    assert played.changed == foretold.changed, "check mode foretold another number of changes"
    command = [sys.executable, "-m", "sandbox", "up", "--progress", "plain"]
    bound = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert bound.returncode == 0, bound.stdout + bound.stderr
    return played.output


@pytest.fixture(scope="module")
def again(deployed: str) -> Played:
    """The second run, the first one by the deployer."""
    played = Player()("deploy.yml", "--diff")
    assert played.code == 0, played.output[-4000:]
    return played


def test_an_administrator_is_told_to_use_an_account_of_its_own(deployed: str) -> None:
    assert f"{JUDGED} of {SHOWN} controls judged: 2 fail, {JUDGED - 2} pass" in deployed
    assert "this account may do everything everywhere (cluster-admin)" in deployed


def test_a_namespace_that_nobody_has_bounded_is_advised_to_have_a_quota(deployed: str) -> None:
    assert "no quota bounds what it may take" in deployed


def test_every_judged_control_is_green(again: Played) -> None:
    assert f"{JUDGED} of {SHOWN} controls judged: {JUDGED} pass" in again.output


def test_the_report_holds_every_control(again: Played) -> None:
    folder = REPORTS / "sandbox" / "latest"
    document = json.loads((folder / "results.json").read_text())
    states = Counter(control["state"] for control in document["controls"])
    assert (len(document["controls"]), states["pass"], states["fail"]) == (204, JUDGED, 0)
    for name in ("report.html", "checklist.md", "junit.xml", "oscal.json"):
        assert (folder / name).stat().st_size > 10_000
    ticked = (folder / "checklist.md").read_text().count("- [x] ")
    boxes = (
        "Kubernetes Cluster",
        "Cache Layer",
        "Load Balancer & Ingress",
        "Monitoring Stack",
        "Authentication & Authorization",
        "Network Security",
        "Container Security",
        "Access Management",
    )
    assert ticked == JUDGED + len(boxes), f"the items, and the boxes of {boxes}"


@pytest.mark.parametrize(("stage", "code"), [("deploy", 0), ("sign_off", 3)])
def test_what_the_policy_leaves_out_opens_this_gate_and_no_later_one(again: Played, stage: str, code: int) -> None:
    command = [sys.executable, "scripts/gate", "sandbox", "--stage", stage, "--reports-dir", str(REPORTS)]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert asked.returncode == code, asked.stdout + asked.stderr


def test_sections_are_judged_by_their_tags(again: Played, play: Player) -> None:
    tags = "infrastructure,security_configuration"
    some = play("playbooks/verify.yml", "--tags", tags, variables={"run_fresh": True})
    assert some.code == 2, "what was not judged keeps the gate shut"
    document = json.loads((REPORTS / "sandbox" / "latest" / "results.json").read_text())
    judged = Counter(control["section"] for control in document["controls"] if control["state"] == "pass")
    assert judged == {"infrastructure": 17, "security_configuration": 15}
    assert "No control of the stage deploy has been judged." in some.output


def test_the_release_runs(deployed: str, kubectl: Kubectl) -> None:
    ready = kubectl("-n", NAMESPACE, "get", "deployment", "bytebot-api", "-o", "jsonpath={.status.readyReplicas}")
    assert ready == "2"


def test_second_run_changes_nothing(again: Played) -> None:
    assert again.changed == 0, again.output[-4000:]


def test_check_mode_says_nothing_would_change(deployed: str, play: Player) -> None:
    foretold = play("deploy.yml", "--check", "--diff", *SECTION)
    assert foretold.code == 0, foretold.output[-4000:]
    assert foretold.changed == 0, foretold.output[-4000:]


def test_helm_test_passes(deployed: str) -> None:
    """The chart's own test, run by helm itself: an independent look at what was deployed."""
    command = [
        str(SANDBOX / "bin" / "helm"),
        "test",
        "bytebot",
        "-n",
        NAMESPACE,
        f"--kubeconfig={SANDBOX}/admin.kubeconfig",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_image_is_explained_before_the_time_out_and_heals(deployed: str, play: Player) -> None:
    broken = play("deploy.yml", *SECTION, variables={"bytebot_values": {"global": {"imageTag": "no-such-tag"}}})
    assert broken.code == 2
    assert "image not found" in broken.output
    assert "no-such-tag" in broken.output
    assert "still waiting" not in broken.output, "the time-out came first"
    healed = play("deploy.yml", *SECTION)
    assert f"controls judged: {DEPLOYMENT} pass" in healed.output, healed.output[-4000:]


def images(kubectl: Kubectl) -> list[str]:
    """The images of the application's pods that stay."""
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "component=api", "-o", "json"))["items"]
    return [pod["spec"]["containers"][0]["image"] for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def test_an_upgrade_rolls_to_the_new_version_and_a_rollback_back(deployed: str, play: Player, kubectl: Kubectl) -> None:
    newer = play("deploy.yml", *SECTION, variables={"bytebot_values": {"global": {"imageTag": "1.1.0"}}})
    assert f"controls judged: {DEPLOYMENT} pass" in newer.output, newer.output[-4000:]
    assert images(kubectl) == ["registry.sandbox/bytebot/api:1.1.0"] * 2
    why = {"rollback_reason": "a drill of the tests"}
    asked = play("rollback.yml", variables=why)
    assert asked.code == 2
    assert "Nothing was changed." in asked.output
    assert "rollback_database_compatible=true" in asked.output
    assert images(kubectl) == ["registry.sandbox/bytebot/api:1.1.0"] * 2
    back = play("rollback.yml", variables={**why, "rollback_database_compatible": True})
    assert back.code == 0, back.output[-4000:]
    assert f"{JUDGED} pass" in back.output
    assert images(kubectl) == ["registry.sandbox/bytebot/api:1.0.0"] * 2
    assert "a drill of the tests" in back.output
    unchanged = play("deploy.yml", *SECTION)
    assert unchanged.changed == 0, unchanged.output[-4000:]
    assert f"controls judged: {DEPLOYMENT} pass" in unchanged.output, unchanged.output[-4000:]


def test_what_runs_is_compared_with_what_the_inventory_says(deployed: str, play: Player) -> None:
    other = play("playbooks/verify.yml", *SECTION, variables={"bytebot_values": {"global": {"imageTag": "1.1.0"}}})
    assert other.code == 2
    assert "What runs is not what chart and values say now" in other.output


def test_nothing_is_deployed_over_a_red_must(deployed: str, play: Player, kubectl: Kubectl) -> None:
    held = play(
        "deploy.yml",
        variables={"bytebot_values": {"global": {"imageTag": "1.1.0"}}, "infrastructure_minimum_version": "1.99"},
    )
    assert held.code == 2
    assert "Not deployed, for this is red: infrastructure.cluster.version." in held.output
    assert images(kubectl) == ["registry.sandbox/bytebot/api:1.0.0"] * 2
