# Looks at the public way in: connects to the published address for each host, and reads what stands behind it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import (
    IngressFacts,
    published,
    secret_names,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_entry import (
    Arrival,
    Controller,
    EntrySeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients import tls
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted, Unreachable

CERT_MANAGER = "cert-manager.io/v1"
HTTPS = 443


@dataclass(frozen=True, slots=True)
class EntryAsking:
    """Whom to ask, and how.

    :param resolve: addresses by host, where they are not the published ones.
    :param expiry_days: days that a certificate must still last.
    """

    hosts: tuple[str, ...]
    allowed_hosts: Collection[str]
    ca_file: str = ""
    resolve: Mapping[str, str] | None = None
    timeout_s: float = 5.0
    expiry_days: int = 30


def look_at_entry(cluster: Cluster, facts: IngressFacts, asking: EntryAsking) -> EntrySeen:
    """Connect to each host at each published address; nothing but a GET of / is sent."""
    refused = tuple(host for host in asking.hosts if not _permitted(host, asking))
    managed, unread = _managed(cluster, facts)
    return EntrySeen(
        () if refused else tuple(_arrivals(facts, asking)),
        "",
        refused,
        _controllers(cluster, published(facts)),
        managed,
        unread,
        asking.expiry_days,
        time.time(),
    )


def _arrivals(facts: IngressFacts, asking: EntryAsking) -> Iterator[Arrival]:
    for host in asking.hosts:
        given = (asking.resolve or {}).get(host)
        for address in [given] if given else sorted(published(facts)):
            yield _arrival(host, address, asking)


def _arrival(host: str, address: str, asking: EntryAsking) -> Arrival:
    try:
        socket.create_connection((address, HTTPS), timeout=asking.timeout_s).close()
    except OSError as exc:
        return Arrival(host, address, silent=_words(exc))
    server = tls.Server(address, host, HTTPS, asking.timeout_s, asking.ca_file)
    try:
        shown = tls.handshake(server)
        versions = tuple(tls.accepted(server).items())
    except Unreachable as exc:
        return Arrival(host, address, untaken=exc.sentence.rstrip("."))
    return Arrival(host, address, "", "", shown, _http(host, address, asking).get("/").status, versions)


def _http(host: str, address: str, asking: EntryAsking) -> Http:
    to = {host: address}
    return Http(f"https://{host}", asking.allowed_hosts, ca_file=asking.ca_file, resolve=to, timeout_s=asking.timeout_s)


def _permitted(host: str, asking: EntryAsking) -> bool:
    try:
        _http(host, "", asking)
    except InputError:
        return False
    return True


def _controllers(cluster: Cluster, addresses: set[str]) -> tuple[Controller, ...] | None:
    """The Services that carry one of the addresses, with their ready endpoints; seldom permitted, so None often."""
    try:
        services = [one for one in cluster.list("v1", "Service") if _addresses(one) & addresses]
        return tuple(_controller(cluster, one) for one in services)
    except NotPermitted:
        return None


def _controller(cluster: Cluster, service: Mapping[str, Any]) -> Controller:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    labels = f"kubernetes.io/service-name={name}"
    slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace, labels=labels)
    ready = sum(
        len(endpoint.get("addresses") or [])
        for one in slices
        for endpoint in one.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
    )
    return Controller(f"{namespace}/{name}", ready)


def _addresses(service: Mapping[str, Any]) -> set[str]:
    points = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return {str(point[key]) for point in points for key in ("ip", "hostname") if point.get(key)}


def _managed(cluster: Cluster, facts: IngressFacts) -> tuple[tuple[tuple[str, str], ...], bool]:
    """cert-manager's Certificates that fill these Secrets, with why one is not ready, and whether they are hidden."""
    if not cluster.serves(CERT_MANAGER, "Certificate"):
        return (), False
    named = set(secret_names(facts.ours))
    try:
        found = cluster.list(CERT_MANAGER, "Certificate", facts.namespace)
    except NotPermitted:
        return (), True
    ours = [one for one in found if (one.get("spec") or {}).get("secretName") in named]
    return tuple((one["metadata"]["name"], _unready(one)) for one in ours), False


def _unready(one: Mapping[str, Any]) -> str:
    conditions = (one.get("status") or {}).get("conditions") or []
    ready = next((each for each in conditions if each.get("type") == "Ready"), None)
    if ready is None:
        return "it says nothing of itself yet"
    told = f"{ready.get('reason', '')}: {ready.get('message', '')}".strip(": ")
    return "" if ready.get("status") == "True" else told or "no reason is given"


def _words(exc: OSError) -> str:
    return " ".join(str(exc.strerror or exc or type(exc).__name__).split())[:200]
