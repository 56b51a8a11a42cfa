#!/usr/bin/python
# Judges an API by its own description: endpoints, mistakes, errors, limits and origins.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: api_check
short_description: Judge an API by its OpenAPI description, and its errors, limits and allowed origins
version_added: 0.2.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(functional_testing.api.endpoints), C(functional_testing.api.validation), C(functional_testing.api.errors),
    C(functional_testing.api.rate_limit) and C(functional_testing.api.cors).
  - Every operation of O(openapi) is asked as the user of O(main_role). Its status, content type and body are compared
    with what is described. What can be made and removed is followed through its whole life, and nothing of it stays;
    what an earlier call left behind, since it was killed, is removed first.
  - Each body is sent once more with one mistake at a time (a field too few, of a wrong type, too long, unknown; broken
    JSON; another content type; too large a body). It must be refused as described, and never by a 5xx.
  - Every error that was met must be JSON with the O(error_fields), name its request by the O(correlation_header), and
    show nothing of the inside.
  - Where O(burst) permits it, one signed-in user sends more than the limit allows. It must meet 429 with
    C(Retry-After), another user must not, and after that time the first one must be let in again, for which the module
    waits.
  - Origins are asked as by M(bytebot.production.http_security_check), with one path of each group of endpoints.
  - Only hosts in O(allowed_hosts) are asked. Answers that say to come back later are waited for within O(patience).
  - A control that does not hold is a result, not a failure of the module.
  - The first of O(accounts) is who bursts, and the second one is the other user then.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.web
  - bytebot.production.users
options:
  namespace:
    description: Namespace in which the Secrets of O(accounts) are.
    type: str
    default: ""
  openapi:
    description: Where the application's OpenAPI 3 description is, in JSON. Without it, the operations are V(pending).
    type: dict
    default: {}
    suboptions:
      file:
        description: Path of a file.
        type: path
      url:
        description: A path at the public address, or a URL of an allowed host.
        type: str
  bodies:
    description:
      - Bodies by operation, for example V(POST /api/v1/tasks), where the one that is made from the description is not
        taken.
      - V(<mark>) stands for a text by which objects are found again, V(<password>) for a password of the check's own.
        What is made must have the mark somewhere.
    type: dict
    default: {}
  skip:
    description: Operations that are not asked, for example V(POST /api/v1/maintenance).
    type: list
    elements: str
    default: []
  last:
    description: Operations that end the session, and are asked when all else is done.
    type: list
    elements: str
    default: [POST /api/v1/auth/logout]
  id_field:
    description: The field of an object that holds its id.
    type: str
    default: id
  body_limit:
    description:
      - MiB that a body may have. None that is larger is sent where it is V(0).
      - One that is larger is begun once, and sent on only until there is an answer, which must be 413.
    type: int
    default: 0
  writes:
    description: Whether objects may be made and removed. Where they may not, only operations that read are asked.
    type: bool
    default: false
  main_role:
    description: The role of the account that asks for everything; it should be the one that may most.
    type: str
    default: admin
  success_path:
    description: A path that answers 2xx to everybody.
    type: str
    default: /health/live
  protected_path:
    description: A path that answers 401 to who is not signed in, and 2xx to who is.
    type: str
    default: /api/v1/tasks
  error_fields:
    description: Fields that every error has, with a text or a number in them; a point leads into an object.
    type: list
    elements: str
    default: [error.code, error.message]
  correlation_header:
    description:
      - The header that a request has its id in, and that every answer repeats. Not looked at where it is empty.
    type: str
    default: x-correlation-id
  allowed_origins:
    description:
      - Origins that are let in. An empty list stands for none.
      - Where it is not set, the control of origins is V(pending).
    type: list
    elements: str
  cors_credentials:
    description: Whether allowed origins may send credentials.
    type: bool
    default: true
  cors_paths:
    description: Paths that are asked with origins. One of each group of endpoints where it is empty.
    type: list
    elements: str
    default: []
  burst:
    description:
      - Whether one user may send more requests than the limit allows. That user is refused until the window ends.
    type: bool
    default: false
  burst_path:
    description: Where a burst is sent to, with an empty JSON object, which the application refuses and counts.
    type: str
    default: /api/v1/tasks
  burst_method:
    description: By which method.
    type: str
    choices: [GET, POST]
    default: POST
  burst_maximum:
    description: Requests of a burst at most. Where the limit is higher, no burst is sent.
    type: int
    default: 2000
  limit:
    description: The largest limit for a user at O(burst_path). More than V(100) is told as weaker.
    type: int
    default: 100
  patience:
    description: Seconds that answers which say to come back later are waited for, in all.
    type: float
    default: 150.0
attributes:
  check_mode:
    description: In check mode nothing is sent, and all controls are V(pending).
    support: full
  diff_mode:
    description: What is made is removed again, so there is no difference to show.
    support: none
requirements:
  - "aiohttp >= 3.10 (Python package)"
  - "jsonschema >= 4.20 (Python package)"
  - "prometheus-client >= 0.21 (Python package)"
  - "requests >= 2.32 (Python package)"
