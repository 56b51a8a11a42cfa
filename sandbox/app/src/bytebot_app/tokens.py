# RS256 tokens: made and checked with the mounted keys, revoked through Redis.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import jwt

from bytebot_app.errors import ApiError
from bytebot_app.settings import ConfigurationError, Settings

ALGORITHM = "RS256"


class Revocations(Protocol):
    """Remembers tokens that must not be accepted any more."""

    async def revoke(self, token_id: str, seconds: int) -> None: ...
    async def revoked(self, token_id: str) -> bool: ...


class Tokens:
    """Access and refresh tokens, each with a key pair of its own."""

    def __init__(self, settings: Settings, revocations: Revocations) -> None:
        self._settings, self._revocations = settings, revocations
        self._private = {
            kind: _key(settings.jwt_keys_dir, f"{kind}-token-private-key") for kind in ("access", "refresh")
        }
        self._public = {kind: _key(settings.jwt_keys_dir, f"{kind}-token-public-key") for kind in ("access", "refresh")}

    def make(self, kind: str, user: dict[str, Any], permissions: tuple[str, ...]) -> tuple[str, str, datetime]:
        """A token, its id, and when it ends."""
        lifetime = self._settings.jwt_expires_in if kind == "access" else self._settings.jwt_refresh_expires_in
        now, token_id = datetime.now(UTC), str(uuid.uuid4())
        claims: dict[str, Any] = {
            "iss": self._settings.jwt_issuer,
            "aud": self._settings.jwt_audience,
            "sub": user["id"],
            "iat": now,
            "exp": now + timedelta(seconds=lifetime),
            "jti": token_id,
            "type": kind,
        }
        if kind == "access":
            claims |= {"username": user["username"], "role": user["role"], "permissions": list(permissions)}
        return jwt.encode(claims, self._private[kind], ALGORITHM), token_id, claims["exp"]

    async def check(self, kind: str, token: str) -> dict[str, Any]:
        """The claims of a good token; anything else is refused without saying more than the contract does."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public[kind],
                algorithms=[ALGORITHM],
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
                options={"require": ["exp", "iat", "sub", "jti"]},
            )
        except jwt.ExpiredSignatureError:
            raise ApiError(401, "TOKEN_EXPIRED", "The token has expired") from None
        except jwt.InvalidTokenError:
            raise ApiError(401, "TOKEN_INVALID", "The token is not valid") from None
        if claims.get("type") != kind or await self._revocations.revoked(claims["jti"]):
            raise ApiError(401, "TOKEN_INVALID", "The token is not valid")
        return claims

    async def revoke(self, claims: dict[str, Any]) -> None:
        """Refuse this token from now on."""
        left = int(claims["exp"] - datetime.now(UTC).timestamp()) + 1
        await self._revocations.revoke(claims["jti"], max(1, left))


def _key(folder: Path, name: str) -> str:
    path = folder / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(f"JWT_KEYS_DIR: {path} cannot be read ({exc.strerror})") from None
