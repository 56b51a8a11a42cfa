#!/usr/bin/env python3
# Writes the pages of docs/ that come from the code; with --check it only says whether they are up to date.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES


def rollout_causes() -> str:
    """The table of causes that end a roll-out early."""
    rows = [
        f"| `{cause.code}` | {cause.title} | {cause.signal} | {cause.grace_s:g} s | {cause.remedy} | {cause.source} |"
        for cause in CAUSES.values()
    ]
    return "\n".join(
        [
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
    )


PAGES = {"docs/rollout-causes.md": rollout_causes}


def main() -> int:
    """Write or check every page; 1 where ``--check`` finds an old one."""
    stale = []
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if stale and "--check" in sys.argv:
        print(f"out of date: {', '.join(stale)}. Run: scripts/generate_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
