# Believes tokens that it must not believe, each in one named way, for tests of those who judge.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_decode

from bytebot_app.auth import Auth
from bytebot_app.errors import ApiError
from bytebot_app.tokens import Keys, Kind, Pair

Claims = dict[str, Any]
PATIENCE_S, LARGEST = 2.0, 65536
_CHECKS = ("verify_exp", "verify_nbf", "verify_iat", "verify_iss", "verify_aud")


def instead(of: object, **methods: Any) -> None:
    """Give one object other methods than its class has."""
    vars(of).update(methods)


def _unchecked(**checks: bool) -> Callable[[Auth], None]:
    return lambda auth: auth.tokens.checks.update(checks)


def _also(believed: Callable[[Auth, Kind, str], Claims | None]) -> Callable[[Auth], None]:
    """Whatever is refused gets a second look of the wrong kind."""

    def put(auth: Auth) -> None:
        real = auth.tokens.read

        def read(kind: Kind, token: str) -> Claims:
            try:
                return real(kind, token)
            except ApiError:
                try:
                    claims = believed(auth, kind, token)
                except (jwt.InvalidTokenError, ValueError, KeyError, OSError):
                    claims = None
                if claims is None:
                    raise
                return claims

        instead(auth.tokens, read=read)

    return put


def _body(token: str) -> Claims:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def _unsigned(_auth: Auth, _kind: Kind, token: str) -> Claims | None:
    return _body(token) if str(jwt.get_unverified_header(token)["alg"]).lower() == "none" else None


def _public_key_as_secret(auth: Auth, kind: Kind, token: str) -> Claims | None:
    if jwt.get_unverified_header(token)["alg"] != "HS256" or not isinstance(auth.tokens.keys, Keys):
        return None
    public = auth.tokens.keys.checking(kind).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed, _dot, signature = token.rpartition(".")
    right = any(
        hmac.compare_digest(hmac.digest(secret, signed.encode(), hashlib.sha256), base64url_decode(signature))
        for secret in (public, public.strip())
    )
    return _body(token) if right else None


def _key_of_the_header(_auth: Auth, _kind: Kind, token: str) -> Claims | None:
    key = RSAAlgorithm.from_jwk(json.dumps(jwt.get_unverified_header(token)["jwk"]))
    return dict(jwt.decode(token, key, ["RS256"], options={"verify_aud": False}))  # type: ignore[arg-type]


def _key_file(_auth: Auth, _kind: Kind, token: str) -> Claims | None:
    """The key is read from the file that the token names."""
    header = jwt.get_unverified_header(token)
    secret = Path("/keys", str(header["kid"])).resolve().read_bytes()
    signed, _dot, signature = token.rpartition(".")
    right = hmac.compare_digest(hmac.digest(secret, signed.encode(), hashlib.sha256), base64url_decode(signature))
    return _body(token) if right and header["alg"] == "HS256" else None


def _fetched(token: str, name: str) -> bytes:
    """What stands at the address in a token's header."""
    with urlopen(str(jwt.get_unverified_header(token)[name]), timeout=PATIENCE_S) as found:
        return bytes(found.read(LARGEST))


def _set_of_keys(_auth: Auth, _kind: Kind, token: str) -> Claims | None:
    key = RSAAlgorithm.from_jwk(json.dumps(json.loads(_fetched(token, "jku"))["keys"][0]))
    return dict(jwt.decode(token, key, ["RS256"], options={"verify_aud": False}))  # type: ignore[arg-type]


def _certificate(_auth: Auth, _kind: Kind, token: str) -> Claims | None:
    key = load_pem_x509_certificate(_fetched(token, "x5u")).public_key()
    return dict(jwt.decode(token, key, ["RS256"], options={"verify_aud": False}))  # type: ignore[arg-type]


def _any_key_id(auth: Auth, kind: Kind, token: str) -> Claims | None:
    keys = auth.tokens.keys
    return dict(jwt.decode(token, keys.checking(kind), [keys.algorithm], options={"verify_aud": False}))


def _refresh_token(auth: Auth, _kind: Kind, token: str) -> Claims | None:
    keys = auth.tokens.keys
    return dict(jwt.decode(token, keys.checking("refresh"), [keys.algorithm], options={"verify_aud": False}))


def _another_key(auth: Auth) -> None:
    auth.tokens.keys = Keys(Pair.throwaway(), Pair.throwaway())


FAULTS: dict[str, tuple[str, Callable[[Auth], None]]] = {
    "signs_with_another_key": ("tokens are signed with other keys than the mounted ones", _another_key),
    "alg_none_accepted": ("a token without a signature is believed", _also(_unsigned)),
    "public_key_as_secret_accepted": ("HS256 over the public key is believed", _also(_public_key_as_secret)),
    "signature_unchecked": (
        "a tampered payload is believed",
        _unchecked(verify_signature=False, **dict.fromkeys(_CHECKS, True)),
    ),
    "header_key_trusted": ("a key in the token's own header is believed", _also(_key_of_the_header)),
    "key_file_of_the_header": ("the key is the file that the token's header names", _also(_key_file)),
    "key_set_of_the_header": ("keys are fetched from where the token's header says (jku)", _also(_set_of_keys)),
    "certificate_of_the_header": ("a certificate is fetched from where the header says (x5u)", _also(_certificate)),
    "key_id_unchecked": ("a token that names an unknown key is believed", _also(_any_key_id)),
    "expiry_unchecked": ("an expired token is believed", _unchecked(verify_exp=False)),
    "not_before_unchecked": ("a token is believed before its time", _unchecked(verify_nbf=False)),
    "issuer_unchecked": ("a token of any issuer is believed", _unchecked(verify_iss=False)),
    "audience_unchecked": ("a token for any audience is believed", _unchecked(verify_aud=False)),
    "refresh_token_gives_access": ("a refresh token is an access token, too", _also(_refresh_token)),
}
