# Faults in Secrets: what stands in them is changed; running pods keep what they have read.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.faults.fault import NAMESPACE, Act, Fault, Hands
from sandbox.files import b64, put

DATABASE, JWT, REDIS, TLS, ENCODING = (
    f"deployment.secrets.{item}" for item in ("database", "jwt", "redis", "tls", "encoding")
)
STRENGTH, KEYS = "security_configuration.secrets.strength", "security_configuration.auth.jwt_keys"
SIGNED_IN, HERE, CACHE = (
    f"infrastructure.{item}" for item in ("database.credentials", "database.version", "cache.credentials")
)
CORE = f"/api/v1/namespaces/{NAMESPACE}/secrets"
EXTRA = "sandbox-extra"  # a Secret that nobody reads, so that nothing else is disturbed
KEPT = "secret.json"
SHORT = 12  # characters
LITERAL = "$(openssl rand -base64 32)"
Data = Mapping[str, bytes | None]
Make = Callable[[Hands, Mapping[str, bytes]], Data]


def _fresh() -> bytes:
    return base64.b64encode(secrets.token_bytes(32))


# ---------------------------------------------------------------------------- a Secret of the release


def changed(name: str, make: Make) -> Act:
    """Change keys of a Secret (None takes one away), and keep what was there."""

    def act(hands: Hands) -> None:
        found: dict[str, str] = (hands.cluster.get(f"{CORE}/{name}") or {})["data"]
        put(hands.folder / KEPT, json.dumps(found))
        new = make(hands, {key: base64.b64decode(value) for key, value in found.items()})
        data = {key: None if value is None else b64(value) for key, value in new.items()}
        hands.patch(f"{CORE}/{name}", {"data": data})

    return act


def restored(name: str) -> Act:
    """Put back what was kept; where nothing was, nothing was changed."""

    def act(hands: Hands) -> None:
        kept = hands.folder / KEPT
        if kept.exists():
            hands.patch(f"{CORE}/{name}", {"data": json.loads(kept.read_text())})
            kept.unlink()

    return act


def _says(**values: bytes) -> Make:
    return lambda _hands, _data: values


def _without_a_key(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    return {"refresh-token-public-key": None}


def _halves_swapped(_hands: Hands, data: Mapping[str, bytes]) -> Data:
    private, public = "access-token-private-key", "access-token-public-key"
    return {private: data[public], public: data[private]}


def _another_password(_hands: Hands, _data: Mapping[str, bytes]) -> Data:
    return {"password": _fresh()}


# ---------------------------------------------------------------------------- a Secret of its own


def extra(make: Callable[[Hands], Mapping[str, bytes]], kind: str = "Opaque") -> Act:
    """A further Secret."""

    def act(hands: Hands) -> None:
        meta = {"name": EXTRA, "namespace": NAMESPACE}
        data = {key: b64(value) for key, value in make(hands).items()}
        hands.apply(
            f"{CORE}/{EXTRA}", {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "data": data}
        )

    return act


def gone(hands: Hands) -> None:
    """The further Secret is no more."""
    hands.delete(f"{CORE}/{EXTRA}")


def judged(_hands: Hands) -> Mapping[str, Any]:
    """The further Secret is judged too."""
    return {"bytebot_other_secrets": [EXTRA]}


def certificate(_hands: Hands) -> Mapping[str, Any]:
    """The further Secret holds the certificate."""
    return {"bytebot_tls": {"secrets": [EXTRA]}}


def _holds(key: str, make: Callable[[], bytes]) -> Act:
    return extra(lambda _hands: {key: make()})


def _password(text: str) -> Act:
    return _holds("password", text.encode)


def _same_as_redis(hands: Hands) -> Mapping[str, bytes]:
    found = (hands.cluster.get(f"{CORE}/bytebot-redis-secret") or {})["data"]
    return {"password": base64.b64decode(found["password"])}


def _other_key(hands: Hands) -> Mapping[str, bytes]:
    return {
        "tls.crt": (hands.settings.handover / "tls.crt").read_bytes(),
        "tls.key": _private(ec.generate_private_key(ec.SECP256R1())),
    }


def _leaf_only(hands: Hands) -> Mapping[str, bytes]:
    chain, key = ((hands.settings.handover / name).read_bytes() for name in ("tls.crt", "tls.key"))
    end = b"-----END CERTIFICATE-----\n"
    return {"tls.crt": chain.partition(end)[0] + end, "tls.key": key}


def _other_host(hands: Hands) -> Mapping[str, bytes]:
    """A sound certificate of the same issuer, for another name."""
    issuer_pem = hands.pki.path("ingress-issuing-ca.crt").read_bytes()
    issuer = x509.load_pem_x509_certificate(issuer_pem)
    signer = serialization.load_pem_private_key(hands.pki.path("ingress-issuing-ca.key").read_bytes(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the issuer's key is no EC key")
    key, now, other = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC), "www.bytebot.test"
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, other)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(other)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return {"tls.crt": made.public_bytes(serialization.Encoding.PEM) + issuer_pem, "tls.key": _private(key)}


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*formats)


