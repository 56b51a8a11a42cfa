# What drills came to, kept in one ConfigMap beside the release, so that every run knows when one was last passed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import RECORD
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import MANAGER

NAME, KEY = "bytebot-restore-drills", "records"
MOST = 40


@dataclass(frozen=True, slots=True)
class Record:
    """One drill.

    :param kind: ``database`` or ``configuration``; :param source: what was restored, in words.
    :param at: when it ended, :param made: when the artifact was made (Unix time).
    :param seconds: by phase; :param size: bytes of the database that was restored.
    """

    kind: str
    source: str
    at: float
    passed: bool
    why: str = ""
    artifact: str = ""
    made: float = 0.0
    size: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


def read(cluster: Cluster, namespace: str) -> tuple[Record, ...]:
    """All records, the oldest first. One that cannot be read proves nothing and is left out."""
    found = cluster.get("v1", "ConfigMap", NAME, namespace) or {}
    try:
        told = json.loads((found.get("data") or {}).get(KEY) or "[]")
    except ValueError:
        return ()
    records = [record for one in told if (record := _record(one))] if isinstance(told, list) else []
    return tuple(sorted(records, key=lambda one: one.at))


def add(cluster: Cluster, namespace: str, new: Iterable[Record]) -> tuple[Record, ...]:
    """Keep new ones beside those that are there; the oldest go."""
    records = [*read(cluster, namespace), *new][-MOST:]
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": MANAGER, RECORD: "true"},
        },
        "data": {KEY: json.dumps([asdict(one) for one in records])},
    }
    cluster.apply(body, manager=MANAGER)
    return tuple(records)


def _record(one: Any) -> Record | None:
    names = {found.name for found in fields(Record)}
    try:
        record = Record(**{key: value for key, value in one.items() if key in names})
        seconds = {str(phase): float(value) for phase, value in record.seconds.items()}
        good = record.passed is True
        return Record(record.kind, record.source, float(record.at), good, str(record.why), str(record.artifact),
                      float(record.made), int(record.size), seconds)  # fmt: skip
    except (TypeError, ValueError, AttributeError):
        return None
