# People sign by their own keys what a run on the real system collected: asked for, signed, taken in, shown, refused.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Played, Player

NAMESPACE = "bytebot.production/statement-demo"
ROLES = [
    *("infrastructure", "development", "operations", "security", "product_owner", "project_manager", "support"),
    *("architecture", "risk_owner"),
]
SIGN_OFF = "sign_off.technical.development"
TRAINING = "team.training.operations"


@dataclass
class Office:
    """Demo signers with keys of their own, and reports of their own."""

    folder: Path

    @property
    def variables(self) -> dict[str, Any]:
        people = [{"signer": f"demo-{role}", "name": role.capitalize(), "roles": [role]} for role in ROLES]
        return {
            "bytebot_reports_dir": str(self.folder / "reports"),
            "bytebot_allowed_signers": str(self.folder / "allowed_signers"),
            "bytebot_signers": people,
            "sign_off_requester": "release-bot",
        }

    def hire(self) -> None:
        lines = []
        for role in ROLES:
            key = self.folder / role
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
            lines.append(f"demo-{role} {key.with_name(f'{role}.pub').read_text(encoding='utf-8').strip()}")
        (self.folder / "allowed_signers").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def verify(self) -> dict[str, Any]:
        only = {"ANSIBLE_RUN_TAGS": "deployment,sign_off"}
        done = Player()("playbooks/verify.yml", variables=self.variables, environment=only)
        assert "Traceback" not in done.output
        results = self.folder / "reports" / "sandbox" / "latest" / "results.json"
        document: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
        assert document["run"]["closed"], done.output
        return document

    def attest(self, **more: Any) -> Played:
        return Player()("playbooks/attest.yml", variables={**self.variables, **more})

    def sign(self, control: str, role: str) -> Path:
        """What a person does: answer, and the command that stands in the file."""
        path = self.folder / "reports" / "sandbox" / "requests" / f"{control}.attestation.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        for one in told["statements"]:
            one["answer"] = "yes"
        path.write_text(json.dumps(told, indent=2), encoding="utf-8")
        path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.folder / role), "-n", NAMESPACE, str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return path


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A run has been judged, and what waits for a signature is asked for."""
    made = Office(tmp_path_factory.mktemp("office"))
    made.hire()
    said = states(made.verify())
    assert said[SIGN_OFF] == "pending"
    asked = made.attest()
    assert asked.code == 0, asked.output
    assert "duplicate" not in asked.output
    return made


def states(document: dict[str, Any]) -> dict[str, str]:
    return {entry["id"]: entry["state"] for entry in document["controls"]}


def test_what_is_signed_is_taken_in_counted_and_shown_as_demo(office: Office) -> None:
    paths = [office.sign(SIGN_OFF, "development"), office.sign(TRAINING, "operations")]
    taken = office.attest(sign_off_signed=[str(path) for path in paths])
    assert taken.code == 0, taken.output
    assert "sign_off.technical.development" in taken.output
    document = office.verify()
    found = {entry["id"]: entry for entry in document["controls"]}
    assert {found[one]["state"] for one in (SIGN_OFF, TRAINING)} == {"attested"}, found[SIGN_OFF]["summary"]
    facts = found[SIGN_OFF]["evidence"][0]["observed"]["facts"]
    assert "pass" in {one["state"] for one in facts if one["control"] == "deployment.health.ready"}
    assert document["run"]["demo"] is True
    latest = office.folder / "reports" / "sandbox" / "latest"
    assert "<strong>DEMO</strong>" in (latest / "report.html").read_text(encoding="utf-8")
    assert "**DEMO**" in (latest / "checklist.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["security", "operations"], ids=["by another key", "changed after signing"])
def test_what_is_wrong_is_refused_in_one_sentence(office: Office, key: str) -> None:
    path = office.sign("team.training.security", key if key == "operations" else "operations")
    if key == "operations":
        path.write_text(path.read_text(encoding="utf-8").replace('"yes"', '"no"'), encoding="utf-8")
    refused = office.attest(sign_off_signed=[str(path)])
    assert refused.code != 0
    assert "is refused, and nothing of it counts" in refused.output
    assert "Traceback" not in refused.output


def test_check_mode_asks_for_nothing(office: Office) -> None:
    dest = office.folder / "elsewhere"
    asked = Player()("playbooks/attest.yml", "--check", variables={**office.variables, "sign_off_dest": str(dest)})
    assert asked.code == 0, asked.output
    assert not dest.exists()
