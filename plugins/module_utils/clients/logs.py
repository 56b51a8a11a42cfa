# Log stores by their documented HTTP APIs, one class each: VictoriaLogs, Loki, Elasticsearch and OpenSearch.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, OK, WRONG, Service, Told

_READ_ONLY = re.compile(r"(?m)^vl_storage_is_read_only(?:\{[^}]*\})? ([0-9.e+-]+)\s*$")
_RECENT = "5m"


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """What a log store answered.

    :param recent: how many lines of the last five minutes it finds, where that was asked.
    :param unwell: what keeps it from its work; :param thin: what it could lose, in words.
    :param told: more of what it said of itself.
    """

    title: str
    url: str
    health: Told
    search: Told = field(default_factory=Told)
    recent: int | None = None
    unwell: tuple[str, ...] = ()
    thin: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


class Store(Protocol):
    """A log store that can be looked at."""

    word: ClassVar[str]

    def look(self) -> StoreSeen:
        """Ask once; where it is not there at all, nothing more is asked."""


@dataclass(frozen=True, slots=True)
class VictoriaLogs:
    """Source: VictoriaLogs documentation, "Querying" and "Monitoring"."""

    word: ClassVar[str] = "victoria_logs"
    service: Service

    def look(self) -> StoreSeen:
        health = self.service.text("/health")
        if not health.ok:
            return StoreSeen("VictoriaLogs", self.service.url, health)
        asked = {"query": f"_time:{_RECENT} | stats count() lines"}
        search, count = _counted(self.service.text("/select/logsql/query", asked))
        metrics = self.service.text("/metrics")
        found = _READ_ONLY.findall(metrics.data) if metrics.ok else []
        unwell = ("it takes no lines (read-only, since its volume is full)",) if any(map(float, found)) else ()
        return StoreSeen("VictoriaLogs", self.service.url, health, search, count, unwell)


def _counted(told: Told) -> tuple[Told, int | None]:
    """One line of JSON with the number."""
    if not told.ok:
        return told, None
    try:
        return told, int(json.loads(told.data.splitlines()[0])["lines"])
    except (ValueError, KeyError, IndexError, TypeError):
        return Told(WRONG, None, "its answer to a search is not that of VictoriaLogs", told.status), None


@dataclass(frozen=True, slots=True)
class Loki:
    """Source: Grafana Loki documentation, "Loki HTTP API"."""

    word: ClassVar[str] = "loki"
    service: Service

    def look(self) -> StoreSeen:
        health = self.service.text("/ready")
        if not health.ok and health.kind != ABSENT:
            return StoreSeen("Loki", self.service.url, health)
        search = self.service.json("/loki/api/v1/labels", {"since": _RECENT})
        if health.kind == ABSENT:  # as at the gateway of its chart, or in Grafana Cloud: its answers tell
            if not search.ok:
                return StoreSeen("Loki", self.service.url, health)
            health = Told(OK, "", "", search.status)
        data = search.data if isinstance(search.data, Mapping) else {}
        if search.ok and data.get("status") != "success":
            search = Told(WRONG, None, "its answer to a search is not that of Loki", search.status)
        unwell = ("no line with a label came in the last 5 minutes",) if search.ok and not data.get("data") else ()
        build = self.service.json("/loki/api/v1/status/buildinfo")
        known = build.data if build.ok and isinstance(build.data, Mapping) else {}
        return StoreSeen("Loki", self.service.url, health, search, None, unwell, (), {"version": known.get("version")})


@dataclass(frozen=True, slots=True)
class Elasticsearch:
    """Elasticsearch and OpenSearch, which share these calls.

    Sources: Elasticsearch reference, "Cluster health", "Count", "Index blocks"; OpenSearch documentation, the same.

    :param index: pattern of the indices that hold logs.
    """

    word: ClassVar[str] = "elasticsearch"
    service: Service
    index: str = "*"

    def look(self) -> StoreSeen:
        health = self.service.json("/_cluster/health")
        if not health.ok:
            return StoreSeen("Elasticsearch", self.service.url, health)
        data = health.data if isinstance(health.data, Mapping) else {}
        state = str(data.get("status") or "")
        if state not in ("green", "yellow", "red"):
            wrong = Told(WRONG, None, "its answer is not that of Elasticsearch", health.status)
            return StoreSeen("Elasticsearch", self.service.url, wrong)
        names = ("status", "number_of_nodes", "unassigned_shards", "timed_out")
        told = {name: data.get(name) for name in names}
        search = self.service.json(f"/{self.index}/_count", {"q": f"@timestamp:[now-{_RECENT} TO now]"})
        count = search.data.get("count") if search.ok and isinstance(search.data, Mapping) else None
        unwell = tuple(self._unwell(state, data))
        thin = (f"{data.get('unassigned_shards')} replicas are not assigned (yellow)",) if state == "yellow" else ()
        number = count if isinstance(count, int) else None
        return StoreSeen("Elasticsearch", self.service.url, Told(OK), search, number, unwell, thin, told)

    def _unwell(self, state: str, data: Mapping[str, Any]) -> list[str]:
        found = [f"shards with data are not assigned ({data.get('unassigned_shards')}, red)"] if state == "red" else []
        blocks = self.service.json(f"/{self.index}/_settings/index.blocks.*", {"flat_settings": "true"})
        shut = [
            name
            for name, one in (blocks.data.items() if blocks.ok and isinstance(blocks.data, Mapping) else ())
            if (one.get("settings") or {}).get("index.blocks.read_only_allow_delete") == "true"
        ]
        if shut:
            found.append(f"index {', '.join(sorted(shut)[:3])} takes no lines (its disk is too full)")
        return found


KINDS: dict[str, type[VictoriaLogs | Loki | Elasticsearch]] = {
    one.word: one for one in (VictoriaLogs, Loki, Elasticsearch)
} | {"opensearch": Elasticsearch}


def store_of(kind: str, service: Service, index: str) -> Store:
    """The store of a kind (a key of ``KINDS``)."""
    if KINDS[kind] is Elasticsearch:
        return Elasticsearch(service, index)
    return VictoriaLogs(service) if KINDS[kind] is VictoriaLogs else Loki(service)
