# From pods, namespaces and policies to what each pod may send and receive, by the documented semantics of
# networking.k8s.io/v1. No input or output: all of it is a function of the objects.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses, ip_network

from sandbox.components.network_policy.objects import Namespace, Object, Pod, Policy, selects

INGRESS, EGRESS = "Ingress", "Egress"
LAST_PORT = 65535
Networks = tuple[IPv4Network, ...]
Asked = tuple[IPv4Address, int]
EVERYWHERE: Networks = (IPv4Network("0.0.0.0/0"),)


@dataclass(frozen=True, order=True)
class Service:
    """Ports of one protocol, first and last included."""

    protocol: str
    first: int = 0
    last: int = LAST_PORT


@dataclass(frozen=True)
class Allow:
    """What comes from (or goes to) these networks by these services passes; None is every protocol and port."""

    networks: Networks
    services: tuple[Service, ...] | None

    def covers(self, address: IPv4Address, protocol: str, port: int) -> bool:
        by_service = self.services is None or any(
            one.protocol == protocol and one.first <= port <= one.last for one in self.services
        )
        return by_service and any(address in network for network in self.networks)


Allows = tuple[Allow, ...]


@dataclass(frozen=True)
class World:
    """All that the rules depend on.

    :param node: only pods of this node are isolated here; those of others are peers.
    """

    node: str
    pods: Sequence[Pod]
    namespaces: Sequence[Namespace]
    policies: Sequence[Policy]


@dataclass(frozen=True)
class Rules:
    """For each isolated pod and direction what is allowed; a pod that is not named is not isolated in it."""

    ingress: Mapping[IPv4Address, Allows]
    egress: Mapping[IPv4Address, Allows]

    def permits(
        self, source: IPv4Address, destination: IPv4Address, protocol: str, port: int, asked: Asked | None = None
    ) -> bool:
        """Whether a new connection passes: its sender must be allowed to send, and its receiver to receive.

        :param asked: the load balancer's address and port that the sender asked for, where that led to `destination`.
        """
        if source == destination:  # a pod cannot block access to itself
            return True
        out, into = self.egress.get(source), self.ingress.get(destination)
        ends = [(destination, port), *([asked] if asked else [])]
        return (out is None or any(one.covers(to, protocol, at) for one in out for to, at in ends)) and (
            into is None or any(one.covers(source, protocol, port) for one in into)
        )


def derive(world: World) -> Rules:
    """The rules of all pods of the node. The order of pods and policies does not matter."""
    labels = {one.name: one.labels for one in world.namespaces}
    pods = _by_address(world.pods)
    judge = _Judge(pods, labels)
    ingress: dict[IPv4Address, Allows] = {}
    egress: dict[IPv4Address, Allows] = {}
    for address, pod in pods.items():
        if pod.node != world.node:
            continue
        chosen = [
            policy
            for policy in world.policies
            if policy.namespace == pod.namespace and selects(policy.spec.get("podSelector") or {}, pod.labels)
        ]
        if isolating := [policy for policy in chosen if INGRESS in types_of(policy.spec)]:
            ingress[address] = _tidy(
                allow
                for policy in isolating
                for rule in policy.spec.get("ingress") or []
                for allow in judge.ingress(pod, policy.namespace, rule)
            )
        if isolating := [policy for policy in chosen if EGRESS in types_of(policy.spec)]:
            egress[address] = _tidy(
                allow
                for policy in isolating
                for rule in policy.spec.get("egress") or []
                for allow in judge.egress(policy.namespace, rule)
            )
    return Rules(ingress, egress)


def types_of(spec: Object) -> frozenset[str]:
    """The directions that a policy isolates. By default Ingress, and Egress where it has egress rules."""
    given = spec.get("policyTypes")
    return frozenset(given or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS]))


