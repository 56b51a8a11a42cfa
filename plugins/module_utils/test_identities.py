# Users that are made for one run and removed with it; what a killed run left is removed by the next one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, items_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import body_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError

MARK = "checklist"
# checklist-OWNER-PROCESS-TIME-RANDOM: whose it is, whether its run goes on, how old it is; the rest nobody guesses.
_NAME = re.compile(rf"\b{MARK}-([0-9a-f]{{8}})-(\d+x\d+)-(\d+)-[0-9a-f]{{24}}")
# A short name, for a password that has it in it: asked for and removed at once, so one that is there is always left.
_SHORT = re.compile(rf"^{MARK}[0-9a-f]{{12}}(?:@|$)")
STALE_S = 3 * 3600  # no run lasts so long
PAGE, PAGES = 100, 20
_GONE = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)


class NotMade(CollectionError):
    """An identity could not be made."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of this run."""

    role: str
    name: str
    password: str = field(repr=False)
    id: str = ""


def marked(text: str) -> bool:
    """Whether a name or a description has the mark of a run."""
    return bool(_NAME.search(text) or _SHORT.search(text))


def short_name() -> str:
    """A name that is short enough for a password to hold it."""
    return f"{MARK}{secrets.token_hex(6)}"


def new_mark() -> str:
    """A name that tells whose it is and that nobody guesses."""
    return f"{MARK}-{_owner()}-{_process(os.getpid())}-{int(time.time())}-{secrets.token_hex(12)}"


def is_left(text: str, now: float) -> bool:
    """Whether what has this mark is of a run that has ended: its process is gone, or it is too old."""
    found = _NAME.search(text)
    if found is None:
        return bool(_SHORT.search(text))
    owner, process, made = found.groups()
    if owner == _owner() and not process.endswith("x0"):
        return _process(int(process.partition("x")[0])) != process
    return now - int(made) > STALE_S


def new_password() -> str:
    """A password that no policy finds weak, with the mark in it."""
    return f"Checklist-7a-{secrets.token_urlsafe(24)}"


class Identities:
    """Makes users by an administrator's token and the application's own API, and removes them.

    :param renew: another token, for when the first has run out before all is removed: the end of a lock-out may be
        waited for longer than a token lives; empty where there is none.
    """

    def __init__(self, api: AuthApi, token: str, domain: str, renew: Callable[[], str] = str) -> None:
        self._api, self._token, self._renew = api, token, renew
        self._domain = f"@{domain}" if domain else ""
        self.people: list[Person] = []
        self.tasks: list[str] = []
        self.left: list[str] = []

    def make(self, role: str, team: str = "") -> Person:
        """A user of a role, in a team where one is named.

        :raises NotMade: the application did not make it.
        """
        password = new_password()
        before = len(self.people)
        answer = self.ask_for(role, password, team=team)
        if len(self.people) == before:
            told = answer.failure.sentence.rstrip(".") if answer.failure else str(answer.status)
            path = self._api.dialect.users
            raise NotMade(f"POST {path} made no user of the role {role} ({told}{_and(self._api.code_of(answer))})")
        return self.people[-1]

    def ask_for(self, role: str, password: str, name: str = "", *, team: str = "") -> Answer:
        """Ask for a user, who may be refused; one who is made is removed at the end."""
        dialect = self._api.dialect
        self._api.learn(password)
        name = name or f"{new_mark()}{self._domain}"
        body: dict[str, Any] = {dialect.username: name, dialect.password: password, dialect.user_role_list: [role]}
        if team:
            body[dialect.teams] = [team]
        answer = self._api.ask("POST", dialect.users, token=self._token, body=body)
        known = body_of(answer).get("id")
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED) and isinstance(known, str | int):
            self.people.append(Person(role, name, password, str(known)))
        return answer

    def delete(self, user_id: str) -> bool:
        """Remove a user; whether it is gone."""
        return self._deleted(f"{self._api.dialect.users}/{user_id}")

    def _deleted(self, path: str) -> bool:
        answer = self._api.ask("DELETE", path, token=self._token)
        if answer.status == HTTPStatus.UNAUTHORIZED and (token := self._renew()):
            self._token = token
            answer = self._api.ask("DELETE", path, token=token)
        return answer.status in _GONE

    def listed(self) -> tuple[list[Mapping[str, Any]], bool, int]:
        """All users, whether these are all, and the last status."""
        found: dict[str, Mapping[str, Any]] = {}
        for page in range(1, PAGES + 1):
            path = f"{self._api.dialect.users}?page={page}&limit={PAGE}"
            answer = self._api.ask("GET", path, token=self._token)
            if answer.status != HTTPStatus.OK:
                return list(found.values()), False, answer.status
            some = items_of(answer, "users", "items", "data")
            new = {str(one.get("id")): one for one in some if str(one.get("id")) not in found}
            found |= new
            if len(some) < PAGE or not new:
                return list(found.values()), True, answer.status
        return list(found.values()), False, HTTPStatus.OK

    def clean(self) -> int:
        """Remove what ended runs have left; how many users that were."""
        now = time.time()
        users = self.listed()[0]
        old = [one for one in users if is_left(str(one.get(self._api.dialect.username, "")), now)]
        answer = self._api.ask("GET", f"{self._api.dialect.tasks}?limit={PAGE}", token=self._token)
        for task in items_of(answer, "tasks", "items", "data") if answer.status == HTTPStatus.OK else ():
            if is_left(str(task.get("description", "")), now):
                self._api.ask("DELETE", f"{self._api.dialect.tasks}/{task.get('id')}", token=self._token)
        return sum(self.delete(str(one.get("id"))) for one in old)

    def remove(self) -> None:
        """Remove all that was made, tasks first; what stays is in :attr:`left`."""
        for task in reversed(self.tasks):
            if not self._deleted(f"{self._api.dialect.tasks}/{task}"):
                self.left.append(f"task {task}")
        self.tasks.clear()
        for person in reversed(self.people):
            if not self.delete(person.id):
                self.left.append(f"user {person.name}")
        self.people.clear()


@contextmanager
def identities(api: AuthApi, token: str, domain: str, renew: Callable[[], str] = str) -> Iterator[Identities]:
    """Identities of a run, after what earlier ones left is gone; all are removed at the end."""
    made = Identities(api, token, domain, renew)
    try:
        yield made
    finally:
        made.remove()


def _owner() -> str:
    """This machine, or container: where a process's number means something."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
        space += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _process(number: int) -> str:
    """A process and when it began, since numbers come again; another text where it is gone."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
        return f"{number}x{stat.rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return f"{number}x0"


def _and(code: str) -> str:
    return f" {code}" if code else ""
