# Reads the release for which a namespace is secured, and whom it must reach, from its workloads and its credentials.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.discovery.credentials import (
    PORTS,
    credentials,
    own_secrets,
    told_to_pods,
)
from ansible_collections.bytebot.production.plugins.module_utils.discovery.look import Seen
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.policy_objects import (
    INSTANCE,
    OWNER,
    Peer,
    Subject,
    backends,
)

Object = dict[str, Any]
RELEASE = "meta.helm.sh/release-name"
_NEEDED = (
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("networking.k8s.io/v1", "Ingress"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
)
_RARE = (("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"))  # an account that may not list them has none to deploy
_PORT = 65536


def observe(cluster: Cluster, given: Mapping[str, Any]) -> Subject:
    """The release as it is.

    :raises InputError: it has no workload, or an input is missing that its Ingresses need.
    """
    namespace, release = given["namespace"], given["release"]
    found = {kind: tuple(cluster.list(api, kind, namespace)) for api, kind in _NEEDED}
    for api, kind in _RARE:
        try:
            found[kind] = tuple(cluster.list(api, kind, namespace))
        except NotPermitted:
            found[kind] = ()
    ours = {kind: tuple(one for one in some if _belongs(one, release)) for kind, some in found.items()}
    workloads = (*ours["Deployment"], *ours["StatefulSet"], *ours["DaemonSet"])
    if not workloads:
        raise InputError(f"Namespace {namespace} has no workload of release {release}. Deploy it first.")
    if "network" in given["parts"] and backends(ours["Ingress"]) and not given["ingress_namespaces"]:
        raise InputError(
            "ingress_namespaces is empty, and an Ingress leads to the release: with all traffic denied nobody could "
            "reach it. Name the namespaces of the ingress controller."
        )
    others = (*found["PodDisruptionBudget"], *found["HorizontalPodAutoscaler"])
    return Subject(
        namespace=namespace,
        release=release,
        workloads=workloads,
        services=ours["Service"],
        ingresses=ours["Ingress"],
        others=tuple(one for one in others if not OWNER.items() <= (one["metadata"].get("labels") or {}).items()),
        labels={str(name): str(value) for name, value in given["labels"].items()},
        ingress_namespaces=tuple(given["ingress_namespaces"]),
        monitoring_namespaces=tuple(given["monitoring_namespaces"]),
        metrics_ports=tuple(int(one) if one.isdigit() else one for one in given["metrics_ports"]),
        dns_namespace=given["dns_namespace"],
        egress=_egress(Seen(namespace, found), given["egress"]),
        limits=given["limits"],
        quota=given["quota"],
        headroom=given["headroom"],
        autoscaling=tuple(given["autoscaling"]),
    )


def _belongs(obj: Object, release: str) -> bool:
    metadata = obj["metadata"]
    named = (metadata.get("annotations") or {}).get(RELEASE), (metadata.get("labels") or {}).get(INSTANCE)
    return release in named


def _egress(seen: Seen, given: Iterable[Mapping[str, Any]]) -> tuple[Peer, ...]:
    """Whom the credentials and the settings of the release name in this cluster, and who is given."""
    found: dict[Peer, None] = {}
    told = [(one.kind, one.address) for one in told_to_pods(seen)]
    told += [(one.kind, one.address) for one in credentials(own_secrets(seen))]
    for kind, address in told:
        parts = address.host.split(".")
        port = int(address.port or PORTS[kind])
        if parts[2:3] == ["svc"] and 0 < port < _PORT:
            found[Peer((port,), namespace=parts[1])] = None
    for one in given:
        found[Peer(tuple(one["ports"]), namespace=one.get("namespace") or "", cidr=one.get("cidr") or "")] = None
    return tuple(found)


def peers(egress: Iterable[Peer]) -> list[str]:
    """Whom pods may reach, in words."""
    return [
        f"{f'namespace {one.namespace}' if one.namespace else one.cidr}, port {', '.join(map(str, one.ports))}"
        for one in egress
    ]
