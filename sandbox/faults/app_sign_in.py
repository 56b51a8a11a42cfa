# Faults of the application's sessions, sign-in and passwords, each seen by a visitor at the public address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import uuid
from http import HTTPStatus

from sandbox.errors import SandboxError
from sandbox.faults.app_visit import AUTH, USERS, Look, Person, Visitor, body_of, planted, wrong

LOGIN, REFRESH, LOGOUT, INVALID = (
    f"functional_testing.authentication.{item}" for item in ("login", "refresh", "logout", "invalid")
)
SESSIONS, DEFAULT_USERS, PASSWORD_POLICY = (
    f"security_configuration.auth.{item}" for item in ("sessions", "default_users", "password_policy")
)
INVALID_AUTH = "security_testing.web.invalid_auth"
ENDPOINTS = "functional_testing.api.endpoints"
QUARTER_HOUR, WEEK = 900, 604800
LOCKED_AFTER = 5
TRIES = 3


# ---------------------------------------------------------------------------- sessions


def _reused(visitor: Visitor) -> bool:
    first = visitor.pair()["refresh_token"]
    visitor.refresh(first)
    return visitor.refresh(first).status == HTTPStatus.OK


def _lives_after_reuse(visitor: Visitor) -> bool:
    first = visitor.pair()["refresh_token"]
    second = visitor.refresh(first).json
    if visitor.refresh(first).status != HTTPStatus.UNAUTHORIZED:
        raise SandboxError("fault", "a used refresh token is not refused")
    return visitor.believes(second["access_token"])


def _after_logout(visitor: Visitor) -> tuple[bool, bool]:
    """Whether the access token is good, and whether the refresh token is."""
    pair = visitor.pair()
    visitor.ask("POST", f"{AUTH}/logout", token=pair["access_token"])
    return visitor.believes(pair["access_token"]), visitor.refresh(pair["refresh_token"]).status == HTTPStatus.OK


def _lives_longer(kind: str, seconds: int) -> Look:
    def look(visitor: Visitor) -> bool:
        claims = body_of(visitor.pair()[kind])
        return int(claims["exp"] - claims["iat"]) > seconds

    return look


def _cookie_lacks(word: str) -> Look:
    """As a browser would read it: names of attributes in any case."""

    def look(visitor: Visitor) -> bool:
        said = visitor.login(*visitor.account("operator")).headers["Set-Cookie"]
        return word not in {part.strip().lower() for part in said.split(";")}

    return look


# ---------------------------------------------------------------------------- signing in


def _nobody_gets_in(visitor: Visitor) -> bool:
    return visitor.login(*visitor.account("admin")).status == HTTPStatus.UNAUTHORIZED


def _gets_no_token(visitor: Visitor) -> bool:
    answer = visitor.login(*visitor.account("operator"))
    return answer.status == HTTPStatus.OK and not answer.json["access_token"]


def _unknown() -> str:
    return f"nobody-{uuid.uuid4().hex[:12]}@bytebot.test"


def _breaks(visitor: Visitor) -> bool:
    return visitor.login(_unknown(), wrong()).status == HTTPStatus.INTERNAL_SERVER_ERROR


def _answers_differ(visitor: Visitor) -> bool:
    with visitor.someone() as one:
        return visitor.login(one.name, wrong()).code != visitor.login(_unknown(), wrong()).code


def _times_differ(visitor: Visitor) -> bool:
    """An unknown name costs less than half; the least of some tries is what the work itself takes."""

    def least(name: str) -> float:
        took = []
        for _ in range(TRIES):
            began = time.monotonic()
            visitor.login(name, wrong())
            took.append(time.monotonic() - began)
        return min(took)

    with visitor.someone() as one:
        return least(_unknown()) < least(one.name) / 2


def _opens_with(password: str) -> Look:
    def look(visitor: Visitor) -> bool:
        with visitor.someone() as one:
            return visitor.login(one.name, password).status == HTTPStatus.OK

    return look


def _failed(visitor: Visitor, name: str) -> list[str]:
    return [visitor.login(name, wrong()).code for _ in range(LOCKED_AFTER + 1)]


def _never_locked(visitor: Visitor) -> bool:
    return "ACCOUNT_LOCKED" not in _failed(visitor, _unknown())


