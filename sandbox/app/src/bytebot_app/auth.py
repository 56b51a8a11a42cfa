# Signing in and out: login, refresh with rotation, logout, and who may do what.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import bcrypt
from fastapi import APIRouter, Cookie, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from bytebot_app.errors import ApiError
from bytebot_app.logs import user_id
from bytebot_app.metrics import Metrics
from bytebot_app.roles import PERMISSIONS, public_name
from bytebot_app.store import Store
from bytebot_app.tokens import Tokens

COOKIE, COOKIE_PATH = "refresh_token", "/api/v1/auth"
_BEARER = HTTPBearer(auto_error=False)


class Login(BaseModel):
    """Who signs in."""

    model_config = ConfigDict(extra="forbid")
    username: str = Field(min_length=1, max_length=254)
    password: str = Field(min_length=1, max_length=1024)


class Refresh(BaseModel):
    """A refresh token in the body, where no cookie is used."""

    model_config = ConfigDict(extra="forbid")
    refresh_token: str | None = Field(default=None, max_length=8192)


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

    def __init__(self, store: Store, tokens: Tokens, metrics: Metrics, rounds: int, lifetime: int) -> None:
        self._store, self._tokens, self._metrics, self._lifetime = store, tokens, metrics, lifetime
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds))

    async def login(self, given: Login, response: Response) -> dict[str, Any]:
        """Check name and password; an unknown name costs the same time and gets the same answer."""
        user = await self._store.user_by_name(given.username)
        hashed = user["passwordHash"].encode() if user else self._nobody
        right = await run_in_threadpool(_matches, given.password, hashed)
        if not user or not right or not user["isActive"]:
            self._metrics.logins.labels("failure").inc()
            raise ApiError(401, "INVALID_CREDENTIALS", "The user name or the password is wrong")
        self._metrics.logins.labels("success").inc()
        await self._store.signed_in(user["id"])
        return await self._pair(user, response)

    async def refresh(self, token: str | None, response: Response) -> dict[str, Any]:
        """A new pair for a refresh token, which is dead from then on; a second use ends all sessions of its user."""
        claims = await self._tokens.check("refresh", token or "")
        if await self._store.take_session(claims["jti"]) is None:
            await self._store.revoke_sessions(claims["sub"])
            raise ApiError(401, "TOKEN_INVALID", "The token is not valid")
        user = await self._store.user(claims["sub"])
        if not user or not user["isActive"]:
            raise ApiError(401, "TOKEN_INVALID", "The token is not valid")
        return await self._pair(user, response)

    async def logout(self, caller: Caller, response: Response) -> None:
        """Revoke the access token and every session of the caller."""
        await self._tokens.revoke(caller.claims)
        await self._store.revoke_sessions(caller.id)
        response.delete_cookie(COOKIE, path=COOKIE_PATH, secure=True, httponly=True, samesite="strict")

    async def caller(self, request: Request, token: str) -> Caller:
        """Who asks."""
        claims = await self._tokens.check("access", token)
        if claims.get("role") not in PERMISSIONS:
            raise ApiError(403, "ROLE_NOT_ASSIGNED", "No role is assigned")
        user_id.set(claims["sub"])
        request.state.user_id = claims["sub"]
        return Caller(claims["sub"], claims.get("username", ""), claims["role"], claims)

    async def _pair(self, user: dict[str, Any], response: Response) -> dict[str, Any]:
        permissions = PERMISSIONS[user["role"]]
        access, _token_id, _ends = self._tokens.make("access", user, permissions)
        refresh, session, ends = self._tokens.make("refresh", user, ())
        await self._store.add_session(user["id"], session, ends)
        response.set_cookie(
            COOKIE, refresh, path=COOKIE_PATH, secure=True, httponly=True, samesite="strict", expires=ends
        )
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self._lifetime,
            "refresh_token": refresh,
            "user": {
                "id": user["id"],
                "username": user["username"],
                "roles": [public_name(user["role"])],
                "permissions": list(permissions),
            },
        }


def caller_of(auth: Auth) -> Callable[..., Awaitable[Caller]]:
    """A dependency that demands a valid access token."""

    async def known(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> Caller:
        if credentials is None:
            raise ApiError(401, "TOKEN_INVALID", "The token is not valid")
        return await auth.caller(request, credentials.credentials)

    return known


def needs(caller: Caller, *permissions: str) -> None:
    """Refuse a caller who lacks a permission, in the documented form."""
    missing = [name for name in permissions if name not in caller.permissions]
    if missing:
        details = {
            "required_permissions": list(permissions),
            "user_permissions": list(caller.permissions),
            "missing_permissions": missing,
        }
        raise ApiError(403, "INSUFFICIENT_PERMISSIONS", "A permission is missing", details)


def router(auth: Auth) -> APIRouter:
    """The routes of the contract's section 5 that this part has."""
    routes = APIRouter(prefix="/api/v1/auth", tags=["auth"])
    known = Depends(caller_of(auth))

    @routes.post("/login")
    async def login(given: Login, response: Response) -> dict[str, Any]:
        return await auth.login(given, response)

    @routes.post("/refresh")
    async def refresh(
        response: Response, given: Refresh | None = None, refresh_token: Annotated[str | None, Cookie()] = None
    ) -> dict[str, Any]:
        return await auth.refresh((given.refresh_token if given else None) or refresh_token, response)

    @routes.post("/logout", status_code=204)
    async def logout(response: Response, caller: Caller = known) -> None:
        await auth.logout(caller, response)

    @routes.get("/permissions")
    async def permissions(caller: Caller = known) -> dict[str, Any]:
        mine = caller.permissions
        return {
            "userId": caller.id,
            "username": caller.username,
            "roles": [public_name(caller.role)],
            "permissions": list(mine),
            "effectivePermissions": {
                "tasks": {
                    f"can{verb.title()}": f"task:{verb}" in mine for verb in ("read", "write", "execute", "delete")
                },
                "computer": {f"can{verb.title()}": f"computer:{verb}" in mine for verb in ("view", "control")},
                "system": {f"can{verb.title()}": f"system:{verb}" in mine for verb in ("monitor", "admin")},
            },
        }

    return routes


def _matches(password: str, hashed: bytes) -> bool:
    return bcrypt.checkpw(password.encode()[:72], hashed)  # bcrypt reads 72 bytes and newer versions refuse more
