# An inventory written from the sandbox: it works unchanged, says the same of what was found, and holds no secret.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import ROOT, SANDBOX, Player

NAMESPACE = "bytebot-production"
# Found in part only: the hosts of what watches are no hosts of the release.
TOLD_ANYWAY = {"bytebot_allowed_hosts", "bytebot_resolve"}
OPEN = ("host", "database", "username", "tls.crt", "ca.crt")


def answers(found: str) -> dict[str, Any]:
    """What the sandbox's inventory says and the discovery has not found: what only people know."""
    told = yaml.safe_load((ROOT / "inventories" / "sandbox" / "group_vars" / "all.yml").read_text())
    known = (yaml.safe_load(found) or {}).items()
    there = {name for name, value in known if value is not None} - TOLD_ANYWAY | {"bytebot_secrets"}
    return {name: value for name, value in told.items() if name not in there} | {"sandbox_dir": str(SANDBOX)}


def discover(play: Player, folder: Path, account: str, *arguments: str) -> tuple[bool, str]:
    variables = {
        "bytebot_kubeconfig": str(SANDBOX / f"{account}.kubeconfig"),
        "bytebot_namespace": NAMESPACE,
        "discover_path": str(folder),
    }
    done = play("playbooks/discover.yml", *arguments, variables=variables)
    assert done.code == 0, done.output
    return done.changed > 0, done.output


def states(play: Player, inventory: str, reports: Path) -> dict[str, str]:
    done = play("playbooks/verify.yml", inventory=inventory, variables={"bytebot_reports_dir": str(reports)})
    assert "Traceback" not in done.output
    (document,) = reports.glob("*/[0-9]*/results.json")
    return {one["id"]: one["state"] for one in json.loads(document.read_text())["controls"]}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The states of every control by the sandbox's own inventory."""
    return states(Player(), str(ROOT / "inventories" / "sandbox"), tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("account", ["deployer", "admin"])
def test_the_written_inventory_says_the_same_as_the_sandboxs_own(
    play: Player, tmp_path: Path, kubectl: Callable[..., str], own: dict[str, str], account: str
) -> None:
    folder = tmp_path / "found"
    would, _output = discover(play, folder, account, "--check", "--diff")
    assert would
    assert not folder.exists()
    did, output = discover(play, folder, account, "--diff")
    again, _output = discover(play, folder, account)
    assert (did, again) == (True, False)
    text = (folder / "inventory/group_vars/all/discovered.yml").read_text()
    told = {"deployer": "Service of other namespaces: Not permitted", "admin": "http://prometheus.monitoring.svc:9090"}
    assert told[account] in text
    everything = output + "".join(one.read_text() for one in folder.rglob("*") if one.is_file())
    for secret in json.loads(kubectl("get", "secrets", "-n", NAMESPACE, "-o", "json"))["items"]:
        for key, value in (secret.get("data") or {}).items():
            if key not in OPEN and secret["type"] != "helm.sh/release.v1":
                assert value not in everything
                assert b64decode(value).decode("utf-8", "replace") not in everything, (secret["metadata"]["name"], key)
    # Who looks may see more than who deploys; an account that may do everything is itself a finding.
    said = answers(text) | {"bytebot_kubeconfig": str(SANDBOX / "deployer.kubeconfig")}
    (folder / "inventory/group_vars/all/own.yml").write_text(json.dumps(said))
    assert states(play, str(folder / "inventory"), tmp_path / "answered") == own


def test_blanks_leave_no_control_better_than_it_is(play: Player, tmp_path: Path, own: dict[str, str]) -> None:
    folder = tmp_path / "found"
    discover(play, folder, "deployer")
    blank = states(play, str(folder / "inventory"), tmp_path / "blank")
    assert {control for control, state in blank.items() if state == "pass" and own[control] != "pass"} == set()
    # What needs no answer holds all the same.
    for control in ("infrastructure.cluster.access", "deployment.execution.ingress", "deployment.secrets.encoding"):
        assert blank[control] == "pass"