class _Judge:
    """Resolves peers and ports against the pods there are."""

    def __init__(self, pods: Mapping[IPv4Address, Pod], labels: Mapping[str, Mapping[str, str]]) -> None:
        self._pods = pods
        self._labels = labels

    def ingress(self, pod: Pod, namespace: str, rule: Object) -> list[Allow]:
        return [Allow(self._networks(namespace, rule.get("from") or []), services(rule.get("ports") or [], pod))]

    def egress(self, namespace: str, rule: Object) -> list[Allow]:
        """A named port is the receiver's, so that it may be another number for each of them."""
        networks, ports = self._networks(namespace, rule.get("to") or []), rule.get("ports") or []
        named = [port for port in ports if isinstance(port.get("port"), str)]
        numbers = [port for port in ports if port not in named]
        found = [Allow(networks, services(numbers, None))] if numbers or not ports else []
        for address, pod in self._pods.items() if named else ():
            if any(address in network for network in networks):
                found.append(Allow((_one(address),), services(named, pod)))
        return found

    def _networks(self, namespace: str, peers: Sequence[Object]) -> Networks:
        if not peers:
            return EVERYWHERE
        return tuple(collapse_addresses(network for peer in peers for network in self._of_peer(namespace, peer)))

    def _of_peer(self, namespace: str, peer: Object) -> Iterable[IPv4Network]:
        if block := peer.get("ipBlock"):
            return _without(block["cidr"], block.get("except") or [])
        pods, spaces = peer.get("podSelector"), peer.get("namespaceSelector")
        return [
            _one(address)
            for address, pod in self._pods.items()
            if (pods is None or selects(pods, pod.labels))
            and (
                pod.namespace == namespace if spaces is None else selects(spaces, self._labels.get(pod.namespace) or {})
            )
        ]


def services(ports: Sequence[Object], pod: Pod | None) -> tuple[Service, ...] | None:
    """Ports of a rule; names are resolved by the receiving pod. None where the rule names no ports: all pass."""
    if not ports:
        return None
    found: list[Service] = []
    for one in ports:
        protocol, port = one.get("protocol") or "TCP", one.get("port")
        if port is None:
            found.append(Service(protocol))
        elif isinstance(port, int):
            found.append(Service(protocol, port, one.get("endPort") or port))
        elif pod:
            found += [
                Service(protocol, named.number, named.number)
                for named in pod.ports
                if (named.name, named.protocol) == (port, protocol)
            ]
    return tuple(_joined(found))


def _joined(found: Iterable[Service]) -> Iterable[Service]:
    """In order, with what touches or overlaps made one: the kernel refuses sets that overlap."""
    last: Service | None = None
    for one in sorted(found):
        if last and one.protocol == last.protocol and one.first <= last.last + 1:
            last = Service(last.protocol, last.first, max(last.last, one.last))
            continue
        if last:
            yield last
        last = one
    if last:
        yield last


def _tidy(allows: Iterable[Allow]) -> Allows:
    """In one order, each once, without those that nothing can match."""
    real = {one for one in allows if one.networks and one.services != ()}
    return tuple(sorted(real, key=lambda one: (one.networks, one.services is not None, one.services or ())))


def _by_address(pods: Iterable[Pod]) -> dict[IPv4Address, Pod]:
    """Where two claim one address (one is on its way out), the later one has it."""
    ordered = sorted(pods, key=lambda pod: (pod.age, pod.namespace, pod.name))
    latest = {pod.address: pod for pod in ordered if pod.address}
    return dict(sorted(latest.items()))


def _without(cidr: str, excepted: Iterable[str]) -> list[IPv4Network]:
    """A block less its exceptions, as the networks that are left. Blocks of IPv6 match nothing here."""
    block = ip_network(cidr, strict=False)
    if not isinstance(block, IPv4Network):
        return []
    left = [block]
    for text in excepted:
        hole = ip_network(text, strict=False)
        if isinstance(hole, IPv4Network):
            left = [part for network in left for part in _less(network, hole)]
    return left


def _less(network: IPv4Network, hole: IPv4Network) -> Iterable[IPv4Network]:
    if not network.overlaps(hole):
        return [network]
    return [] if network.subnet_of(hole) else network.address_exclude(hole)


def _one(address: IPv4Address) -> IPv4Network:
    return IPv4Network(address)
