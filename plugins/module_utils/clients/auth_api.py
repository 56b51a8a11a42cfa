# Speaks an application's sign-in, as its documents have it: login, refresh, logout, and requests with a token.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import Cookie
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import body_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

LONGEST_PAUSE_S = 90.0  # for one 429; a window of a limit is a minute
MOST_IN_VAIN = 3  # pauses one after the other that end nothing: a window of a limit is over after one
USUAL_PAUSE_S = 15.0  # where a 429 does not say how long
_NEXT_COOKIE = re.compile(r",\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)")  # several Set-Cookie come joined; dates have commas
_CODE = 64


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where and how an application is spoken to; the documents differ in each of these.

    :param token_in: ``bearer``, or ``cookie`` where the access token travels in :attr:`access_cookie`.
    :param refresh_in: ``body``, or ``cookie`` where the refresh token travels in :attr:`refresh_cookie`.
    :param error_code: the way to an error's code in its body; :param role_form: of a role in requests.
    """

    login: str = "/api/v1/auth/login"
    refresh: str = "/api/v1/auth/refresh"
    logout: str = "/api/v1/auth/logout"
    me: str = "/api/v1/auth/permissions"
    change_password: str = "/api/v1/auth/change-password"
    users: str = "/api/v1/users"
    user_roles: str = "/api/v1/users/{id}/roles"
    roles: str = "/api/v1/roles"
    tasks: str = "/api/v1/tasks"
    username: str = "username"
    password: str = "password"
    access_token: str = "access_token"
    refresh_token: str = "refresh_token"
    expires_in: str = "expires_in"
    current_password: str = "current_password"
    new_password: str = "new_password"
    user_role_list: str = "roles"
    role_id: str = "roleId"
    teams: str = "teamIds"
    error_code: tuple[str, ...] = ("error", "code")
    token_in: str = "bearer"
    refresh_in: str = "body"
    access_cookie: str = "access_token"
    refresh_cookie: str = "refresh_token"


@dataclass(frozen=True, slots=True)
class Session:
    """What a login or a refresh gave."""

    answer: Answer
    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    expires_in: int | None = None
    cookies: tuple[Cookie, ...] = ()
    user_id: str = ""

    @property
    def works(self) -> bool:
        return self.answer.status == HTTPStatus.OK and bool(self.access)


@dataclass
class Patience:
    """How long may be waited in all where the application limits who asks, and how long that was.

    :param in_vain: pauses one after the other, up to now, after which the limit was met as before.
    """

    left_s: float
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = lambda _text: None
    used_s: float = 0.0
    in_vain: int = 0

    def ask(self, send: Callable[[], Answer]) -> Answer:
        """What is answered, asked again after a pause where a limit refuses it."""
        while True:
            answer = send()
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                self.in_vain = 0
                return answer
            if not self.wait(answer):
                return answer

    def wait(self, answer: Answer) -> bool:
        """Wait as long as a 429 says; False where that is longer than may be waited, or has been in vain some times."""
        if self.in_vain >= MOST_IN_VAIN:
            if self.left_s:
                self.tell(f"After {self.in_vain} pauses the application still limits requests; no more is waited.")
            self.left_s = 0.0
            return False
        said = answer.headers.get("retry-after", "").strip()
        pause = min(float(said) + 0.5, LONGEST_PAUSE_S) if said.isdecimal() else USUAL_PAUSE_S
        if pause > self.left_s:
            return False
        self.tell(f"The application limits requests; going on in {pause:.0f} s.")
        self.left_s -= pause
        self.used_s += pause
        self.in_vain += pause < LONGEST_PAUSE_S  # a longer one that was told has only begun
        self.sleep(pause)
        return True


class AuthApi:
    """Asks as somebody, and is patient where a limit is met."""

    def __init__(self, http: Http, dialect: Dialect, redactor: Redactor, patience: Patience) -> None:
        self.http, self.dialect, self.patience = http, dialect, patience
        self._redactor = redactor

    def learn(self, secret: str) -> None:
        """Let a secret never be shown."""
        self._redactor.learn(secret)

    def ask(
        self, method: str, path: str, *, token: str = "", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; asked again after a pause where a limit refuses it."""
        sent = {**(headers or {}), **(self.carried(token) if token else {})}
        return self.patience.ask(lambda: self.http.request(method, path, headers=sent, json=body))

    def carried(self, token: str) -> dict[str, str]:
        """The header that carries an access token."""
        if self.dialect.token_in == "cookie":
            return {"Cookie": f"{self.dialect.access_cookie}={token}"}
        return {"Authorization": f"Bearer {token}"}

    def login(self, name: str, password: str, *, cookie: str = "", more: Mapping[str, Any] | None = None) -> Session:
        """Sign in; a cookie of before may be brought along."""
        headers = {"Cookie": f"{self.dialect.refresh_cookie}={cookie}"} if cookie else {}
        body = {**(more or {}), self.dialect.username: name, self.dialect.password: password}
        return self._session(self.ask("POST", self.dialect.login, body=body, headers=headers))

    def refresh(self, token: str) -> Session:
        """Ask for a new pair."""
        if self.dialect.refresh_in == "cookie":
            headers = {"Cookie": f"{self.dialect.refresh_cookie}={token}"}
            return self._session(self.ask("POST", self.dialect.refresh, headers=headers))
        return self._session(self.ask("POST", self.dialect.refresh, body={self.dialect.refresh_token: token}))

    def logout(self, session: Session) -> Answer:
        """End a session; the refresh token goes along where it travels in a cookie."""
        headers = {}
        if self.dialect.refresh_in == "cookie" and self.dialect.token_in != "cookie":
            headers = {"Cookie": f"{self.dialect.refresh_cookie}={session.refresh}"}
        return self.ask("POST", self.dialect.logout, token=session.access, headers=headers)

    def believed(self, token: str) -> int:
        """The status that a token gets where any valid one is enough."""
        return self.ask("GET", self.dialect.me, token=token).status

    def code_of(self, answer: Answer) -> str:
        """The code in an error's body; empty where it has none."""
        found: Any = body_of(answer)
        for part in self.dialect.error_code:
            found = found.get(part) if isinstance(found, Mapping) else None
        return str(found)[:_CODE] if isinstance(found, str | int) else ""

    def _session(self, answer: Answer) -> Session:
        said = body_of(answer) if answer.status == HTTPStatus.OK else {}
        values, cookies = _cookies(answer.headers.get("set-cookie", ""), answer.at)
        access = _text(said.get(self.dialect.access_token)) or values.get(self.dialect.access_cookie, "")
        if self.dialect.token_in == "cookie":
            access = values.get(self.dialect.access_cookie, "") or access
        refresh = _text(said.get(self.dialect.refresh_token)) or values.get(self.dialect.refresh_cookie, "")
        for one in (access, refresh, *values.values()):
            self._redactor.learn(one or None)
        lasts, user = said.get(self.dialect.expires_in), said.get("user")
        known = user.get("id") if isinstance(user, Mapping) else None
        return Session(answer, access, refresh, lasts if isinstance(lasts, int) else None, cookies, _text(known))


