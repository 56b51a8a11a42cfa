# The argument spec by which an application's sign-in is examined, and what it describes (of the module auth_check).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled, key, name, not_negative
from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import Dialect
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth import Scope
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_rights import ENDPOINTS, Endpoint
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_users import DefaultUser

Option = dict[str, Any]
MOST_TRIES = 20
FEWEST = 4
_SAID = Dialect()
_TEXTS = {"type": "list", "elements": "str", "default": []}
ACCOUNTS: Option = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "role": {"type": "str", "required": True},
        "secret": {"type": "str", "required": True, "no_log": False},
        "username_key": key("username"),
        "password_key": key("password"),
    },
}
PATHS: Option = {
    "type": "dict",
    "default": {},
    "options": {
        "login": key(_SAID.login),
        "refresh": key(_SAID.refresh),
        "logout": key(_SAID.logout),
        "permissions": key(_SAID.me),
        "change_password": key(_SAID.change_password),
        "users": key(_SAID.users),
        "user_roles": key(_SAID.user_roles),
        "roles": key(_SAID.roles),
        "tasks": key(_SAID.tasks),
    },
}
FIELDS: Option = {
    "type": "dict",
    "default": {},
    "options": {
        "username": key(_SAID.username),
        "password": key(_SAID.password),
        "access_token": key(_SAID.access_token),
        "refresh_token": key(_SAID.refresh_token),
        "expires_in": key(_SAID.expires_in),
        "current_password": key(_SAID.current_password),
        "new_password": key(_SAID.new_password),
        "roles": key(_SAID.user_role_list),
        "role_id": key(_SAID.role_id),
        "teams": key(_SAID.teams),
        "error_code": key(".".join(_SAID.error_code)),
    },
}
JWT: Option = {
    "type": "dict",
    "default": {},
    "options": {
        "secret": name("bytebot-jwt-secret"),
        "pairs": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "private_key": {"type": "str", "required": True, "no_log": False},
                "public_key": {"type": "str", "required": True, "no_log": False},
            },
        },
        "shared_secret_key": name(),
        "shared_secret_length": {"type": "int", "default": 64, "no_log": False},
        "signers": _TEXTS,
    },
}
ENDPOINT_ARGS: Option = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "method": {"type": "str", "default": "GET"},
        "path": {"type": "str", "required": True},
        "needs": _TEXTS,
        "body": {"type": "dict"},
    },
}
DEFAULT_USERS: Option = {
    "type": "list",
    "elements": "dict",
    "options": {
        "roles": {"type": "list", "elements": "str", "required": True},
        "name": {"type": "str", "default": ""},
        "secret": key(""),
        "username_key": key("username"),
        "password_key": key("password"),
        "seeded_secret": key(""),
    },
}
AUTH_ARGS: Spec = {
    "namespace": {"type": "str", "default": ""},
    "accounts": ACCOUNTS,
    "writes": {"type": "bool", "default": False},
    "identity_domain": {"type": "str", "default": ""},
    "paths": PATHS,
    "fields": FIELDS,
    "token_in": {"type": "str", "choices": ["bearer", "cookie"], "default": "bearer", "no_log": False},
    "refresh_in": {"type": "str", "choices": ["body", "cookie"], "default": "body"},
    "access_cookie": key(_SAID.access_cookie),
    "refresh_cookie": key(_SAID.refresh_cookie),
    "same_site": {"type": "str", "choices": ["none", "lax", "strict"], "default": "strict"},
    "jwt": JWT,
    "algorithms": _TEXTS,
    "issuer": {"type": "str"},
    "audience": {"type": "str"},
    "kid_required": {"type": "bool", "default": False},
    "access_lifetime": {"type": "int", "default": auth_facts.ACCESS_S},
    "refresh_lifetime": {"type": "int", "default": auth_facts.REFRESH_S},
    "session_limit": {"type": "int", "default": 0},
    "lockout_tries": {"type": "int", "default": auth_facts.LOCKOUT_TRIES},
    "lockout_duration": {"type": "int", "default": auth_facts.LOCKOUT_S},
    "lockout_wait": {"type": "int", "default": 1000},
    "password_length": {"type": "int", "default": auth_facts.LENGTH, "no_log": False},
    "password_history": {"type": "int", "default": auth_facts.HISTORY, "no_log": False},
    "permissions": {"type": "dict", "default": {}},
    "admin_role": {"type": "str", "default": "admin"},
    "endpoints": ENDPOINT_ARGS,
    "account_powers": {"type": "list", "elements": "str", "default": ["read", "secrets"]},
    "default_users": DEFAULT_USERS,
    "default_passwords": {"type": "list", "elements": "str", "default": ["admin", "password"], "no_log": False},
    "patience": {"type": "int", "default": 600},
}
_NUMBERS = ("access_lifetime", "refresh_lifetime", "session_limit", "lockout_duration", "lockout_wait",
            "password_history", "patience")  # fmt: skip


