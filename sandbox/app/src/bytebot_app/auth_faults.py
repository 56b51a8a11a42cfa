# Signs in, out and lets through wrongly in one named way, for tests of those who judge; see faults.py for the mark.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from bytebot_app import audit, token_faults
from bytebot_app.account_models import PasswordChange
from bytebot_app.auth import Auth, Caller
from bytebot_app.errors import ApiError
from bytebot_app.models import SignedIn
from bytebot_app.roles import ALL
from bytebot_app.store import Row
from bytebot_app.token_faults import instead
from bytebot_app.users import Users

DAY = 86400
FEW = 4
DEFAULT_PASSWORD = "admin"
Put = Callable[[Auth, Users], None]
SignsIn = Callable[[str, str], Awaitable[SignedIn]]


async def _nothing(*_given: Any, **_more: Any) -> None:
    return None


async def _true(*_given: Any) -> bool:
    return True


def _wrap_login(auth: Auth, wrong: Callable[[SignsIn, str, str], Awaitable[SignedIn]]) -> None:
    real = auth.login
    instead(auth, login=lambda username, password: wrong(real, username, password))


def _wrap_caller(auth: Auth, wrong: Callable[[Caller], Caller]) -> None:
    real = auth.caller

    async def caller(token: str) -> Caller:
        return wrong(await real(token))

    instead(auth, caller=caller)


def _with(caller: Caller, *permissions: str) -> Caller:
    return dataclasses.replace(caller, permissions=(*caller.permissions, *permissions))


# ---------------------------------------------------------------------------- sessions


def _not_rotated(auth: Auth, _users: Users) -> None:
    instead(auth.store, rotate_session=_true)


def _reuse_ends_nothing(auth: Auth, _users: Users) -> None:
    real = auth.revocations.end

    async def end(session: str, token: str | None = None) -> None:
        if token:  # it is a logout
            await real(session, token)

    instead(auth.revocations, end=end)


def _logout_revokes_nothing(auth: Auth, _users: Users) -> None:
    instead(auth, logout=_nothing)


def _logout_keeps_access(auth: Auth, _users: Users) -> None:
    async def logout(caller: Caller) -> None:
        await auth.store.end_session(caller.session)

    instead(auth, logout=logout)


def _logout_keeps_refresh(auth: Auth, _users: Users) -> None:
    async def logout(caller: Caller) -> None:
        await auth.revocations.revoke(str(caller.claims["jti"]))

    instead(auth, logout=logout)


def _lives_a_day(auth: Auth, _users: Users) -> None:
    auth.tokens.lifetime = DAY


def _refresh_lives_a_month(auth: Auth, _users: Users) -> None:
    auth.tokens.refresh_lifetime = auth.refresh_lifetime = 30 * DAY


def _cookie(**wrong: Any) -> Put:
    return lambda auth, _users: auth.cookie.update(wrong)


# ---------------------------------------------------------------------------- signing in


def _login_fails(auth: Auth, _users: Users) -> None:
    async def wrong(_real: SignsIn, _username: str, _password: str) -> SignedIn:
        raise ApiError(401, "INVALID_CREDENTIALS", "The user name or the password is wrong")

    _wrap_login(auth, wrong)


def _without_token(auth: Auth, _users: Users) -> None:
    async def wrong(real: SignsIn, username: str, password: str) -> SignedIn:
        return (await real(username, password)).model_copy(update={"access_token": ""})

    _wrap_login(auth, wrong)


def _breaks(auth: Auth, _users: Users) -> None:
    async def wrong(real: SignsIn, username: str, password: str) -> SignedIn:
        try:
            return await real(username, password)
        except ApiError as exc:
            raise RuntimeError("no such user, or another password") from exc

    _wrap_login(auth, wrong)


def _tells_by_body(auth: Auth, _users: Users) -> None:
    async def wrong(real: SignsIn, username: str, password: str) -> SignedIn:
        if await auth.store.user_by_name(username) is None:
            raise ApiError(401, "USER_NOT_FOUND", "There is no such user")
        return await real(username, password)

    _wrap_login(auth, wrong)


