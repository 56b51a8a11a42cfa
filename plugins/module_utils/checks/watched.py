# The result of a roll-out that a module watched to its bad end; what runs afterwards is judged in release.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Result,
    failed,
    utc_now,
)


def not_rolled_out(sentence: str, seen: Mapping[str, Any]) -> Result:
    """The result of a roll-out that was watched and has failed, from what the watch reports of it."""
    causes = seen.get("causes") or []
    evidence = Evidence("the roll-out, watched", {"causes": causes, "waiting": seen.get("waiting") or []})
    remedy = causes[0]["remedy"] if causes else "Give it more time, or mend what it waits for."
    return Result("deployment.execution.pods", failed(sentence, remedy, evidence), utc_now(), 0.0)
