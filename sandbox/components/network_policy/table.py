# The rules as the text of one nftables table, which `nft -f -` puts in place of the former one in one transaction.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address

from sandbox.components.network_policy.rules import EVERYWHERE, INGRESS, Allow, Allows, Rules, Service

TABLE = "inet bytebot-policy"
# Hook `forward`: all that one pod sends to another passes it once its receiver is known. What goes to a Service is
# translated by kube-proxy in `prerouting` (priority dstnat, -100), so here the destination is the pod that it leads
# to; masquerading comes in `postrouting` (srcnat, 100), so here the source is still who sends. Two pods of one node
# talk over the bridge, whose frames pass this hook by bridge-nf-call-iptables. What the node itself sends (probes,
# the API server) has the hook `output`, and what is sent to it has `input`: the API promises that both always pass.
# Priority: after kube-proxy's own chain of this hook (filter, 0), so that a Service without endpoints is refused by
# kube-proxy, and not silently dropped here.
#
# A load balancer's address is, as its users see it, outside of the cluster: what is sent there need not come back at
# all. Where kube-proxy shortens the way, Kubernetes leaves open whether egress is judged before or after the
# translation. Here either suffices: that the pod it leads to may be reached, or the address and port that were asked
# for, which connection tracking remembers. Addresses of Services within the cluster are judged only by the pod, as all
# enforcers do; else a rule for port 443 would open what other clusters keep shut.
HOOK = "type filter hook forward priority filter + 10; policy accept;"
SENDER = ("ip saddr", "{protocol} dport")
RECEIVER = ("ip daddr", "{protocol} dport")
ASKED = ("ct original ip daddr", "meta l4proto {protocol} ct original proto-dst")
DROP = "counter drop"
GONE = f"add table {TABLE}\ndelete table {TABLE}\n"


def render(rules: Rules, services: str) -> str:
    """Input of `nft -f -`, which works whether or not there is a table; equal rules give equal text.

    :param services: the network of the Services' addresses within the cluster.
    """
    if not (rules.ingress or rules.egress):
        return GONE + f"table {TABLE} {{\n}}\n"
    chains = _Chains(services)
    leave, enter = chains.jumps("egress", rules.egress), chains.jumps("ingress", rules.ingress)
    itself = ", ".join(f"{address} . {address}" for address in sorted({*rules.ingress, *rules.egress}))
    forward = [
        HOOK,
        "ct state established,related accept",  # replies, and what was allowed when it began
        f"ip saddr . ip daddr {{ {itself} }} accept",
        # Pods have IPv6 addresses of their link, which the API does not tell: no way around the rules.
        "meta nfproto ipv6 meta l4proto { tcp, udp, sctp } counter drop",
        *([f"ip saddr vmap {{ {leave} }}"] if leave else []),
        *([f"ip daddr vmap {{ {enter} }}"] if enter else []),
    ]
    blocks = [_chain("forward", forward), *(_chain(name, lines) for name, lines in chains.made.items())]
    return GONE + f"table {TABLE} {{\n{''.join(blocks)}}}\n"


class _Chains:
    """Pods with the same rules, as replicas have, share a chain."""

    def __init__(self, services: str) -> None:
        self._services = services
        self.made: dict[str, list[str]] = {}
        self._names: dict[tuple[str, Allows], str] = {}

    def jumps(self, direction: str, pods: Mapping[IPv4Address, Allows]) -> str:
        return ", ".join(f"{address} : jump {self._name(direction, pods[address])}" for address in sorted(pods))

    def _name(self, direction: str, allows: Allows) -> str:
        key = (direction, allows)
        if key not in self._names:
            name = f"{direction}-{sum(kind == direction for kind, _ in self._names) + 1}"
            self._names[key] = name
            # `return` goes on with the other direction: both must allow.
            if direction == INGRESS.lower():
                self.made[name] = [*(line for one in allows for line in _lines(SENDER, one)), DROP]
            else:
                asked = f"ct status dnat ct original ip daddr != {self._services} goto {name}-asked"
                self.made[name] = [*(line for one in allows for line in _lines(RECEIVER, one)), asked, DROP]
                self.made[f"{name}-asked"] = [*(line for one in allows for line in _lines(ASKED, one)), DROP]
        return self._names[key]


def _lines(end: tuple[str, str], allow: Allow) -> Iterator[str]:
    """What lets pass; `end` is how its address and its port are written."""
    address, port = end
    peer = "" if allow.networks == EVERYWHERE else f"{address} {{ {', '.join(_network(allow))} }} "
    if allow.services is None:
        yield f"{peer}return"
        return
    for protocol in dict.fromkeys(one.protocol for one in allow.services):
        ports = ", ".join(_ports(one) for one in allow.services if one.protocol == protocol)
        yield f"{peer}{port.format(protocol=protocol.lower())} {{ {ports} }} return"


def _network(allow: Allow) -> Iterable[str]:
    return (str(network).removesuffix("/32") for network in allow.networks)


def _ports(service: Service) -> str:
    return str(service.first) if service.first == service.last else f"{service.first}-{service.last}"


def _chain(name: str, lines: Iterable[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"  chain {name} {{\n{body}  }}\n"
