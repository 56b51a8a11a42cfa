# Judges the keys that sign tokens: there, readable, pairs that match, not swapped; and that the application uses them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import secrets_strength, secrets_values
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

RSA_BITS = 2048  # RFC 7518, section 3.3: RS256 asks for keys of this size or larger
ALGORITHM = "RS256"
CURVE_BITS = 256  # RFC 7518, section 3.4: the smallest curve of ES256
SHARED_LENGTH = 64  # characters; the contract's number for production


def key_problems(data: Mapping[str, bytes], wanted: JwtKeys, *, rsa_only: bool = True) -> list[str]:
    """What is wrong with the keys of a Secret; empty where nothing is.

    :param rsa_only: whether the application can use no other kind of key.
    """
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
    return [
        *_mismatched(wanted, privates, publics),
        *_alike(wanted, publics),
        *_weak(wanted, privates, rsa_only=rsa_only),
    ]


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


def _weak(wanted: JwtKeys, privates: Mapping[str, Any], *, rsa_only: bool) -> list[str]:
    """Keys of another kind than is wanted, or too small: RSA below 2048 bits, or a curve below 256."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    found = []
    for private, _public in wanted.pairs:
        key = privates[private]
        if isinstance(key, rsa.RSAPrivateKey):
            if key.key_size < RSA_BITS:
                found.append(f"{private} has {key.key_size} bits, {RSA_BITS} are wanted")
        elif rsa_only:
            found.append(f"{private} is no RSA key, and {ALGORITHM} asks for one")
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            if key.key_size < CURVE_BITS:
                found.append(f"{private} is on a curve of {key.key_size} bits, {CURVE_BITS} are wanted")
        elif not isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
            found.append(f"{private} is a {type(key).__name__.strip('_')}, which signs no token")
    return found


def kinds(data: Mapping[str, bytes], wanted: JwtKeys) -> dict[str, str]:
    """By private key, its kind and size in words; of what cannot be read, that."""
    found = {}
    for private, _public in wanted.pairs if not wanted.shared else ():
        key = _private(data.get(private, b""))
        kind = type(key).__name__.strip("_").removesuffix("PrivateKey") if key is not None else "not readable"
        found[private] = f"{kind} {size}" if (size := getattr(key, "key_size", 0)) else kind
    return found


def body(value: bytes) -> str:
    """The text of a key without its marks, blanks and line breaks (also those in quotes): the same however wrapped."""
    lines = value.decode("utf-8", "replace").replace("\\n", "\n").splitlines()
    return "".join("".join(line.split()) for line in lines if not line.strip().startswith("-----"))


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


def algorithm(token: str) -> str:
    """The algorithm that a token says it is signed with; empty where it is none."""
    header = _part(token.partition(".")[0])
    return str(header.get("alg", ""))[:20] if isinstance(header, dict) else ""


def signature_problem(token: str, public_pem: bytes) -> str:
    """Why a token is not signed by the private half of a public key of any kind; empty where it is.

    The algorithms are those of RFC 7518, section 3.1, and RFC 8037 whose verifier cannot sign.
    """
    from cryptography.exceptions import InvalidSignature

    signed, _dot, signature = token.rpartition(".")
    told = algorithm(token)
    if signed.count(".") != 1 or not told:
        return "the application's access token is no signed JSON Web Token"
    if told not in ("EdDSA", *(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in ("256", "384", "512"))):
        return f"the application signs with {told}, for which there are no pairs of keys"
    try:
        _verify(_loaded(public_pem, private=False), told, _unpacked(signature), signed.encode())
    except (InvalidSignature, ValueError, TypeError, AttributeError):
        return "the application's access token is signed by another key than that of this Secret"
    return ""


def _verify(key: Any, told: str, signature: bytes, signed: bytes) -> None:
    """Verify by the algorithm that the token says; a key of another kind refuses its arguments."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

    digests = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    if told == "EdDSA":
        key.verify(signature, signed)
        return
    digest = digests[told[2:]]
    if told.startswith("ES"):
        half = len(signature) // 2  # RFC 7518, section 3.4: R and S, one after the other
        numbers = (int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
        key.verify(utils.encode_dss_signature(*numbers), signed, ec.ECDSA(digest))
    elif told.startswith("PS"):
        key.verify(signature, signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    else:
        key.verify(signature, signed, padding.PKCS1v15(), digest)


def shared_token_problem(token: str, shared: bytes) -> str:
    """Why a token is not signed with a shared text (HS256, HS384, HS512); empty where it is."""
    signed, _dot, signature = token.rpartition(".")
    told = algorithm(token)
    if told not in ("HS256", "HS384", "HS512"):
        return f"the application signs with {told or 'nothing that can be read'}, and not with a shared text"
    made = hmac.digest(shared, signed.encode(), f"sha{told[2:]}")
    same = hmac.compare_digest(made, _unpacked(signature))
    return "" if same else "the application's access token is signed with another text than that of this Secret"


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
