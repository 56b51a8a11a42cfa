# Tries what each role may and may not: the matrix cell by cell, others' tasks, and the ways to more than one has.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import (
    Anonymous,
    Cell,
    Tried,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Session, items_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import body_of
from ansible_collections.bytebot.production.plugins.module_utils.test_identities import (
    Identities,
    NotMade,
    Person,
    new_mark,
    new_password,
)

TASK = "{task}"  # stands for a task that is made for the cell
LEAKS = re.compile(
    r"Traceback \(most recent|\bat [\w.$<>]+ ?\([^)]*:\d+:\d+\)|/(?:usr|app|home|srv)/[\w./-]+\.(?:py|js|ts)\b"
    r"|\bSELECT\b.+\bFROM\b|psycopg|sqlalchemy|PrismaClient|stack\"?:",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the matrix.

    :param needs: permissions that it asks for; with none, any valid token is enough.
    :param body: what is sent by who may; nothing harmful, since it is really done.
    """

    method: str
    path: str
    needs: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = field(default=None, hash=False)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}{_action(self.body)}"


_TASKS, _ADMIN = "/api/v1/tasks", ("system:admin",)
_COMPUTER = "/api/v1/computer-use"
ENDPOINTS = (
    Endpoint("GET", _TASKS, ("task:read",)),
    Endpoint("GET", f"{_TASKS}/{TASK}", ("task:read",)),
    Endpoint("GET", f"{_TASKS}/{TASK}/messages", ("task:read",)),
    Endpoint("POST", _TASKS, ("task:write",), {"description": "{mark}"}),
    Endpoint("PATCH", f"{_TASKS}/{TASK}", ("task:write",), {"priority": "LOW"}),
    Endpoint("POST", f"{_TASKS}/{TASK}/messages", ("task:write",), {"content": "{mark}"}),
    Endpoint("POST", f"{_TASKS}/{TASK}/execute", ("task:execute",)),
    Endpoint("DELETE", f"{_TASKS}/{TASK}", ("task:write", "task:delete")),
    Endpoint("POST", _COMPUTER, ("computer:view",), {"action": "cursor_position"}),
    Endpoint("POST", _COMPUTER, ("computer:control",), {"action": "wait", "duration": 0}),
    Endpoint("GET", "/api/v1/roles", _ADMIN),
    Endpoint("GET", "/api/v1/users", _ADMIN),
    Endpoint("GET", "/api/v1/auth/permissions"),
    Endpoint("POST", "/api/v1/auth/check-permission", (), {"permission": "task:read"}),
)


def anonymous(api: AuthApi, endpoints: tuple[Endpoint, ...]) -> Iterator[Anonymous]:
    """Every endpoint without a token and with a broken one. What is sent could do nothing if it were let in."""
    broken = f"broken.{uuid.uuid4().hex}.token"
    asked = {(one.method, one.path) for one in endpoints} | {("POST", api.dialect.logout)}
    for method, path in sorted(asked):
        harmless = path.replace(TASK, str(uuid.uuid4()))
        body: dict[str, Any] | None = {} if method in ("POST", "PUT", "PATCH") else None
        for how, token in (("no token", ""), ("a broken token", broken)):
            answer = api.ask(method, harmless, token=token, body=body)
            yield Anonymous(
                f"{method} {path}",
                how,
                answer.status,
                bool(api.code_of(answer)),
                "www-authenticate" in answer.headers,
                leaked(answer),
                answer.failure.sentence.rstrip(".") if answer.failure else "",
            )


def leaked(answer: Answer) -> str:
    """What of the inside stands in an answer."""
    found = LEAKS.search(answer.body)
    return found.group()[:60] if found else ""


class Rights:
    """Tries rights as users that are made for it."""

    def __init__(self, api: AuthApi, made: Identities, wanted: Wanted, endpoints: tuple[Endpoint, ...]) -> None:
        self._api, self._made, self._wanted, self._endpoints = api, made, wanted, endpoints
        self._team = new_mark()[-24:]
        self._sessions: dict[str, Session] = {}
        self._people: dict[str, Person] = {}

    def _as(self, role: str) -> Session:
        """A session of a user of a role; all are of one team.

        :raises NotMade: it does not sign in.
        """
        if role not in self._sessions:
            self._people[role] = person = self._made.make(role, self._team)
            self._sessions[role] = self._in(person)
        return self._sessions[role]

    def _in(self, person: Person) -> Session:
        session = self._api.login(person.name, person.password)
        if not session.works:
            raise NotMade(f"A user of the role {person.role} that was made does not sign in ({session.answer.status})")
        return session

    def _task(self, session: Session) -> str:
        body = {"description": new_mark()}
        answer = self._api.ask("POST", self._api.dialect.tasks, token=session.access, body=body)
        return self._kept(answer)

    def _kept(self, answer: Answer) -> str:
        """The id of a task that was made, which is removed at the end; empty where none was."""
        known = body_of(answer).get("id")
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED) or not isinstance(known, str | int):
            return ""
        self._made.tasks.append(str(known))
        return str(known)

    # ------------------------------------------------------------------ the matrix

    def cells(self) -> Iterator[Cell]:
        """Each endpoint as a user of each role; those who may come last, since they may end the task."""
        for endpoint in self._endpoints:
            owner = self._as(self._maker())
            for role in sorted(self._wanted.permissions, key=lambda one: self._may(one, endpoint)):
                session = self._as(role)
                task = self._task(owner) if TASK in endpoint.path else ""
                allowed = self._may(role, endpoint)
                if TASK in endpoint.path and not task:
                    yield Cell(role, endpoint.name, allowed, problem="no task could be made for it")
                    continue
                yield self._cell(role, endpoint, session, task, allowed=allowed)

    def _may(self, role: str, endpoint: Endpoint) -> bool:
        return set(endpoint.needs) <= set(self._wanted.permissions[role])

    def _maker(self) -> str:
        """A role that makes tasks, and is no administrator where there is such a one: its team is the task's."""
        roles = [role for role, given in self._wanted.permissions.items() if "task:write" in given]
        return next((role for role in roles if role != self._wanted.admin), next(iter(roles), self._wanted.admin))

    def _cell(self, role: str, endpoint: Endpoint, session: Session, task: str, *, allowed: bool) -> Cell:
        answer = self._api.ask(
            endpoint.method, endpoint.path.replace(TASK, task), token=session.access, body=_filled(endpoint.body)
        )
        if endpoint.method == "POST" and endpoint.path == self._api.dialect.tasks:
            self._kept(answer)
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        return Cell(role, endpoint.name, allowed, answer.status, self._api.code_of(answer), problem)

    # ------------------------------------------------------------------ others' tasks

    def ownership(self) -> Iterator[Tried]:
        """A user of another team tries what is not theirs, and the owner what is."""
        role = self._maker()
        owner, other = (self._in(self._made.make(role, new_mark()[-24:])) for _number in range(2))
        task = self._task(owner)
        if not task:
            raise NotMade(f"A user of the role {role} cannot make a task")
        path = f"{self._api.dialect.tasks}/{task}"
        yield self._one("read the own task", "GET", path, owner, "2xx")
        yield self._listed("find it in the own list", owner, task, wanted="listed")
        body: dict[str, Any] = {"priority": "URGENT"}
        yield self._one("read another's task", "GET", path, other, "denied")
        yield self._one("change another's task", "PATCH", path, other, "denied", body=body)
        yield self._one("read another's messages", "GET", f"{path}/messages", other, "denied")
        yield self._one("speak to another's task", "POST", f"{path}/messages", other, "denied", body={"content": "x"})
        yield self._one("run another's task", "POST", f"{path}/execute", other, "denied")
        yield self._listed("find another's task in the list", other, task, wanted="not listed")
        yield self._one("remove another's task", "DELETE", path, other, "denied")
        yield self._one("read the own task afterwards", "GET", path, owner, "2xx")

    def _one(self, what: str, method: str, path: str, session: Session, wanted: str, *, body: Any = None) -> Tried:
        answer = self._api.ask(method, path, token=session.access, body=body)
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        return Tried(what, answer.status, wanted, "", self._api.code_of(answer), problem)

    def _listed(self, what: str, session: Session, task: str, *, wanted: str) -> Tried:
        answer = self._api.ask("GET", f"{self._api.dialect.tasks}?limit=100", token=session.access)
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        there = any(str(one.get("id")) == task for one in items_of(answer, "tasks", "items", "data"))
        return Tried(what, answer.status, wanted, "", "listed" if there else "not listed", problem)

    # ------------------------------------------------------------------ administration

    def admin_routes(self) -> Iterator[Tried]:
        """Who administers is let in, everybody else is not, by no detour either."""
        dialect, admin = self._api.dialect, self._wanted.admin
        routes = [("GET", dialect.roles), ("GET", dialect.users)]
        for method, path in routes:
            yield self._by(admin, f"{method} {path}", method, path, "2xx")
        for role in self._wanted.permissions:
            if role == admin:
                continue
            self._as(role)
            for method, path in routes:
                yield self._by(role, f"{method} {path}", method, path, "denied")
            given = {dialect.username: new_mark()}  # lacks a password, so that it makes nothing
            yield self._by(role, f"POST {dialect.users}", "POST", dialect.users, "denied", body=given)
            yield self._by(
                role, f"POST {dialect.roles}", "POST", dialect.roles, "denied", body={"description": new_mark()}
            )
            gone = f"{dialect.users}/{uuid.uuid4()}"
            yield self._by(role, f"DELETE {dialect.users}/ID", "DELETE", gone, "denied")
        least = min(self._wanted.permissions, key=lambda role: len(self._wanted.permissions[role]))
        yield from self._climbs(least)

    def _by(self, role: str, what: str, method: str, path: str, wanted: str, *, body: Any = None) -> Tried:
        answer = self._api.ask(method, path, token=self._as(role).access, body=body)
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        return Tried(what, answer.status, wanted, role, self._api.code_of(answer), problem)

    def _climbs(self, role: str) -> Iterator[Tried]:
        """Ways to more than the own role; after each the user signs in anew, and the roles are looked at."""
        dialect, admin = self._api.dialect, self._wanted.admin
        person = self._made.make(role, self._team)
        own = f"{dialect.users}/{person.id}"
        more = {dialect.user_role_list: [admin], "role": admin, "isAdmin": True}
        new = new_password()
        self._api.learn(new)
        change = {dialect.current_password: person.password, dialect.new_password: new}
        ways: list[tuple[str, str, str, dict[str, Any]]] = [
            ("give oneself the role of administrators", "POST", dialect.user_roles.replace("{id}", person.id),
             {dialect.role_id: admin}),
            ("change the own user (PATCH)", "PATCH", own, more),
            ("change the own user (PUT)", "PUT", own, more),
            ("change the own profile", "PATCH", f"{dialect.users}/me", more),
            ("send roles along with a change of the password", "POST", dialect.change_password, {**change, **more}),
            ("send roles along with a refresh", "POST", dialect.refresh, more),
        ]  # fmt: skip
        before = self._rights(self._in(person))
        for what, method, path, body in ways:
            session = self._in(person)
            own_token = {dialect.refresh_token: session.refresh} if path == dialect.refresh else {}
            answer = self._api.ask(method, path, token=session.access, body={**body, **own_token})
            if path == dialect.change_password and answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
                person = replace(person, password=new)
            yield self._outcome(what, role, answer, before, person)
        session = self._api.login(person.name, person.password, more=more)
        yield self._outcome("send roles along with the login", role, session.answer, before, person)

    def _outcome(self, what: str, role: str, answer: Answer, before: tuple[str, ...], person: Person) -> Tried:
        after = self._rights(self._in(person))
        gained = sorted(set(after) - set(before))
        problem = answer.failure.sentence.rstrip(".") if answer.failure else ""
        code = f"gained {', '.join(gained)}" if gained else self._api.code_of(answer)
        return Tried(what, answer.status, "nothing gained", role, code, problem)

    def _rights(self, session: Session) -> tuple[str, ...]:
        """Roles and permissions as the application tells the user."""
        said = body_of(self._api.ask("GET", self._api.dialect.me, token=session.access))
        found = [*_texts(said.get("roles")), *_texts(said.get("permissions"))]
        if not found:
            raise NotMade(f"GET {self._api.dialect.me} tells neither roles nor permissions")
        return tuple(found)


def _filled(body: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if body is None:
        return None
    return {name: new_mark() if value == "{mark}" else value for name, value in body.items()}


def _action(body: Mapping[str, Any] | None) -> str:
    return f" {body['action']}" if body and "action" in body else ""


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
