# Certificates that are made here: an authority that signs itself, and leaves, renewed before they end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, ClassVar

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate, x509
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Flaw, Made, Stale, Values
from ansible_collections.bytebot.production.plugins.module_utils.secret.made import kind_of_key
from ansible_collections.bytebot.production.plugins.module_utils.secret.options import options, text
from ansible_collections.bytebot.production.plugins.module_utils.secret.outside import Outside
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import Clock, told

# A leaf is renewed when a third of its life is left; the authority lives as long as a hardware generation or two, and
# its successor is made a year before it ends, so that the old one still holds while the new one is spread.
LEAF_DAYS, LEAF_RENEW_DAYS = 90, 30
AUTHORITY_DAYS, AUTHORITY_RENEW_DAYS = 3650, 365
LARGEST_DAYS = 36500
CA_CRT, CA_KEY, TLS_CRT, TLS_KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.IGNORECASE)  # RFC 9525, 6.3: only a whole left-most label is *


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where an authority is kept: two keys of a Secret; without a name, of the Secret that holds the leaf."""

    certificate: str = CA_CRT
    private: str = CA_KEY
    name: str = ""
    namespace: str = ""

    @classmethod
    def parse(cls, where: str, given: Any, namespace: str) -> Issuer:
        of = options(where, given or {}, {"name", "namespace", "certificate", "private_key"})
        said = {word: text(f"{where}.{word}", value) for word, value in of.items() if value is not None}
        if "namespace" in said and "name" not in said:
            raise InputError(f"{where} has a namespace and no name of the Secret that holds the authority.")
        home = said.get("namespace", namespace) if "name" in said else ""
        return cls(said.get("certificate", CA_CRT), said.get("private_key", CA_KEY), said.get("name", ""), home)

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}" if self.name else f"key {self.certificate}"


@dataclass(frozen=True, slots=True)
class Certificate(Made):
    """A private key and its certificate.

    :param issuer: who signs it; None for an authority, which signs itself.
    :param copy: the key that also holds the issuer's certificate, for those who verify; empty for none.
    :param borrowed: the certificate and key of an authority in another Secret, once they are read.
    """

    word: ClassVar[str] = "certificate"
    private: str
    certificate: str
    issuer: Issuer | None
    algorithm: str = "ec"
    bits: int = 3072
    curve: str = "secp256r1"
    common_name: str = ""
    names: x509.Names = x509.NO_NAMES
    usages: tuple[str, ...] = ("server",)
    days: int = LEAF_DAYS
    renew_before_days: int = LEAF_RENEW_DAYS
    copy: str = ""
    borrowed: tuple[bytes, bytes] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, index: int, given: Mapping[str, Any], namespace: str) -> Certificate:
        """A certificate, from one element of the option ``certificates``, whose types Ansible has checked."""
        where, authority = f"certificates[{index}]", bool(given.get("authority"))
        kind = kind_of_key(where, {"algorithm": "ec", **{k: v for k, v in given.items() if v is not None}})
        usual = (AUTHORITY_DAYS, AUTHORITY_RENEW_DAYS) if authority else (LEAF_DAYS, LEAF_RENEW_DAYS)
        days, renew = days_of(where, given, usual)
        if authority:
            _refuse(where, given, ("dns_names", "ip_addresses", "issuer", "issuer_certificate", "usages"), "a leaf")
            name = text(f"{where}.common_name", given.get("common_name") or "Authority of bytebot.production")
            keys = (given.get("private_key") or CA_KEY, given.get("certificate") or CA_CRT)
            return cls(*keys, None, common_name=name, days=days, renew_before_days=renew, **kind)
        _refuse(where, given, ("common_name",), "an authority")
        return cls(
            given.get("private_key") or TLS_KEY,
            given.get("certificate") or TLS_CRT,
            Issuer.parse(f"{where}.issuer", given.get("issuer"), namespace),
            names=names_in(where, given),
            usages=tuple(dict.fromkeys(given.get("usages") or ("server",))),
            days=days,
            renew_before_days=renew,
            copy=given.get("issuer_certificate") or "",
            **kind,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.private, self.certificate, *([self.copy] if self.copy else []))

    @property
    def needs(self) -> tuple[str, ...]:
        """The keys of the same Secret that hold its authority."""
        return (self.issuer.certificate, self.issuer.private) if self.issuer and not self.issuer.name else ()

    @property
    def kept_back(self) -> tuple[str, ...]:
        return () if self.issuer else (self.certificate,)  # what the last authority signed is still to be verified

    def overlap(self, last: Values) -> timedelta:  # noqa: ARG002 - as in Source
        return timedelta() if self.issuer else timedelta(days=self.renew_before_days)

    def bound(self, what: str, outside: Outside) -> Certificate:
        """With the authority read, where another Secret holds it."""
        if not (self.issuer and self.issuer.name):
            return self
        of = self.issuer
        read = [outside.secret(what, of.namespace, of.name, key) for key in (of.certificate, of.private)]
        return replace(self, borrowed=(read[0], read[1]))

    def bound_to_any(self, now: datetime) -> Certificate:
        """With an authority that nobody keeps, to foretell what one that is not there yet would sign."""
        key = generate.new_private_key("ec", 0, "secp256r1")
        certificate = x509.authority(key, "Nobody", AUTHORITY_DAYS, now)
        return replace(self, borrowed=(x509.pem(certificate), generate.private_pem(key)))

    def replaced(self, asked: Set[str]) -> Set[str]:
        return set(self.keys) if self.private in asked else asked & set(self.keys)

    # ------------------------------------------------------------------ what is there

    def flaw(self, kept: Values) -> Flaw | None:
        remedy = f"To have a new one made, name {self.private} in replace"
        if self.private not in kept:
            have = [key for key in (self.certificate,) if key in kept]
            reason = f"is a certificate whose private key {self.private} is missing"
            return Flaw(have[0], reason, f"Restore {self.private}, or name it in replace") if have else None
        key = generate.load_private(kept[self.private])
        if key is None:
            reason = generate.leftover(kept[self.private]) or "is not a private key in PEM without password"
            return Flaw(self.private, reason, remedy)
        if wrong := generate.key_flaw(key, self.algorithm, self.bits, self.curve):
            return Flaw(self.private, wrong, remedy)
        reason = self._certificate_flaw(kept.get(self.certificate), key)
        return Flaw(self.certificate, reason, remedy) if reason else None

    def _certificate_flaw(self, pem: bytes | None, key: Any) -> str:
        if pem is None:
            return ""
        certificate = x509.load(pem)
        if certificate is None:
            return generate.leftover(pem) or "is not a certificate in PEM"
        if not x509.belongs(certificate, key):
            return f"does not match its private key {self.private}"
        if self.issuer is None and not x509.is_authority(certificate):
            return "is a certificate that may not sign others"
        return ""

    def stale(self, kept: Values, beside: Values, clock: Clock) -> Stale:
        if self.certificate not in kept:
            return Stale()
        certificate = x509.load(kept[self.certificate])
        left = x509.ends(certificate) - clock.now
        if left < timedelta(days=self.renew_before_days):
            return Stale(frozenset(self.keys), "it has ended" if left < timedelta() else f"it ends in {told(left)}")
        if self.issuer is None:
            return Stale()
        signer = self._signer(beside)
        if reason := self._otherwise(certificate, signer):
            return Stale(frozenset(self.keys), reason)
        if signer and self.copy in kept and kept[self.copy] != x509.pem(signer.certificate):
            return Stale(frozenset({self.copy}), "it is not its authority's certificate")
        return Stale()

    def _otherwise(self, certificate: Any, signer: x509.Signer | None) -> str:
        """What of a leaf is not as it is asked for by now."""
        if signer is None or not x509.issued_by(certificate, signer):
            return f"its authority ({self.issuer}) is another one now"
        if x509.names_of(certificate) != self.names.all:
            return "its names are others now"
        return "" if x509.usages_of(certificate) == set(self.usages) else "its usages are others now"

    def due(self, values: Values, clock: Clock) -> datetime | None:  # noqa: ARG002 - as in Source
        certificate = x509.load(values[self.certificate]) if self.certificate in values else None
        return x509.ends(certificate) - timedelta(days=self.renew_before_days) if certificate is not None else None

    def fingerprint(self, kept: Values) -> str:
        key = generate.load_private(kept[self.private]) if self.private in kept else None
        return sha256(generate.public_pem(key)).hexdigest() if key else ""

    # ------------------------------------------------------------------ what is made

    def make(self, kept: Values, beside: Values, now: datetime) -> dict[str, bytes]:
        made: dict[str, bytes] = {}
        key = generate.load_private(kept[self.private]) if self.private in kept else None
        if key is None:
            key = generate.new_private_key(self.algorithm, self.bits, self.curve)
            made[self.private] = generate.private_pem(key)
        signer = self._usable_signer(beside, now) if self.issuer else None
        if self.certificate not in kept:
            made[self.certificate] = x509.pem(self._issue(key, signer, now))
        if signer and self.copy and self.copy not in kept:
            made[self.copy] = x509.pem(signer.certificate)
        return made

    def _issue(self, key: Any, signer: x509.Signer | None, now: datetime) -> Any:
        if signer is None:
            return x509.authority(key, self.common_name, self.days, now)
        return x509.leaf(key, self.names, self.usages, signer, (now, now + timedelta(days=self.days)))

    def _signer(self, beside: Values) -> x509.Signer | None:
        """The authority, where it is there and whole."""
        if self.issuer is None:
            return None
        of = self.issuer
        pems = self.borrowed or (beside.get(of.certificate), beside.get(of.private))
        if pems[0] is None or pems[1] is None:
            return None
        certificate, key = x509.load(pems[0]), generate.load_private(pems[1])
        return x509.Signer(certificate, key) if certificate is not None and key is not None else None

    def _usable_signer(self, beside: Values, now: datetime) -> x509.Signer:
        what = f"The certificate in key {self.certificate} cannot be signed, for its authority ({self.issuer})"
        signer = self._signer(beside)
        if signer is None or not x509.is_authority(signer.certificate):
            raise InputError(f"{what} is no certificate of an authority with its private key.")
        if not x509.belongs(signer.certificate, signer.key):
            raise InputError(f"{what} has a private key of another certificate.")
        if signer.ends - now <= timedelta(days=self.renew_before_days):
            raise InputError(
                f"{what} ends on {signer.ends:%Y-%m-%d}, and a leaf is renewed {self.renew_before_days} days before it "
                "ends. Renew the authority first."
            )
        return signer


def check(sources: list[Certificate], known: Set[str]) -> None:
    """Refuse leaves whose authority is nowhere, or may end before them."""
    authorities = {source.certificate: source for source in sources if source.issuer is None}
    for source in sources:
        absent = [key for key in source.needs if key not in known]
        if absent:
            raise InputError(
                f"The certificate in key {source.certificate} has no authority: {' and '.join(absent)} is not listed. "
                "List an authority in certificates before it, or name the Secret that holds one in issuer.name."
            )
        parent = authorities.get(source.issuer.certificate) if source.needs and source.issuer else None
        if parent and source.days > parent.renew_before_days:
            raise InputError(
                f"The certificate in key {source.certificate} is to hold for {source.days} days, and its authority is "
                f"renewed only {parent.renew_before_days} days before it ends. Give it more renew_before_days."
            )


def days_of(where: str, given: Mapping[str, Any], usual: tuple[int, int]) -> tuple[int, int]:
    """How long a certificate holds and with how many days left it is renewed."""
    days = usual[0] if given.get("days") is None else given["days"]
    renew = usual[1] if given.get("renew_before_days") is None else given["renew_before_days"]
    if not 1 <= days <= LARGEST_DAYS:
        raise InputError(f"{where}.days is not a number from 1 to {LARGEST_DAYS}.")
    if not 0 <= renew < days:
        raise InputError(f"{where}.renew_before_days ({renew}) is not below days ({days}): it would be renewed always.")
    return days, renew


def names_in(where: str, given: Mapping[str, Any]) -> x509.Names:
    """The names in options, each of them checked."""
    dns, addresses = tuple(given.get("dns_names") or ()), tuple(given.get("ip_addresses") or ())
    if not dns and not addresses:
        raise InputError(f"{where} has neither dns_names nor ip_addresses; a certificate is for names.")
    for name in dns:
        if not _DNS.fullmatch(name):
            raise InputError(f"{where}.dns_names: {name!r} is no DNS name (ASCII, a * only as the whole first label).")
    for one in addresses:
        try:
            ip_address(one)
        except ValueError as exc:
            raise InputError(f"{where}.ip_addresses: {one!r} is no IP address.") from exc
    return x509.Names(dns, addresses)


def _refuse(where: str, given: Mapping[str, Any], words: tuple[str, ...], belongs: str) -> None:
    for word in words:
        if given.get(word):
            raise InputError(f"{where}.{word} is for {belongs} only.")