def _tells_by_time(auth: Auth, _users: Users) -> None:
    real = auth.compared

    async def compared(user: Row | None, password: str) -> bool:
        return bool(user) and await real(user, password)

    instead(auth, compared=compared)


def _default_password(auth: Auth, _users: Users) -> None:
    real = auth.compared

    async def compared(user: Row | None, password: str) -> bool:
        return await real(user, password) or password == DEFAULT_PASSWORD

    instead(auth, compared=compared)


def _never_locks(auth: Auth, _users: Users) -> None:
    real = auth.store.failed

    async def failed(name: str, limit: int, seconds: int) -> int:
        return min(limit, await real(name, limit, seconds))

    instead(auth.lockout, refuse_locked=_nothing)
    instead(auth.store, failed=failed)


def _lock_opens(auth: Auth, _users: Users) -> None:
    """The lock is looked at only where the password was wrong."""
    refuse, fail = auth.lockout.refuse_locked, auth.lockout.failure

    async def failure(name: str) -> ApiError:
        await refuse(name)
        return await fail(name)

    instead(auth.lockout, refuse_locked=_nothing)
    instead(auth.lockout, failure=failure)


# ---------------------------------------------------------------------------- passwords


def _no_policy(_auth: Auth, users: Users) -> None:
    instead(users, held_to_policy=lambda *_given: None)


def _four_are_enough(_auth: Auth, users: Users) -> None:
    def at_least_four(field: str, password: str, _username: str) -> None:
        if len(password) < FEW:
            raise ApiError(400, "VALIDATION_FAILED", "The request is not valid", [{"field": field, "message": "short"}])

    instead(users, held_to_policy=at_least_four)


def _no_history(_auth: Auth, users: Users) -> None:
    users.history = 0


# ---------------------------------------------------------------------------- who may do what


def _viewer_may_write(auth: Auth, _users: Users) -> None:
    auth.rbac.builtin["VIEWER"] = (*auth.rbac.builtin["VIEWER"], "task:write")


def _role_is_missing(auth: Auth, _users: Users) -> None:
    real = auth.rbac.listed

    async def listed() -> list[Any]:
        return [role for role in await real() if role.id != "role_viewer"]

    instead(auth.rbac, listed=listed)


def _cell_open(auth: Auth, _users: Users) -> None:
    def wrong(caller: Caller) -> Caller:
        return _with(caller, "task:delete") if caller.role == "API_CONSUMER" and audit.method() == "DELETE" else caller

    _wrap_caller(auth, wrong)


def _cell_shut(auth: Auth, _users: Users) -> None:
    def wrong(caller: Caller) -> Caller:
        left = tuple(name for name in caller.permissions if name != "task:delete")
        return dataclasses.replace(caller, permissions=left) if caller.role == "OPERATOR" else caller

    _wrap_caller(auth, wrong)


def _others_tasks(auth: Auth, _users: Users) -> None:
    instead(auth.ownership, reaches=lambda _member, _task: True)


def _list_shows_all(auth: Auth, _users: Users) -> None:
    instead(auth.ownership, scope=lambda _member: (None, ()))


def _admin_routes_open(auth: Auth, _users: Users) -> None:
    def wrong(caller: Caller) -> Caller:
        return _with(caller, *ALL) if audit.path().startswith(("/api/v1/roles", "/api/v1/users")) else caller

    _wrap_caller(auth, wrong)


def _own_roles(auth: Auth, _users: Users) -> None:
    def wrong(caller: Caller) -> Caller:
        return _with(caller, *ALL) if audit.path() == f"/api/v1/users/{caller.id}/roles" else caller

    _wrap_caller(auth, wrong)


