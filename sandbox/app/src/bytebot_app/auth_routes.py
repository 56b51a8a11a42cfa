# The routes of signing in of the contract's section 5, and the dependency that knows the caller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Field

from bytebot_app import audit
from bytebot_app.account_models import Answer, PasswordChange, Question
from bytebot_app.auth import Auth, Caller
from bytebot_app.errors import documented
from bytebot_app.models import (
    Abilities,
    ComputerAbilities,
    Given,
    Permissions,
    SignedIn,
    SystemAbilities,
    TaskAbilities,
    Text,
)
from bytebot_app.roles import ALL, public_name
from bytebot_app.users import Users

COOKIE = "refresh_token"
_PREFIX = "/api/v1/auth"
_BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT")


class Login(Given):
    """Who signs in."""

    username: Text = Field(min_length=1, max_length=254)
    password: Text = Field(min_length=1, max_length=1024)


class Refresh(Given):
    """A refresh token in the body, where no cookie is used."""

    refresh_token: str = Field(min_length=1, max_length=8192)


def caller_of(auth: Auth) -> Callable[..., Awaitable[Caller]]:
    """A dependency that demands a valid access token."""

    async def known(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Caller:
        return await (auth.caller(credentials.credentials) if credentials else auth.unknown())

    return known


def router(auth: Auth, users: Users) -> APIRouter:
    """Login, refresh, logout, permissions, and the caller's password."""
    routes = APIRouter(prefix=_PREFIX, tags=["auth"])
    known = Depends(caller_of(auth))

    def hand_over(response: Response, made: SignedIn) -> SignedIn:
        response.set_cookie(COOKIE, made.refresh_token, max_age=auth.refresh_lifetime, path=_PREFIX, **auth.cookie)
        return made

    @routes.post("/login", responses=documented(400, 401, 413, 415, 503))
    async def login(given: Login, response: Response) -> SignedIn:
        return hand_over(response, await auth.login(given.username, given.password))

    @routes.post("/refresh", responses=documented(400, 401, 413, 415, 503))
    async def refresh(
        response: Response, given: Refresh | None = None, refresh_token: Annotated[str, Cookie(max_length=8192)] = ""
    ) -> SignedIn:
        return hand_over(response, await auth.refresh(given.refresh_token if given else refresh_token))

    @routes.post("/logout", status_code=204, responses=documented(401, 503))
    async def logout(response: Response, caller: Caller = known) -> None:
        await auth.logout(caller)
        response.delete_cookie(COOKIE, path=_PREFIX, **auth.cookie)

    @routes.get("/permissions", responses=documented(401, 503))
    async def permissions(caller: Caller = known) -> Permissions:
        return described(caller)

    @routes.post("/check-permission", responses=documented(400, 401, 413, 415, 503))
    async def check(given: Question, caller: Caller = known) -> Answer:
        return answered(caller, given.permission)

    @routes.post("/change-password", status_code=204, responses=documented(400, 401, 409, 413, 415, 503))
    async def change_password(given: PasswordChange, caller: Caller = known) -> None:
        await users.change(caller, given)

    return routes


def answered(caller: Caller, permission: str) -> Answer:
    """Whether the caller has a permission, and why."""
    has = permission in caller.permissions
    if permission not in ALL:
        reason = "There is no such permission"
    else:
        reason = f"The caller's roles {'give' if has else 'do not give'} it"
    audit.authorization(permission if permission in ALL else "unknown", reason, granted=has)
    return Answer(hasPermission=has, permission=permission, reason=reason)


def described(caller: Caller) -> Permissions:
    """The caller's permissions in the documented shape."""
    mine = caller.permissions
    return Permissions(
        userId=caller.id,
        username=caller.username,
        roles=[public_name(role) for role in caller.roles],
        permissions=list(mine),
        effectivePermissions=Abilities(
            tasks=TaskAbilities(
                canRead="task:read" in mine,
                canWrite="task:write" in mine,
                canExecute="task:execute" in mine,
                canDelete="task:delete" in mine,
            ),
            computer=ComputerAbilities(canView="computer:view" in mine, canControl="computer:control" in mine),
            system=SystemAbilities(canMonitor="system:monitor" in mine, canAdmin="system:admin" in mine),
        ),
    )
