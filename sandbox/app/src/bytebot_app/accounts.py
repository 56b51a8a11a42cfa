# Users, their passwords and roles in the database: the questions, and PostgreSQL that answers them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from bytebot_app.database import Database

Row = dict[str, Any]
KEPT_PASSWORDS = 24  # as many as the setting can ask for
_ADD_USER = """
WITH made AS (
  INSERT INTO users (id, email, username, "firstName", "lastName", "passwordHash", role, roles, "teamIds")
  VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING *),
kept AS (INSERT INTO password_history ("userId", "passwordHash") SELECT id, "passwordHash" FROM made)
SELECT * FROM made
"""
_SET_PASSWORD = """
WITH changed AS (
  UPDATE users SET "passwordHash" = %s, "updatedAt" = now() WHERE id = %s AND "passwordHash" = %s
  RETURNING id, "passwordHash"),
kept AS (INSERT INTO password_history ("userId", "passwordHash") SELECT id, "passwordHash" FROM changed),
gone AS (
  DELETE FROM password_history WHERE id IN (
    SELECT id FROM password_history WHERE "userId" = (SELECT id FROM changed) ORDER BY id DESC OFFSET %s))
SELECT id FROM changed
"""
_ADD_ROLE = """
WITH made AS (INSERT INTO roles (role, description) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING role),
given AS (
  INSERT INTO role_permissions (id, role, permission)
  SELECT gen_random_uuid()::text, made.role, permission FROM made, unnest(%s::text[]) AS permission)
SELECT role FROM made
"""
_REMOVE_ROLE = """
WITH gone AS (DELETE FROM roles WHERE role = %s RETURNING role),
permitted AS (DELETE FROM role_permissions WHERE role IN (SELECT role FROM gone)),
left_over AS (
  UPDATE users SET roles = array_remove(users.roles, gone.role),
    role = (array_remove(users.roles, gone.role))[1], "updatedAt" = now()
  FROM gone WHERE gone.role = ANY(users.roles) RETURNING users.id)
SELECT (SELECT count(*) FROM gone) AS removed, (SELECT coalesce(array_agg(id), '{}') FROM left_over) AS users
"""


class Accounts(Protocol):
    """What is asked about users and roles."""

    async def user_by_name(self, username: str) -> Row | None: ...
    async def user(self, user_id: str) -> Row | None: ...
    async def page_of_users(self, page: int, limit: int) -> list[Row]: ...
    async def signed_in(self, user_id: str) -> None: ...
    async def add_user(self, user: Row) -> Row | None: ...
    async def remove_user(self, user_id: str) -> bool: ...
    async def set_roles(self, user_id: str, roles: Sequence[str]) -> Row | None: ...
    async def set_password(self, user_id: str, known: str, new: str) -> bool: ...
    async def passwords_before(self, user_id: str, number: int) -> list[str]: ...
    async def own_roles(self) -> list[Row]: ...
    async def add_role(self, role: str, description: str, permissions: Sequence[str]) -> bool: ...
    async def remove_role(self, role: str) -> list[str] | None: ...
    async def granted(self, roles: Sequence[str], user_id: str | None) -> list[Row]: ...
    async def members(self) -> dict[str, int]: ...


class PostgresAccounts:
    """Users and roles in PostgreSQL."""

    _db: Database

    async def user_by_name(self, username: str) -> Row | None:
        return await self._db.row("SELECT * FROM users WHERE username = %s", username)

    async def user(self, user_id: str) -> Row | None:
        return await self._db.row("SELECT * FROM users WHERE id = %s", user_id)

    async def page_of_users(self, page: int, limit: int) -> list[Row]:
        return await self._db.rows(
            'SELECT * FROM users ORDER BY "createdAt", id LIMIT %s OFFSET %s', limit, (page - 1) * limit
        )

    async def signed_in(self, user_id: str) -> None:
        await self._db.rows('UPDATE users SET "lastLoginAt" = now() WHERE id = %s', user_id)

    async def add_user(self, user: Row) -> Row | None:
        """The new user; None where the name or the address is somebody's."""
        roles = list(user["roles"])
        return await self._db.row(
            _ADD_USER,
            str(uuid.uuid4()), user["email"], user["username"], user["firstName"], user["lastName"],
            user["passwordHash"], roles[0] if roles else None, roles, list(user["teamIds"]),
        )  # fmt: skip

    async def remove_user(self, user_id: str) -> bool:
        return bool(await self._db.rows("DELETE FROM users WHERE id = %s RETURNING id", user_id))

    async def set_roles(self, user_id: str, roles: Sequence[str]) -> Row | None:
        return await self._db.row(
            'UPDATE users SET role = %s, roles = %s, "updatedAt" = now() WHERE id = %s RETURNING *',
            roles[0] if roles else None, list(roles), user_id,
        )  # fmt: skip

    async def set_password(self, user_id: str, known: str, new: str) -> bool:
        """Change it, unless somebody else has changed it meanwhile."""
        return bool(await self._db.rows(_SET_PASSWORD, new, user_id, known, KEPT_PASSWORDS - 1))

    async def passwords_before(self, user_id: str, number: int) -> list[str]:
        """The last so many, the present one among them."""
        found = await self._db.rows(
            'SELECT "passwordHash" FROM password_history WHERE "userId" = %s ORDER BY id DESC LIMIT %s', user_id, number
        )
        return [row["passwordHash"] for row in found]

    async def own_roles(self) -> list[Row]:
        """The roles that the application does not bring itself."""
        return await self._db.rows('SELECT role, description FROM roles ORDER BY "createdAt", role')

    async def add_role(self, role: str, description: str, permissions: Sequence[str]) -> bool:
        return bool(await self._db.rows(_ADD_ROLE, role, description, list(permissions)))

    async def remove_role(self, role: str) -> list[str] | None:
        """Remove it and take it from its users, whose ids are returned; None where there is no such role."""
        found = await self._db.row(_REMOVE_ROLE, role)
        return list(found["users"]) if found and found["removed"] else None

    async def granted(self, roles: Sequence[str], user_id: str | None) -> list[Row]:
        """What the table gives to these roles, and to this user of them alone."""
        return await self._db.rows(
            "SELECT role, permission FROM role_permissions"
            ' WHERE role = ANY(%s) AND ("userId" IS NULL OR "userId" = %s)',
            list(roles), user_id,
        )  # fmt: skip

    async def members(self) -> dict[str, int]:
        found = await self._db.rows(
            "SELECT one AS role, count(*) AS number FROM users, unnest(roles) AS one GROUP BY 1"
        )
        return {row["role"]: row["number"] for row in found}


def roles_of(user: Row) -> list[str]:
    """The user's roles; who was made by hand may have the one column only."""
    first = [user["role"]] if user.get("role") else []
    return list(user.get("roles") or first)
