# Judges the public way in: that something answers at the published address, and by which certificate and TLS.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import NO_BACKEND
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.clients.tls import Certificate, Handshake
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    inconclusive,
    pending,
)

# CA/Browser Forum, Baseline Requirements 6.1.5: RSA of 2048 bits, curves from P-256 on.
LEAST_BITS = {"RSA": 2048, "EC": 256}
OLD = ("TLSv1.0", "TLSv1.1")  # RFC 8996 deprecates them
RENEWED_AT = 3  # shorter lives are renewed at a third of what they last, as cert-manager does by default
_WHY = {
    "expired": "has expired",
    "not_yet_valid": "is not valid yet",
    "unknown_ca": "is not signed by a trusted CA, or an intermediate certificate is missing",
    "hostname": "is for another name",
    "revoked": "is revoked",
}
_PROVISION = (
    "Look at the ingress controller's pods and at its Service: it needs ready endpoints and, where its type is "
    "LoadBalancer, an address (kubectl get svc,pods -A)."
)
_RENEW = "Have the certificate issued for these hosts by a CA that clients trust, with its chain, and renewed in time."
_OLD_TLS = "Let the ingress controller take TLS 1.2 and 1.3 only."


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of one host at one address.

    :param silent: why not even a connection came about; :param untaken: why there was no TLS handshake.
    :param status: of an answer to a request over TLS, whether it verifies or not; 0 where none came.
    :param versions: by protocol version whether it is accepted; None where this side cannot speak it.
    """

    host: str
    address: str
    silent: str = ""
    untaken: str = ""
    shown: Handshake | None = None
    status: int = 0
    versions: tuple[tuple[str, bool | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Controller:
    """A Service that carries a published address, and how many ready endpoints it has."""

    service: str
    ready: int


@dataclass(frozen=True, slots=True)
class EntrySeen:
    """The public way in.

    :param unasked: why nobody was asked; :param refused: hosts that may not be asked.
    :param controllers: None where they may not be read.
    :param managed: cert-manager's Certificates of these hosts' Secrets, by name, with why one is not ready.
    :param unread: whether cert-manager is there, and its Certificates may not be read.
    :param expiry_days: days that a certificate must still last.
    """

    arrivals: tuple[Arrival, ...] = ()
    unasked: str = ""
    refused: tuple[str, ...] = ()
    controllers: tuple[Controller, ...] | None = None
    managed: tuple[tuple[str, str], ...] = ()
    unread: bool = False
    expiry_days: int = 30
    now: float = 0.0


def judge_load_balancer(seen: EntrySeen, published: set[str], at: str) -> Verdict:
    """An address is published, something answers there for each host, and the controller behind it runs."""
    evidence = Evidence("connections to the published address", _told(seen, published), at)
    if waits := _unasked(seen, evidence):
        return waits
    found, where = Found(), "Public way in"
    if not published:
        found.wrong("no address is published for the Ingresses", _PROVISION)
    for one in seen.arrivals:
        if one.silent:
            found.wrong(f"nothing answers for {one.host} at {one.address} ({one.silent})", _PROVISION)
    if seen.controllers and not any(one.ready for one in seen.controllers):
        names = ", ".join(one.service for one in seen.controllers)
        found.wrong(f"Service {names} has no ready endpoints", _PROVISION)
    behind = _behind(seen)
    alone = sorted({one.host for one in seen.arrivals if one.status in NO_BACKEND})
    if not found.problems and not behind and alone:
        named = ", ".join(alone)
        what = f"{where}: for {named} a proxy answers with nothing behind it; whether it is in order is not seen."
        return inconclusive(what, _PROVISION, evidence)
    hosts = ", ".join(dict.fromkeys(one.host for one in seen.arrivals))
    good = f"{', '.join(sorted(published))} is published and answers for {hosts}{behind}"
    return found.verdict(where, good, [evidence])


def judge_certificate(seen: EntrySeen, published: set[str], at: str) -> Verdict:
    """Each host shows a certificate that verifies and lasts, with TLS 1.2 and newer alone."""
    evidence = Evidence("TLS handshakes with the public address", _told(seen, published), at)
    if waits := _unasked(seen, evidence):
        return waits
    lost = [one for one in seen.arrivals if one.shown is None and not one.untaken]
    found, where = Found(), "Certificate"
    for one in seen.arrivals:
        for what, remedy in _flaws(one, seen):
            found.wrong(f"{one.host}: {what}", remedy)
    for name, said in seen.managed:
        if said:
            found.wrong(
                f"cert-manager's Certificate {name} is not ready ({said})", "kubectl describe it: its events tell why."
            )
    if seen.unread:
        found.unknown(
            "cert-manager is there, and its Certificates may not be read", "Grant list on them to this account."
        )
    if found.problems or found.gaps:
        return found.verdict(where, "", [evidence])
    if lost or not seen.arrivals:
        named = ", ".join(dict.fromkeys(one.host for one in lost)) or "the hosts"
        return inconclusive(f"{where}: {named} cannot be reached, so none is shown.", _PROVISION, evidence)
    if untried := sorted({version for one in seen.arrivals for version, taken in one.versions if taken is None}):
        what = f"{where}: whether {', '.join(untried)} is refused cannot be tried with this machine's OpenSSL."
        return inconclusive(what, "Judge from a machine whose OpenSSL still speaks them.", evidence)
    return found.verdict(where, _good(seen), [evidence])


def _unasked(seen: EntrySeen, evidence: Evidence) -> Verdict | None:
    if seen.unasked:
        return pending(
            f"Nobody was asked: {seen.unasked}.", "Run without --check, after the Ingress is there.", evidence
        )
    if seen.refused:
        names = ", ".join(seen.refused)
        remedy = "Add them (in the inventory: bytebot_allowed_hosts) if they are yours to probe."
        return pending(f"{names} may not be asked: not in allowed_hosts.", remedy, evidence)
    return None


def _behind(seen: EntrySeen) -> str:
    running = [one for one in seen.controllers or () if one.ready]
    if not running:
        return ""
    return f"; {', '.join(f'{one.service} has {one.ready} ready' for one in running)}"


def _flaws(one: Arrival, seen: EntrySeen) -> Iterator[tuple[str, str]]:
    if one.untaken:
        yield f"no TLS is spoken ({one.untaken})", _OLD_TLS
    shown = one.shown
    if shown is None:
        return
    if not shown.verified:
        yield f"the certificate {_WHY.get(shown.why, f'does not verify ({shown.reason})')}", _RENEW
    if left := _short(shown.leaf, seen):
        yield left, _RENEW
    least = LEAST_BITS.get(shown.leaf.key_type, 0)
    if shown.leaf.key_bits < least:
        yield f"its {shown.leaf.key_type} key has {shown.leaf.key_bits} bits, {least} are wanted", _RENEW
    taken = {version for version, accepted in one.versions if accepted}
    if old := [version for version in OLD if version in taken]:
        yield f"{' and '.join(old)} {'is' if len(old) == 1 else 'are'} accepted", _OLD_TLS
    if one.versions and not taken - set(OLD):
        yield "neither TLSv1.2 nor TLSv1.3 is accepted", _OLD_TLS


def _short(leaf: Certificate, seen: EntrySeen) -> str:
    """Why too little time is left; that it is over is told by the verification."""
    began, ends = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (leaf.not_before, leaf.not_after))
    left = ends - datetime.fromtimestamp(seen.now, UTC)
    needed = min(timedelta(days=seen.expiry_days), (ends - began) / RENEWED_AT)
    if timedelta(0) < left < needed:
        return f"the certificate expires in {left.days} days, {needed.days} must be left"
    return ""


def _good(seen: EntrySeen) -> str:
    ends = min(one.shown.leaf.not_after for one in seen.arrivals if one.shown)
    hosts = ", ".join(dict.fromkeys(one.host for one in seen.arrivals))
    kinds = ", ".join(
        sorted({f"{one.shown.leaf.key_type} {one.shown.leaf.key_bits}" for one in seen.arrivals if one.shown})
    )
    managed = (
        f"; cert-manager says of {', '.join(name for name, _said in seen.managed)} that it is ready"
        if seen.managed
        else ""
    )
    return f"{hosts} verifies until {ends} ({kinds}), TLS 1.2 and newer alone{managed}"


def _told(seen: EntrySeen, published: set[str]) -> Mapping[str, Any]:
    return {
        "published": sorted(published),
        "arrivals": [
            {
                "host": one.host,
                "address": one.address,
                "problem": one.silent or one.untaken,
                "status": one.status,
                "tls": asdict(one.shown) if one.shown else None,
                "versions": dict(one.versions),
            }
            for one in seen.arrivals
        ],
        "controllers": "not permitted" if seen.controllers is None else [asdict(one) for one in seen.controllers],
        "cert_manager": {name: said or "ready" for name, said in seen.managed},
        "expiry_days": seen.expiry_days,
    }
