# Certificates that are wrong in one thing only, by the sandbox's own authorities.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.pki import Pki

LASTS = datetime.timedelta(days=30)


def issued(pki: Pki, authority: str, names: Sequence[str], over_since: int = 0) -> tuple[bytes, bytes]:
    """A certificate for these names and its key, both as PEM.

    :param over_since: days ago that it ended; 0 is one that still holds.
    """
    issuer = x509.load_pem_x509_certificate(pki.path(f"{authority}.crt").read_bytes())
    signer = serialization.load_pem_private_key(pki.path(f"{authority}.key").read_bytes(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the issuer's key is no EC key")
    return _made(names, over_since, ec.generate_private_key(ec.SECP256R1()), (issuer.subject, signer))


def self_signed(names: Sequence[str]) -> tuple[bytes, bytes]:
    """A certificate for these names that nobody but itself vouches for, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    return _made(names, 0, key, (subject, key))


def _made(
    names: Sequence[str],
    over_since: int,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey],
) -> tuple[bytes, bytes]:
    now = datetime.datetime.now(datetime.UTC)
    end = now - datetime.timedelta(days=over_since) if over_since else now + LASTS
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])]))
        .issuer_name(issuer[0])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - LASTS - datetime.timedelta(days=2))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(issuer[1], hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private
