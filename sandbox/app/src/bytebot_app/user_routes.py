# The routes of users and roles of the contract's section 5, and those that look and clean up, which no document names.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from bytebot_app import audit
from bytebot_app.account_models import Account, AccountList, Assignment, NewRole, NewUser, Role, RoleList, RoleName
from bytebot_app.auth import Auth, Caller, needs
from bytebot_app.auth_routes import caller_of
from bytebot_app.errors import documented
from bytebot_app.users import Users

MANAGE = "system:admin"
RoleId = Annotated[RoleName, Path()]


def router(auth: Auth, users: Users) -> APIRouter:
    """Users and roles, for administrators. Who is none is refused before anything is said about the request."""
    known = Depends(caller_of(auth))

    async def administrator(caller: Caller = known) -> Caller:
        needs(caller, MANAGE)
        return caller

    admin = Depends(administrator)
    routes = APIRouter(prefix="/api/v1", dependencies=[admin])
    _add_users(routes, users, admin)
    _add_roles_of_users(routes, users, admin)
    _add_roles(routes, auth)
    return routes


def _add_users(routes: APIRouter, users: Users, admin: Any) -> None:
    @routes.post("/users", status_code=201, tags=["users"], responses=documented(400, 401, 403, 409, 413, 415, 503))
    async def create(given: NewUser) -> Account:
        return await users.add(given)

    @routes.get("/users", tags=["users"], responses=documented(400, 401, 403, 503))
    async def listed(
        page: Annotated[int, Query(ge=1, le=100000)] = 1, limit: Annotated[int, Query(ge=1, le=100)] = 50
    ) -> AccountList:
        return AccountList(users=await users.listed(page, limit))

    @routes.get("/users/{user_id}", tags=["users"], responses=documented(401, 403, 404, 503))
    async def one(user_id: str) -> Account:
        return await users.shown(await users.one(user_id))

    @routes.delete("/users/{user_id}", status_code=204, tags=["users"], responses=documented(401, 403, 404, 409, 503))
    async def remove(user_id: str, caller: Caller = admin) -> None:
        await users.remove(caller, user_id)


def _add_roles_of_users(routes: APIRouter, users: Users, admin: Any) -> None:
    @routes.post("/users/{user_id}/roles", tags=["roles"], responses=documented(400, 401, 403, 404, 413, 415, 503))
    async def assign(user_id: str, given: Assignment) -> Account:
        return await users.assign(user_id, given.roleId)

    @routes.delete(
        "/users/{user_id}/roles/{role_id}", tags=["roles"], responses=documented(400, 401, 403, 404, 409, 503)
    )
    async def withdraw(user_id: str, role_id: RoleId, caller: Caller = admin) -> Account:
        return await users.withdraw(caller, user_id, role_id)


def _add_roles(routes: APIRouter, auth: Auth) -> None:
    @routes.get("/roles", tags=["roles"], responses=documented(401, 403, 503))
    async def listed() -> RoleList:
        return RoleList(roles=await auth.rbac.listed())

    @routes.post("/roles", status_code=201, tags=["roles"], responses=documented(400, 401, 403, 409, 413, 415, 503))
    async def create(given: NewRole) -> Role:
        made = await auth.rbac.add(given.name, given.description, given.permissions)
        audit.security("ROLE_CREATED", success=True, role=made.id)
        return made

    @routes.delete(
        "/roles/{role_id}", status_code=204, tags=["roles"], responses=documented(400, 401, 403, 404, 409, 503)
    )
    async def remove(role_id: RoleId) -> None:
        for user_id in await auth.rbac.remove(role_id):
            await auth.revocations.end_all(user_id)
        audit.security("ROLE_DELETED", success=True, role=role_id)
