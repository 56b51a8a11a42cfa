# Asks Prometheus and Grafana, for the checks in checks/metrics.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import (
    GrafanaSeen,
    MetricsFacts,
    MetricsWanted,
    PrometheusSeen,
    Source,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import OK, Told

AGE = "time() - max(timestamp(up))"
OLDEST = "min(prometheus_tsdb_lowest_timestamp_seconds)"
# A block is a tenth of what is kept at most; the counter starts anew with the server.
CUT = "sum(max_over_time(prometheus_tsdb_size_retentions_total[3d]))"
SHOWN = "count(up)"  # asked through Grafana
PROMETHEUS = "prometheus"  # a type of data source


def look_at_prometheus(server: Prometheus, volume: str) -> PrometheusSeen:
    """Ask once; where it is not there at all, nothing more is asked.

    :param volume: the claim of its volume as ``namespace/name``; empty where none is named.
    """
    ready = server.ready()
    if ready.kind == "silent":
        return PrometheusSeen(server.service.url, ready)
    runtime = server.runtime()
    sized = runtime.ok and "B" in str(runtime.data.get("storageRetention"))
    return PrometheusSeen(
        server.service.url,
        ready,
        server.build(),
        runtime,
        server.query(AGE),
        server.query(OLDEST) if sized else Told(),
        server.query(CUT) if sized else Told(),
        server.query(room_of(volume)) if volume else None,
    )


def room_of(volume: str) -> str:
    """The query for the free share of a claim's volume, by the kubelet's figures."""
    namespace, _slash, name = volume.partition("/")
    labels = f'namespace="{namespace}", persistentvolumeclaim="{name}"'
    return f"min(kubelet_volume_stats_available_bytes{{{labels}}} / kubelet_volume_stats_capacity_bytes{{{labels}}})"


def look_at_grafana(server: Grafana, source: str, dashboards: Collection[str]) -> GrafanaSeen:
    """Ask once; where it is not there at all, nothing more is asked.

    :param source: uid of the data source to ask; empty for the default one of type prometheus.
    """
    health = server.health()
    if health.kind == "silent":
        return GrafanaSeen(server.service.url, health)
    found = server.source(source) if source else _default(server.sources())
    asked = _asked(server, found.data) if found.ok and found.data else None
    listed = server.dashboards()
    boards = {name: server.dashboard(uid) for name, uid in _named(listed, dashboards).items()}
    return GrafanaSeen(server.service.url, health, found, asked, listed, boards)


def _default(told: Told) -> Told:
    """Of all data sources of type prometheus the default one, or else the first."""
    if not told.ok:
        return told
    fit = [one for one in told.data if one.get("type") == PROMETHEUS]
    return Told(OK, next((one for one in fit if one.get("isDefault")), fit[0] if fit else None))


def _asked(server: Grafana, source: Mapping[str, Any]) -> Source:
    uid, kind = str(source.get("uid")), str(source.get("type"))
    if kind == PROMETHEUS:
        return Source(uid, str(source.get("name")), kind, SHOWN, server.query(uid, kind, SHOWN))
    return Source(uid, str(source.get("name")), kind, "its health", server.source_health(uid))


def _named(listed: Told, wanted: Collection[str]) -> dict[str, str]:
    """The uids of the wanted dashboards that are there, by uid or title."""
    there = listed.data if listed.ok and listed.data else []
    found = {one["title"]: one["uid"] for one in there} | {one["uid"]: one["uid"] for one in there}
    return {name: found[name] for name in wanted if name in found}


def facts_of(prometheus: PrometheusSeen | None, grafana: GrafanaSeen | None, wanted: MetricsWanted) -> MetricsFacts:
    """What was seen, with the time."""
    return MetricsFacts(prometheus, grafana, wanted, time.time())
