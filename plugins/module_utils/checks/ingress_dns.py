# Judges the names under which a release is published: inside and outside they lead to the published address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.clients.dns import Named
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

INSIDE, OUTSIDE = "inside", "outside"
_RECORD = "Correct the record of the name in the zone that answers there (A, AAAA or CNAME to the load balancer)."
_SPLIT = "Where both are meant, name them (inside_addresses, outside_addresses)."
_ASK = "Let that name server be asked over TCP port 53, or name another one (outside_resolver)."


@dataclass(frozen=True, slots=True)
class DnsSeen:
    """What names lead to.

    :param by: the name server that was asked, by side; :param found: by side and host.
    :param unseen: why a side was not asked; :param targets: what the host names among the published addresses lead to.
    :param stated: the addresses that the inventory names, by side; the published ones count where it names none.
    """

    by: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, Mapping[str, Named]] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def judge_dns(seen: DnsSeen, hosts: Iterable[str], published: Iterable[str], at: str) -> Verdict:
    """Each host leads to nothing but the published addresses, or those that the inventory names, on both sides."""
    addresses = {one.lower().rstrip(".") for one in published}
    evidence = Evidence("name servers " + ", ".join(sorted(set(seen.by.values()))), _told(seen, addresses), at)
    if not addresses and not all(seen.stated.get(side) for side in (INSIDE, OUTSIDE)):
        return pending(
            "No Ingress has a published address yet, so where the names must lead is not known.",
            "Deploy first, or name the addresses (inside_addresses, outside_addresses).",
            evidence,
        )
    found = Found()
    names = list(hosts)
    for side in (INSIDE, OUTSIDE):
        if reason := seen.unseen.get(side):
            found.unknown(f"{side} was not asked: {reason}", "Set probe_image, and run without --check.")
            continue
        for host in names:
            _judge_one(found, seen, host, side, addresses)
    times = {one.ttl_s for told in seen.found.values() for one in told.values() if one.ttl_s is not None}
    ttl = f"; TTL {' to '.join(map(str, sorted({min(times), max(times)})))} s" if times else "; no TTL was told"
    split = " (split, as the inventory states)" if any(seen.stated.values()) else ""
    good = f"lead to {', '.join(sorted(addresses | _stated(seen)))} inside and outside{split}{ttl}"
    return found.verdict(", ".join(names), good, [evidence])


def _stated(seen: DnsSeen) -> set[str]:
    return {one for addresses in seen.stated.values() for one in addresses}


def _judge_one(found: Found, seen: DnsSeen, host: str, side: str, published: set[str]) -> None:
    told, server = seen.found[side][host], seen.by[side]
    if told.problem or told.code in ("SERVFAIL", "REFUSED"):
        found.unknown(f"{server} did not tell {host} {side}: {told.problem or told.code}", _ASK)
        return
    if not told.addresses:
        found.wrong(f"{host} does not resolve {side} ({server} says {told.code})", _RECORD)
        return
    right = set(seen.stated.get(side) or ()) or (published | {one for name in published for one in _of(seen, name)})
    if set(told.aliases) & right:  # it is an alias of the load balancer's own name
        return
    astray = sorted(set(told.addresses) - right)
    if astray:
        remedy = f"{_RECORD} {_SPLIT}"
        found.wrong(f"{host} leads {side} to {', '.join(astray)}, and not to {', '.join(sorted(right))}", remedy)


def _of(seen: DnsSeen, name: str) -> tuple[str, ...]:
    return seen.targets.get(name, ())


def _told(seen: DnsSeen, published: set[str]) -> dict[str, Any]:
    return {
        "published": sorted(published),
        "stated": {side: list(addresses) for side, addresses in seen.stated.items() if addresses},
        **{
            side: {
                "asked": seen.by.get(side, ""),
                **{
                    host: {
                        "says": one.code or one.problem,
                        "addresses": list(one.addresses),
                        "aliases": list(one.aliases),
                        "ttl_s": one.ttl_s,
                    }
                    for host, one in seen.found.get(side, {}).items()
                },
            }
            if side not in seen.unseen
            else seen.unseen[side]
            for side in (INSIDE, OUTSIDE)
        },
    }
