# Makes tokens that an application must not believe, by the set of RFC 8725, and one that it must.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

Claims = dict[str, Any]
HOUR, PARTS = 3600, 3
_RSA_BITS = 2048
_HASHES = {"256": "sha256", "384": "sha384", "512": "sha512"}
# Keys of the header that say where a key is; a forged token brings none but its own.
_KEY_HINTS = ("kid", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256")
_NO_FILE, _SQL_KEY = "../../../../../../../../dev/null", "checklist"


@dataclass(frozen=True, slots=True)
class Keys:
    """What tokens are signed and checked with, as far as it could be read.

    :param public: of the access token's pair, in PEM; :param private: likewise; :param shared: the one text of HS256.
    :param problem: why one of them is not known.
    """

    public: bytes = b""
    private: bytes = field(default=b"", repr=False)
    shared: bytes = field(default=b"", repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Forged:
    """A token, and what is wrong with it; :param signed: whether it is signed with the right key."""

    what: str
    token: str = field(repr=False)
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Bent:
    """What is made wrong in tokens that are signed rightly.

    :param key_id_needed: whether a token must name its key.
    """

    key_id_needed: bool = False
    now: float = 0.0


def parts_of(token: str) -> tuple[Claims, Claims] | None:
    """Header and claims of a token, unchecked; None where it is no JSON Web Token."""
    pieces = token.split(".")
    if len(pieces) != PARTS:
        return None
    try:
        header, claims = (json.loads(_decoded(piece)) for piece in pieces[:2])
    except ValueError:
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


def unkeyed(token: str) -> Iterator[Forged]:
    """What needs no key of the application: whoever has seen one token can make these."""
    found = parts_of(token)
    if found is None:
        return
    header, claims = found
    head, body, signature = token.split(".")
    for word in ("none", "nOnE"):
        yield Forged(f"alg {word}, not signed", f"{_part({**header, 'alg': word})}.{body}.")
    yield Forged("signature left out", f"{head}.{body}.")
    yield Forged("signature changed", f"{head}.{body}.{_bent(signature)}")
    later = {**claims, "exp": int(claims.get("exp", 0) or 0) + HOUR}
    yield Forged("payload changed under the old signature", f"{head}.{_part(later)}.{signature}")
    yield from _foreign(header, claims)


def confused(token: str, keys: Keys) -> Iterator[Forged]:
    """HS256 with the public key as the secret, in the forms in which a library may hold it."""
    found = parts_of(token)
    if found is None or not keys.public:
        return
    header, claims = found
    der = _der(keys.public)
    stripped = keys.public.strip()
    for form in dict.fromkeys((keys.public, stripped, stripped + b"\n", *((der,) if der else ()))):
        yield Forged("HS256 over the public key", hs256({**header, "alg": "HS256"}, claims, form))


def rightly_signed(token: str, keys: Keys, bent: Bent) -> Iterator[Forged]:
    """Tokens with the right signature: the first one is good, each of the others has one fault.

    :raises ValueError: the key does not fit the token's algorithm.
    """
    found = parts_of(token)
    if found is None:
        return
    header, claims = found
    now = int(bent.now)
    yield Forged("good", signed(header, claims, keys), signed=True)
    past = {**claims, "iat": now - 2 * HOUR, "exp": now - HOUR}
    changes: dict[str, Claims] = {
        "expired": {name: value for name, value in past.items() if name != "nbf"},
        "not valid yet": {**claims, "nbf": now + HOUR},
        "wrong issuer": {**claims, "iss": f"not-{claims.get('iss', 'it')}"},
        "wrong audience": {**claims, "aud": f"not-{claims.get('aud', 'it')}"},
    }
    for what, changed in changes.items():
        yield Forged(what, signed(header, changed, keys), signed=True)
    unknown = f"unknown-{secrets.token_hex(6)}"
    yield Forged("unknown kid", signed({**header, "kid": unknown}, claims, keys), signed=True)
    if bent.key_id_needed:
        yield Forged("no kid", signed(_plain(header), claims, keys), signed=True)


def signed(header: Claims, claims: Claims, keys: Keys) -> str:
    """A token under the application's own key, by the algorithm that its header names.

    :raises ValueError: the key does not fit the algorithm.
    """
    if keys.shared:
        return _mac(header, claims, keys.shared)
    return _with_key(header, claims, _load(keys.private))


def hs256(header: Claims, claims: Claims, secret: bytes) -> str:
    """A token under a shared secret."""
    return _mac(header, claims, secret)


# ---------------------------------------------------------------------- foreign keys


def _foreign(header: Claims, claims: Claims) -> Iterator[Forged]:
    """Signed by a key of one's own, which the header may bring along or say where it is."""
    algorithm = str(header.get("alg", ""))
    plain = _plain(header)
    if algorithm.startswith("HS"):
        yield Forged("another key", _mac(header, claims, secrets.token_bytes(64)))
        yield Forged("an empty key", _mac(header, claims, b""))
    own_header: Claims = {**plain, "alg": "RS256"} if algorithm.startswith("HS") else plain
    key = _own_key(str(own_header.get("alg", "")))
    if "kid" in header and not algorithm.startswith("HS"):
        yield Forged("another key under the known kid", _with_key(header, claims, key))
    jwk = _jwk(key.public_key())
    certificate = _certificate(key)
    jwks = {"keys": [{**jwk, "kid": "own", "use": "sig", "alg": own_header["alg"]}]}
    pem = base64.b64encode(_pem_of(certificate)).decode()
    hints: dict[str, Claims] = {
        "another key": {},
        "a key in the header (jwk)": {"jwk": jwk},
        "a certificate in the header (x5c)": {"x5c": [base64.b64encode(_der_of(certificate)).decode()]},
        "a set of keys that the header points to (jku)": {
            "jku": f"data:application/json;base64,{base64.b64encode(json.dumps(jwks).encode()).decode()}",
            "kid": "own",
        },
        "a certificate that the header points to (x5u)": {"x5u": f"data:application/x-pem-file;base64,{pem}"},
    }
    for what, more in hints.items():
        yield Forged(what, _with_key({**own_header, **more}, claims, key))
    yield Forged("a kid that names an empty file", _mac({**plain, "alg": "HS256", "kid": _NO_FILE}, claims, b""))
    injected = f"x' UNION SELECT '{_SQL_KEY}' -- "
    yield Forged("a kid that is SQL", _mac({**plain, "alg": "HS256", "kid": injected}, claims, _SQL_KEY.encode()))


def _plain(header: Mapping[str, Any]) -> Claims:
    return {name: value for name, value in header.items() if name not in _KEY_HINTS}


def _own_key(algorithm: str) -> Any:
    _serialization()
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, _RSA_BITS)


def _jwk(public: Any) -> Claims:
    """RFC 7517 and 8037, of the three kinds of keys."""
    numbers: Any = getattr(public, "public_numbers", lambda: None)()
    if hasattr(numbers, "n"):
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    if numbers is not None:
        size = (public.curve.key_size + 7) // 8
        named = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}[public.curve.name]
        return {"kty": "EC", "crv": named, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}
    return {"kty": "OKP", "crv": "Ed25519", "x": _encoded(public.public_bytes_raw())}


