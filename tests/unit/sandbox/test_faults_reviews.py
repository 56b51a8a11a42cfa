# Before a history is reviewed, what was tried before must have left the security alerts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandbox.errors import SandboxError
from sandbox.faults import reviews
from sandbox.faults.fault import Hands

HANDS = cast(Hands, SimpleNamespace())


def groups(*states: str) -> dict[str, Any]:
    rules = [{"name": f"A{number}", "state": state} for number, state in enumerate(states)]
    return {"groups": [{"name": "bytebot-security", "rules": rules}, {"name": "x", "rules": [{"state": "firing"}]}]}


def test_it_waits_while_an_alert_pends_or_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [groups("inactive", "firing"), groups("pending"), groups("inactive", "inactive")]
    monkeypatch.setattr(reviews, "ask", lambda _hands, _path: told.pop(0))
    monkeypatch.setattr(reviews, "ASKED_EACH_S", 0.0)
    reviews.quiet(HANDS)
    assert not told


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "ask", lambda _hands, _path: groups("firing"))
    monkeypatch.setattr(reviews, "QUIET_WITHIN_S", -1.0)
    with pytest.raises(SandboxError, match="A0 still fires"):
        reviews.quiet(HANDS)
