# Faults that show when security is judged again a week after a go-live.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.faults import app_http
from sandbox.faults.fault import Fault, Hands

AGAIN, POSTURE = (f"post_go_live.week_security.{item}" for item in ("controls", "posture"))


def _a_week_later(_: Hands) -> Mapping[str, Any]:
    """It went live eight days ago."""
    return {"bytebot_go_live": {"at": (datetime.now(UTC) - timedelta(days=8)).isoformat(timespec="seconds")}}


def _after_a_week(found: str, name: str, *turns_red: str, **changes: Any) -> Fault:
    """A fault of security, as it shows in the review of the week."""
    known = next(one for one in app_http.FAULTS if one.name == found)
    says = f"a week after the go-live {known.says}"
    red = (*known.turns_red, *turns_red)
    return dataclasses.replace(known, name=name, says=says, turns_red=red, variables=_a_week_later, **changes)


FAULTS = (
    _after_a_week("security_headers_missing_on_errors", "security_control_red_after_week", AGAIN),
    _after_a_week("csp_unsafe_inline", "security_score_fell", POSTURE, before=("security_testing",)),
)
