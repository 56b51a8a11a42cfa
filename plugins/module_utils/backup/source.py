# What makes the regular backups, as an input names it: checked, and looked at once.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.backup.claim import checked_pattern
from ansible_collections.bytebot.production.plugins.module_utils.backup.drill import Regular
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import (
    BARMAN,
    CRON_JOB,
    PGBACKREST,
    SNAPSHOT,
    VELERO,
    BackupFacts,
    BackupSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_backup import look_at_backup
from ansible_collections.bytebot.production.plugins.module_utils.observe_backup_tool import (
    ToolPlace,
    look_at_tool,
    not_asked,
)

SOURCE_ARGS: Spec = {
    "kind": {"type": "str", "required": True, "choices": [CRON_JOB, SNAPSHOT, VELERO, PGBACKREST, BARMAN]},
    "namespace": {"type": "str", "required": True},
    "name": {"type": "str"},
    "selector": {"type": "str"},
    "claim": {"type": "str"},
    "files": {"type": "str", "default": "*.dump.cms"},
    "pod": {"type": "str"},
    "container": {"type": "str"},
    "stanza": {"type": "str"},
    "server": {"type": "str"},
    "interval": {"type": "str"},
    "keep": {"type": "int", "default": 1},
}
_NEEDED = {
    CRON_JOB: ("name",),
    SNAPSHOT: ("selector",),
    VELERO: ("selector",),
    PGBACKREST: ("pod", "stanza"),
    BARMAN: ("pod", "server"),
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ALL = "all"  # for barman that is every server


def checked_source(source: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What makes the regular backups.

    :raises InputError: its kind needs more, or a part of it is none.
    """
    if not source:
        return None
    for word in _NEEDED[source["kind"]]:
        if not source[word]:
            raise InputError(f"backup: {word} is needed for kind {source['kind']}.")
    for word in ("stanza", "server"):
        if source[word] and (not _NAME.fullmatch(source[word]) or source[word] == _ALL):
            raise InputError(f"backup: {source[word]!r} is no name of a {word}.")
    if source["interval"]:
        span("backup.interval", source["interval"])
    if source["keep"] < 1:
        raise InputError("backup: at least one full backup must be kept (keep).")
    checked_pattern(source["files"])
    return source


def source_facts(
    source: Mapping[str, Any] | None, cluster: Cluster, rpo_s: float, *, check_mode: bool = False
) -> BackupFacts:
    """Look at it once. Check mode runs no program in a pod."""
    if source is None:
        return BackupFacts(rpo_s=rpo_s)
    seen = _seen(source, cluster, check_mode=check_mode)
    now = cluster.now().timestamp()
    if source["kind"] not in (PGBACKREST, BARMAN):
        return BackupFacts(seen, rpo_s=rpo_s, now=now)
    interval_s = span("backup.interval", source["interval"]) if source["interval"] else 0.0
    return BackupFacts(seen, rpo_s=rpo_s, now=now, interval_s=interval_s, keep=source["keep"])


def regular_of(source: Mapping[str, Any] | None, backup: BackupFacts) -> Regular | None:
    """The CronJob whose newest artifact can be restored; None where it is none."""
    if not source or not source["claim"] or backup.seen is None or backup.seen.maker is None:
        return None
    return Regular(backup.seen.maker, source["claim"], source["files"], backup.seen.where)


def _seen(source: Mapping[str, Any], cluster: Cluster, *, check_mode: bool) -> BackupSeen:
    kind, namespace = source["kind"], source["namespace"]
    if kind not in (PGBACKREST, BARMAN):
        return look_at_backup(cluster, kind, namespace, source[_NEEDED[kind][0]])
    name = source["stanza"] if kind == PGBACKREST else source["server"]
    place = ToolPlace(kind, namespace, source["pod"], name, source["container"] or "")
    return not_asked(place) if check_mode else look_at_tool(cluster, place)
