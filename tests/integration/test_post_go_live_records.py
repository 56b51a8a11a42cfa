# What people wrote, reported and learned since the go-live, on the healthy sandbox: in order, and pending unsigned.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.integration.conftest import Player

ROOT = Path(__file__).resolve().parents[2]
GROUPS = yaml.safe_load((ROOT / "roles" / "post_go_live" / "vars" / "main.yml").read_text(encoding="utf-8"))
CONTROLS = [*GROUPS["post_go_live_documents"], *GROUPS["post_go_live_followed"]]


def test_what_is_found_in_order_waits_for_its_signature_alone(tmp_path: Path) -> None:
    variables = {"bytebot_reports_dir": str(tmp_path), "bytebot_allowed_signers": ""}
    only = {"ANSIBLE_RUN_TAGS": "deployment,post_go_live"}
    done = Player()("playbooks/verify.yml", variables=variables, environment=only)
    assert "Traceback" not in done.output
    document: dict[str, Any] = json.loads((tmp_path / "sandbox" / "latest" / "results.json").read_text("utf-8"))
    found = {entry["id"]: entry for entry in document["controls"]}
    for control in CONTROLS:
        entry = found[control]
        assert (entry["state"], len(entry["evidence"])) == ("pending", 1), entry["summary"]
        assert entry["summary"].startswith("needs input bytebot_allowed_signers; "), entry["summary"]
