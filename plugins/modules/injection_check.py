#!/usr/bin/python
# Judges whether texts in an API's inputs are taken for more than text.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: injection_check
short_description: Judge whether texts in an API's inputs are taken for more than text
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(security_testing.web.injection).
  - Puts texts into each input that the OpenAPI description names, as a signed-in user through the public address, and
    looks for marks that only a text that was run would leave. SQL is told by the database's error, by a statement that
    is answered, by a condition that decides and by a wait; markup by a page that shows it, at once or when it is read
    again; line breaks by a header; templates and shells by a product or a wait; paths by the system's file; and
    addresses by a listener of its own that is asked.
  - Each is compared with the answer to a harmless word at the same place. A wait is believed where a longer one takes
    longer, and where none is asked for it does not come.
  - None of the texts changes or deletes anything. Requests that read are always made, and the login is tried with users
    that do not exist. What makes or changes things is tried below O(write_paths), and only with O(writes); what is made
    carries a mark, and is removed at the end, also what an earlier run had to leave.
  - Where a limit on requests is met, it is waited for as long as the answer says. What O(seconds) and O(requests) do
    not suffice for is told, and the control is V(inconclusive).
  - Only hosts in O(allowed_hosts) are asked. A control that does not hold is a result, not a failure of the module.
  - The last of O(accounts) asks first, and another one where that one may not. At least one is needed.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.web
  - bytebot.production.users
options:
  openapi:
    description:
      - The OpenAPI 3 description in JSON. Where it is not given, the control is V(pending).
    type: dict
    default: {}
    suboptions:
      file:
        description: A file on the controller.
        type: path
      url:
        description: Where it is served; the host must be in O(allowed_hosts).
        type: str
  namespace:
    description: Namespace in which the Secrets of O(accounts) are.
    type: str
    default: ""
  writes:
    description:
      - Whether things may be made for this, and removed again.
      - Where they may not, the control is V(pending), since most inputs make something.
    type: bool
    default: false
  write_paths:
    description: Where things may be made or changed, by the beginning of a path.
    type: list
    elements: str
    default: [/api/v1/tasks]
  skip:
    description: Patterns (regular expressions) of paths that are left out.
    type: list
    elements: str
    default: ["/execute$", "/messages$"]
  canary_address:
    description:
      - Address of this machine at which the application could ask a listener, where a text has it ask an address. The
        listener runs while the module does. That nobody asks it says less where the network lets nothing out to it; it
        is the network that protects then.
      - Where it is not set, the control is V(pending), since texts with addresses could not be tried.
    type: str
    default: ""
  seconds:
    description: Seconds for all of it. Limits on requests make it long.
    type: float
    default: 1800
  requests:
    description: Requests at most.
    type: int
    default: 5000
attributes:
  check_mode:
    description: In check mode nothing is sent, and the control is V(pending).
    support: full
  diff_mode:
    description: Nothing that stays is changed, so there is no difference to show.
    support: none
requirements:
  - "requests >= 2.32 (Python package)"
notes:
  - Needs get on the Secrets of O(accounts).
seealso:
  - module: bytebot.production.http_security_check
  - name: OWASP Web Security Testing Guide
    description: Testing for injection.
    link: https://owasp.org/www-project-web-security-testing-guide/
"""

EXAMPLES = r"""
- name: Try texts that would do harm
  bytebot.production.injection_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    openapi: {file: docs/openapi.json}
    namespace: bytebot-production
    accounts:
      - {role: operator, secret: bytebot-test-operator}
    writes: true
    canary_address: 192.0.2.10
  register: injection

- name: Stop where one did
  ansible.builtin.assert:
    that: injection.failed_controls | length == 0
    fail_msg: "{{ injection.results | map(attribute='summary') }}"
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
      sample: security_testing.web.injection
    state:
      description: V(pass), V(fail), V(error), V(inconclusive) or V(pending).
      type: str
      returned: always
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: >-
        What was tried, when (UTC), each finding with the request that shows it again, and the SHA-256 of the canonical
        JSON.
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
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import USER_ARGS, door_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.injection import CHECKS, InjectionFacts
from ansible_collections.bytebot.production.plugins.module_utils.clients.canary import listening
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_injection import Injection, InjectionScope
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description
from ansible_collections.bytebot.production.plugins.module_utils.openapi_given import OPENAPI_ARG, description_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **HTTP_ARGS,
    "openapi": OPENAPI_ARG,
    **USER_ARGS,
    "writes": {"type": "bool", "default": False},
    "write_paths": {"type": "list", "elements": "str", "default": ["/api/v1/tasks"]},
    "skip": {"type": "list", "elements": "str", "default": ["/execute$", "/messages$"]},
    "canary_address": {"type": "str", "default": ""},
    "seconds": {"type": "float", "default": 1800},
    "requests": {"type": "int", "default": 5000},
}


def judge_texts(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Try the texts and judge what came of them."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "injection_check")
    for pattern in given["skip"]:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise InputError(f"skip: {pattern!r} is no regular expression ({exc}).") from exc
    http = http_of(given)
    facts = _unable(module, http)
    if facts is None:
        description = description_of(given["openapi"], http)
        facts = _nothing_named(http) if description is None else _tried(module, http, description, redactor)
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _nothing_named(http: Http) -> InjectionFacts:
    what = "No description names the inputs: openapi is not given."
    return InjectionFacts(http.base_url, problem=what, remedy="Set openapi (in the inventory: bytebot_openapi).")


def _unable(module: AnsibleModule, http: Http) -> InjectionFacts | None:
    """Why nothing is tried, where that is known before."""
    given = module.params
    if module.check_mode:
        return InjectionFacts(
            http.base_url, problem="It needs a probe, and check mode sends none.", remedy="Run without --check."
        )
    missing = {
        "accounts": ("Nobody can sign in: accounts is not given.", "bytebot_test_accounts"),
        "writes": ("Things may not be made here, and most inputs make one.", "bytebot_tests_allowed: [writes]"),
        "canary_address": (
            "Where a listener could be asked is not known: canary_address is not given.",
            "bytebot_canary_address",
        ),
    }
    for name, (problem, variable) in missing.items():
        if not given[name]:
            return InjectionFacts(http.base_url, problem=problem, remedy=f"Set {name} (in the inventory: {variable}).")
    return None


def _tried(module: AnsibleModule, http: Http, description: Description, redactor: Redactor) -> InjectionFacts:
    given = module.params
    door = door_of(given, module.tmpdir, http, redactor)
    users = [door.sign_in(Account(**one), redactor) for one in reversed(given["accounts"])] if door else []
    problems = [f"{one.role}: {one.problem}" for one in users if one.problem]
    if problems:
        remedy = "Correct their Secrets (in the inventory: bytebot_test_accounts), or wait where a limit was met."
        return InjectionFacts(http.base_url, problem=f"Users must sign in: {'; '.join(problems)}.", remedy=remedy)
    scope = InjectionScope(
        given["login_path"],
        tuple(given["write_paths"]),
        tuple(given["skip"]),
        given["seconds"],
        given["requests"],
    )
    with listening(given["canary_address"]) as canary:
        return Injection(http, users, description, scope).facts(canary)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_texts)


if __name__ == "__main__":
    main()
