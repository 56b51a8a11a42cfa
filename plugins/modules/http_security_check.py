#!/usr/bin/python
# Judges what an application's answers show of its security: headers, allowed origins, limits on requests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: http_security_check
short_description: Judge an application's security headers, allowed origins and limits by its live answers
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(security_configuration.network.security_headers), C(security_configuration.network.cors) and
    C(security_configuration.network.rate_limit), and of the tests C(security_testing.web.https),
    C(security_testing.web.headers) and C(security_testing.web.rate_limit).
  - For headers it asks for an answer of every kind, through the public address, which are a success, a redirect from
    plain HTTP, 404, 401, errors by a broken body and a wrong method, and a static file. A redirect
    from plain HTTP must lead to https on the same host; browsers take no other header of it.
  - The score is by the table of MDN's HTTP Observatory; its tests of cookies, subresources and preloading are left out.
  - For origins it sends preflights and real requests with the allowed ones, a foreign one, V(null), and what careless
    comparison takes for an allowed one (another name with the same end or beginning, another scheme or port, a dot
    taken for any letter). The origin is only a header; nobody is asked at that address. Where a limit refuses these
    requests it is waited for, up to three minutes in all; what was refused all the same says nothing of origins.
  - For limits two users sign in. What is left must fall by each request of one user over all replicas, which are told
    apart by the start time in their metrics, and must not fall by another user's. Where the header names policies
    (V(100, 100;w=60)), a limit is what they let through in a minute. Where O(burst) permits it, one user
    sends more than the limit allows, until a 429 comes, and the other one must not be refused.
  - For the test of limits, requests without a token name another address each time in the headers by which proxies tell
    whom they speak for; what is left must fall all the same. It is tried with logins too, so that where these are few
    a minute, the next ones from this machine are refused for a while.
  - For https every path of O(hosts) is asked in clear, and must lead to https on the same host by 301 or 308, or be
    refused. Ways around the Ingress, which are ports of nodes, addresses of Services and host ports of pods in
    O(namespace), must not answer in clear.
  - Only hosts in O(allowed_hosts) are asked. Nothing is created or changed.
  - A control that does not hold is a result, not a failure of the module.
  - For limits O(accounts) names at least two users; the first one is who bursts.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.web
  - bytebot.production.users
