# Has all that waits for a signature signed by the demo signers, as people would between two runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import signers
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from tests.sabotage.judging import Judge

ATTEST = "playbooks/attest.yml"


def inputs(settings: Settings) -> dict[str, Any]:
    """What every run needs so that statements count: their signers, and a go-live for which the roll is called now."""
    signers.make(settings)
    return {"bytebot_go_live": {"at": (datetime.now(UTC) + timedelta(minutes=100)).isoformat(timespec="seconds")}}


def sign(settings: Settings, judge: Judge) -> None:
    """Ask for what waits, sign it, and take it in.

    :raises SandboxError: something of it is refused.
    """
    requests = judge.reports / "sandbox" / "requests"
    shutil.rmtree(requests, ignore_errors=True)
    _attest(judge, {"sign_off_requester": "sabotage"}, "asked")
    signed = signers.sign(settings, sorted(requests.glob("*.json")))
    if signed:
        _attest(judge, {"sign_off_signed": [str(path) for path in signed]}, "signed")


def _attest(judge: Judge, variables: Mapping[str, Any], name: str) -> None:
    code, log = judge.play(ATTEST, variables, name, {})
    if code:
        raise SandboxError("sabotage", f"{ATTEST} failed", remedy=f"read {log}")
