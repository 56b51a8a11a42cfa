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

from tests.integration.conftest import ROOT, SANDBOX, Player

Kubectl = Callable[..., str]
NAMESPACE = "bytebot-production"
JUDGED = 12  # controls of the section that this version judges


@pytest.fixture(scope="module")
def deployed(kubectl: Kubectl) -> str:
    """From nothing: foretold, then deployed. Returns what the deployment printed."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    psql = ("psql", "-q", "-h", "/run/postgresql", "-U", "postgres", "bytebot_production")
    kubectl("-n", "database", "exec", "postgres-0", "--", *psql, "-c", "DROP OWNED BY bytebot_user CASCADE")
    foretold = Player()("deploy.yml", "--check", "--diff")
    assert foretold.code == 0, foretold.output[-4000:]
    assert NAMESPACE not in kubectl("get", "namespaces", "-o", "name"), "check mode made the namespace"
    played = Player()("deploy.yml", "--diff")
    assert played.code == 0, played.output[-6000:]
    assert played.changed == foretold.changed, "check mode foretold another number of changes"
    return played.output


def test_every_judged_control_is_green(deployed: str) -> None:
    assert f"{JUDGED} of 22 controls judged: {JUDGED} pass" in deployed


def test_the_report_holds_every_control_and_the_gate_stays_shut(deployed: str) -> None:
    folder = ROOT / "reports" / "sandbox" / "latest"
    document = json.loads((folder / "results.json").read_text())
    states = Counter(control["state"] for control in document["controls"])
    assert (len(document["controls"]), states["pass"], states["fail"]) == (204, JUDGED, 0)
    for name in ("report.html", "checklist.md", "junit.xml"):
        assert (folder / name).stat().st_size > 10_000
    assert (folder / "checklist.md").read_text().count("- [x] ") == JUDGED
    asked = subprocess.run(
        [sys.executable, "scripts/gate", "sandbox", "--stage", "deploy"], cwd=ROOT, capture_output=True, check=False
    )
    assert asked.returncode == 2, "controls that nobody judges yet must keep the gate shut"


def test_the_release_runs(deployed: str, kubectl: Kubectl) -> None:
    ready = kubectl("-n", NAMESPACE, "get", "deployment", "bytebot-api", "-o", "jsonpath={.status.readyReplicas}")
    assert ready == "2"


def test_second_run_changes_nothing(deployed: str, play: Player) -> None:
    again = play("deploy.yml", "--diff")
    assert again.code == 0, again.output[-4000:]
    assert again.changed == 0, again.output[-4000:]


def test_check_mode_says_nothing_would_change(deployed: str, play: Player) -> None:
    foretold = play("deploy.yml", "--check", "--diff")
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
    broken = play("deploy.yml", variables={"bytebot_values": {"global": {"imageTag": "no-such-tag"}}})
    assert broken.code == 2
    assert "image not found" in broken.output
    assert "no-such-tag" in broken.output
    assert "still waiting" not in broken.output, "the time-out came first"
    healed = play("deploy.yml")
    assert healed.code == 0, healed.output[-4000:]
    assert f"{JUDGED} pass" in healed.output


def test_an_upgrade_rolls_to_the_new_version(deployed: str, play: Player, kubectl: Kubectl) -> None:
    newer = play("deploy.yml", variables={"bytebot_values": {"global": {"imageTag": "1.1.0"}}})
    assert newer.code == 0, newer.output[-4000:]
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "component=api", "-o", "json"))["items"]
    staying = [pod["spec"]["containers"][0]["image"] for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    assert staying == ["registry.sandbox/bytebot/api:1.1.0"] * 2
    back = play("deploy.yml")
    assert back.code == 0, back.output[-4000:]


@pytest.mark.parametrize(
    ("what", "patch", "red", "says"),
    [
        (
            "service/bytebot-api",
            '{"spec":{"selector":{"app":"nobody"}}}',
            {"deployment.execution.services", "deployment.execution.endpoints"},
            "no ready endpoint",
        ),
        (
            "ingress/bytebot",
            '{"spec":{"ingressClassName":"no-such-class"}}',
            {"deployment.execution.ingress", "deployment.execution.endpoints"},
            "no-such-class",
        ),
    ],
)
def test_saboteur_turns_its_controls_red(
    deployed: str, play: Player, kubectl: Kubectl, what: str, patch: str, red: set[str], says: str
) -> None:
    kubectl("-n", NAMESPACE, "patch", what, "--type=merge", "-p", patch)
    judged = play("tests/integration/playbooks/verify.yml")
    try:
        assert judged.code == 2
        named = {word.strip(".,") for word in judged.output.split() if word.startswith("deployment.")}
        assert red <= named, judged.output[-4000:]
        assert says in judged.output
    finally:
        healed = play("deploy.yml")
    assert healed.code == 0, healed.output[-4000:]