def _short_password(hands: Hands) -> bool:
    """As the API server gives the Secret back."""
    data = (hands.cluster.get(f"{CORE}/{EXTRA}") or {}).get("data", {})
    return 0 < len(base64.b64decode(data.get("password", ""))) <= SHORT


_TLS = "kubernetes.io/tls"
_BROKEN_PEM = b"-----BEGIN CERTIFICATE-----\nthis is no certificate\n-----END CERTIFICATE-----\n"
_DB, _REDIS, _JWT = "bytebot-db-secret", "bytebot-redis-secret", "bytebot-jwt-secret"

FAULTS = (
    Fault(
        name="literal_command_substitution", says="the database's password is the text of a command", layer="cluster",
        turns_red=(DATABASE, STRENGTH, SIGNED_IN), put=changed(_DB, _says(password=LITERAL.encode())),
        heal=restored(_DB),
    ),
    Fault(
        name="database_secret_wrong_host", says="the database's Secret names a host that is not there", layer="cluster",
        turns_red=(HERE,), put=changed(_DB, _says(host=b"postgres.nowhere.svc.cluster.local")), heal=restored(_DB),
    ),
    Fault(
        name="database_secret_unknown_database", says="the database's Secret names a database that is not there",
        layer="cluster", turns_red=(DATABASE, SIGNED_IN), put=changed(_DB, _says(database=b"no_such_database")),
        heal=restored(_DB),
    ),
    Fault(
        name="jwt_key_missing", says="one of the four keys of tokens is missing", layer="cluster",
        # What asks for that key cannot start the next time.
        turns_red=(JWT, KEYS, "security_configuration.secrets.stored"), put=changed(_JWT, _without_a_key),
        heal=restored(_JWT),
    ),
    Fault(
        name="jwt_keys_swapped", says="the public key of access tokens stands under the private one's name",
        layer="cluster", turns_red=(JWT, KEYS), put=changed(_JWT, _halves_swapped), heal=restored(_JWT),
    ),
    Fault(
        name="redis_secret_wrong_password", says="Redis's password is another one", layer="cluster",
        turns_red=(REDIS, CACHE), put=changed(_REDIS, _another_password), heal=restored(_REDIS),
    ),
    Fault(
        name="tls_key_mismatched", says="the key does not fit the certificate", layer="cluster", turns_red=(TLS,),
        put=extra(_other_key, _TLS), heal=gone, variables=certificate,
    ),
    Fault(
        name="tls_leaf_only", says="the intermediate certificate is missing", layer="cluster", turns_red=(TLS,),
        put=extra(_leaf_only, _TLS), heal=gone, variables=certificate,
    ),
    Fault(
        name="tls_other_host", says="the certificate is for another host", layer="cluster", turns_red=(TLS,),
        put=extra(_other_host, _TLS), heal=gone, variables=certificate,
    ),
    Fault(
        name="secret_base64_twice", says="a password is base64 twice", layer="cluster", turns_red=(ENCODING, STRENGTH),
        put=_holds("password", lambda: base64.b64encode(_fresh())), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_trailing_newline", says="a password ends in a line break", layer="cluster",
        turns_red=(ENCODING, STRENGTH), put=_holds("password", lambda: _fresh() + b"\n"), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_invalid_pem", says="a certificate in a Secret is none", layer="cluster", turns_red=(ENCODING,),
        put=_holds("ca.crt", lambda: _BROKEN_PEM), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_not_utf8", says="a text in a Secret is not UTF-8", layer="cluster", turns_red=(ENCODING,),
        put=_holds("greeting", lambda: "grüße".encode("latin-1")), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_low_entropy", says="a long password repeats itself", layer="cluster", turns_red=(STRENGTH,),
        put=_password("kx7" * 20), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_too_short", says="a random password is short", layer="cluster", turns_red=(STRENGTH,),
        put=_holds("password", lambda: _fresh()[:SHORT]), heal=gone, variables=judged, seen=_short_password,
    ),
    Fault(
        name="secret_template_leftover", says="a password is left over from a template", layer="cluster",
        turns_red=(STRENGTH,), put=_password("{{ .Values.database.password }}"), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_dictionary_word", says="a password is a well-known one", layer="cluster", turns_red=(STRENGTH,),
        put=_password("P@ssw0rd2024!"), heal=gone, variables=judged,
    ),
    Fault(
        name="secret_reused", says="two Secrets have one and the same password", layer="cluster",
        turns_red=(STRENGTH,), put=extra(_same_as_redis), heal=gone, variables=judged,
    ),
)  # fmt: skip
