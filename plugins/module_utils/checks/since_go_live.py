# Says from when on after a go-live a control can be judged, and reads times that others wrote.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ansible_collections.bytebot.production.plugins.module_utils.checks.change_record import time_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

# How long after the go-live the groups of controls are due.
DUE: Mapping[str, timedelta] = {
    "go_live.t_plus_2h": timedelta(hours=2),
    "post_go_live.day_support": timedelta(days=1),
    "post_go_live.week_security": timedelta(days=7),
    "post_go_live.month_optimization": timedelta(days=30),
    "post_go_live.month_process": timedelta(days=30),
}


def go_live_of(given: str) -> datetime | None:
    """When it went live, or will; None where nothing says so.

    :raises InputError: it is no time.
    """
    if not given.strip():
        return None
    when = time_of(given)
    if when is None:
        raise InputError(f"go_live: {given[:60]!r} is no time; write it as 2026-10-01T08:00:00Z.")
    return when.astimezone(UTC)


def not_due(control: str, go_live: datetime | None, now: datetime, at: str) -> Verdict | None:
    """Why a control cannot be judged yet, with the time from which on it can; None where it can."""
    if go_live is None:
        return pending(
            "Needs input go_live: nothing says when it went live.", "Say when (in the inventory: bytebot_go_live, at)."
        )
    due = go_live + DUE[control.rpartition(".")[0]]
    if now >= due:
        return None
    seen = Evidence("the time of the go-live", {"go_live": go_live.isoformat(), "due": due.isoformat()}, at)
    return pending(f"Not due before {due.isoformat()}.", "Judge it then.", seen)
