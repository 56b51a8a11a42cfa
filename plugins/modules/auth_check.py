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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_auth import (
    AUTH_ARGS,
    check_numbers,
    dialect_of,
    scope_of,
    stand_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Patience
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.silence import Silence
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth import Source, keys_of, observe
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {**CLUSTER_ARGS, **ONLY_ARGS, **HTTP_ARGS, **AUTH_ARGS}


def judge_auth(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Use the application's sign-in once, and judge what came of it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "auth_check")
    check_numbers(given)
    http, progress = http_of(given, Silence()), Progress.given(redactor)
    api = AuthApi(http, dialect_of(given), redactor, Patience(given["patience"], tell=progress))
    scope = scope_of(given, check_mode=module.check_mode)
    source = None if scope.unasked else _source(module, redactor)
    stand = stand_of(given["jwt"])
    forges = scope.judges([auth_facts.JWT, auth_facts.INVALID_AUTH])
    facts = observe(api, scope, source, keys_of(source if forges else None, stand, redactor), redactor)
    done = results_of(CHECKS.judge(facts, given["only"]), redactor)
    if facts.left:
        module.warn(f"What this run made could not be removed: {', '.join(facts.left)}. Remove it by hand.")
    return {
        "changed": False,
        "seconds": round(facts.seconds, 1),
        "removed": facts.leftovers,
        "left": list(facts.left),
        **done,
    }


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