def _certificate(key: Any) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ed25519

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "checklist")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    return made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


# ---------------------------------------------------------------------- signing


def _mac(header: Claims, claims: Claims, secret: bytes) -> str:
    algorithm = str(header.get("alg", "HS256"))
    digest = _HASHES.get(algorithm[2:])
    if not algorithm.startswith("HS") or digest is None:
        raise ValueError(f"a shared secret does not sign by {algorithm}")
    text = f"{_part(header)}.{_part(claims)}"
    return f"{text}.{_encoded(hmac.digest(secret, text.encode(), getattr(hashlib, digest)))}"


def _with_key(header: Claims, claims: Claims, key: Any) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    algorithm, text = str(header.get("alg", "")), f"{_part(header)}.{_part(claims)}"
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}.get(algorithm[2:])
    if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm == "EdDSA":
        return f"{text}.{_encoded(key.sign(text.encode()))}"
    if isinstance(key, rsa.RSAPrivateKey) and digest and algorithm[:2] in ("RS", "PS"):
        padded: Any = (
            padding.PKCS1v15() if algorithm[:2] == "RS" else padding.PSS(padding.MGF1(digest), digest.digest_size)
        )
        return f"{text}.{_encoded(key.sign(text.encode(), padded, digest))}"
    if isinstance(key, ec.EllipticCurvePrivateKey) and digest and algorithm[:2] == "ES":
        size = (key.curve.key_size + 7) // 8
        numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(digest)))
        return f"{text}.{_encoded(b''.join(one.to_bytes(size, 'big') for one in numbers))}"
    raise ValueError(f"the key does not sign by {algorithm or 'no algorithm'}")


def _load(pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _serialization().load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ValueError("the private key is none in PEM, or is locked") from exc


def _der(pem: bytes) -> bytes:
    serialization = _serialization()
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError):
        return b""
    return bytes(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _pem_of(certificate: Any) -> bytes:
    return bytes(certificate.public_bytes(_serialization().Encoding.PEM))


def _der_of(certificate: Any) -> bytes:
    return bytes(certificate.public_bytes(_serialization().Encoding.DER))


def _serialization() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc
    return serialization


# ---------------------------------------------------------------------- encoding


def _part(said: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(said, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value: int, size: int = 0) -> str:
    return _encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _bent(signature: str) -> str:
    """One bit of the first byte turned; the last one may hold none of the signature."""
    raw = _decoded(signature)
    return _encoded(bytes([raw[0] ^ 1, *raw[1:]])) if raw else "AA"
