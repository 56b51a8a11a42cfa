# Judges the keys that sign tokens: there, readable, pairs that match, not swapped; and that the application uses them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_strength, secrets_values
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

RSA_BITS = 2048  # RFC 7518, section 3.3: RS256 asks for keys of this size or larger
ALGORITHM = "RS256"
SHARED_LENGTH = 64  # characters; the contract's number for production


def key_problems(data: Mapping[str, bytes], wanted: JwtKeys) -> list[str]:
    """What is wrong with the keys of a Secret; empty where nothing is."""
    names = [wanted.shared] if wanted.shared else [name for pair in wanted.pairs for name in pair]
    if missing := [name for name in names if name not in data]:
        return [f"{name} is missing" for name in missing]
    if wanted.shared:
        return _shared_problems(wanted, data[wanted.shared])
    if unreadable := [f"{name} {flaw}" for name in names if (flaw := _flaw(data[name]))]:
        return unreadable
    privates = {name: _private(data[name]) for pair in wanted.pairs for name in pair}
    publics = {name: _public_text(data[name]) for pair in wanted.pairs for name in pair}
    if swapped := list(_swapped(wanted, privates)):
        return swapped
    return [*_mismatched(wanted, privates, publics), *_alike(wanted, publics), *_small(wanted, privates)]


def _shared_problems(wanted: JwtKeys, value: bytes) -> list[str]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return [f"{wanted.shared} is no text"]
    found = secrets_strength.flaws(wanted.shared, text, 0, 0)
    if len(text.strip()) < wanted.shared_length:
        found.append(f"has {len(text.strip())} characters, {wanted.shared_length} are wanted")
    return [f"{wanted.shared} {flaw}" for flaw in found]


def _flaw(value: bytes) -> str:
    if not value.strip():
        return "is empty"
    text = value.decode("utf-8", "replace")
    plain = secrets_values.command_flaw(text) or secrets_values.template_flaw(text) or secrets_values.twice_flaw(value)
    if plain:
        return plain
    if flaw := secrets_values.pem_flaw("key.pem", value):
        return flaw if value.lstrip().startswith(secrets_values.PEM_BEGIN) else "is no key in PEM"
    if _private(value) is None and not _public_text(value):
        return "is a private key that needs a password" if b"ENCRYPTED" in value else "holds no key that can be read"
    return ""


def _swapped(wanted: JwtKeys, privates: Mapping[str, Any]) -> list[str]:
    """Halves that stand under the other half's name."""
    found = [
        f"{private} and {public} are swapped"
        for private, public in wanted.pairs
        if privates[private] is None and privates[public] is not None
    ]
    found = found or [f"{private} holds a public key" for private, _public in wanted.pairs if privates[private] is None]
    publics = [public for _private, public in wanted.pairs]
    return found or [f"{public} holds a private key" for public in publics if privates[public] is not None]


def _mismatched(wanted: JwtKeys, privates: Mapping[str, Any], publics: Mapping[str, bytes]) -> list[str]:
    bad = [(private, public) for private, public in wanted.pairs if _public_of(privates[private]) != publics[public]]
    halves = {publics[public]: public for _private_name, public in wanted.pairs}
    found = []
    for private, public in bad:
        other = halves.get(_public_of(privates[private]), "")
        found.append(
            f"{private} and {other} are a pair, so the halves of two pairs are crossed"
            if other
            else f"{public} is not the public key of {private}"
        )
    return found


def _alike(wanted: JwtKeys, publics: Mapping[str, bytes]) -> list[str]:
    names: dict[bytes, str] = {}
    found = []
    for _private_name, public in wanted.pairs:
        if publics[public] in names:
            found.append(f"{names[publics[public]]} and {public} are the same key; two pairs are wanted")
        names.setdefault(publics[public], public)
    return found


def _small(wanted: JwtKeys, privates: Mapping[str, Any]) -> list[str]:
    from cryptography.hazmat.primitives.asymmetric import rsa

    found = []
    for private, _public in wanted.pairs:
        key = privates[private]
        if not isinstance(key, rsa.RSAPrivateKey):
            found.append(f"{private} is no RSA key, and {ALGORITHM} asks for one")
        elif key.key_size < RSA_BITS:
            found.append(f"{private} has {key.key_size} bits, {RSA_BITS} are wanted")
    return found


# ---------------------------------------------------------------------------- a token of the application


def token_problem(token: str, public_pem: bytes) -> str:
    """Why a token is not signed by the private half of a public key; empty where it is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signed, _dot, signature = token.rpartition(".")
    header = _part(signed.partition(".")[0])
    if not isinstance(header, dict) or signed.count(".") != 1:
        return "the application's access token is no signed JSON Web Token"
    if header.get("alg") != ALGORITHM:
        return f"the application signs with {str(header.get('alg'))[:20]}, and {ALGORITHM} is wanted"
    key = _loaded(public_pem, private=False)
    try:
        key.verify(_unpacked(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return "the application's access token is signed by another key than that of this Secret"
    return ""


def _part(text: str) -> Any:
    try:
        return json.loads(_unpacked(text))
    except ValueError:
        return None


def _unpacked(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# ---------------------------------------------------------------------------- cryptography


def _private(value: bytes) -> Any:
    return _loaded(value, private=True)


def _public_text(value: bytes) -> bytes:
    """A public key in one and the same form, whatever it was written in; empty where it is none."""
    key = _loaded(value, private=False)
    return b"" if key is None else _form(key)


def _public_of(key: Any) -> bytes:
    return b"" if key is None else _form(key.public_key())


def _form(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    formats = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bytes(key.public_bytes(*formats))


def _loaded(value: bytes, *, private: bool) -> Any:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
    except ImportError as exc:
        raise LibraryMissing("cryptography", str(exc)) from exc
    try:
        if private:
            return serialization.load_pem_private_key(value, password=None)
        return serialization.load_pem_public_key(value)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
