# Judges a certificate in a Secret as a client would: its key fits, the chain is whole, hosts are named, time is left.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import itertools
import ssl
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_values
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Held
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

TYPE = "kubernetes.io/tls"
CERTIFICATE, KEY = "tls.crt", "tls.key"
RSA_BITS, EC_BITS = (
    2048,
    224,
)  # CA/Browser Forum, Baseline Requirements 6.1.5, asks for RSA 2048 and curves from P-256 on
# Shorter lives are renewed at a third of what they last, as cert-manager does by default.
RENEWED_AT = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong with one Secret's certificate, what cannot be told, and what it says of itself."""

    problems: tuple[str, ...] = ()
    untold: str = ""
    names: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ends: str = ""


def judged(held: Held, hosts: Collection[str], trusted: bytes, expiry_days: int, now: float) -> Judged:
    """Judge one Secret of a certificate.

    :param hosts: each must be named by the certificate.
    :param trusted: CAs in PEM; where given, the chain must lead to one of them, else the system's count.
    """
    early = [] if held.type == TYPE else [f"is of type {held.type}, and {TYPE} is wanted"]
    if missing := [key for key in (CERTIFICATE, KEY) if not held.data.get(key, b"").strip()]:
        return Judged((*early, f"lacks {' and '.join(missing)}"))
    certs, key = _certificates(held.data[CERTIFICATE]), _private(held.data[KEY])
    if not certs:
        return Judged((*early, f"{CERTIFICATE} holds no certificate that can be read"))
    if key is None:
        return Judged((*early, f"{KEY} holds no private key that can be read without a password"))
    leaf, moment = certs[0], datetime.fromtimestamp(now, UTC)
    names = names_of(leaf)
    broken = _order(certs, key)
    lacking, untold = ("", "") if broken else _completeness(certs, _authorities(trusted), given=bool(trusted))
    uncovered = sorted(host for host in hosts if not covers(names, host))
    problems = [
        *early,
        *([broken] if broken else []),
        *([lacking] if lacking else []),
        *([f"does not cover {', '.join(uncovered)} (it is for {', '.join(names) or 'no name'})"] if uncovered else []),
        *_time(certs, moment, expiry_days),
        *_size(leaf),
    ]
    told = tuple(f"{cert.subject.rfc4514_string()} by {cert.issuer.rfc4514_string()}" for cert in certs)
    return Judged(tuple(problems), untold, names, told, leaf.not_valid_after_utc.isoformat())


def _order(certs: list[Any], key: Any) -> str:
    """Why the key and the certificates do not belong together in this order; empty where they do."""
    fits = [_public(cert.public_key()) == _public(key.public_key()) for cert in certs]
    if not fits[0]:
        return (
            f"{KEY} fits a certificate that is not the first in {CERTIFICATE}"
            if any(fits)
            else f"{KEY} does not fit the certificate"
        )
    for lower, upper in itertools.pairwise(certs):
        if not _issued(lower, upper):
            return (
                f"{CERTIFICATE} is out of order: {lower.subject.rfc4514_string()} is not issued by "
                f"{upper.subject.rfc4514_string()}, which follows it"
            )
    return ""


def _completeness(certs: list[Any], authorities: list[Any], *, given: bool) -> tuple[str, str]:
    """What is missing of the chain, and what cannot be told of it."""
    last = certs[-1]
    own = _issued(last, last)
    if any(_same(last, one) or _issued(last, one) for one in authorities):
        return "", ""
    issuer = last.issuer.rfc4514_string()
    if given:
        lead = "is its own issuer and no CA of ca_file" if own else f"ends at one issued by {issuer}, no CA of ca_file"
        return (_incomplete(issuer) if len(certs) == 1 and not own else f"the chain {lead}"), ""
    if own:
        what = "the certificate" if len(certs) == 1 else f"the last of the chain, {issuer},"
        return "", f"{what} is its own issuer, which is no CA that this machine knows"
    if len(certs) == 1:
        return _incomplete(issuer), ""
    return "", f"the chain ends at one issued by {issuer}, which is no CA that this machine knows"


def _incomplete(issuer: str) -> str:
    return (
        f"{CERTIFICATE} holds the server's certificate alone, and its issuer {issuer} is no root: the chain is cut off"
    )


def _time(certs: list[Any], moment: datetime, expiry_days: int) -> list[str]:
    found = []
    for cert in certs:
        what = "the certificate" if cert is certs[0] else f"the CA {cert.subject.rfc4514_string()}"
        life = cert.not_valid_after_utc - cert.not_valid_before_utc
        needed = min(timedelta(days=expiry_days), life / RENEWED_AT)
        left = cert.not_valid_after_utc - moment
        if moment < cert.not_valid_before_utc:
            found.append(f"{what} is not valid before {cert.not_valid_before_utc.isoformat()}")
        elif left <= timedelta(0):
            found.append(f"{what} expired at {cert.not_valid_after_utc.isoformat()}")
        elif left < needed:
            found.append(f"{what} expires in {left.days} days, {needed.days} must be left")
    return found


def _size(leaf: Any) -> list[str]:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = leaf.public_key()
    least = (
        RSA_BITS if isinstance(key, rsa.RSAPublicKey) else EC_BITS if isinstance(key, ec.EllipticCurvePublicKey) else 0
    )
    return [f"its key has {key.key_size} bits, {least} are wanted"] if least and key.key_size < least else []


# ---------------------------------------------------------------------------- names


def covers(names: Iterable[str], host: str) -> bool:
    """Whether a certificate's names cover a host (RFC 9525, section 6.3: ``*`` is one whole left-most label)."""
    wanted = host.lower().rstrip(".")
    return any(_matches(name.lower().rstrip("."), wanted) for name in names)


def _matches(name: str, host: str) -> bool:
    if _is_address(host) or _is_address(name):
        return name == host
    if host.startswith("*."):
        return name == host
    first, _dot, rest = name.partition(".")
    return name == host or (first == "*" and "." in rest and host.partition(".")[2] == rest)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def names_of(cert: Any) -> tuple[str, ...]:
    """The names in a certificate's subject alternative names; the common name counts no more (RFC 9525, 6.3)."""
    from cryptography import x509

    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    wanted = (x509.DNSName, x509.IPAddress)
    return tuple(str(name.value) for name in found if isinstance(name, wanted))


# ---------------------------------------------------------------------------- cryptography


def _certificates(pem: bytes) -> list[Any]:
    try:
        from cryptography import x509
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc
    if secrets_values.pem_flaw(CERTIFICATE, pem):
        return []
    try:
        return list(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return []


def _authorities(trusted: bytes) -> list[Any]:
    from cryptography import x509

    if trusted:
        return list(x509.load_pem_x509_certificates(trusted))
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some old roots of the system have serial numbers that are no more permitted
        for der in ssl.create_default_context().get_ca_certs(binary_form=True):
            try:
                found.append(x509.load_der_x509_certificate(der))
            except ValueError:  # a root that this library does not read is no root that can be compared
                continue
    return found


def _private(pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _issued(lower: Any, upper: Any) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if lower.issuer != upper.subject:
        return False
    try:
        lower.verify_directly_issued_by(upper)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _same(one: Any, other: Any) -> bool:
    return bool(one == other)


def _public(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
