# Makes secret values, random texts and key pairs, and says what is wrong with values that exist.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
import secrets
import string
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

ENCODINGS = ("base64", "base64url", "hex", "alphanumeric")
LEAST_BYTES = 16  # 128 bits
FEWEST_DISTINCT = 6  # by chance 32 hex digits have fewer in less than one of 10^12 cases; typed-in values often do
ALPHANUMERIC = string.ascii_letters + string.digits
BITS_PER_ALPHANUMERIC = math.log2(len(ALPHANUMERIC))
# NIST SP 800-57 part 1, table 2: 112 bits of strength at least, and 128 or more for what is to hold beyond 2030. RSA of
# 2048 bits has 112, of 3072 bits and P-256 128, P-384 192. The algorithms are those of RFC 7518 (RS256, ES256, ES384,
# ES512) and RFC 8032 (Ed25519).
CURVES = ("secp256r1", "secp384r1", "secp521r1")
RSA_BITS = (2048, 3072, 4096)
_LEFTOVER = re.compile(r"\s*(\$\(.*\)|\$\{.*\}|\{\{.*\}\}|<[A-Z][A-Z_ -]*>)\s*", re.DOTALL)


# ---------------------------------------------------------------------- random texts


def random_text(count: int, encoding: str, length: int | None = None) -> str:
    """``count`` random bytes as text. ``length`` is for alphanumeric text: so many characters."""
    if encoding == "alphanumeric":
        return "".join(secrets.choice(ALPHANUMERIC) for _index in range(length or characters(count)))
    return _ENCODERS[encoding](secrets.token_bytes(count))


def characters(count: int) -> int:
    """How many letters and digits carry as much as ``count`` bytes."""
    return math.ceil(count * 8 / BITS_PER_ALPHANUMERIC)


def text_flaw(value: bytes, count: int, encoding: str, length: int | None = None) -> str:
    """Why a value cannot be what :func:`random_text` makes (at least as much of it); empty when it can."""
    flaw = leftover(value)
    if flaw:
        return flaw
    try:
        text = value.decode("ascii")
        carried = len(_DECODERS[encoding](text))
    except ValueError:
        return f"is not {encoding} text"
    least = (length or characters(count)) if encoding == "alphanumeric" else count
    if carried >= least and len(set(text)) >= FEWEST_DISTINCT:
        return ""
    unit = "characters" if encoding == "alphanumeric" else "random bytes"
    return f"is weaker than {least} {unit} in {encoding}"


def leftover(value: bytes) -> str:
    """Why a value is no value at all: nothing, or the text of a command or template that nobody ran."""
    if not value.strip():
        return "is empty"
    if _LEFTOVER.fullmatch(value.decode("utf-8", "replace")):
        return "is the literal text of a command or template that was never run"
    return ""


def _alphanumeric_checked(text: str) -> bytes:
    if not set(text) <= set(ALPHANUMERIC):
        raise ValueError("other characters than letters and digits")
    return text.encode()


def _b64url_decoded(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]+={0,2}", text):
        raise ValueError("other characters than those of base64url")
    bare = text.rstrip("=")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _hex_decoded(text: str) -> bytes:
    if not re.fullmatch(r"[0-9A-Fa-f]+", text):
        raise ValueError("other characters than hexadecimal digits")
    return bytes.fromhex(text)


_ENCODERS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda raw: b64encode(raw).decode(),
    "base64url": lambda raw: urlsafe_b64encode(raw).rstrip(b"=").decode(),
    "hex": lambda raw: raw.hex(),
}
_DECODERS: dict[str, Callable[[str], bytes]] = {
    "base64": lambda text: b64decode(text, validate=True),
    "base64url": _b64url_decoded,
    "hex": _hex_decoded,
    "alphanumeric": _alphanumeric_checked,
}


# ---------------------------------------------------------------------- key pairs


def new_private_key(algorithm: str, bits: int, curve: str) -> Any:
    """A new private key."""
    crypto = _crypto()
    if algorithm == "rsa":
        return crypto.rsa.generate_private_key(public_exponent=65537, key_size=bits)
    if algorithm == "ec":
        return crypto.ec.generate_private_key(getattr(crypto.ec, curve.upper())())
    return crypto.ed25519.Ed25519PrivateKey.generate()


def private_pem(key: Any) -> bytes:
    """A private key as PEM, PKCS#8, not encrypted."""
    formats = _crypto().serialization
    return bytes(key.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.PKCS8, formats.NoEncryption()))


def public_pem(key: Any) -> bytes:
    """The public key of a private key, as PEM, SubjectPublicKeyInfo."""
    formats = _crypto().serialization
    return bytes(key.public_key().public_bytes(formats.Encoding.PEM, formats.PublicFormat.SubjectPublicKeyInfo))


def load_private(pem: bytes) -> Any:
    """The private key in a PEM text, or None where there is none to be had."""
    return loaded(lambda: _crypto().serialization.load_pem_private_key(pem, password=None))


def matches(private: Any, public: bytes) -> bool:
    """Whether a PEM text holds the public key of a private key, in whatever form it was written."""
    formats = _crypto().serialization
    key = loaded(lambda: formats.load_pem_public_key(public))
    if key is None:
        return False
    again: bytes = key.public_bytes(formats.Encoding.PEM, formats.PublicFormat.SubjectPublicKeyInfo)
    return again == public_pem(private)


def key_flaw(key: Any, algorithm: str, bits: int, curve: str) -> str:
    """Why a loaded private key is not of the kind that is asked for; empty when it is."""
    crypto = _crypto()
    kinds = {
        "rsa": crypto.rsa.RSAPrivateKey,
        "ec": crypto.ec.EllipticCurvePrivateKey,
        "ed25519": crypto.ed25519.Ed25519PrivateKey,
    }
    if not isinstance(key, kinds[algorithm]):
        return f"is not a key of algorithm {algorithm}"
    if algorithm == "rsa" and key.key_size < bits:
        return f"is an RSA key of {key.key_size} bits where {bits} are asked for"
    if algorithm == "ec" and key.curve.name != curve:
        return f"is a key on curve {key.curve.name} where {curve} is asked for"
    return ""


def loaded(load: Callable[[], Any]) -> Any:
    """What a loader of ``cryptography`` gives, or None for a text that it cannot load (or that needs a password)."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return load()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


class _Crypto:
    """The parts of ``cryptography`` that are used here."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        self.serialization: Any = serialization
        self.ec: Any = ec
        self.ed25519: Any = ed25519
        self.rsa: Any = rsa


def _crypto() -> _Crypto:
    try:
        return _Crypto()
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc
