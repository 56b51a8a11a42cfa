# Asks in clear what must be asked over TLS alone: each host by its paths, and each way around the Ingress.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.https_only import Plain, SideDoor
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted

Object = dict[str, Any]
OPEN_TYPES = ("NodePort", "LoadBalancer")


def plain_of(http: Http, hosts: Collection[str], paths: Collection[str]) -> Iterator[Plain]:
    """Ask each path of each host in clear."""
    for host in hosts:
        for path in paths:
            yield _asked(http, f"http://{host}/{path.lstrip('/')}")


def doors_of(http: Http, cluster: Cluster, namespace: str, path: str) -> tuple[tuple[SideDoor, ...], str]:
    """Every way around the Ingress that the namespace opens, each asked in clear; and why some are not seen."""
    try:
        services = cluster.list("v1", "Service", namespace)
        pods = cluster.list("v1", "Pod", namespace)
    except NotPermitted as exc:
        return (), exc.sentence.rstrip(".")
    opened = [*_of_services(services), *_of_pods(pods)]
    if not opened:
        return (), ""
    try:
        nodes = [address for one in cluster.list("v1", "Node") for address in _node_addresses(one)][:1]
    except NotPermitted as exc:
        return tuple(SideDoor(name, unasked=exc.sentence.rstrip(".")) for name, _addresses, _port in opened), ""
    return tuple(
        door for name, addresses, port in opened for door in _tried(http, name, addresses or nodes, port, path)
    ), ""


def _of_services(services: Collection[Object]) -> Iterator[tuple[str, list[str], int]]:
    """What is opened, at which addresses (any node's where none is named), and by which port."""
    for one in services:
        spec, name = one.get("spec") or {}, one["metadata"]["name"]
        external = [str(address) for address in spec.get("externalIPs") or []]
        for port in spec.get("ports") or []:
            if port.get("protocol", "TCP") != "TCP":
                continue
            if spec.get("type") in OPEN_TYPES and port.get("nodePort"):
                yield f"Service {name} (nodePort {port['nodePort']})", [], int(port["nodePort"])
            balanced = _balanced(one) if spec.get("type") == "LoadBalancer" else []
            for addresses in (balanced, external):
                if addresses:
                    yield f"Service {name} (port {port['port']})", addresses, int(port["port"])


def _balanced(service: Mapping[str, Any]) -> list[str]:
    points = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [str(point.get("ip") or point.get("hostname")) for point in points]


def _of_pods(pods: Collection[Object]) -> Iterator[tuple[str, list[str], int]]:
    for one in pods:
        spec, status = one.get("spec") or {}, one.get("status") or {}
        for container in spec.get("containers") or []:
            for port in container.get("ports") or []:
                number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else None)
                if number and status.get("hostIP") and port.get("protocol", "TCP") == "TCP":
                    yield f"pod {one['metadata']['name']} (host port {number})", [str(status["hostIP"])], int(number)


def _node_addresses(node: Mapping[str, Any]) -> list[str]:
    """External addresses first: that is the way from outside."""
    found = {one.get("type"): str(one.get("address")) for one in (node.get("status") or {}).get("addresses") or []}
    ready = any(
        one.get("type") == "Ready" and one.get("status") == "True"
        for one in (node.get("status") or {}).get("conditions") or []
    )
    kinds = ("ExternalIP", "InternalIP") if ready else ()
    return [found[kind] for kind in kinds if kind in found][:1]


def _tried(http: Http, name: str, addresses: Collection[str], port: int, path: str) -> Iterator[SideDoor]:
    if not addresses:
        yield SideDoor(name, unasked="no address of it is known")
    for address in addresses:
        where = f"[{address}]" if ":" in address else address
        url = f"http://{where}:{port}/{path.lstrip('/')}"
        try:
            yield SideDoor(name, url, _asked(http, url))
        except InputError:
            yield SideDoor(name, url, unasked=f"{address} is not in allowed_hosts")


def _asked(http: Http, url: str) -> Plain:
    answer = http.get(url)
    failure = answer.failure
    return Plain(
        url,
        answer.status,
        answer.headers.get("location", ""),
        failure is not None and failure.kind == "refused",
        failure.sentence if failure else "",
    )
