# Reads what Ingresses are and what they name: classes, Services, endpoints, TLS Secrets (never their keys).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import binascii
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import (
    IngressFacts,
    TlsSecret,
    Wanted,
    backend_names,
    faults,
    secret_names,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_health import TRIES, HealthSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.tls import Certificate, certificate
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Object = dict[str, Any]
API = "networking.k8s.io/v1"
PAUSE_S, TAKEN_IN_S = 0.5, 15.0
HASH = "pod-template-hash"  # Kubernetes docs, Deployments: what tells the pods of one from another


def settled_facts(
    look: Callable[[], IngressFacts], settle_s: float, pause: Callable[[float], None] = time.sleep
) -> IngressFacts:
    """Look until nothing is wrong, or something is that will not cure itself, or the time is over.

    A controller publishes the address of a new Ingress a moment after it was made.
    """
    deadline = time.monotonic() + settle_s
    while True:
        facts = look()
        found = faults(facts)
        if not found or not all(fault.passing for fault in found) or time.monotonic() >= deadline:
            return facts
        pause(PAUSE_S)


def ingress_facts(
    cluster: Cluster, redactor: Redactor, wanted: Wanted, *, namespace: str, selector: str = ""
) -> IngressFacts:
    """Look once."""
    ours = cluster.list(API, "Ingress", namespace, labels=selector)
    everything, everywhere = _all_ingresses(cluster, namespace)
    known = {_key(one) for one in ours}
    secrets, unreadable = _secrets(cluster, redactor, namespace, secret_names(ours))
    return IngressFacts(
        wanted,
        namespace,
        selector,
        tuple(sorted(ours, key=_key)),
        tuple(sorted((one for one in everything if _key(one) not in known), key=_key)),
        everywhere,
        _classes(cluster),
        {one["metadata"]["name"]: one for one in cluster.list("v1", "Service", namespace)},
        _ready(cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace)),
        secrets,
        unreadable,
    )


def _all_ingresses(cluster: Cluster, namespace: str) -> tuple[list[Object], bool]:
    try:
        return cluster.list(API, "Ingress"), True
    except NotPermitted:
        return cluster.list(API, "Ingress", namespace), False


def _classes(cluster: Cluster) -> dict[str, str] | None:
    try:
        found = cluster.list(API, "IngressClass")
    except NotPermitted:
        return None
    return {one["metadata"]["name"]: str((one.get("spec") or {}).get("controller") or "") for one in found}


def _secrets(
    cluster: Cluster, redactor: Redactor, namespace: str, names: Iterable[str]
) -> tuple[dict[str, TlsSecret | None], tuple[str, ...]]:
    found: dict[str, TlsSecret | None] = {}
    unreadable = []
    for name in names:
        try:
            found[name] = _tls_secret(cluster.get("v1", "Secret", name, namespace), redactor)
        except NotPermitted:
            unreadable.append(name)
    return found, tuple(unreadable)


def _tls_secret(obj: Mapping[str, Any] | None, redactor: Redactor) -> TlsSecret | None:
    if obj is None:
        return None
    data = obj.get("data") or {}
    for key, value in data.items():
        if key not in ("tls.crt", "ca.crt"):
            redactor.learn(_decoded(value))
    return TlsSecret(str(obj.get("type") or "Opaque"), _certificate(_decoded(data.get("tls.crt") or "")))


def _certificate(pem: bytes) -> Certificate | None:
    try:
        return certificate(pem)
    except InputError:  # that the certificate is usable is another control's question
        return None


def _decoded(value: str) -> bytes:
    try:
        return b64decode(value)
    except (binascii.Error, ValueError):
        return b""


def _ready(slices: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Ready addresses by Service."""
    counts: Counter[str] = Counter()
    for one in slices:
        service = ((one.get("metadata") or {}).get("labels") or {}).get("kubernetes.io/service-name")
        for endpoint in one.get("endpoints") or []:
            if service and (endpoint.get("conditions") or {}).get("ready") is not False:
                counts[service] += len(endpoint.get("addresses") or [])
    return dict(counts)


def _key(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["metadata"].get("namespace", ""), one["metadata"]["name"]


def stand_in_labels(cluster: Cluster, facts: IngressFacts) -> dict[str, str]:
    """What a pod must bear for a Service behind the Ingresses to take it; empty where a controller might adopt it.

    Deployments tell their own pods by a hash more, so that they leave it alone; other controllers do not.
    """
    for name in sorted(backend_names(facts)):
        selector = ((facts.services.get(name) or {}).get("spec") or {}).get("selector") or {}
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        pods = cluster.list("v1", "Pod", facts.namespace, labels=labels) if labels else []
        if pods and all(HASH in (one["metadata"].get("labels") or {}) for one in pods):
            return {str(key): str(value) for key, value in selector.items()}
    return {}


def taken_in(cluster: Cluster, namespace: str, pod: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Wait until an EndpointSlice tells of a pod, as ready or not; where none does, that is what is seen."""
    deadline = time.monotonic() + TAKEN_IN_S
    while time.monotonic() < deadline:
        slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", namespace)
        ends = [end for one in slices for end in one.get("endpoints") or []]
        if any((end.get("targetRef") or {}).get("name") == pod for end in ends):
            return
        pause(PAUSE_S)


def look_at_health(cluster: Cluster, facts: IngressFacts, http: Http, path: str) -> HealthSeen:
    """Ask the health route by the public path, and read what stands behind the Ingresses."""
    names = backend_names(facts)
    slices = [
        one
        for one in cluster.list("discovery.k8s.io/v1", "EndpointSlice", facts.namespace)
        if ((one.get("metadata") or {}).get("labels") or {}).get("kubernetes.io/service-name") in names
    ]
    behind = {
        (endpoint.get("targetRef") or {}).get("name") for one in slices for endpoint in one.get("endpoints") or []
    }
    pods = [one for one in cluster.list("v1", "Pod", facts.namespace) if one["metadata"]["name"] in behind]
    return HealthSeen(
        path,
        tuple(http.get(path) for _try in range(TRIES)),
        "",
        tuple(facts.services[name] for name in names if name in facts.services),
        tuple(slices),
        tuple(pods),
        cluster.now().timestamp(),
    )
