# Makes and reads X.509 certificates: authorities and the leaves that they sign (RFC 5280, names as in RFC 9525).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate

BACKDATED = timedelta(minutes=5)  # for clocks that are a little behind
USAGES = ("server", "client")
_KEY_USAGES = (  # RFC 5280, 4.2.1.3
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a leaf, which stand in its subjectAltName alone (RFC 9525, 2: no common name)."""

    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.dns) | {str(ip_address(one)) for one in self.addresses}


NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority: its certificate and key, loaded."""

    certificate: Any
    key: Any

    @property
    def ends(self) -> datetime:
        return ends(self.certificate)


def load(pem: bytes) -> Any:
    """The first certificate in a PEM text, or None where there is none."""
    return generate.loaded(lambda: _x509().load_pem_x509_certificate(pem))


def ends(certificate: Any) -> datetime:
    """When a certificate is no longer valid."""
    end: datetime = certificate.not_valid_after_utc
    return end


def pem(certificate: Any) -> bytes:
    """A certificate as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return bytes(certificate.public_bytes(Encoding.PEM))


def belongs(certificate: Any, key: Any) -> bool:
    """Whether a certificate is that of a private key."""
    return bool(certificate.public_key() == key.public_key())


def is_authority(certificate: Any) -> bool:
    """Whether a certificate may sign others."""
    found = _extension(certificate, _x509().BasicConstraints)
    return bool(found and found.ca)


def issued_by(certificate: Any, signer: Signer) -> bool:
    """Whether an authority signed a certificate: its name and its signature."""
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(signer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def names_of(certificate: Any) -> frozenset[str]:
    """The DNS names and addresses of a certificate."""
    x509 = _x509()
    found = _extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return frozenset()
    addresses = {str(address) for address in found.get_values_for_type(x509.IPAddress)}
    return frozenset(str(name).lower() for name in found.get_values_for_type(x509.DNSName)) | addresses


def usages_of(certificate: Any) -> frozenset[str]:
    """What a leaf may be used for, of :data:`USAGES`."""
    found = _extension(certificate, _x509().ExtendedKeyUsage)
    return frozenset(word for word in USAGES if found is not None and _usage(word) in found)


def authority(key: Any, name: str, days: int, now: datetime) -> Any:
    """A certificate that signs itself and may sign leaves, and no authority below (path length 0)."""
    x509 = _x509()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = _builder(key, subject, subject, now, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(("key_cert_sign", "crl_sign")), critical=True)
    return _signed(builder, key, key)


def leaf(key: Any, names: Names, usages: Sequence[str], signer: Signer, validity: tuple[datetime, datetime]) -> Any:
    """A certificate for names. It has no subject, so its names are critical (RFC 5280, 4.2.1.6).

    :param validity: from when to when, at most until the authority ends.
    """
    now, until = validity
    x509 = _x509()
    alternatives = [x509.DNSName(name.lower()) for name in names.dns]
    alternatives += [x509.IPAddress(ip_address(one)) for one in names.addresses]
    use = ["digital_signature"] + (["key_encipherment"] if _is_rsa(key) else [])
    builder = _builder(key, x509.Name([]), signer.certificate.subject, now, min(until, signer.ends))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(use), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([_usage(word) for word in usages]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
    return _signed(builder, key, signer.key)


def _builder(key: Any, subject: Any, issuer: Any, now: datetime, until: datetime) -> Any:
    x509 = _x509()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(builder: Any, key: Any, signing: Any) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if signing is not key:
        identifier = _x509().AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(signing, None if isinstance(signing, Ed25519PrivateKey) else hashes.SHA256())


def _key_usage(given: Iterable[str]) -> Any:
    return _x509().KeyUsage(**{word: word in given for word in _KEY_USAGES})


def _usage(word: str) -> Any:
    usages = _x509().ExtendedKeyUsageOID
    return usages.SERVER_AUTH if word == "server" else usages.CLIENT_AUTH


def _extension(certificate: Any, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (_x509().ExtensionNotFound, ValueError):
        return None


def _is_rsa(key: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    return isinstance(key, RSAPrivateKey)


class _X509:
    """``cryptography.x509`` with the two lists of object identifiers that are used here."""

    def __init__(self) -> None:
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        self._module: Any = x509
        self.ExtendedKeyUsageOID: Any = ExtendedKeyUsageOID
        self.NameOID: Any = NameOID

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _x509() -> _X509:
    try:
        return _X509()
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc
