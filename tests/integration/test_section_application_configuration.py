# The section on the application's configuration on the healthy sandbox: all is green, and drills leave nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.cluster import Cluster
from sandbox.pki import Pki
from sandbox.settings import FULL, load
from tests.integration.conftest import REPORTS, Played, Player, Whole

S = load()
pytestmark = pytest.mark.skipif(S.profile != FULL, reason="limits are judged by Prometheus, of the profile `full`")
SECTION, TAGS = "application_configuration", "--tags=application_configuration"
NAMESPACE = "bytebot-production"
CORE, SCALERS = (
    f"/api/v1/namespaces/{NAMESPACE}",
    f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers",
)


@pytest.fixture(scope="module")
def played(whole: Whole) -> tuple[Played, dict[str, dict[str, Any]]]:
    """What a run with load and drills recorded of the section."""
    return whole.played, whole.controls(SECTION)


def judged(play: Player, *arguments: str, **variables: Any) -> tuple[Played, dict[str, dict[str, Any]]]:
    done = play("playbooks/verify.yml", TAGS, *arguments, variables={"run_fresh": True, **variables})
    document = json.loads((REPORTS / "sandbox" / "latest" / "results.json").read_text())
    return done, {one["id"]: one for one in document["controls"] if one["id"].startswith(SECTION)}


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {control.removeprefix(f"{SECTION}."): one["state"] for control, one in found.items()}


def test_the_healthy_sandbox_is_green(played: tuple[Played, dict[str, dict[str, Any]]]) -> None:
    _done, found = played
    wanted = {**dict.fromkeys(states(found), "pass"), "tuning.vpa": "not_applicable"}
    assert states(found) == wanted, {one: told["summary"] for one, told in found.items() if told["state"] != "pass"}
    assert len(found) == 11


def test_drills_leave_nothing(played: tuple[Played, dict[str, dict[str, Any]]]) -> None:
    assert played
    cluster = Cluster(S, Pki(S.pki))
    for kind in ("pods", "services"):
        assert cluster.items(f"{CORE}/{kind}?labelSelector=bytebot.production%2Fscratch%3Ddrills") == []
    for one in cluster.items(SCALERS):
        assert one["spec"]["maxReplicas"] == 3
        assert "bytebot.production/drill-before" not in one["metadata"].get("annotations", {})
        assert all("drill" not in owner["manager"] for owner in one["metadata"].get("managedFields", []))


def test_no_secret_is_told(played: tuple[Played, dict[str, dict[str, Any]]]) -> None:
    done, found = played
    for name in ("database-password", "redis-password"):
        secret = (S.handover / name).read_text().strip()
        assert secret not in done.output + json.dumps(found)


def test_without_permission_and_inputs_it_says_what_is_missing(play: Player) -> None:
    missing: dict[str, Any] = {"bytebot_tests_allowed": [], "bytebot_prometheus": {}}
    _done, found = judged(play, **missing)
    waiting = {"tuning.pool_size", "tuning.limits", "tuning.hpa", "health.liveness", "health.readiness"}
    assert {name for name, state in states(found).items() if state == "pending"} == waiting
    assert "drills" in found[f"{SECTION}.health.liveness"]["summary"]
    assert "Prometheus" in found[f"{SECTION}.tuning.limits"]["summary"]
