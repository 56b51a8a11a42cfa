# Users: made and removed by administrators, their roles, and their own change of password.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid

from fastapi.concurrency import run_in_threadpool

from bytebot_app import audit, passwords
from bytebot_app.account_models import Account, NewUser, PasswordChange
from bytebot_app.accounts import roles_of
from bytebot_app.auth import Auth, Caller
from bytebot_app.errors import conflict, not_found, refused_field
from bytebot_app.roles import ADMIN, DEFAULT, public_name
from bytebot_app.settings import Settings
from bytebot_app.store import Row, Store


class Users:
    """What is done with users."""

    def __init__(self, settings: Settings, store: Store, auth: Auth) -> None:
        self._store, self._auth = store, auth
        self._rounds = settings.bcrypt_rounds
        self.shortest, self.history = settings.auth_password_min_length, settings.auth_password_history

    async def add(self, given: NewUser) -> Account:
        """A new user."""
        roles = [DEFAULT] if given.roles is None else await self._auth.rbac.wanted(given.roles, "roles")
        self.held_to_policy("password", given.password, given.username)
        user = await self._store.add_user(
            {
                "username": given.username,
                "email": given.email or given.username,
                "firstName": given.firstName,
                "lastName": given.lastName,
                "passwordHash": await run_in_threadpool(passwords.hashed, given.password, self._rounds),
                "roles": roles,
                "teamIds": list(dict.fromkeys(given.teamIds)),
            }
        )
        if user is None:
            raise conflict("There is a user of this name or address")
        audit.security("USER_CREATED", success=True, target=user["id"], roles=roles)
        return await self.shown(user)

    async def listed(self, page: int, limit: int) -> list[Account]:
        """A page of them, the oldest first."""
        return [await self.shown(user) for user in await self._store.page_of_users(page, limit)]

    async def one(self, user_id: str) -> Row:
        """One of them."""
        try:
            wanted = str(uuid.UUID(user_id))
        except ValueError:
            raise not_found("User") from None
        user = await self._store.user(wanted)
        if user is None:
            raise not_found("User")
        return user

    async def remove(self, caller: Caller, user_id: str) -> None:
        """Remove a user with all that is the user's; never oneself, so that an administrator is left."""
        user = await self.one(user_id)
        if user["id"] == caller.id:
            raise conflict("Nobody removes the own account")
        await self._auth.revocations.end_user(user["id"])
        if not await self._store.remove_user(user["id"]):
            raise not_found("User")
        await self._store.forgive(user["username"])
        audit.security("USER_DELETED", success=True, target=user["id"])

    async def assign(self, user_id: str, role_id: str) -> Account:
        """Give a role; the user signs in anew to use it."""
        user = await self.one(user_id)
        wanted = await self._auth.rbac.wanted([role_id], "roleId")
        roles = list(dict.fromkeys([*roles_of(user), *wanted]))
        return await self._with_roles(user, roles)

    async def withdraw(self, caller: Caller, user_id: str, role_id: str) -> Account:
        """Take a role."""
        user = await self.one(user_id)
        [unwanted] = await self._auth.rbac.wanted([role_id], "roleId")
        if unwanted not in roles_of(user):
            raise not_found("Role of this user")
        if unwanted == ADMIN and user["id"] == caller.id:
            raise conflict("Nobody takes this role from oneself")
        return await self._with_roles(user, [role for role in roles_of(user) if role != unwanted])

    async def change(self, caller: Caller, given: PasswordChange) -> None:
        """Change what a user may change alone: the own password."""
        await self.change_password(caller, given.current_password, given.new_password)

    async def change_password(self, caller: Caller, current: str, new: str) -> None:
        """Change the caller's password. The caller's session stays, and every other one of the user ends."""
        user = await self._store.user(caller.id)
        name = user["username"] if user else caller.username
        await self._auth.lockout.refuse_locked(name)
        if not await self._auth.compared(user, current) or user is None:
            raise await self._auth.lockout.failure(name)
        await self._auth.lockout.success(name)
        self.held_to_policy("new_password", new, user["username"])
        before = await self._store.passwords_before(user["id"], self.history)
        used = await run_in_threadpool(passwords.used_before, new, before)
        if used:
            raise refused_field("new_password", f"it is one of the last {self.history}")
        made = await run_in_threadpool(passwords.hashed, new, self._rounds)
        if not await self._store.set_password(user["id"], user["passwordHash"], made):
            raise conflict("The password has been changed meanwhile")
        await self._auth.revocations.end_all(user["id"], but=caller.session)
        audit.security("PASSWORD_CHANGED", success=True)

    def held_to_policy(self, field: str, password: str, username: str) -> None:
        """Refuse a weak password, with every reason."""
        if found := passwords.weaknesses(password, username, self.shortest):
            raise refused_field(field, *found)

    async def shown(self, user: Row) -> Account:
        """A user as the API shows it: never with the password's hash."""
        roles = roles_of(user)
        return Account(
            id=user["id"],
            username=user["username"],
            email=user["email"],
            firstName=user.get("firstName"),
            lastName=user.get("lastName"),
            roles=[public_name(role) for role in roles],
            permissions=list(await self._auth.rbac.permissions(roles, user["id"])),
            teamIds=list(user.get("teamIds") or ()),
            isActive=user["isActive"],
            lastLoginAt=user.get("lastLoginAt"),
            createdAt=user["createdAt"],
            updatedAt=user["updatedAt"],
        )

    async def _with_roles(self, user: Row, roles: list[str]) -> Account:
        if roles == roles_of(user):
            return await self.shown(user)
        changed = await self._store.set_roles(user["id"], roles)
        if changed is None:
            raise not_found("User")
        await self._auth.revocations.end_all(user["id"])
        audit.security("ROLES_CHANGED", success=True, target=user["id"], roles=roles)
        return await self.shown(changed)
