# Demo signers are made once, sign what the sandbox asks them for, and nothing else; their statements count there only.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from sandbox import cli, signers
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from tests.unit.collection.record_fixtures import ENVIRONMENT
from tests.unit.collection.statement_fixtures import PODS, SIGN_OFF, Office, seen

ROOT = Path(__file__).resolve().parents[3]


def people() -> list[dict[str, Any]]:
    """Those of the sandbox's inventory."""
    found: list[dict[str, Any]] = yaml.safe_load(
        (ROOT / "inventories" / "sandbox" / "group_vars" / "all.yml").read_text(encoding="utf-8")
    )["bytebot_signers"]
    return found


def test_the_inventory_names_one_demo_signer_for_each_role() -> None:
    assert {role for one in people() for role in one["roles"]} == {*signers.ROLES, signers.CREW}
    assert all(one["signer"].startswith("demo-") for one in people())
    wanted = {one.signed_by for one in catalogue.load().controls.values() if one.signed_by}
    assert wanted <= {*signers.ROLES, signers.CREW}


def test_they_are_made_once_and_sign_what_the_sandbox_asks_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = signers.make(settings)
    before = allowed.read_text()
    assert signers.make(settings).read_text() == before
    assert allowed.parent.stat().st_mode & 0o077 == 0
    office = Office(tmp_path, allowed.parent, replace(ENVIRONMENT, kind="sandbox"))
    office.statements = {"allowed_signers": str(allowed), "signers": people()}
    office.judge(seen(PODS))
    path = office.ask(SIGN_OFF)[0]
    monkeypatch.setattr(cli, "load", lambda: settings)
    assert cli.main(["sign", str(path)]) == 0
    assert office.take(path)["refused"] == []
    assert office.judge(seen(PODS))[SIGN_OFF]["summary"].startswith("DEMO: Signed by ")


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"role": "security", "demo": False, "statements": []})])
def test_they_sign_nothing_else(settings: Settings, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SandboxError):
        signers.sign(settings, [path])
    assert not (tmp_path / "x.json.sig").exists()
