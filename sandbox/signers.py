# Demo signers: one for each role, whose signatures count in a sandbox only, and what they do with a statement.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.files import put
from sandbox.settings import Settings
from sandbox.shell import run

ROLES = (
    *("infrastructure", "development", "operations", "security", "product_owner", "project_manager"),
    *("architecture", "support", "risk_owner", "approver"),
)
CREW = "go_live"  # who takes part signs by name, with the key of their own role
NAMESPACE = "bytebot.production/statement-demo"
ALLOWED = "allowed_signers"
DEMO = "demo-"


def folder(settings: Settings) -> Path:
    """Where their keys are."""
    return settings.state / "demo-signers"


def make(settings: Settings) -> Path:
    """The file of allowed signers; keys are made once."""
    place = folder(settings)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines: list[str] = []
    for role in ROLES:
        key = place / role
        if not key.exists():
            run("signers", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"DEMO {role}", "-f", key])
        lines.append(f"{_signer(role)} {key.with_name(f'{role}.pub').read_text().strip()}")
    put(place / ALLOWED, "\n".join(lines) + "\n")
    return place / ALLOWED


def sign(settings: Settings, files: Sequence[Path]) -> list[Path]:
    """Answer every statement with yes, and sign it as the demo signer of its role; the signed files.

    :raises SandboxError: a file is no statement of a sandbox, or no demo signer has its role.
    """
    make(settings)
    for path in files:
        try:
            told = json.loads(path.read_text())
            role, demo = str(told["role"]), told["demo"]
            if role == CREW:
                role = str(told["signer"]).removeprefix(DEMO).partition("@")[0]
            for one in told["statements"]:
                one["answer"] = "yes"
        except (OSError, ValueError, KeyError, TypeError) as error:
            what = f"{path} is no statement to sign"
            raise SandboxError("sign", what, remedy="playbooks/attest.yml writes some") from error
        if demo is not True or role not in ROLES:
            raise SandboxError("sign", f"{path} is not for a demo signer", remedy="see docs/statements.md")
        told |= {"signer": _signer(role), "signer_title": told["signer_title"] or "DEMO"}
        path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
        run("sign", ["ssh-keygen", "-q", "-Y", "sign", "-f", folder(settings) / role, "-n", NAMESPACE, path])
    return list(files)


def _signer(role: str) -> str:
    return f"{DEMO}{role}@bytebot.test"
