# Reads where a release offers metrics and which pods it has, and what Prometheus makes of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_watched import (
    exceeded,
    system_problems,
    target_of,
    target_problems,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    Pod,
    ReleaseSeen,
    ScrapesSeen,
    Source,
    SystemSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted

PAUSE_S = 1.0
CHANGES = 3  # times that pods may come while others are waited for, as after a scale-out
_INSTANCE, _SERVICE = "app.kubernetes.io/instance", "kubernetes.io/service-name"
_RELEASE = "meta.helm.sh/release-name"
# What Prometheus counts of scrapes that a limit of a job refused.
_LIMITS = (
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
    "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "prometheus_target_scrape_pool_exceeded_target_limit_total",
)
EXCEEDED = " + ".join(f"(sum(increase({name}[10m])) or vector(0))" for name in _LIMITS)
NODES = "node_uname_info or node_boot_time_seconds or machine_cpu_cores"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which release, and how long its targets may take to settle.

    :param port: name of the ports of its Services that offer metrics.
    """

    namespace: str
    release: str
    port: str = "metrics"
    settle_s: float = 30.0


def look_at_release(cluster: Cluster, scope: Scope) -> ReleaseSeen:
    """Look once at Services, their endpoints and the pods."""
    namespace, release = scope.namespace, scope.release
    try:
        services = [one for one in cluster.list("v1", "Service", namespace) if _is_of(one, release)]
        slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace)
        pods = [one for one in cluster.list("v1", "Pod", namespace) if _is_of(one, release)]
    except NotPermitted as exc:
        return ReleaseSeen(namespace, release, denied=exc.sentence.rstrip("."))
    offering = {
        one["metadata"]["name"]
        for one in services
        if any(port.get("name") == scope.port for port in (one.get("spec") or {}).get("ports") or [])
    }
    sources = {source for one in slices for source in _sources(one, offering, scope.port)}
    return ReleaseSeen(
        namespace,
        release,
        tuple(sorted(sources, key=lambda one: (one.service, one.pod))),
        tuple(_pod(one) for one in pods if (one.get("status") or {}).get("phase") not in ("Succeeded", "Failed")),
    )


def _is_of(found: Mapping[str, Any], release: str) -> bool:
    meta = found["metadata"]
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    return release in (labels.get(_INSTANCE), notes.get(_RELEASE))


def _sources(found: Mapping[str, Any], offering: set[str], name: str) -> Iterator[Source]:
    service = (found["metadata"].get("labels") or {}).get(_SERVICE, "")
    ports = [port["port"] for port in found.get("ports") or [] if port.get("name") == name and port.get("port")]
    if service not in offering:
        return
    for one in found.get("endpoints") or []:
        target = one.get("targetRef") or {}
        if (one.get("conditions") or {}).get("ready") is not False and target.get("kind") == "Pod":
            for address in one.get("addresses") or []:
                yield from (Source(service, str(target.get("name")), address, int(port)) for port in ports)


def _pod(found: Mapping[str, Any]) -> Pod:
    status = found.get("status") or {}
    deleted = bool(found["metadata"].get("deletionTimestamp"))
    return Pod(
        found["metadata"]["name"],
        str((found.get("spec") or {}).get("nodeName") or ""),
        str(status.get("hostIP") or ""),
        status.get("phase") == "Running" and not deleted,
    )


def look_at_scrapes(
    server: Prometheus, scope: Scope, release: Callable[[], ReleaseSeen], pause: Callable[[float], None] = time.sleep
) -> tuple[ReleaseSeen, ScrapesSeen]:
    """Look until the targets are as wanted, or have had their time to settle: after a roll-out they follow later.

    A pod that comes meanwhile has the same time, as often as ``CHANGES`` times; then the release is not at rest.
    """
    end, left = time.monotonic() + scope.settle_s, CHANGES
    known: set[Source] | None = None
    while True:
        found, seen = release(), _scrapes(server)
        settled = not seen.targets.ok or bool(found.denied) or not target_problems(found, seen)
        if left and known is not None and set(found.sources) - known:
            end, left = time.monotonic() + scope.settle_s, left - 1
        if settled or exceeded(seen) > 0 or time.monotonic() >= end:
            return found, seen
        known = set(found.sources)
        pause(PAUSE_S)


def _scrapes(server: Prometheus) -> ScrapesSeen:
    targets = server.targets()
    if not targets.ok:
        return ScrapesSeen(server.service.url, targets)
    return ScrapesSeen(server.service.url, targets, server.query("time()"), server.query(EXCEEDED))


def look_at_system(
    server: Prometheus, scope: Scope, release: Callable[[], ReleaseSeen], pause: Callable[[float], None] = time.sleep
) -> tuple[ReleaseSeen, SystemSeen]:
    """Look until each pod and node has its series, or they have had their time; one that comes meanwhile as above."""
    end, left = time.monotonic() + scope.settle_s, CHANGES
    known: set[str] | None = None
    mine = f'{{namespace="{scope.namespace}"}}'
    while True:
        found = release()
        seen = SystemSeen(
            server.service.url,
            server.query(f"container_memory_working_set_bytes{mine}"),
            server.query(f"kube_pod_info{mine}"),
            server.query(NODES),
        )
        told = seen.containers.ok and seen.states.ok and seen.nodes.ok
        running = {one.name for one in found.pods if one.running}
        if left and known is not None and running - known:
            end, left = time.monotonic() + scope.settle_s, left - 1
        if not told or found.denied or not system_problems(found, seen) or time.monotonic() >= end:
            return found, seen
        known = running
        pause(PAUSE_S)


def selector_of(release: ReleaseSeen, seen: ScrapesSeen) -> str:
    """Matchers that choose the series of the release's targets, by the labels that they have; empty without any."""
    labels = [target.get("labels") or {} for one in release.sources if (target := target_of(release, one, seen))]
    jobs = sorted({re.escape(str(one["job"])).replace("\\", "\\\\") for one in labels if one.get("job")})
    if not jobs:
        return ""
    spaced = all(one.get("namespace") == release.namespace for one in labels)
    return f'job=~"{"|".join(jobs)}"' + (f', namespace="{release.namespace}"' if spaced else "")


def slowest_of(release: ReleaseSeen, seen: ScrapesSeen, spans: Callable[[str], float | None]) -> float:
    """Seconds of the longest interval at which a target of the release is scraped."""
    targets = [target for one in release.sources if (target := target_of(release, one, seen))]
    return max([spans(str(one.get("scrapeInterval") or "")) or 60.0 for one in targets], default=60.0)