def cookie_value(answer: Answer, name: str) -> str:
    """The value that an answer sets for a cookie."""
    return _cookies(answer.headers.get("set-cookie", ""), answer.at)[0].get(name, "")


def _cookies(header: str, at: float) -> tuple[dict[str, str], tuple[Cookie, ...]]:
    values: dict[str, str] = {}
    found = []
    for text in _NEXT_COOKIE.split(header) if header else ():
        pair, *rest = text.split(";")
        name, mark, value = pair.strip().partition("=")
        if not mark:
            continue
        attributes = {key.strip().lower(): told.strip() for key, _mark, told in (one.partition("=") for one in rest)}
        values[name] = value.strip().strip('"')
        found.append(
            Cookie(
                name,
                "secure" in attributes,
                "httponly" in attributes,
                attributes.get("samesite", "").lower(),
                attributes.get("path", ""),
                _age(attributes, at),
            )
        )
    return values, tuple(found)


def _age(attributes: Mapping[str, str], at: float) -> int | None:
    from email.utils import parsedate_to_datetime

    if (said := attributes.get("max-age", "")).lstrip("-").isdecimal():
        return int(said)
    try:
        return round(parsedate_to_datetime(attributes["expires"]).timestamp() - at)
    except (KeyError, ValueError, TypeError):
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def items_of(answer: Answer, *names: str) -> list[Mapping[str, Any]]:
    """The objects of a list: the body itself, or what stands under one of these names."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return []
    if isinstance(found, Mapping):
        found = next((found[name] for name in names if isinstance(found.get(name), list)), [])
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