notes:
  - Needs get on the Secrets of O(accounts). Without O(accounts) the cluster is not asked.
seealso:
  - module: bytebot.production.http_security_check
  - module: bytebot.production.computer_use_check
"""

EXAMPLES = r"""
- name: Judge the API by its description
  bytebot.production.api_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    openapi: {file: files/openapi.json}
    namespace: bytebot-production
    accounts:
      - {role: operator, secret: bytebot-test-operator}
      - {role: viewer, secret: bytebot-test-viewer}
      - {role: admin, secret: bytebot-test-admin}
    allowed_origins: [https://app.bytebot.com]
    bodies:
      POST /api/v1/tasks: {description: "<mark>", type: SCHEDULED, scheduledFor: "2099-01-01T00:00:00Z"}
    writes: true
    burst: true
  register: api

- name: Judge the form of errors alone
  bytebot.production.api_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    only: [functional_testing.api.errors]
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
      sample: functional_testing.api.endpoints
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
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.api_drive import Driven
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import not_negative
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import USER_ARGS, door_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.api import CHECKS, CORS, ERRORS
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import (
    DOCUMENT_LIMIT,
    ErrorShape,
    Missing,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.clients.silence import Silence
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_api import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_http import Paths
from ansible_collections.bytebot.production.plugins.module_utils.observe_limits import LimitScope
from ansible_collections.bytebot.production.plugins.module_utils.openapi import Description
from ansible_collections.bytebot.production.plugins.module_utils.openapi_given import OPENAPI_ARG, description_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_TEXTS = {"type": "list", "elements": "str", "default": []}
_LARGEST = 32 << 20
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **HTTP_ARGS,
    **USER_ARGS,
    "openapi": OPENAPI_ARG,
    "bodies": {"type": "dict", "default": {}},
    "skip": _TEXTS,
    "last": {"type": "list", "elements": "str", "default": list(Driven().last)},
    "id_field": {"type": "str", "default": Driven().id_field},
    "body_limit": {"type": "int", "default": 0},
    "writes": {"type": "bool", "default": False},
    "main_role": {"type": "str", "default": "admin"},
    "success_path": {"type": "str", "default": Paths().ok},
    "protected_path": {"type": "str", "default": Paths().protected},
    "error_fields": {"type": "list", "elements": "str", "default": list(ErrorShape().fields)},
    "correlation_header": {"type": "str", "default": ErrorShape().header},
    "allowed_origins": {"type": "list", "elements": "str"},
    "cors_credentials": {"type": "bool", "default": True},
    "cors_paths": _TEXTS,
    "burst": {"type": "bool", "default": False},
    "burst_path": {"type": "str", "default": LimitScope().path},
    "burst_method": {"type": "str", "choices": ["GET", "POST"], "default": LimitScope().method},
    "burst_maximum": {"type": "int", "default": LimitScope().most},
    "limit": {"type": "int", "default": DOCUMENT_LIMIT},
    "patience": {"type": "float", "default": 150.0},
}


def judge_api(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask the application once and judge what it answers."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "api_check")
    not_negative(given, "body_limit", "burst_maximum", "limit", "patience")
    silence = Silence()
    http = http_of(given, silence)
    described, missing = _described(given, http) if not module.check_mode else (None, None)
    scope = Scope(
        paths=Paths(
            given["success_path"], given["protected_path"], given["login_path"], cors=tuple(given["cors_paths"])
        ),
        limits=LimitScope(given["burst"], given["burst_path"], given["burst_method"], given["burst_maximum"]),
        driven=Driven(
            given["bodies"], tuple(given["skip"]), tuple(given["last"]), given["id_field"], given["body_limit"]
        ),
        description=described,
        undescribed=missing,
        limit=given["limit"],
        credentials=given["cors_credentials"],
        shape=ErrorShape(tuple(given["error_fields"]), given["correlation_header"]),
        origins=None if given["allowed_origins"] is None else tuple(given["allowed_origins"]),
        accounts=tuple(Account(**one) for one in given["accounts"]),
        main=given["main_role"],
        door=None if module.check_mode or _open(given) else door_of(given, module.tmpdir, http, redactor),
        writes=given["writes"],
        patience_s=given["patience"],
        unasked="It needs a probe, and check mode sends none." if module.check_mode else "",
        only=tuple(given["only"]),
    )
    facts = observe(http, scope, redactor, lambda: http_of(given, silence))
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _open(given: dict[str, Any]) -> bool:
    """Whether all that is judged needs nobody to sign in."""
    return bool(given["only"]) and set(given["only"]) <= {CORS, ERRORS}


def _described(given: dict[str, Any], http: Http) -> tuple[Description | None, Missing | None]:
    """The description, or what is missing of it.

    :raises InputError: it is there and cannot be used.
    """
    found = None if _open(given) else description_of(given["openapi"], http)
    if found is None:
        remedy = "Name its file or its URL (in the inventory: bytebot_openapi)."
        return None, Missing("The application's OpenAPI description is not given (openapi).", remedy)
    return found, None


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_api)


if __name__ == "__main__":
    main()
