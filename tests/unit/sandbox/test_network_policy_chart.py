# What the chart's own policy lets pass in the sandbox, flow by flow.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from sandbox.components.network_policy.rules import Rules, derive
from sandbox.settings import load
from tests.unit.sandbox.policy_world import address, namespace, pod, world

SETTINGS = load()
HELM = SETTINGS.bin / "helm"
pytestmark = pytest.mark.skipif(not HELM.exists(), reason="rendering the chart needs helm, which the sandbox builds")

APP = {"app": "bytebot", "component": "api"}
SPACES = ("bytebot-production", "ingress", "monitoring", "database", "cache", "kube-system", "local-path-storage")
WEB = {"http": "TCP/3000", "metrics": "TCP/9090"}
# The sandbox's pods with their namespaces, labels and ports; `other` is a pod of another application beside it.
PODS: dict[str, Any] = {
    "api": pod("bytebot-production/api", "10.244.0.10", APP, ports=WEB),
    "api2": pod("bytebot-production/api2", "10.244.0.11", APP, ports=WEB),
    "smoke": pod("bytebot-production/smoke", "10.244.0.12", {"app": "bytebot", "component": "smoke"}),
    "other": pod("bytebot-production/other", "10.244.0.13", {"app": "other"}),
    "traefik": pod("ingress/traefik", "10.244.0.14", {"app": "traefik"}),
    "prometheus": pod("monitoring/prometheus", "10.244.0.15", {"app": "prometheus"}),
    "postgres": pod("database/postgres", "10.244.0.16", {"app": "postgres"}),
    "redis": pod("cache/redis", "10.244.0.17", {"app": "redis"}),
    "coredns": pod("kube-system/coredns", "10.244.0.18", {"k8s-app": "kube-dns"}),
    "metrics-server": pod("kube-system/metrics-server", "10.244.0.19", {"k8s-app": "metrics-server"}),
    "local-path": pod("local-path-storage/provisioner", "10.244.0.20", {"app": "local-path-provisioner"}),
}
WHERE = {**{name: one["status"]["podIP"] for name, one in PODS.items()}, "machine": SETTINGS.machine_address}
PORTS = (
    ("TCP", 53), ("UDP", 53), ("TCP", 443), ("TCP", 3000), ("TCP", 5432), ("TCP", 6379), ("TCP", 8000), ("TCP", 8443),
    ("TCP", 9090), ("TCP", 10250),
)  # fmt: skip
OF_THE_RELEASE = ("api", "api2", "smoke")


def rules() -> Rules:
    command = [HELM, "template", "bytebot", "sandbox/chart", "--namespace", "bytebot-production", "--values"]
    done = subprocess.run(
        [*command, "sandbox/values.yaml"], cwd=SETTINGS.checkout, text=True, capture_output=True, check=True
    )
    found = [one for one in yaml.safe_load_all(done.stdout) if one and one["kind"] == "NetworkPolicy"]
    for one in found:
        one["metadata"]["namespace"] = "bytebot-production"
    assert [one["metadata"]["name"] for one in found] == ["bytebot-network-policy"]
    return derive(world(PODS.values(), [namespace(name) for name in SPACES], found))


def test_exactly_these_flows_from_and_to_the_release_pass() -> None:
    ruled = rules()
    expected: set[tuple[str, str, str, int]] = set()
    for one in OF_THE_RELEASE:
        # In: the ingress controller, the monitoring, and each other.
        expected |= {("traefik", one, "TCP", 3000), ("prometheus", one, "TCP", 9090)}
        expected |= {(one, two, *port) for two in OF_THE_RELEASE for port in PORTS}
        # Out: the database, the cache, names, and HTTPS to anybody.
        expected |= {(one, "postgres", "TCP", 5432), (one, "redis", "TCP", 6379)}
        expected |= {(one, dns, protocol, 53) for dns in ("coredns", "metrics-server") for protocol in ("TCP", "UDP")}
        expected |= {(one, two, "TCP", 443) for two in WHERE if two not in OF_THE_RELEASE}
    passing = {
        (source, destination, protocol, port)
        for source in WHERE
        for destination in WHERE
        for protocol, port in PORTS
        if (source in OF_THE_RELEASE or destination in OF_THE_RELEASE)
        and ruled.permits(address(WHERE[source]), address(WHERE[destination]), protocol, port)
    }
    assert passing == expected


def test_nobody_else_is_isolated() -> None:
    """CoreDNS, metrics-server, Traefik, PostgreSQL, Redis and the provisioner are reached and reach as before."""
    ruled = rules()
    isolated = {address(WHERE[name]) for name in OF_THE_RELEASE}
    assert set(ruled.ingress) == set(ruled.egress) == isolated
    rest = [name for name in WHERE if name not in OF_THE_RELEASE]
    flows = [(a, b, *port) for a in rest for b in rest for port in PORTS]
    assert [f for f in flows if not ruled.permits(address(WHERE[f[0]]), address(WHERE[f[1]]), f[2], f[3])] == []


def test_the_release_reaches_the_ingress_at_the_address_of_its_load_balancer() -> None:
    """Its rule for HTTPS names port 443, and Traefik listens on 8443."""
    ruled, balancer = rules(), address(SETTINGS.node_address)
    for name, passes in (("api", True), ("other", True)):
        assert ruled.permits(address(WHERE[name]), address(WHERE["traefik"]), "TCP", 8443, (balancer, 443)) is passes
    assert not ruled.permits(address(WHERE["api"]), address(WHERE["traefik"]), "TCP", 8000, (balancer, 80))
    assert not ruled.permits(address(WHERE["api"]), address(WHERE["traefik"]), "TCP", 8443)