def _opens_although_locked(visitor: Visitor) -> bool:
    with visitor.someone() as one:
        if _failed(visitor, one.name)[-1] != "ACCOUNT_LOCKED":
            raise SandboxError("fault", "failures do not lock")
        return visitor.login(one.name, one.password).status == HTTPStatus.OK


# ---------------------------------------------------------------------------- passwords


def _takes(password: str) -> Look:
    """Whether an account is made with it; it is removed again."""

    def look(visitor: Visitor) -> bool:
        admin = visitor.token("admin")
        made = visitor.ask("POST", USERS, {"username": _unknown(), "password": password}, token=admin)
        if made.status != HTTPStatus.CREATED:
            return False
        visitor.ask("DELETE", f"{USERS}/{made.json['id']}", token=admin)
        return True

    return look


def _takes_an_old_one(visitor: Visitor) -> bool:
    with visitor.someone() as one:
        new = wrong()
        if _changed(visitor, one, one.password, new) != HTTPStatus.NO_CONTENT:
            raise SandboxError("fault", "a password cannot be changed")
        return _changed(visitor, one, new, one.password) == HTTPStatus.NO_CONTENT


def _changed(visitor: Visitor, one: Person, current: str, new: str) -> int:
    token = visitor.tokens(one.name, current)["access_token"]
    body = {"current_password": current, "new_password": new}
    return visitor.ask("POST", f"{AUTH}/change-password", body, token=token).status


FAULTS = (
    planted("refresh_not_rotated", "a used refresh token is good for another use", _reused, REFRESH, SESSIONS),
    planted(
        "refresh_reuse_ends_nothing",
        "a used refresh token is refused, and its session lives on",
        _lives_after_reuse,
        SESSIONS,
    ),
    planted(
        "logout_revokes_nothing",
        "both tokens are good after the logout",
        lambda visitor: all(_after_logout(visitor)),
        LOGOUT,
        SESSIONS,
    ),
    planted(
        "logout_keeps_access",
        "the access token is good after the logout",
        lambda visitor: _after_logout(visitor)[0],
        LOGOUT,
        SESSIONS,
    ),
    planted(
        "logout_keeps_refresh",
        "the refresh token is good after the logout",
        lambda visitor: _after_logout(visitor)[1],
        LOGOUT,
        SESSIONS,
    ),
    planted(
        "access_token_lives_a_day",
        "an access token is good for 24 hours",
        _lives_longer("access_token", QUARTER_HOUR),
        SESSIONS,
    ),
    planted(
        "refresh_token_lives_a_month",
        "a refresh token is good for 30 days",
        _lives_longer("refresh_token", WEEK),
        SESSIONS,
    ),
    planted("cookie_not_secure", "the cookie goes over plain HTTP, too", _cookie_lacks("secure"), SESSIONS),
    planted("cookie_for_scripts", "the cookie can be read by scripts", _cookie_lacks("httponly"), SESSIONS),
    planted(
        "cookie_for_all_sites",
        "the cookie comes with requests of other sites",
        _cookie_lacks("samesite=strict"),
        SESSIONS,
    ),
    planted("login_fails", "nobody can sign in", _nobody_gets_in, LOGIN),
    planted("login_without_token", "who signs in gets 200 and no token", _gets_no_token, LOGIN),
    planted("login_failure_500", "a wrong password is a 500", _breaks, INVALID, ENDPOINTS),
    planted(
        "login_tells_users_by_body",
        "an unknown name gets another answer than a wrong password",
        _answers_differ,
        INVALID,
    ),
    planted("login_tells_users_by_time", "an unknown name costs no comparison", _times_differ, INVALID),
    planted(
        "default_password_works",
        "every account opens with the password admin, too",
        _opens_with("admin"),
        DEFAULT_USERS,
    ),
    planted("lockout_off", "failures lock nobody", _never_locked, INVALID, INVALID_AUTH),
    planted(
        "lockout_opens_for_the_right_password",
        "a locked account opens for the right password",
        _opens_although_locked,
        INVALID,
        INVALID_AUTH,
    ),
    planted("password_policy_off", "any new password is taken", _takes("a"), PASSWORD_POLICY),
    planted("password_minimum_4", "four characters of any kind are a password", _takes("abcd"), PASSWORD_POLICY),
    planted("password_history_off", "an old password comes back", _takes_an_old_one, PASSWORD_POLICY),
)
