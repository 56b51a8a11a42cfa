# Looks at a server's TLS: the certificate it shows, whether it verifies, and the protocol versions it accepts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import ssl
import struct
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import (
    causes_of,
    check_ca_file,
    tls_why,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing, Unreachable

VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
# What this side's OpenSSL says when its own build or policy, and not the server, rules a version out
_LOCAL = ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "UNSUPPORTED_PROTOCOL_VERSION", "INTERNAL_ERROR")
_FIXED_BITS = {"ED25519": 256, "ED448": 456}  # RFC 8032; these keys have no size of their own


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect, and under which name."""

    address: str
    name: str
    port: int = 443
    timeout_s: float = 5.0
    ca_file: str = ""
    asks: str = ""  # the protocol in which TLS is asked for first: postgresql; empty where it comes at once


class NoTls(Unreachable):
    """The server answered that it offers no TLS."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one certificate says of itself; times are RFC 3339 in UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    key_type: str
    key_bits: int
    signature: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a server showed.

    :param chain: the server's certificates, its own first; only that one where Python cannot tell the others.
    :param chain_known: whether ``chain`` is all that the server sent.
    :param verified: whether the chain leads to a trusted CA, is in time, and is for the name.
    :param why: why it does not verify, as ``Failure.why`` of clients.http; empty where it does.
    """

    protocol: str
    cipher: str
    chain: tuple[Certificate, ...]
    chain_known: bool
    verified: bool
    why: str = ""
    reason: str = ""

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]


def handshake(server: Server) -> Handshake:
    """Look at a server's certificate, and ask separately whether it verifies; no data is sent in either."""
    check_ca_file(server.ca_file)
    try:
        with _connect(server, _looking()) as sock:
            der, known = _chain(sock)
            protocol, cipher = sock.version() or "", (sock.cipher() or ("",))[0]
    except OSError as exc:
        raise Unreachable(f"No TLS handshake with {_where(server)}: {_words(exc)}.") from exc
    why, reason = _verification(server)
    return Handshake(protocol, cipher, tuple(map(certificate, der)), known, not why, why, reason)


def accepted(server: Server, versions: Iterable[str] = tuple(VERSIONS)) -> dict[str, bool | None]:
    """Which protocol versions the server accepts; None where this side cannot speak one, so nobody can tell."""
    return {version: _accepts(server, VERSIONS[version]) for version in versions}


def certificate(encoded: bytes) -> Certificate:
    """The facts of one certificate, in DER or PEM form (the first one in a PEM file)."""
    try:
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc

    load = x509.load_pem_x509_certificate if b"-----BEGIN" in encoded else x509.load_der_x509_certificate
    try:
        return _facts(load(encoded))
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise InputError(f"The certificate cannot be read: {_words(exc)}.") from exc


def _facts(cert: Any) -> Certificate:
    key = cert.public_key()
    kind = _key_type(key)
    return Certificate(
        subject=cert.subject.rfc4514_string(),
        issuer=cert.issuer.rfc4514_string(),
        names=_names(cert),
        not_before=cert.not_valid_before_utc.isoformat().replace("+00:00", "Z"),
        not_after=cert.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        key_type=kind,
        key_bits=_FIXED_BITS.get(kind) or int(key.key_size),
        signature=_signature(cert),
        sha256=_fingerprint(cert),
    )


def _names(cert: Any) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(getattr(name, "value", name)) for name in found)


def _key_type(key: Any) -> str:
    """RSA, EC, ED25519, … from the library's class name."""
    name = type(key).__name__.lstrip("_").removesuffix("PublicKey").upper()
    return "EC" if name.startswith("ELLIPTIC") else name


def _signature(cert: Any) -> str:
    algorithm = getattr(cert, "signature_hash_algorithm", None)
    oid = cert.signature_algorithm_oid
    return f"{getattr(oid, '_name', '') or oid.dotted_string}" + (f" ({algorithm.name})" if algorithm else "")


def _fingerprint(cert: Any) -> str:
    from cryptography.hazmat.primitives import hashes

    return str(cert.fingerprint(hashes.SHA256()).hex())


# ---------------------------------------------------------------------- connections


def _connect(server: Server, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((server.address, server.port), timeout=server.timeout_s)
    try:
        if server.asks == "postgresql":
            _ask_postgresql(plain, server)
        return context.wrap_socket(plain, server_hostname=server.name)
    except BaseException:
        plain.close()
        raise


def _ask_postgresql(plain: socket.socket, server: Server) -> None:
    """PostgreSQL documentation, "Message Formats": SSLRequest, answered by one byte."""
    plain.sendall(struct.pack("!ii", 8, 80877103))
    said = plain.recv(1)
    if said == b"N":
        raise NoTls(f"{_where(server)} offers no TLS.")
    if said != b"S":
        raise ConnectionResetError("the connection was closed before TLS began")


def _looking() -> ssl.SSLContext:
    """A context that accepts whatever is shown: a certificate that does not verify must be seen to be reported.

    Old versions and small keys are let through too, and nothing but the handshake is ever sent over it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that old versions are old is the point here
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _verification(server: Server) -> tuple[str, str]:
    context = ssl.create_default_context(cafile=server.ca_file or None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1  # the version is a question of its own, see accepted()
    try:
        with _connect(server, context):
            return "", ""
    except OSError as exc:
        tls = next((cause for cause in causes_of(exc) if isinstance(cause, ssl.SSLError)), None)
        return (tls_why(tls) if tls else "handshake"), _words(exc)


def _accepts(server: Server, version: ssl.TLSVersion) -> bool | None:
    context = _looking()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.maximum_version = version
            context.minimum_version = version
        with _connect(server, context):
            return True
    except ssl.SSLError as exc:
        return None if exc.reason in _LOCAL else False
    except ConnectionResetError:  # some servers hang up in place of an alert
        return False
    except ValueError:
        return None
    except OSError as exc:
        raise Unreachable(f"{_where(server)} cannot be reached: {_words(exc)}.") from exc


def _chain(sock: ssl.SSLSocket) -> tuple[list[bytes], bool]:
    """The certificates in DER form, and whether they are all that was sent (Python 3.13 and later can tell)."""
    whole = getattr(sock, "get_unverified_chain", None)
    if whole is not None:
        return list(whole()), True
    leaf = sock.getpeercert(binary_form=True)
    if leaf is None:
        raise ssl.SSLError("the server showed no certificate")
    return [leaf], False


def _where(server: Server) -> str:
    return f"{server.name} at {server.address}:{server.port}"


def _words(exc: BaseException) -> str:
    text = getattr(exc, "verify_message", "") or getattr(exc, "strerror", "") or str(exc)
    return (" ".join(str(text).split()) or type(exc).__name__)[:200].rstrip(".")
