# Faults of the way in that let something through in clear, or believe whoever says where it comes from.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import yaml

from sandbox import probe
from sandbox.faults.app_visit import TASKS, Visitor, with_environment
from sandbox.faults.entry import FILE, HOST
from sandbox.faults.fault import API, NAMESPACE, Act, Fault, Hands
from sandbox.faults.ingress import CONTROLLER
from sandbox.faults.keeping import Object, changed, ready, restored, stamped, steps

DOOR = f"/api/v1/namespaces/{NAMESPACE}/services/sandbox-side-door"
DOORSTEP = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/sandbox-side-door"
DOOR_PORT = 30180
ELSEWHERE = "www.bytebot.test"
HTTPS_ONLY, LIMITS = "security_testing.web.https", "security_testing.web.rate_limit"
REDIRECTION = "--entrypoints.web.http.redirections"
TRUSTING = "--entrypoints.websecure.forwardedHeaders.insecure=true"
LEFT, HEAD = "X-RateLimit-Remaining", 4096


def _args(change: Callable[[list[str]], list[str]]) -> Act:
    """Other arguments for the ingress controller, which starts anew with them."""

    def apply(deployment: Object) -> None:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        container["args"] = change(container["args"])

    return changed(CONTROLLER, apply, then=ready(CONTROLLER))


def _no_redirection(args: list[str]) -> list[str]:
    return [one for one in args if not one.startswith(REDIRECTION)]


def _to_another_host(hands: Hands) -> None:
    """What comes in clear is led to https on another host."""

    def routed(file: Object) -> None:
        read = yaml.safe_load(file["data"]["tls.yaml"])
        to = {"regex": "^http://[^/]+/(.*)", "replacement": f"https://{ELSEWHERE}/${{1}}", "permanent": True}
        router = {"rule": "PathPrefix(`/`)", "priority": 100000, "entryPoints": ["web"]}
        read["http"] = {
            "routers": {"clear": {**router, "service": "noop@internal", "middlewares": ["elsewhere"]}},
            "middlewares": {"elsewhere": {"redirectRegex": to}},
        }
        file["data"]["tls.yaml"] = yaml.safe_dump(read, sort_keys=False)

    changed(FILE, routed)(hands)

    def both(deployment: Object) -> None:
        stamped(deployment)
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        container["args"] = _no_redirection(container["args"])

    changed(CONTROLLER, both, then=ready(CONTROLLER))(hands)


def _clear(hands: Hands, path: str = "/health/live") -> tuple[int, str]:
    """Status and target of a request in clear, by the public address."""
    asked = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    said = probe.exchange(hands.settings, hands.settings.node_address, 80, asked, HEAD).decode("latin-1")
    head = said.partition("\r\n\r\n")[0].split("\r\n")
    status = head[0].split(" ")[1] if head[0].count(" ") else "0"
    targets = [line.partition(": ")[2] for line in head if line.lower().startswith("location: ")]
    return int(status), "".join(targets)


def _open_door(hands: Hands) -> None:
    api = hands.cluster.get(f"/api/v1/namespaces/{NAMESPACE}/services/bytebot-api") or {}
    target = api["spec"]["ports"][0]["targetPort"]
    port = {"name": "http", "port": 80, "targetPort": target, "nodePort": DOOR_PORT}
    spec = {"type": "NodePort", "selector": api["spec"]["selector"], "ports": [port]}
    meta = {"name": DOOR.rpartition("/")[2], "namespace": NAMESPACE}
    hands.apply(DOOR, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    s = hands.settings
    # As the policy of the release lets nothing in beside the ingress controller: from the machine, and from the node.
    sources = [f"{s.machine_address}/32", f"{s.node_address}/32", f"{s.node_pod_network.rpartition('.')[0]}.1/32"]
    rule = {"from": [{"ipBlock": {"cidr": one}} for one in sources]}
    policy = {"podSelector": {"matchLabels": api["spec"]["selector"]}, "policyTypes": ["Ingress"], "ingress": [rule]}
    hands.apply(
        DOORSTEP, {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": policy}
    )
    hands.until(lambda: _answers_aside(hands), "the side door answers")


def _shut_door(hands: Hands) -> None:
    hands.delete(DOOR)
    hands.delete(DOORSTEP)


def _answers_aside(hands: Hands) -> bool:
    address = hands.settings.node_address
    if hands.cluster.get(API) is None:
        return False
    return probe.http_status(hands.settings, address, DOOR_PORT, "/health/live", inside=False) == HTTPStatus.OK


def _node_allowed(hands: Hands) -> Mapping[str, Any]:
    """The node's address may be asked: else the door is there, and nobody tries it."""
    s = hands.settings
    return {"bytebot_allowed_hosts": [*_allowed(s.domain), "203.0.113.10", s.node_address]}


def _allowed(domain: str) -> list[str]:
    return [f"{one}.{domain}" for one in ("api", "prometheus", "grafana", "alertmanager", "logs")]


def _evades(visitor: Visitor) -> bool:
    """Each new address that is claimed has a count of its own."""

    def left(claimed: str) -> int:
        return int(visitor.ask("GET", TASKS, headers={"X-Forwarded-For": claimed}).headers[LEFT])

    return left("198.51.100.201") == left("198.51.100.202")


_EVADING = with_environment(
    "forwarded_for_evades",
    "whoever names another address in X-Forwarded-For is counted anew",
    _evades,
    SANDBOX_FAULT="rate_limit_spoofable",
)

FAULTS = (
    Fault(
        name="plain_http_answers", says="the ingress controller serves the application in clear too", layer="network",
        put=_args(_no_redirection), heal=restored(CONTROLLER, then=ready(CONTROLLER)),
        seen=lambda hands: _clear(hands)[0] == HTTPStatus.OK,
        turns_red=(HTTPS_ONLY, "security_configuration.network.security_headers", "security_testing.web.headers"),
    ),
    Fault(
        name="redirect_to_other_host", says="what comes in clear is led to another host", layer="network",
        put=_to_another_host, heal=restored(FILE, CONTROLLER, then=ready(CONTROLLER)),
        seen=lambda hands: ELSEWHERE in _clear(hands)[1],
        turns_red=(HTTPS_ONLY, "security_configuration.network.security_headers", "security_testing.web.headers"),
    ),
    Fault(
        name="side_door_open", says="a Service opens a port of every node for the API", layer="network",
        put=_open_door, heal=_shut_door, seen=_answers_aside,
        turns_red=(HTTPS_ONLY,), variables=_node_allowed,
    ),
    dataclasses.replace(
        _EVADING,
        put=steps(_args(lambda args: [*args, TRUSTING]), _EVADING.put),
        heal=steps(_EVADING.heal, restored(CONTROLLER, then=ready(CONTROLLER))),
        turns_red=(LIMITS,),
    ),
)  # fmt: skip
