# Certificate authorities, certificates and secrets of the sandbox; asking twice changes nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.files import b64, put

AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
RENEW_WITHIN_DAYS = 60


@dataclass(frozen=True)
class Certificate:
    """A certificate that a component wants. `names` are DNS names and addresses."""

    name: str
    authority: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()
    kubeconfig: bool = False


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Pki:
    """The folder with keys and certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, file: str) -> Path:
        return self._folder / file

    def text(self, file: str) -> str:
        return self.path(file).read_text()

    def b64(self, file: str) -> str:
        return b64(self.path(file).read_bytes())

    def authority(self, name: str, parent: str = "") -> None:
        """A root, or below `parent` an issuing authority that may only sign leaves."""
        if self.path(f"{name}.crt").exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(f"bytebot sandbox {name}", "")
        builder = self._builder(subject, key.public_key(), AUTHORITY_DAYS)
        constraints = x509.BasicConstraints(ca=True, path_length=0 if parent else None)
        builder = builder.add_extension(constraints, critical=True)
        builder = builder.add_extension(_key_usage(signs=True), critical=True)
        self._sign(name, builder, key, parent or name, subject)

    def certificate(self, wanted: Certificate) -> None:
        """Issued anew only when missing, soon over, with other names, or not by the authority of now."""
        if self._still_good(wanted):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(wanted.common_name, wanted.organization)
        builder = self._builder(subject, key.public_key(), LEAF_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs=False), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        if wanted.names:
            names = x509.SubjectAlternativeName([_general_name(name) for name in wanted.names])
            builder = builder.add_extension(names, critical=False)
        self._sign(wanted.name, builder, key, wanted.authority, subject)

    def signing_key(self, name: str) -> None:
        """The pair that signs ServiceAccount tokens."""
        if self.path(f"{name}.pub").exists():
            return
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        put(self.path(f"{name}.key"), _private_pem(key))
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        put(self.path(f"{name}.pub"), public)

    def random_b64(self, name: str, size: int = 32) -> str:
        """A random key that stays the same once made."""
        path = self.path(name)
        if not path.exists():
            put(path, b64(secrets.token_bytes(size)))
        return path.read_text()

    def _still_good(self, wanted: Certificate) -> bool:
        try:
            have = x509.load_pem_x509_certificate(self.path(f"{wanted.name}.crt").read_bytes())
            issuer = x509.load_pem_x509_certificate(self.path(f"{wanted.authority}.crt").read_bytes())
            key = serialization.load_pem_private_key(self.path(f"{wanted.name}.key").read_bytes(), password=None)
            have.verify_directly_issued_by(issuer)
        except (OSError, ValueError, TypeError, InvalidSignature):
            return False
        try:
            alternative = have.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = set(alternative)
        except x509.ExtensionNotFound:
            names = set()
        left = have.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        return (
            have.public_key() == key.public_key()
            and have.subject == _subject(wanted.common_name, wanted.organization)
            and names == {_general_name(name) for name in wanted.names}
            and left > datetime.timedelta(days=RENEW_WITHIN_DAYS)
        )

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )

    def _sign(
        self,
        name: str,
        builder: x509.CertificateBuilder,
        key: ec.EllipticCurvePrivateKey,
        authority: str,
        subject: x509.Name,
    ) -> None:
        if authority == name:
            signer, issuer = key, subject
        else:
            loaded = serialization.load_pem_private_key(self.path(f"{authority}.key").read_bytes(), password=None)
            if not isinstance(loaded, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{authority}.key is not an EC key")
            signer = loaded
            issuer = x509.load_pem_x509_certificate(self.path(f"{authority}.crt").read_bytes()).subject
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        certificate = (
            builder.issuer_name(issuer).add_extension(identifier, critical=False).sign(signer, hashes.SHA256())
        )
        # The key first: a certificate on disk then always has its key, whenever this is killed.
        put(self.path(f"{name}.key"), _private_pem(key))
        put(self.path(f"{name}.crt"), certificate.public_bytes(serialization.Encoding.PEM))


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    # "BEGIN RSA/EC PRIVATE KEY" is what every Kubernetes program reads.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
