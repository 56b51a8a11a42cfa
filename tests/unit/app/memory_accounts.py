# Users, roles, sessions and failed sign-ins in memory: what PostgreSQL does with them, without it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bytebot_app.accounts import Row, roles_of
from bytebot_app.sessions import Lease, digest


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def new_user(username: str, role: str, known: str) -> Row:
    moment = now()
    user = {"id": str(uuid.uuid4()), "username": username, "email": username, "role": role, "isActive": True}
    return {**user, "passwordHash": known, "teamIds": [], "createdAt": moment, "updatedAt": moment}


class MemoryAccounts:
    """Users by a short name of the test's."""

    def __init__(self) -> None:
        self.users: dict[str, Row] = {}
        self.before: defaultdict[str, list[str]] = defaultdict(list)
        self.made_roles: dict[str, str] = {}
        self.grants: list[Row] = []

    def _asked(self) -> None: ...

    @property
    def users_by_id(self) -> dict[str, Row]:
        return {user["id"]: user for user in self.users.values()}

    async def user_by_name(self, username: str) -> Row | None:
        self._asked()
        return next((user for user in self.users.values() if user["username"] == username), None)

    async def user(self, user_id: str) -> Row | None:
        self._asked()
        return self.users_by_id.get(user_id)

    async def page_of_users(self, page: int, limit: int) -> list[Row]:
        return list(self.users.values())[(page - 1) * limit : page * limit]

    async def signed_in(self, user_id: str) -> None:
        self.users_by_id[user_id]["lastLoginAt"] = now()

    async def add_user(self, user: Row) -> Row | None:
        taken = {name for one in self.users.values() for name in (one["username"], one["email"])}
        if taken & {user["username"], user["email"]}:
            return None
        made = {**new_user(user["username"], "", user["passwordHash"]), **user}
        made["role"] = user["roles"][0] if user["roles"] else None
        self.users[user["username"]] = made
        self.before[made["id"]].append(made["passwordHash"])
        return made

    async def remove_user(self, user_id: str) -> bool:
        name = next((name for name, user in self.users.items() if user["id"] == user_id), None)
        return self.users.pop(name or "", None) is not None

    async def set_roles(self, user_id: str, roles: Sequence[str]) -> Row | None:
        user = self.users_by_id.get(user_id)
        if user:
            user.update(roles=list(roles), role=roles[0] if roles else None)
        return user

    async def set_password(self, user_id: str, known: str, new: str) -> bool:
        user = self.users_by_id[user_id]
        if user["passwordHash"] != known:
            return False
        user["passwordHash"] = new
        self.before[user_id] = [*(self.before[user_id] or [known]), new]
        return True

    async def passwords_before(self, user_id: str, number: int) -> list[str]:
        kept = self.before[user_id] or [self.users_by_id[user_id]["passwordHash"]]
        return list(reversed(kept))[:number]

    async def own_roles(self) -> list[Row]:
        return [{"role": role, "description": text} for role, text in self.made_roles.items()]

    async def add_role(self, role: str, description: str, permissions: Sequence[str]) -> bool:
        if role in self.made_roles:
            return False
        self.made_roles[role] = description
        self.grants += [{"role": role, "permission": one, "userId": None} for one in permissions]
        return True

    async def remove_role(self, role: str) -> list[str] | None:
        if self.made_roles.pop(role, None) is None:
            return None
        self.grants = [one for one in self.grants if one["role"] != role]
        held = [user for user in self.users.values() if role in roles_of(user)]
        for user in held:
            await self.set_roles(user["id"], [one for one in roles_of(user) if one != role])
        return [user["id"] for user in held]

    async def granted(self, roles: Sequence[str], user_id: str | None) -> list[Row]:
        return [one for one in self.grants if one["role"] in roles and one["userId"] in (None, user_id)]

    async def members(self) -> dict[str, int]:
        counted: defaultdict[str, int] = defaultdict(int)
        for user in self.users.values():
            for role in roles_of(user):
                counted[role] += 1
        return dict(counted)


class MemorySessions:
    """Sessions and failures; a test moves the clock by ``later``."""

    def __init__(self) -> None:
        self.sessions: dict[str, Row] = {}
        self.failed_names: dict[str, tuple[int, datetime]] = {}
        self.later = timedelta()

    def _asked(self) -> None: ...

    async def add_session(self, session: str, user_id: str, lease: Lease) -> None:
        self.sessions[session] = {"user": user_id, "lease": lease, "revoked": False}

    async def rotate_session(self, session: str, used: str, lease: Lease) -> bool:
        row = self.sessions.get(session)
        if row is None or row["lease"].token_id != used or not await self.session_lives(session):
            return False
        row["lease"] = lease
        return True

    async def end_session(self, session: str) -> None:
        if session in self.sessions:
            self.sessions[session]["revoked"] = True

    async def end_sessions(self, user_id: str, but: str = "") -> list[str]:
        mine = [session for session, row in self.sessions.items() if row["user"] == user_id and session != but]
        for session in mine:
            await self.end_session(session)
        return mine

    async def end_surplus(self, user_id: str, most: int) -> list[str]:
        mine = [session for session, row in self.sessions.items() if row["user"] == user_id and not row["revoked"]]
        surplus = mine[: max(0, len(mine) - most)]
        for session in surplus:
            await self.end_session(session)
        return surplus

    async def session_lives(self, session: str) -> bool:
        row = self.sessions.get(session)
        return row is not None and not row["revoked"] and row["lease"].ends > datetime.now(UTC) + self.later

    async def live_sessions(self) -> int:
        self._asked()
        return sum(not row["revoked"] for row in self.sessions.values())

    async def failures(self, name: str, seconds: int) -> int:
        number, at = self.failed_names.get(digest(name), (0, now()))
        return number if at > now() + self.later - timedelta(seconds=seconds) else 0

    async def failed(self, name: str, limit: int, seconds: int) -> int:
        counted = await self.failures(name, seconds)
        at = self.failed_names[digest(name)][1] if counted >= limit else now() + self.later
        self.failed_names[digest(name)] = (counted + 1, at)
        return counted + 1

    async def forgive(self, name: str) -> None:
        self.failed_names.pop(digest(name), None)

    async def clean(self, interval: int, lockout: int) -> int | None:
        moment = datetime.now(UTC) + self.later
        gone = [session for session, row in self.sessions.items() if row["lease"].ends <= moment]
        for session in gone:
            del self.sessions[session]
        return len(gone)