options:
  namespace:
    description: Namespace in which the Secrets of O(accounts) are, and where ways around the Ingress are looked for.
    type: str
    default: ""
  hosts:
    description: Hosts that are asked in clear. The one of O(base_url) where it is empty.
    type: list
    elements: str
    default: []
  success_path:
    description: A path that answers 2xx to everybody.
    type: str
    default: /health/live
  protected_path:
    description: A path that answers 401 to who is not signed in, and 2xx to who is.
    type: str
    default: /api/v1/tasks
  static_path:
    description: The path of a static file. Where there is none, what is answered in its place is judged.
    type: str
    default: /robots.txt
  metrics_path:
    description: The path of the metrics, by which replicas are told apart.
    type: str
    default: /metrics
  error_paths:
    description: Further paths that answer a GET with an error, as one that fails with 500 on purpose.
    type: list
    elements: str
    default: []
  hsts_max_age:
    description: Seconds that C(Strict-Transport-Security) must say at least. Less than a year is told as weaker.
    type: int
    default: 31536000
  allowed_origins:
    description:
      - Origins that are let in, for example V(https://app.bytebot.com). An empty list stands for none.
      - Where it is not set, the control of origins is V(pending).
    type: list
    elements: str
  cors_credentials:
    description: Whether allowed origins may send credentials.
    type: bool
    default: true
  cors_paths:
    description: Paths that are asked with origins, one for each group of routes. The usual three where it is empty.
    type: list
    elements: str
    default: []
  limit_headers:
    description: The names of the headers that tell of a limit.
    type: dict
    default: {}
    suboptions:
      limit:
        description: How many requests are allowed.
        type: str
        default: X-RateLimit-Limit
      remaining:
        description: How many are left.
        type: str
        default: X-RateLimit-Remaining
      reset:
        description: When the window ends.
        type: str
        default: X-RateLimit-Reset
  api_limit:
    description: The largest limit for a user or an address. More than V(100) is told as weaker.
    type: int
    default: 100
  login_limit:
    description: The largest limit for logins of an address. More than V(5) is told as weaker.
    type: int
    default: 5
  burst:
    description:
      - Whether one user may send more requests than the limit allows. That user is refused until the window ends.
      - Where it is not permitted, the control of limits is V(pending) when nothing else is wrong.
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
attributes:
  check_mode:
    description: In check mode nothing is sent, and all controls are V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - "prometheus-client >= 0.21 (Python package)"
  - "requests >= 2.32 (Python package)"
notes:
  - Needs get on the Secrets of O(accounts), and for C(security_testing.web.https) list on the Services and Pods of
    O(namespace) and on Nodes. Without O(accounts) and O(namespace) the cluster is not asked.
seealso:
  - module: bytebot.production.health_probe
  - module: bytebot.production.ingress_check
  - name: MDN HTTP Observatory
    description: The table of the score.
    link: https://github.com/mdn/mdn-http-observatory/blob/main/src/grader/charts.js
"""

EXAMPLES = r"""
- name: Judge headers, origins and limits
  bytebot.production.http_security_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    allowed_origins: [https://app.bytebot.com, https://dashboard.bytebot.com]
    namespace: bytebot-production
    accounts:
      - {role: operator, secret: bytebot-test-operator}
      - {role: viewer, secret: bytebot-test-viewer}
    burst: true
  register: answers

- name: Judge the headers alone
  bytebot.production.http_security_check:
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    only: [security_configuration.network.security_headers]
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
      sample: security_configuration.network.cors
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

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled, not_negative
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import ACCOUNTS, FIELDS
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_headers import DOCUMENT_MAX_AGE
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_security import (
    CHECKS,
    HTTPS,
    LIMIT,
    TESTED_LIMIT,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import (
    DOCUMENT_API,
    DOCUMENT_LOGIN,
    Names,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, Fields
from ansible_collections.bytebot.production.plugins.module_utils.clients.silence import Silence
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_http import Paths, Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_limits import LimitScope
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_TEXTS = {"type": "list", "elements": "str", "default": []}
HEADERS: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "limit": {"type": "str", "default": "X-RateLimit-Limit"},
        "remaining": {"type": "str", "default": "X-RateLimit-Remaining"},
        "reset": {"type": "str", "default": "X-RateLimit-Reset"},
    },
}
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **HTTP_ARGS,
    "namespace": {"type": "str", "default": ""},
    "hosts": _TEXTS,
    "success_path": {"type": "str", "default": Paths().ok},
    "protected_path": {"type": "str", "default": Paths().protected},
    "login_path": {"type": "str", "default": Paths().login},
    "static_path": {"type": "str", "default": Paths().static},
    "metrics_path": {"type": "str", "default": Paths().metrics},
    "error_paths": _TEXTS,
    "hsts_max_age": {"type": "int", "default": DOCUMENT_MAX_AGE},
    "allowed_origins": {"type": "list", "elements": "str"},
    "cors_credentials": {"type": "bool", "default": True},
    "cors_paths": _TEXTS,
    "accounts": ACCOUNTS,
    "login_fields": FIELDS,
    "limit_headers": HEADERS,
    "api_limit": {"type": "int", "default": DOCUMENT_API},
    "login_limit": {"type": "int", "default": DOCUMENT_LOGIN},
    "burst": {"type": "bool", "default": False},
    "burst_path": {"type": "str", "default": LimitScope().path},
    "burst_method": {"type": "str", "choices": ["GET", "POST"], "default": LimitScope().method},
    "burst_maximum": {"type": "int", "default": LimitScope().most},
}


def judge_answers(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask the application once and judge what its answers show."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "http_security_check")
    not_negative(given, "hsts_max_age", "api_limit", "login_limit", "burst_maximum")
    silence = Silence()
    http = http_of(given, silence)
    scope = _scope(module, http, redactor)
    facts = observe(http, scope, redactor, lambda: http_of(given, silence))
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _scope(module: AnsibleModule, http: Http, redactor: Redactor) -> Scope:
    given = module.params
    origins = given["allowed_origins"]
    cluster = _cluster(module, redactor)
    return Scope(
        paths=Paths(
            given["success_path"],
            given["protected_path"],
            given["login_path"],
            given["static_path"],
            tuple(given["error_paths"]),
            tuple(given["cors_paths"]),
            given["metrics_path"],
        ),
        wanted=Wanted(given["hsts_max_age"], given["cors_credentials"], given["api_limit"], given["login_limit"]),
        limits=LimitScope(
            given["burst"], given["burst_path"], given["burst_method"], given["burst_maximum"], _names(given)
        ),
        origins=None if origins is None else tuple(_origin(one) for one in origins),
        accounts=tuple(Account(**one) for one in given["accounts"]),
        door=_door(module, http, cluster),
        hosts=tuple(given["hosts"] or [urlsplit(http.base_url).netloc]),
        inside=cluster if given["namespace"] else None,
        namespace=given["namespace"],
        unasked="It needs a probe, and check mode sends none." if module.check_mode else "",
        only=tuple(given["only"]),
    )


def _cluster(module: AnsibleModule, redactor: Redactor) -> Cluster | None:
    """Opened only where something of it is needed."""
    given = module.params
    judged = given["only"] or CHECKS.controls
    signs_in = given["accounts"] and (LIMIT in judged or TESTED_LIMIT in judged)
    if module.check_mode or not (signs_in or (given["namespace"] and HTTPS in judged)):
        return None
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    return Cluster(connection, module.tmpdir)


def _door(module: AnsibleModule, http: Http, cluster: Cluster | None) -> Door | None:
    given = module.params
    if not given["accounts"] or cluster is None:
        return None
    if not given["namespace"]:
        raise InputError("accounts: name the namespace in which their Secrets are (namespace).")
    names = filled(given["login_fields"], FIELDS)
    fields = Fields(given["login_path"], names["username"], names["password"], names["token"])
    return Door(cluster, given["namespace"], http, fields)


def _names(given: Mapping[str, Any]) -> Names:
    names = filled(given["limit_headers"], HEADERS)
    return Names(*(str(names[part]).lower() for part in ("limit", "remaining", "reset")))


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text.strip().rstrip("/"))
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.path and parts.username is None
        int(parts.port or 0)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"allowed_origins: {text!r} is no origin such as https://app.bytebot.com.")
    return text.strip().rstrip("/")


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_answers)


if __name__ == "__main__":
    main()
