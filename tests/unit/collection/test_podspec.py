# Which pods count as running.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.podspec import is_over

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("phase", "deletion", "over"),
    [
        ("Running", None, False),
        ("Succeeded", None, True),
        ("Failed", None, True),
        ("Running", "2026-11-01T12:00:45Z", True),  # it has its grace period yet
        ("Running", "2026-11-01T11:59:30Z", True),
        ("Running", "2026-11-01T11:58:00Z", False),  # it should be gone, and is not
        ("Running", "no time", False),
    ],
)
def test_a_pod_on_its_way_out_is_over_and_one_that_stays_is_not(phase: str, deletion: str | None, over: bool) -> None:
    meta = {"name": "api-1"} | ({"deletionTimestamp": deletion} if deletion else {})
    assert is_over({"metadata": meta, "status": {"phase": phase}}, NOW) is over
