#!/usr/bin/python
# Judges how an application signs users in, what its tokens and sessions are good for, and what each role may do.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_check
short_description: Judge an application's sign-in, tokens, sessions, passwords and rights by using them
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles the controls of C(functional_testing.authentication) and C(functional_testing.authorization),
    C(security_configuration.auth.rbac), C(security_configuration.auth.default_users),
    C(security_configuration.auth.password_policy), C(security_configuration.auth.sessions) and
    C(security_testing.web.invalid_auth), all from what it sees in one run.
  - Where O(writes) permits it, it makes users of its own by the application's API, as an administrator of O(accounts),
    with names and passwords that nobody guesses, and tasks as these users. All have a mark and are removed at the end;
    what a killed run left is removed by the next one. Without it, what needs them is V(pending).
  - Tokens are forged by the set of RFC 8725 and tried where a good one is let in. Those that are signed rightly and
    have another fault (expired, for others, an unknown key) need the private key in O(jwt); without it they are not
    tried, and the control is V(pending). Keys stay in memory.
  - A user of its own is locked out by wrong passwords. Its end is waited for while everything else is looked at.
  - Where the application limits logins or requests, the module waits as long as the answer says.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.web
options:
  namespace:
    description: Namespace of the release, in which the Secrets of O(accounts) and O(jwt) are.
    type: str
    default: ""
  accounts:
    description:
      - Users of the application, each by a Secret. The first one of O(admin_role) makes users for the run.
    type: list
    elements: dict
    default: []
    suboptions:
      role: {description: "Its role, as the application names it.", type: str, required: true}
      secret: {description: Name of the Secret with its name and password., type: str, required: true}
      username_key: {description: Key of the name., type: str, default: username}
      password_key: {description: Key of the password., type: str, default: password}
  writes:
    description: Whether users and tasks may be made, which are removed at the end.
    type: bool
    default: false
  identity_domain:
    description: >-
      The host of the addresses that name users of the run. That of the administrator's name where it is empty.
    type: str
    default: ""
  paths:
    description: Where the application is asked.
    type: dict
    default: {}
    suboptions:
      login: {description: Signs in., type: str, default: /api/v1/auth/login}
      refresh: {description: Gives a new pair of tokens., type: str, default: /api/v1/auth/refresh}
      logout: {description: Signs out., type: str, default: /api/v1/auth/logout}
      permissions:
        description: Tells the caller's roles and permissions.
        type: str
        default: /api/v1/auth/permissions
      change_password: {description: Changes the caller's password., type: str, default: /api/v1/auth/change-password}
      users: {description: Users; one is below it by its id., type: str, default: /api/v1/users}
      user_roles:
        description: "Roles of a user, with C({id}) for its id."
        type: str
        default: "/api/v1/users/{id}/roles"
      roles: {description: Roles., type: str, default: /api/v1/roles}
      tasks: {description: Tasks; one is below it by its id., type: str, default: /api/v1/tasks}
  fields:
    description: The names that the application gives to what it takes and answers.
    type: dict
    default: {}
    suboptions:
      username: {description: Name of a user., type: str, default: username}
      password: {description: Password of a user., type: str, default: password}
      access_token: {description: The access token., type: str, default: access_token}
      refresh_token: {description: The refresh token., type: str, default: refresh_token}
      expires_in: {description: Seconds until the access token ends., type: str, default: expires_in}
      current_password: {description: The password that is changed., type: str, default: current_password}
      new_password: {description: The password that it is changed to., type: str, default: new_password}
      roles: {description: Roles of a user., type: str, default: roles}
      role_id: {description: A role that a user is given., type: str, default: roleId}
      teams: {description: Teams of a user., type: str, default: teamIds}
      error_code: {description: "The way to the code of an error, with dots.", type: str, default: error.code}
  token_in:
    description: How an access token travels; V(bearer) for the header C(Authorization).
    type: str
    choices: [bearer, cookie]
    default: bearer
  refresh_in:
    description: How a refresh token travels to the application.
    type: str
    choices: [body, cookie]
    default: body
  access_cookie: {description: Name of the cookie with the access token., type: str, default: access_token}
  refresh_cookie: {description: Name of the cookie with the refresh token., type: str, default: refresh_token}
  same_site:
    description: What cookies must say of other sites at least.
    type: str
    choices: [none, lax, strict]
    default: strict
  jwt:
    description: Where the keys of tokens stand, as the option O(bytebot.production.secret_check#module:jwt).
    type: dict
    default: {}
    suboptions:
      secret: {description: Name of the Secret., type: str, default: bytebot-jwt-secret}
      pairs:
        description: Pairs of keys; the first one signs access tokens. Those of the document where it is empty.
        type: list
        elements: dict
        default: []
        suboptions:
          private_key: {description: Key of the private half., type: str, required: true}
          public_key: {description: Key of the public half., type: str, required: true}
      shared_secret_key: {description: "Key of one shared text (HS256), in place of pairs.", type: str}
      shared_secret_length: {description: Not used here., type: int, default: 64}
      signers: {description: Not used here., type: list, elements: str, default: []}
  algorithms:
    description: By which tokens may be signed. V(HS256) where O(jwt.shared_secret_key) is given, else V(RS256).
    type: list
    elements: str
    default: []
  issuer:
    description: >-
      What a token's C(iss) must be. V(bytebot-auth-service) where O(jwt.shared_secret_key) is given, else
      V(bytebot-api); nothing is wanted of it where this is empty.
    type: str
  audience:
    description: >-
      What a token's C(aud) must hold. V(bytebot-api) where O(jwt.shared_secret_key) is given, else V(bytebot-clients);
      nothing is wanted of it where this is empty.
    type: str
  kid_required:
    description: Whether a token must name its key.
    type: bool
    default: false
  access_lifetime:
    description: Seconds that an access token may be good. More than V(900) is told as weaker.
    type: int
    default: 900
  refresh_lifetime:
    description: Seconds that a refresh token may be good. More than V(604800) is told as weaker.
    type: int
    default: 604800
  session_limit:
    description: Sessions of one user that may live at once, 20 at most; any number where it is V(0).
    type: int
    default: 0
  lockout_tries:
    description: Wrong passwords that must lock an account. More than V(5) is told as weaker.
    type: int
    default: 5
  lockout_duration:
    description: Seconds that it must stay locked. Less than V(900) is told as weaker.
    type: int
    default: 900
  lockout_wait:
    description:
      - Seconds that may be waited for the end of a lock-out, from its begin. A tenth more than O(lockout_duration) and
        a few seconds are needed; with less the control is V(pending).
    type: int
    default: 1000
  password_length:
    description: Characters that a password must have. Less than V(12) is told as weaker.
    type: int
    default: 12
  password_history:
    description: Passwords of before that must not come back; the last one is tried. Less than V(12) is told as weaker.
    type: int
    default: 12
  permissions:
    description: "The permissions of each role, as C(viewer: [task:read]). The document's matrix where it is empty."
    type: dict
    default: {}
  admin_role:
    description: The role of administrators.
    type: str
    default: admin
  endpoints:
    description:
      - The endpoints that each role is tried at. The document's where it is empty.
      - They are really asked as users who may, so name none that does harm.
    type: list
    elements: dict
    default: []
    suboptions:
      method: {description: The method., type: str, default: GET}
      path: {description: "The path; C({task}) stands for a task that is made for it.", type: str, required: true}
      needs:
        description: The permissions that it asks for. With none, any valid token is enough.
        type: list
        elements: str
        default: []
      body: {description: "What is sent, as JSON; V({mark}) for a text with the mark of the run.", type: dict}
  account_powers:
    description:
      - Powers that ServiceAccounts of the release's pods may have in the namespace, as V(read), V(write), V(secrets),
        V(run pods), V(exec). The document's role reads, and reads Secrets.
    type: list
    elements: str
    default: [read, secrets]
  default_users:
    description:
      - Users that must be there. An administrator who is not among them is surplus.
      - A few known passwords are tried at each, less than lock an account, and after them the one of
        O(default_users[].secret), so that the failures are forgotten. Without that Secret only one is tried.
      - Where it is not set, the control is V(pending).
    type: list
    elements: dict
    suboptions:
      roles: {description: Its roles., type: list, elements: str, required: true}
      name: {description: "Its name, where no Secret has it.", type: str, default: ""}
      secret: {description: Name of the Secret with its name and password., type: str, default: ""}
      username_key: {description: Key of the name., type: str, default: username}
      password_key: {description: Key of the password., type: str, default: password}
      seeded_secret:
        description: Name of a Secret with the password that it was made with and must no longer have.
        type: str
        default: ""
  default_passwords:
    description: Passwords that are tried, after the name itself.
    type: list
    elements: str
    default: [admin, password]
  patience:
    description: Seconds that may be waited in all where the application limits requests.
    type: int
    default: 600
attributes:
  check_mode:
    description: In check mode nothing is sent, and all controls are V(pending).
    support: full
  diff_mode:
    description: What is made is removed, so there is no difference to show.
    support: none
requirements:
  - "cryptography >= 43 (Python package)"
  - "requests >= 2.32 (Python package)"
notes:
  - Needs get on the Secrets that are named, and for C(security_configuration.auth.rbac) list on pods, roles and
    bindings.
seealso:
  - module: bytebot.production.http_security_check
  - module: bytebot.production.secret_check
  - name: RFC 8725
    description: JSON Web Token Best Current Practices.
    link: https://www.rfc-editor.org/rfc/rfc8725
"""

EXAMPLES = r"""
- name: Judge sign-in and rights
  bytebot.production.auth_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    namespace: bytebot-production
    accounts:
      - {role: admin, secret: bytebot-test-admin}
    writes: true
  register: auth

- name: Judge an application that signs by one shared secret and keeps its tokens in cookies
  bytebot.production.auth_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    namespace: bytebot-production
    accounts:
      - {role: admin, secret: bytebot-test-admin}
    jwt: {secret: bytebot-secrets, shared_secret_key: jwt-secret}
    token_in: cookie
    refresh_in: cookie
    refresh_lifetime: 86400
    only: [functional_testing.authentication.login, functional_testing.authentication.jwt]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control:
      description: Id of the control.
      type: str
      returned: always
      sample: functional_testing.authentication.login
    state:
      description: V(pass), V(fail), V(error), V(inconclusive) or V(pending).
      type: str
      returned: always
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    level:
      description: V(should) where the finding is advice and shuts no gate, else V(must).
      type: str
      returned: always
    weaker:
      description: Thresholds that were judged by and are weaker than the document's, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
seconds: {description: How long it took., returned: always, type: float}
removed: {description: Users of ended runs that were removed., returned: always, type: int}
left:
  description: What this run made and could not remove.
  returned: always
  type: list
  elements: str
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled, key, name, not_negative
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import JwtKeys
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Dialect, Patience
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth import Scope, Source, keys_of, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_rights import ENDPOINTS, Endpoint
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_users import DefaultUser
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_MOST_TRIES = 20
_FEWEST = 4
_SAID = Dialect()
_TEXTS = {"type": "list", "elements": "str", "default": []}
ACCOUNTS: dict[str, Any] = {
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
PATHS: dict[str, Any] = {
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
FIELDS: dict[str, Any] = {
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
JWT: dict[str, Any] = {
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
ENDPOINT_ARGS: dict[str, Any] = {
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
DEFAULT_USERS: dict[str, Any] = {
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
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **HTTP_ARGS,
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


def judge_auth(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Use the application's sign-in once, and judge what came of it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "auth_check")
    not_negative(given, *_NUMBERS)
    if not 1 <= given["lockout_tries"] <= _MOST_TRIES:
        raise InputError(f"lockout_tries {given['lockout_tries']} is not between 1 and {_MOST_TRIES}.")
    if given["password_length"] < _FEWEST:
        raise InputError(f"password_length {given['password_length']} is less than {_FEWEST}.")
    http, progress = http_of(given), Progress.given(redactor)
    api = AuthApi(http, _dialect(given), redactor, Patience(given["patience"], tell=progress))
    scope = _scope(given, check_mode=module.check_mode)
    source = None if scope.unasked else _source(module, redactor)
    stand = _keys(given["jwt"])
    forges = scope.judges([auth_facts.JWT, auth_facts.INVALID_AUTH])
    facts = observe(api, scope, source, keys_of(source if forges else None, stand, redactor), redactor)
    done = results_of(CHECKS.judge(facts, given["only"]), redactor)
    return {
        "changed": False,
        "seconds": round(facts.seconds, 1),
        "removed": facts.leftovers,
        "left": list(facts.left),
        **done,
    }


def _scope(given: Mapping[str, Any], *, check_mode: bool) -> Scope:
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


def _dialect(given: Mapping[str, Any]) -> Dialect:
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


def _keys(given: Mapping[str, Any]) -> JwtKeys:
    of = filled(given, JWT)
    pairs = tuple((pair["private_key"], pair["public_key"]) for pair in of["pairs"])
    shared = of["shared_secret_key"] or ""
    if pairs and shared:
        raise InputError("jwt has both pairs and shared_secret_key; give one of them.")
    return JwtKeys(of["secret"], pairs, shared) if pairs else JwtKeys(of["secret"], shared=shared)


def _source(module: AnsibleModule, redactor: Redactor) -> Source | None:
    """The cluster is opened only where a Secret of it is needed."""
    given = module.params
    if not given["accounts"]:
        return None
    if not given["namespace"]:
        raise InputError("accounts: name the namespace in which their Secrets are (namespace).")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    return Source(Cluster(connection, module.tmpdir), given["namespace"])


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_auth)


if __name__ == "__main__":
    main()
