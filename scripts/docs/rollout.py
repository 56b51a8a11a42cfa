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
        "It waits for Deployments, StatefulSets, DaemonSets, Jobs, pods, claims and hooks; for the address of a",
        "Service of type LoadBalancer; and for custom resources as their conditions tell (Ready, Reconciling,",
        "observedGeneration). It does not wait for the address of an Ingress, which a controller need not tell: the",
        "public way is judged by going it.",
        "",
        "What pods and Deployments that stay suffered before the roll-out began is no sign: the cause may be",
        "mended, and Kubernetes tries again only after its back-off. It counts once that was seen, or after 310 s",
        "(20 s for a configuration, 600 s for a deadline).",
        "",
        "| Cause | Meaning | Signal | Grace | Remedy | Source |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    return {"rollout-causes.md": "\n".join(lines)}
