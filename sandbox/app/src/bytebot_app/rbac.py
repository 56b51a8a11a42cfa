# Which roles there are and what they permit: the contract's four, and those that an administrator makes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bytebot_app.account_models import Role
from bytebot_app.accounts import Accounts
from bytebot_app.errors import conflict, not_found, refused_field
from bytebot_app.roles import ALL, DEFAULT, DESCRIPTIONS, SOURCES, ordered, public_name, role_id, stored_name


class Rbac:
    """Roles and their permissions."""

    def __init__(self, store: Accounts, source: Literal["matrix", "lists"]) -> None:
        self._store = store
        self.builtin = dict(SOURCES[source])

    async def permissions(self, roles: Sequence[str], user_id: str | None = None) -> tuple[str, ...]:
        """What the roles permit together, and what the table adds."""
        found = {name for role in roles for name in self.builtin.get(role, ())}
        if roles:
            found |= {row["permission"] for row in await self._store.granted(roles, user_id)}
        return ordered(found)

    async def listed(self) -> list[Role]:
        """Every role."""
        described = DESCRIPTIONS | {row["role"]: row["description"] for row in await self._store.own_roles()}
        members = await self._store.members()
        return [await self._shown(role, description, members.get(role, 0)) for role, description in described.items()]

    async def wanted(self, names: Sequence[str], field: str) -> list[str]:
        """The roles of these names or ids, each once; a name that is no role's is an error of that field."""
        known = [*self.builtin, *(row["role"] for row in await self._store.own_roles())]
        roles = list(dict.fromkeys(stored_name(name) for name in names))
        for position, role in enumerate(roles):
            if role not in known:
                raise refused_field(field if field == "roleId" else f"{field}.{position}", "there is no such role")
        return roles

    async def add(self, name: str, description: str, permissions: Sequence[str]) -> Role:
        """A new role."""
        for position, permission in enumerate(permissions):
            if permission not in ALL:
                raise refused_field(f"permissions.{position}", "there is no such permission")
        role = stored_name(name)
        if role in self.builtin or not await self._store.add_role(role, description, ordered(permissions)):
            raise conflict("There is a role of this name")
        return await self._shown(role, description, 0)

    async def remove(self, given: str) -> list[str]:
        """Remove a role; the ids of the users who had it."""
        role = stored_name(given)
        if role in self.builtin:
            raise conflict("This role belongs to the application")
        users = await self._store.remove_role(role)
        if users is None:
            raise not_found("Role")
        return users

    async def _shown(self, role: str, description: str, members: int) -> Role:
        return Role(
            id=role_id(role),
            name=public_name(role),
            description=description,
            permissions=list(await self.permissions([role])),
            userCount=members,
            isDefault=role == DEFAULT,
        )
