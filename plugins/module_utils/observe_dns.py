# Asks name servers for the hosts of a release: from a pod in the namespace, and from this machine or a named server.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import select
import socket
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_dns import INSIDE, OUTSIDE, DnsSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.dns import Named, ask
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import Stream, tunnel
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import Probe, opener, scratch_pods

PORT = 53
ASK_S = 5.0
_READ_S, _POLL_S = 15.0, 0.2
_RESOLVERS = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Asking:
    """How names are asked for.

    :param probe: the pod from which the cluster's name server is asked; None where none may be, for ``no_probe``.
    :param meanwhile: called with the pod's name while it is there, for who has a use of it too.
    :param resolver: the name server outside, as ``host`` or ``host:port``; empty for this machine's own.
    """

    probe: Probe | None = None
    no_probe: str = ""
    resolver: str = ""
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    meanwhile: Callable[[str], None] | None = None


def look_at_names(cluster: Cluster, asking: Asking, hosts: Collection[str], published: Iterable[str]) -> DnsSeen:
    """Ask once on each side."""
    names = [one for one in published if not _is_address(one)]
    stated = {INSIDE: asking.inside, OUTSIDE: asking.outside}
    by, found, targets = {}, {}, {}
    by[OUTSIDE], outside = _outside(asking.resolver, [*hosts, *names])
    found[OUTSIDE] = {host: outside[host] for host in hosts}
    targets = {name: outside[name].addresses for name in names}
    if asking.probe is None:
        return DnsSeen(by, found, {INSIDE: asking.no_probe.rstrip(".")}, targets, stated)
    try:
        by[INSIDE], found[INSIDE] = _inside(cluster, asking.probe, hosts, asking.meanwhile)
    except CollectionError as exc:
        return DnsSeen(by, found, {INSIDE: exc.sentence.rstrip(".")}, targets, stated)
    return DnsSeen(by, found, {}, targets, stated)


def _inside(
    cluster: Cluster, probe: Probe, hosts: Iterable[str], meanwhile: Callable[[str], None] | None
) -> tuple[str, dict[str, Named]]:
    """By the name server that the cluster gives to its pods."""
    with scratch_pods(cluster, (probe,)) as (pod,):
        opens = opener(cluster, probe, pod)
        if meanwhile:
            meanwhile(pod)
        server = next(iter(resolvers(_said(opens(["cat", str(_RESOLVERS)])))), "")
        if not server:
            raise CollectionError("the scratch pod was given no name server")
        with tunnel(opens, server, PORT) as way:
            told = {host: ask("127.0.0.1", way.port, host, ASK_S) for host in hosts}
            return f"{server} (from namespace {probe.namespace})", {
                host: Named(problem=f"{one.problem} {way.said}".strip()) if one.problem else one
                for host, one in told.items()
            }


def _said(stream: Stream) -> str:
    """All that a command says on its standard output."""
    out, end = b"", time.monotonic() + _READ_S
    while time.monotonic() < end:
        try:
            part, _said_wrong = stream.read()
        except EOFError:
            break
        out += part
        if not part:
            select.select([stream], [], [], _POLL_S)
    stream.close()
    return out.decode("utf-8", "replace")


def _outside(resolver: str, names: Iterable[str]) -> tuple[str, dict[str, Named]]:
    """By the named server; or by this machine's own, and where that is not asked over TCP, by its library."""
    if resolver:
        host, port = _place(resolver)
        return resolver, {name: ask(host, port, name, ASK_S) for name in names}
    text = _RESOLVERS.read_text(encoding="utf-8", errors="replace") if _RESOLVERS.is_file() else ""
    server = next(iter(resolvers(text)), "")
    told = {name: ask(server, PORT, name, ASK_S) if server else Named(problem="none") for name in names}
    return f"{server or 'the resolver'} of this machine", {
        name: by_library(name) if one.problem else one for name, one in told.items()
    }


def by_library(name: str) -> Named:
    """What this machine's library says, which tells no time to live."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as exc:
        if exc.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            return Named("NXDOMAIN")
        return Named(problem=str(exc.strerror or exc).lower())
    except UnicodeError as exc:
        return Named(problem=f"it is no host name ({exc})")
    return Named("NOERROR", tuple(dict.fromkeys(str(place[0]) for *_rest, place in found)))


def resolvers(text: str) -> list[str]:
    """The name servers in a resolv.conf (resolv.conf(5))."""
    words = (line.split() for line in text.splitlines())
    return [one[1] for one in words if len(one) > 1 and one[0] == "nameserver"]


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (host.startswith("[") or ":" not in host):
        return host.strip("[]"), int(port)
    return text.strip("[]"), PORT


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
