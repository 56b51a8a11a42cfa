# Signing in and out: sessions, the tokens that belong to them, and who asks.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool

from bytebot_app import passwords
from bytebot_app.errors import ApiError
from bytebot_app.logs import logger, user_id
from bytebot_app.metrics import Metrics
from bytebot_app.models import SignedIn, User
from bytebot_app.revocations import Revocations
from bytebot_app.roles import PERMISSIONS, public_name
from bytebot_app.store import Row, Store
from bytebot_app.tokens import Made, Tokens, invalid


@dataclass(frozen=True)
class Caller:
    """Who asks, from a checked access token."""

    id: str
    username: str
    role: str
    claims: dict[str, Any]

    @property
    def permissions(self) -> tuple[str, ...]:
        return PERMISSIONS[self.role]


class Auth:
    """Signs users in and knows callers."""

    def __init__(self, store: Store, tokens: Tokens, revocations: Revocations, metrics: Metrics, rounds: int) -> None:
        self._store, self._tokens, self._revocations, self._metrics = store, tokens, revocations, metrics
        self.refresh_lifetime = tokens.refresh_lifetime
        self._nobody = passwords.hashed(str(uuid.uuid4()), rounds)

    async def login(self, username: str, password: str) -> SignedIn:
        """Check name and password; an unknown name costs the same time and gets the same answer."""
        user = await self._store.user_by_name(username)
        right = await run_in_threadpool(passwords.matches, password, user["passwordHash"] if user else self._nobody)
        if not user or not right or not user["isActive"]:
            self._metrics.logins.labels("failure").inc()
            # Without the name: people type their password there.
            logger().warning("sign-in failed", eventType="AUTHENTICATION_FAILURE", success=False)
            raise ApiError(401, "INVALID_CREDENTIALS", "The user name or the password is wrong")
        user_id.set(user["id"])
        session = str(uuid.uuid4())
        refresh = self._tokens.make("refresh", user["id"], session)
        await self._store.add_session(session, user["id"], refresh.id, refresh.ends)
        await self._store.signed_in(user["id"])
        self._metrics.logins.labels("success").inc()
        return self._signed_in(user, session, refresh)

    async def refresh(self, token: str) -> SignedIn:
        """A new pair for a refresh token, which is dead from then on; a second use ends the session."""
        claims = self._tokens.read("refresh", token)
        session = str(claims.get("sessionId", ""))
        user = await self._store.user(claims["sub"])
        if not session or not user or not user["isActive"] or await self._revocations.ended(claims):
            raise invalid()
        made = self._tokens.make("refresh", user["id"], session)
        if not await self._store.rotate_session(session, claims["jti"], made.id, made.ends):
            await self._revocations.end(session)
            logger().warning("a used refresh token came back", eventType="TOKEN_REUSE", success=False)
            raise invalid()
        user_id.set(user["id"])
        return self._signed_in(user, session, made)

    async def logout(self, caller: Caller) -> None:
        """End the caller's session with all its tokens."""
        await self._revocations.end(str(caller.claims.get("sessionId", "")), caller.claims["jti"])

    async def caller(self, token: str) -> Caller:
        """Who asks."""
        claims = self._tokens.read("access", token)
        if await self._revocations.ended(claims):
            raise invalid()
        user_id.set(claims["sub"])
        if claims.get("role") not in PERMISSIONS:
            raise ApiError(403, "ROLE_NOT_ASSIGNED", "No role is assigned")
        return Caller(claims["sub"], str(claims.get("username", "")), claims["role"], claims)

    def _signed_in(self, user: Row, session: str, refresh: Made) -> SignedIn:
        more = {"username": user["username"], "email": user["email"], "role": user["role"]}
        access = self._tokens.make("access", user["id"], session, more)
        return SignedIn(
            access_token=access.token,
            expires_in=self._tokens.lifetime,
            refresh_token=refresh.token,
            user=User(
                id=user["id"],
                username=user["username"],
                roles=[public_name(user["role"])],
                permissions=list(PERMISSIONS[user["role"]]),
            ),
        )


def needs(caller: Caller, *permissions: str) -> None:
    """Refuse a caller who lacks a permission, in the documented form."""
    missing = [name for name in permissions if name not in caller.permissions]
    if missing:
        denied(missing[0], "INSUFFICIENT_PERMISSIONS")
        details = {
            "required_permissions": list(permissions),
            "user_permissions": list(caller.permissions),
            "missing_permissions": missing,
        }
        raise ApiError(403, "INSUFFICIENT_PERMISSIONS", "A permission is missing", details)


def denied(permission: str, reason: str) -> None:
    """The audit line of a refusal."""
    logger().warning("authorization", permission=permission, result="denied", reason=reason)
