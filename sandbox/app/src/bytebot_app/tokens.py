# Tokens: made and checked with the mounted keys (profile A, RS256) or the shared secret (profile B, HS256).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bytebot_app.auth_settings import secret_problem
from bytebot_app.errors import ApiError
from bytebot_app.settings import ConfigurationError, Settings

if TYPE_CHECKING:
    from jwt.types import Options

SMALLEST_KEY = 2048
Kind = Literal["access", "refresh"]


@dataclass(frozen=True)
class Pair:
    """One kind's keys; a process that only verifies has no private one."""

    private: RSAPrivateKey | None
    public: RSAPublicKey

    @classmethod
    def throwaway(cls) -> Pair:
        """For the API document and for tests, which meet no real token."""
        private = generate_private_key(65537, SMALLEST_KEY)
        return cls(private, private.public_key())


@dataclass(frozen=True)
class Keys:
    """A pair for each kind, so that neither kind passes for the other."""

    access: Pair
    refresh: Pair
    algorithm = "RS256"
    required = ("exp", "iat", "sub", "jti")

    def key_id(self, kind: Kind) -> str | None:
        public = self._of(kind).public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).hexdigest()[:16]

    def signing(self, kind: Kind) -> RSAPrivateKey:
        private = self._of(kind).private
        if private is None:
            raise RuntimeError(f"this process has no private key for {kind} tokens: it only verifies them")
        return private

    def checking(self, kind: Kind) -> RSAPublicKey:
        return self._of(kind).public

    def _of(self, kind: Kind) -> Pair:
        return self.access if kind == "access" else self.refresh


@dataclass(frozen=True)
class Shared:
    """One secret for both kinds, which their type alone tells apart."""

    secret: str = field(repr=False)
    algorithm = "HS256"
    required = ("exp", "iat", "sub", "sessionId")

    def key_id(self, kind: Kind) -> str | None:
        del kind
        return None

    def signing(self, kind: Kind) -> str:
        del kind
        return self.secret

    checking = signing


KeyRing = Keys | Shared


@dataclass(frozen=True)
class Made:
    """A new token, its id, and when it ends."""

    token: str
    id: str
    ends: datetime


class Tokens:
    """Access and refresh tokens."""

    def __init__(self, settings: Settings, keys: KeyRing) -> None:
        self._settings, self.keys = settings, keys
        self.checks: dict[str, bool] = {}  # what the library checks of itself stays as it is
        self.lifetime = settings.jwt_expires_in
        self.refresh_lifetime = settings.jwt_refresh_expires_in

    def make(self, kind: Kind, subject: str, session: str, more: dict[str, Any] | None = None) -> Made:
        """A token of a session."""
        seconds = self.lifetime if kind == "access" else self.refresh_lifetime
        now, token_id = datetime.now(UTC).replace(microsecond=0), str(uuid.uuid4())
        ends = now + timedelta(seconds=seconds)
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": subject,
            "iat": now,
            "exp": ends,
            "jti": token_id,
            "type": kind,
            "sessionId": session,
            **(more or {}),
        }
        key_id = self.keys.key_id(kind)
        headers = {"kid": key_id} if key_id else None
        return Made(jwt.encode(claims, self.keys.signing(kind), self.keys.algorithm, headers), token_id, ends)

    def read(self, kind: Kind, token: str) -> dict[str, Any]:
        """The claims of a good token; anything else is refused without saying more than the contract does."""
        try:
            # A token may leave out which key it is signed with; it may not name one that is not this.
            if jwt.get_unverified_header(token).get("kid") not in (None, self.keys.key_id(kind)):
                raise invalid()
            claims: dict[str, Any] = jwt.decode(
                token,
                self.keys.checking(kind),
                algorithms=[self.keys.algorithm],  # never what the token's header asks for
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                options=cast("Options", {"require": list(self.keys.required), **self.checks}),
            )
        except jwt.ExpiredSignatureError:
            raise ApiError(401, "TOKEN_EXPIRED", "The token has expired") from None
        except (jwt.InvalidTokenError, ValueError):
            raise invalid() from None
        if claims.get("type") != kind:
            raise invalid()
        return claims


def invalid() -> ApiError:
    """What every token that is not good is answered with."""
    return ApiError(401, "TOKEN_INVALID", "The token is not valid")


def key_ring(settings: Settings, *, signs: bool = True) -> KeyRing:
    """What the configured profile signs and verifies with; without private keys where the process does not sign."""
    if settings.jwt_profile == "B":
        secret = settings.jwt_secret.get_secret_value()
        if problem := secret_problem(secret, settings.node_env):
            raise ConfigurationError(problem)
        return Shared(secret)
    return load_keys(settings.jwt_keys_dir, signs=signs)


def load_keys(folder: Path, *, signs: bool = True) -> Keys:
    """The mounted keys, or :class:`ConfigurationError` where one is missing, unfit, or not its partner's."""
    keys = Keys(_pair(folder, "access", signs), _pair(folder, "refresh", signs))
    if keys.access.public.public_numbers() == keys.refresh.public.public_numbers():
        raise ConfigurationError(f"JWT_KEYS_DIR: access and refresh have the same keys in {folder}")
    return keys


def _pair(folder: Path, kind: str, signs: bool) -> Pair:
    names = [f"{kind}-token-private-key", f"{kind}-token-public-key"]
    try:
        private = load_pem_private_key((folder / names[0]).read_bytes(), None) if signs else None
        public = load_pem_public_key((folder / names[1]).read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"JWT_KEYS_DIR: {exc.filename} cannot be read ({exc.strerror})") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            f"JWT_KEYS_DIR: {names[0]} or {names[1]} in {folder} is not such a key in PEM"
        ) from None
    if not isinstance(private, RSAPrivateKey | None) or not isinstance(public, RSAPublicKey):
        raise ConfigurationError(f"JWT_KEYS_DIR: the {kind} keys in {folder} are not RSA keys")
    if public.key_size < SMALLEST_KEY:
        raise ConfigurationError(f"JWT_KEYS_DIR: {names[1]} has {public.key_size} bits, {SMALLEST_KEY} are the least")
    if private and private.public_key().public_numbers() != public.public_numbers():
        raise ConfigurationError(f"JWT_KEYS_DIR: {names[1]} in {folder} does not belong to {names[0]}")
    return Pair(private, public)
