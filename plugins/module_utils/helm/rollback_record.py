# What rollbacks came to, kept in one ConfigMap beside the release: which pair, how long it took, and whether it ran.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.objects import RECORD
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import MANAGER

NAME, KEY = "bytebot-rollbacks", "records"
MOST = 20
_LONGEST = 300  # characters of why and of the reason


@dataclass(frozen=True, slots=True)
class Side:
    """One revision of the pair, by what Helm and the manifests say of it."""

    revision: int = 0
    chart_version: str = ""
    app_version: str = ""
    images: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Any) -> Side:
        """From what helm_rollback returns of a revision, or from a record."""
        told = given if isinstance(given, Mapping) else {}
        chart, app = (str(told.get(name) or "") for name in ("chart_version", "app_version"))
        return cls(int(told.get("revision") or 0), chart, app, tuple(map(str, told.get("images") or ())))

    def same(self, other: Side) -> bool:
        """Whether it is the same version, under whatever number."""
        return (self.chart_version, self.app_version, sorted(self.images)) == (
            other.chart_version, other.app_version, sorted(other.images)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rollback:
    """One rollback.

    :param release: its name; :param at: when it ended (Unix time); :param seconds: from the first look until all ran.
    :param passed: whether everything ran at the end; :param why: what prevented it; :param reason: why it was made.
    """

    release: str
    at: float
    seconds: float
    passed: bool
    left: Side = field(default_factory=Side)
    back_to: Side = field(default_factory=Side)
    why: str = ""
    reason: str = ""


def read(cluster: Cluster, namespace: str) -> tuple[Rollback, ...]:
    """All records, the oldest first. One that cannot be read proves nothing and is left out."""
    found = cluster.get("v1", "ConfigMap", NAME, namespace) or {}
    try:
        listed = json.loads((found.get("data") or {}).get(KEY) or "[]")
    except ValueError:
        return ()
    records = [one for given in listed if (one := _record(given))] if isinstance(listed, list) else []
    return tuple(sorted(records, key=lambda one: one.at))


def add(cluster: Cluster, namespace: str, new: Rollback) -> None:
    """Keep one more; the oldest go."""
    records = [*read(cluster, namespace), new][-MOST:]
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


def shortened(text: str) -> str:
    """A line that is kept, on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _record(given: Any) -> Rollback | None:
    try:
        return Rollback(
            str(given["release"]),
            float(given["at"]),
            float(given["seconds"]),
            given["passed"] is True,
            Side.of(given["left"]),
            Side.of(given["back_to"]),
            str(given.get("why") or ""),
            str(given.get("reason") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
