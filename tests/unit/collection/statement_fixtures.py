# People with real SSH keys, a run that is closed, and what a person does with a statement: answer and sign.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.action import checklist_record, statement
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Environment
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from tests.unit.collection.record_fixtures import ENVIRONMENT, FACTS, act, result

NAMESPACE = "bytebot.production/statement"
PODS = "deployment.execution.pods"
HEADERS = "security_configuration.network.security_headers"
SIGN_OFF = "sign_off.technical.development"
REVIEW = "go_live.review.security"
TRAINING = "team.training.operations"
DEMO = "demo-ann@bytebot.test"
PEOPLE: Mapping[str, tuple[str, ...]] = {
    "ada@acme.test": ("infrastructure",),
    "ben@acme.test": ("development",),
    "cleo@acme.test": ("operations",),
    "dora@acme.test": ("security",),
    "eve@acme.test": ("product_owner",),
    "finn@acme.test": ("project_manager",),
    "gus@acme.test": ("architecture", "support"),
    "hana@acme.test": ("risk_owner",),
    "ivo@acme.test": ("approver",),
}


def make_key(path: Path) -> str:
    """A new key without a passphrase; the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").strip()


def make_keys(folder: Path) -> Path:
    """Everybody's keys, those of a stranger, and the file of allowed signers."""
    lines = [f"{one} {make_key(folder / one)}" for one in (*PEOPLE, DEMO)]
    make_key(folder / "stranger")
    (folder / "allowed_signers").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


class Office:
    """An environment with a record, and the people who sign."""

    def __init__(self, folder: Path, keys: Path, environment: Environment = ENVIRONMENT) -> None:
        self.folder = folder
        self.keys = keys
        self.environment = environment
        self.reports = folder / "reports"
        self.facts: dict[str, Any] = asdict(FACTS)
        self.statements: dict[str, Any] = {
            "allowed_signers": str(keys / "allowed_signers"),
            "signers": [{"signer": one, "name": _name(one), "roles": list(roles)} for one, roles in PEOPLE.items()],
        }

    def judge(self, *given: dict[str, Any], **more: Any) -> dict[str, dict[str, Any]]:
        """A run with some results, closed; its controls by id."""
        said = act(
            checklist_record.ActionModule,
            {**self.common(), "binding": self.facts, "results": list(given), "open": True, "close": True, **more},
        )
        assert not said.get("failed"), said["msg"]
        self.document: dict[str, Any] = json.loads((Path(said["path"]) / "results.json").read_text(encoding="utf-8"))
        self.run = Path(said["path"])
        return {entry["id"]: entry for entry in self.document["controls"]}

    def ask(self, *controls: str, **more: Any) -> list[Path]:
        """Files to sign."""
        said = self.act(state="requested", controls=list(controls), requester="release-bot", **more)
        assert not said.get("failed"), said["msg"]
        return [Path(one) for one in said["files"]]

    def sign(self, path: Path, signer: str = "", **changes: Any) -> Path:
        """Answer yes to everything, and sign as a person would.

        :param changes: ``answer``, ``key``, ``namespace``, or other content of the statement.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        key = self.keys / str(changes.pop("key", "") or signer or content["signer"])
        namespace = str(changes.pop("namespace", NAMESPACE))
        answer = changes.pop("answer", "yes")
        for one in content["statements"]:
            one["answer"] = answer
        content |= {"signer": signer or content["signer"], **changes}
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        self.seal(path, key, namespace)
        return path

    def seal(self, path: Path, key: Path, namespace: str = NAMESPACE) -> None:
        """The command that stands in the file."""
        path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, str(path)]
        subprocess.run(command, check=True, capture_output=True)

    def take(self, *paths: Path) -> dict[str, Any]:
        """Hand signed files in."""
        return self.act(state="present", src=[str(one) for one in paths])

    def again(self, *given: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Another run, with the results of the first one where no others are given."""
        return self.judge(*(given or (seen(PODS), seen(HEADERS))))

    def waiver(self, control: str, **more: Any) -> Path:
        """A waiver to sign."""
        given = {"owner": "R. Okafor", "reason": "The proxy is replaced next week", "until": "P30D", **more}
        return self.ask(control, kind="waiver", **given)[0]

    def stored(self) -> list[Path]:
        """What is kept."""
        return sorted((self.reports / self.environment.name / "statements").glob("*.json"))

    def act(self, *, check_mode: bool = False, **args: Any) -> dict[str, Any]:
        """Call the module."""
        return act(statement.ActionModule, {**self.common(), **args}, check_mode)

    def common(self) -> dict[str, Any]:
        return {
            "environment": asdict(self.environment),
            "reports_dir": str(self.reports),
            "statements": self.statements,
        }


def _name(signer: str) -> str:
    return signer.partition("@")[0].capitalize()


def later(monkeypatch: pytest.MonkeyPatch, span: timedelta) -> None:
    """Let the clock of the record go ahead, or back."""
    init = Store.__init__

    def moved(self: Store, keeper: Any, environment: Environment) -> None:
        init(self, keeper, environment, lambda: datetime.now(UTC) + span)

    monkeypatch.setattr(Store, "__init__", moved)


def rewritten(office: Office, path: Path, change: Callable[[dict[str, Any]], None], *, seal: bool = True) -> None:
    """Another text; sealed anew by the signer where somebody had them sign it."""
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if seal:
        office.seal(path, office.keys / told["signer"])


def seen(control: str, state: str = "pass", **fields: Any) -> dict[str, Any]:
    """A result of now."""
    return {**result(control, state, **fields), "started": ""}