def _roles_along(_auth: Auth, users: Users) -> None:
    """Whatever else comes with a change of the password is taken over, before anything is looked at."""
    PasswordChange.model_config["extra"] = "allow"
    PasswordChange.model_rebuild(force=True)
    real = users.change

    async def change(caller: Caller, given: PasswordChange) -> None:
        for role in (given.model_extra or {}).get("roles", ()):
            await users.assign(caller.id, role)
        await real(caller, given)

    instead(users, change=change)


def _one_endpoint_open(auth: Auth, _users: Users) -> None:
    real = auth.unknown

    async def unknown() -> Caller:
        if (audit.method(), audit.path()) == ("GET", "/api/v1/tasks"):
            return Caller("", "", ("VIEWER",), auth.rbac.builtin["VIEWER"], (), {})
        return await real()

    instead(auth, unknown=unknown)


def _forged(says: str, put: Callable[[Auth], None]) -> tuple[str, Put]:
    return says, lambda auth, _users: put(auth)


OWN: dict[str, tuple[str, Put]] = {
    "refresh_not_rotated": ("a used refresh token is good for another use", _not_rotated),
    "refresh_reuse_ends_nothing": ("a used refresh token is refused, and its session lives on", _reuse_ends_nothing),
    "logout_revokes_nothing": ("both tokens are good after the logout", _logout_revokes_nothing),
    "logout_keeps_access": ("the access token is good after the logout", _logout_keeps_access),
    "logout_keeps_refresh": ("the refresh token is good after the logout", _logout_keeps_refresh),
    "access_token_lives_a_day": ("an access token is good for 24 hours", _lives_a_day),
    "refresh_token_lives_a_month": ("a refresh token is good for 30 days", _refresh_lives_a_month),
    "cookie_not_secure": ("the cookie goes over plain HTTP, too", _cookie(secure=False)),
    "cookie_for_scripts": ("the cookie can be read by scripts", _cookie(httponly=False)),
    "cookie_for_all_sites": ("the cookie comes with requests of other sites", _cookie(samesite="none")),
    "login_fails": ("nobody can sign in", _login_fails),
    "login_without_token": ("who signs in gets 200 and no token", _without_token),
    "login_failure_500": ("a wrong password is a 500", _breaks),
    "login_tells_users_by_body": ("an unknown name gets another answer than a wrong password", _tells_by_body),
    "login_tells_users_by_time": ("an unknown name costs no comparison", _tells_by_time),
    "default_password_works": ("every account opens with the password admin, too", _default_password),
    "lockout_off": ("failures lock nobody", _never_locks),
    "lockout_opens_for_the_right_password": ("a locked account opens for the right password", _lock_opens),
    "password_policy_off": ("any new password is taken", _no_policy),
    "password_minimum_4": ("four characters of any kind are a password", _four_are_enough),
    "password_history_off": ("an old password comes back", _no_history),
    "viewer_may_write": ("the role viewer has task:write", _viewer_may_write),
    "role_is_missing": ("the list of roles lacks viewer", _role_is_missing),
    "matrix_cell_open": ("an api-consumer removes tasks without having the permission", _cell_open),
    "matrix_cell_shut": ("an operator cannot remove tasks, and has the permission", _cell_shut),
    "others_tasks_reachable": ("a task is open to all who know its id", _others_tasks),
    "list_shows_all_tasks": ("the list has everybody's tasks", _list_shows_all),
    "admin_routes_open": ("everybody handles users and roles", _admin_routes_open),
    "own_roles_settable": ("everybody gives roles to oneself", _own_roles),
    "roles_taken_along": ("roles that come along with a change of the password are given", _roles_along),
    "one_endpoint_open": ("the list of tasks wants no token", _one_endpoint_open),
}
FAULTS = OWN | {name: _forged(says, put) for name, (says, put) in token_faults.FAULTS.items()}


def put(fault: str, auth: Auth, users: Users) -> None:
    """Put the fault in, where it is one of these."""
    if fault in FAULTS:
        FAULTS[fault][1](auth, users)