def check_numbers(given: Mapping[str, Any]) -> None:
    """Refuse numbers that make no sense.

    :raises InputError: one does not.
    """
    not_negative(given, *_NUMBERS)
    if not 1 <= given["lockout_tries"] <= MOST_TRIES:
        raise InputError(f"lockout_tries {given['lockout_tries']} is not between 1 and {MOST_TRIES}.")
    if given["password_length"] < FEWEST:
        raise InputError(f"password_length {given['password_length']} is less than {FEWEST}.")


def scope_of(given: Mapping[str, Any], *, check_mode: bool) -> Scope:
    """What is examined."""
    defaults = given["default_users"]
    return Scope(
        wanted=_wanted(given),
        accounts=tuple(Account(**one) for one in given["accounts"]),
        writes=given["writes"],
        domain=given["identity_domain"].lstrip("@"),
        endpoints=tuple(_endpoint(one) for one in given["endpoints"]) or ENDPOINTS,
        defaults=None if defaults is None else tuple(_default_user(one) for one in defaults),
        default_passwords=tuple(given["default_passwords"]),
        key_id_needed=given["kid_required"],
        wait_s=given["lockout_wait"],
        unasked="It needs a probe, and check mode sends none." if check_mode else "",
        only=tuple(given["only"]),
    )


def _wanted(given: Mapping[str, Any]) -> Wanted:
    shared = bool((given["jwt"] or {}).get("shared_secret_key"))
    issuer, audience = ("bytebot-auth-service", "bytebot-api") if shared else ("bytebot-api", "bytebot-clients")
    permissions = {str(role): _texts(role, told) for role, told in given["permissions"].items()}
    wanted = permissions or dict(auth_facts.MATRIX)
    if given["admin_role"] not in wanted:
        raise InputError(f"permissions: there is no role {given['admin_role']} (admin_role) among {', '.join(wanted)}.")
    return Wanted(
        permissions=wanted,
        admin=given["admin_role"],
        algorithms=tuple(given["algorithms"]) or (("HS256",) if shared else ("RS256",)),
        issuer=issuer if given["issuer"] is None else given["issuer"],
        audience=audience if given["audience"] is None else given["audience"],
        access_s=given["access_lifetime"],
        refresh_s=given["refresh_lifetime"],
        tries=given["lockout_tries"],
        lockout_s=given["lockout_duration"],
        length=given["password_length"],
        history=given["password_history"],
        sessions=given["session_limit"],
        same_site=given["same_site"],
        token_in_cookie=given["token_in"] == "cookie",
        account_powers=tuple(given["account_powers"]),
    )


def _texts(role: object, told: object) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise InputError(f"permissions: those of {role} are no list of texts.")
    return tuple(told)


def _endpoint(given: Mapping[str, Any]) -> Endpoint:
    if not str(given["path"]).startswith("/"):
        raise InputError(f"endpoints: the path {given['path']!r} does not begin with a slash.")
    return Endpoint(given["method"].upper(), given["path"], tuple(given["needs"]), given["body"])


def _default_user(given: Mapping[str, Any]) -> DefaultUser:
    if not given["name"] and not given["secret"]:
        raise InputError("default_users: each needs a name, or a secret that has it.")
    return DefaultUser(**{**given, "roles": tuple(given["roles"])})


def dialect_of(given: Mapping[str, Any]) -> Dialect:
    """How the application's sign-in is spoken to."""
    paths, fields = filled(given["paths"], PATHS), filled(given["fields"], FIELDS)
    return Dialect(
        **{one: paths[one] for one in ("login", "refresh", "logout", "change_password", "users", "user_roles", "roles",
                                       "tasks")},
        **{one: fields[one] for one in ("username", "password", "access_token", "refresh_token", "expires_in",
                                        "current_password", "new_password", "role_id", "teams")},
        me=paths["permissions"],
        user_role_list=fields["roles"],
        error_code=tuple(fields["error_code"].split(".")),
        token_in=given["token_in"],
        refresh_in=given["refresh_in"],
        access_cookie=given["access_cookie"],
        refresh_cookie=given["refresh_cookie"],
    )  # fmt: skip


def stand_of(given: Mapping[str, Any]) -> JwtKeys:
    """Where the keys of tokens stand."""
    of = filled(given, JWT)
    pairs = tuple((pair["private_key"], pair["public_key"]) for pair in of["pairs"])
    shared = of["shared_secret_key"] or ""
    if pairs and shared:
        raise InputError("jwt has both pairs and shared_secret_key; give one of them.")
    return JwtKeys(of["secret"], pairs, shared) if pairs else JwtKeys(of["secret"], shared=shared)
