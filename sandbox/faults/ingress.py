# Faults on the way in: the ingress controller, its load balancer's address, and the names that lead there.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re

from sandbox import probe
from sandbox.components import traefik
from sandbox.faults.fault import MERGE, Act, Fault, Hands, scaled

CONTROLLER = "/apis/apps/v1/namespaces/ingress/deployments/traefik"
SERVICE = "/api/v1/namespaces/ingress/services/traefik"
NAMES = "/api/v1/namespaces/kube-system/configmaps/coredns"
RESOLVER = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
DNS, BALANCER = "infrastructure.ingress.dns", "infrastructure.ingress.load_balancer"
# What watches is reached by the same way in.
WATCHES = tuple(f"infrastructure.monitoring.{one}" for one in ("prometheus", "alertmanager", "logs"))
ELSEWHERE = "192.0.2.1"
MISSING = "rcode NXDOMAIN"
# The line of the sandbox's own zone, as it is or as a fault left it.
ANSWER = re.compile(r'(?m)^( *)(?:answer "\{\{ \.Name \}\}.*|rcode NXDOMAIN)$')


def _selects(app: str) -> Act:
    return lambda hands: hands.patch(SERVICE, {"spec": {"selector": {"app": app}}})


def _silent(hands: Hands) -> bool:
    """Nothing answers at the public address, asked from the machine."""
    return probe.http_status(hands.settings, hands.settings.node_address, 80, "/", inside=False) == probe.NOTHING


def _take_address(hands: Hands) -> None:
    """As where no cloud gives one."""
    hands.cluster.call("PATCH", f"{SERVICE}/status", json.dumps({"status": {"loadBalancer": {"ingress": None}}}), MERGE)


def _without_address(hands: Hands) -> bool:
    service = hands.cluster.get(SERVICE) or {}
    return not service["status"]["loadBalancer"].get("ingress") and _silent(hands)


def _answers(what: str) -> Act:
    """Another answer for the names of the sandbox's own zone; CoreDNS is started anew to know it."""

    def act(hands: Hands) -> None:
        text = (hands.cluster.get(NAMES) or {})["data"]["Corefile"]
        changed = ANSWER.sub(lambda found: f"{found[1]}{what}", text)
        hands.patch(NAMES, {"data": {"Corefile": changed}})
        stamp = {"bytebot.test/answers": what.replace(" ", "-")}
        hands.patch(RESOLVER, {"spec": {"template": {"metadata": {"annotations": stamp}}}})
        hands.until(lambda: hands.rolled_out(RESOLVER), "CoreDNS runs with it")

    return act


def _address(text: str) -> str:
    return f'answer "{{{{ .Name }}}} 5 IN A {text}"'


def _resolves(hands: Hands, address: str) -> bool:
    s = hands.settings
    return probe.resolves(s, s.dns_service, f"api.{s.domain}", address)


def _resolves_no_more(hands: Hands) -> bool:
    """Other names are still answered, so that it is not the resolver that is down."""
    s = hands.settings
    others = probe.resolves(s, s.dns_service, "kubernetes.default.svc.cluster.local", s.api_service)
    return others and not _resolves(hands, s.node_address)


def _given_back(hands: Hands) -> None:
    _answers(_address(hands.settings.node_address))(hands)


FAULTS = (
    Fault(
        name="ingress_controller_scaled_to_zero", says="the ingress controller does not run", layer="network",
        put=scaled(CONTROLLER, 0), heal=scaled(CONTROLLER, 1), seen=_silent, turns_red=(BALANCER, *WATCHES),
    ),
    Fault(
        name="ingress_service_no_endpoints", says="the ingress controller's Service selects no pod", layer="network",
        put=_selects("traefik-renamed"), heal=_selects("traefik"), seen=_silent, turns_red=(BALANCER, *WATCHES),
    ),
    Fault(
        name="ingress_address_pending", says="the ingress controller's Service has no address", layer="network",
        put=_take_address, heal=traefik.give_address, seen=_without_address, turns_red=(BALANCER, *WATCHES),
    ),
    Fault(
        name="dns_host_missing", says="the public names are not known", layer="network", turns_red=(DNS,),
        put=_answers(MISSING), heal=_given_back, seen=_resolves_no_more,
    ),
    Fault(
        name="dns_points_elsewhere", says="the public names lead elsewhere", layer="network", turns_red=(DNS,),
        put=_answers(_address(ELSEWHERE)), heal=_given_back, seen=lambda hands: _resolves(hands, ELSEWHERE),
    ),
)  # fmt: skip
