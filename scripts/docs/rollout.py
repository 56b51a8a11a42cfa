# The page of the causes that end a roll-out early, from their table.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES


def pages(_root: Path) -> dict[str, str]:
    """The page by its path below docs/."""
    rows = [
        f"| `{cause.code}` | {cause.title} | {cause.signal} | {cause.grace_s:g} s | {cause.remedy} | {cause.source} |"
        for cause in CAUSES.values()
    ]
    lines = [
        "# What ends a roll-out early",
        "",
        "`helm_release` stops waiting at the first cause that is certain. A sign is certain when it lasts as",
        "long as its grace, which is an input (`grace: {unschedulable: 300}`); a crash loop is certain after",
        "`crash_restarts` restarts (3). A failing readiness probe alone is never certain: it ends with the",
        "time-out, and the message names it. This page is written by `scripts/generate_docs.py`.",
        "",
        "| Cause | Meaning | Signal | Grace | Remedy | Source |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    return {"rollout-causes.md": "\n".join(lines)}
