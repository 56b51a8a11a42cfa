# Signing in and out: sessions, the tokens that belong to them, and who asks.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi.concurrency import run_in_threadpool

from bytebot_app import audit, passwords
from bytebot_app.accounts import roles_of
from bytebot_app.errors import ApiError
from bytebot_app.lockout import Lockout
from bytebot_app.logs import user_id
from bytebot_app.metrics import Metrics
from bytebot_app.models import SignedIn, User
from bytebot_app.ownership import Ownership
from bytebot_app.rbac import Rbac
from bytebot_app.revocations import Revocations
from bytebot_app.roles import ADMIN, ordered, public_name
from bytebot_app.sessions import Lease
from bytebot_app.settings import Settings
from bytebot_app.store import Row, Store
from bytebot_app.tokens import Made, Tokens, invalid


@dataclass(frozen=True)
class Caller:
    """Who asks, from a checked access token."""

    id: str
    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    teams: tuple[str, ...]
    claims: dict[str, Any]
    ownership: Ownership = field(default_factory=Ownership)

    @property
    def role(self) -> str:
        """The role that counts most."""
        return ADMIN if ADMIN in self.roles else next(iter(self.roles), "")

    @property
    def session(self) -> str:
        return str(self.claims.get("sessionId", ""))


class Auth:
    """Signs users in and knows callers."""

    def __init__(
        self, settings: Settings, store: Store, tokens: Tokens, revocations: Revocations, metrics: Metrics
    ) -> None:
        self.store, self._metrics = store, metrics
        self.tokens, self.revocations = tokens, revocations
        self.lockout = Lockout(store, settings)
        self.ownership = Ownership()
        self.rbac = Rbac(store, settings.rbac_source)
        self.refresh_lifetime = tokens.refresh_lifetime
        self.cookie: dict[str, Any] = {"secure": True, "httponly": True, "samesite": "strict"}
        self._off_as = "" if settings.enable_authentication else settings.authentication_off_as
        self._idle, self._most = settings.auth_session_idle_timeout, settings.auth_sessions_per_user
        self._nobody = passwords.hashed(str(uuid.uuid4()), settings.bcrypt_rounds)

    async def login(self, username: str, password: str) -> SignedIn:
        """Check name and password; an unknown name costs the same time and gets the same answer."""
        try:
            user = await self._checked(username, password)
        except ApiError:
            self._metrics.logins.labels("failure").inc()
            raise
        user_id.set(user["id"])
        session = str(uuid.uuid4())
        refresh = self._refresh_token(user, session)
        await self.store.add_session(session, user["id"], self._lease(refresh))
        if self._most:
            await self.revocations.end_surplus(user["id"], self._most)
        await self.store.signed_in(user["id"])
        self._metrics.logins.labels("success").inc()
        audit.security("AUTHENTICATION_SUCCESS", success=True)
        return await self._signed_in(user, session, refresh)

    async def refresh(self, token: str) -> SignedIn:
        """A new pair for a refresh token, which is dead from then on; a second use ends the session."""
        claims = self.tokens.read("refresh", token)
        session = str(claims.get("sessionId", ""))
        user = await self.store.user(claims["sub"])
        if not session or not user or not user["isActive"] or await self.revocations.ended(claims):
            raise invalid()
        made = self._refresh_token(user, session)
        if not await self.store.rotate_session(session, str(claims.get("jti", "")), self._lease(made)):
            if await self.store.session_lives(session):
                await self.revocations.end(session)
                audit.security("TOKEN_REUSE", success=False, subject=user["id"])
            raise invalid()
        user_id.set(user["id"])
        return await self._signed_in(user, session, made)

    async def logout(self, caller: Caller) -> None:
        """End the caller's session with all its tokens."""
        await self.revocations.end(caller.session, caller.claims.get("jti"))
        audit.security("LOGOUT", success=True)

    async def caller(self, token: str) -> Caller:
        """Who asks."""
        claims = self.tokens.read("access", token)
        if await self.revocations.ended(claims):
            raise invalid()
        user_id.set(claims["sub"])
        name = str(claims.get("username", ""))
        audit.username.set(name)
        roles, permissions = await self._rights(claims)
        teams = _words(claims.get("teamIds"))
        return Caller(claims["sub"], name, roles, permissions, teams, claims, self.ownership)

    async def unknown(self) -> Caller:
        """Who brings no token: nobody, or who everybody is where authentication is switched off."""
        user = await self.store.user_by_name(self._off_as) if self._off_as else None
        if not user:
            raise invalid()
        roles = roles_of(user)
        permissions = await self.rbac.permissions(roles, user["id"])
        teams = tuple(user.get("teamIds") or ())
        return Caller(user["id"], user["username"], tuple(roles), tuple(permissions), teams, {}, self.ownership)

    async def compared(self, user: Row | None, password: str) -> bool:
        """Whether the password is the user's, with the same work where there is no user."""
        return await run_in_threadpool(passwords.matches, password, user["passwordHash"] if user else self._nobody)

    async def _checked(self, username: str, password: str) -> Row:
        await self.lockout.refuse_locked(username)
        user = await self.store.user_by_name(username)
        right = await self.compared(user, password)
        if not user or not right or not user["isActive"]:
            raise await self.lockout.failure(username)
        await self.lockout.success(username)
        return user

    async def _rights(self, claims: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if isinstance(claims.get("permissions"), list):
            return _words(claims.get("roles")), ordered(_words(claims["permissions"]))
        # A token of the documented claims alone has the one role.
        roles = tuple(role for role in self.rbac.builtin if role == claims.get("role"))
        return roles, await self.rbac.permissions(roles, claims["sub"])

    def _refresh_token(self, user: Row, session: str) -> Made:
        return self.tokens.make("refresh", user["id"], session, _identity(user))

    def _lease(self, made: Made) -> Lease:
        idle = timedelta(seconds=self._idle or self.refresh_lifetime)
        return Lease(made.id, min(made.ends, datetime.now(UTC) + idle), audit.client())

    async def _signed_in(self, user: Row, session: str, refresh: Made) -> SignedIn:
        roles = roles_of(user)
        permissions = list(await self.rbac.permissions(roles, user["id"]))
        rights = {"roles": roles, "permissions": permissions, "teamIds": list(user.get("teamIds") or ())}
        access = self.tokens.make("access", user["id"], session, {**_identity(user), **rights})
        return SignedIn(
            access_token=access.token,
            expires_in=self.tokens.lifetime,
            refresh_token=refresh.token,
            user=User(
                id=user["id"],
                username=user["username"],
                roles=[public_name(role) for role in roles],
                permissions=permissions,
            ),
        )


def needs(caller: Caller, *permissions: str) -> None:
    """Refuse a caller who lacks a permission, in the documented form."""
    missing = [name for name in permissions if name not in caller.permissions]
    if not missing:
        audit.authorization(" ".join(permissions), "the caller's roles permit it", granted=True)
        return
    if not caller.roles:
        denied(missing[0], "ROLE_NOT_ASSIGNED")
        raise ApiError(403, "ROLE_NOT_ASSIGNED", "No role is assigned")
    denied(missing[0], "INSUFFICIENT_PERMISSIONS")
    details = {
        "required_permissions": list(permissions),
        "user_permissions": list(caller.permissions),
        "missing_permissions": missing,
    }
    raise ApiError(403, "INSUFFICIENT_PERMISSIONS", "A permission is missing", details)


def denied(permission: str, reason: str) -> None:
    """The audit line of a refusal."""
    audit.authorization(permission, reason, granted=False)


def _identity(user: Row) -> dict[str, Any]:
    return {"username": user["username"], "email": user["email"], "role": next(iter(roles_of(user)), None)}


def _words(given: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in given) if isinstance(given, Sequence) and not isinstance(given, str) else ()
