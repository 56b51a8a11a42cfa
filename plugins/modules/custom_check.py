#!/usr/bin/python
# Judges controls that users write as data: an API object or a URL, a query, and what it must come to.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: custom_check
short_description: Judge controls of your own
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at objects of the Kubernetes API, or asks URLs of allowed hosts, applies a JMESPath query, and compares what
    it finds with what is expected. Objects are looked at once, however many controls ask about them.
  - The results are recorded, reported and gated as those of the checklist's own controls, in a section of their own;
    they are never counted among the checklist's.
  - Of a Secret a query sees the keys and no value. Where objects are not there, or a query leads to nothing, only an
    expectation of C(exists) can pass.
  - A control that does not hold is a result, not a failure of the module. A control that is written wrongly is a
    failure, with the place, the key, and the column in an expression.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  namespace:
    description: Namespace of objects, and of Secrets to sign in with, where a control names none.
    type: str
    default: ""
  controls:
    description:
      - The controls, each with C(id) (C(own.<group>.<item>)), C(title), C(source), C(query) and C(expect), and where it
        is not the default C(level) (V(must), or V(should)), C(stage) (V(deploy), or another one) and C(remedy).
      - C(source) is C(kubernetes) with C(kind), and C(api_version), C(namespace), and either C(name) or C(labels); or
        C(url), and C(auth) with C(secret) and C(token_key), or C(username_key) and C(password_key).
      - C(query) is applied to the object that C(name) names, else to the list of objects; of a URL to C(status),
        C(headers) and C(body).
      - C(expect) is one or several of C(equals), C(not_equals), C(contains), C(matches), C(at_least), C(at_most),
        C(exists) and C(empty), all of which must hold.
    type: list
    elements: dict
    default: []
  files:
    description: YAML files, each with a list of controls, on the machine that runs the module.
    type: list
    elements: path
    default: []
  allowed_hosts:
    description: Host names that may be asked; a URL of any other host is refused before anything is sent.
    type: list
    elements: str
    default: []
  ca_file:
    description: CA certificates to trust, in PEM. The public ones where it is not set.
    type: path
  resolve:
    description: Addresses to connect to by host name, in place of asking DNS.
    type: dict
    default: {}
  timeout:
    description: Seconds that one request may take.
    type: float
    default: 5.0
  judge:
    description: With V(false) the controls are only read, so that one that is written wrongly is told early.
    type: bool
    default: true
attributes:
  check_mode:
    description: Objects are read; what asks a URL is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - "jmespath >= 1.0 (Python package)"
  - "requests >= 2.32 (Python package)"
  - PyYAML >= 6.0
seealso:
  - module: bytebot.production.checklist_record
"""

EXAMPLES = r"""
- name: Judge what the checklist does not ask
  bytebot.production.custom_check:
    kubeconfig: ~/.kube/config
    namespace: bytebot-production
    allowed_hosts: [api.bytebot.com]
    controls:
      - id: own.capacity.replicas
        title: Every Deployment wants two replicas
        source: {kubernetes: {api_version: apps/v1, kind: Deployment}}
        query: "[?spec.replicas < `2`].metadata.name"
        expect: {empty: true}
      - id: own.web.version
        title: The API says which version it is
        level: should
        source: {url: "https://api.bytebot.com/health/live"}
        query: body.version
        expect: {matches: '^\d+\.\d+'}
  register: own
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: success
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: own.capacity.replicas}
    state: {description: "V(pass), V(fail), V(error), V(inconclusive) or V(pending).", type: str, returned: always}
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    own: {description: "Title, level, stage and remedy as they were given.", type: dict, returned: always}
    level: {description: "V(must); the control's own level stands in C(own).", type: str, returned: always}
    weaker: {description: Always empty., type: list, elements: str, returned: always}
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: success
  type: list
  elements: str
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: success
  type: int
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils import yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.own import Own, once, parse
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_own import Observer
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    "namespace": {"type": "str", "default": ""},
    "controls": {"type": "list", "elements": "dict", "default": []},
    "files": {"type": "list", "elements": "path", "default": []},
    "allowed_hosts": {"type": "list", "elements": "str", "default": []},
    "ca_file": {"type": "path"},
    "resolve": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 5.0},
    "judge": {"type": "bool", "default": True},
}


def check(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Judge every control that is given."""
    given = module.params
    redactor.learn(given["api_key"])
    controls = _controls(given)
    cluster = Cluster(connection_of(given), module.tmpdir)
    observer = Observer(cluster, redactor, lambda url: _http(given, url), probe=not module.check_mode)
    observer.permit(controls)
    wanted = controls if given["judge"] else []
    answer = results_of([observer.judged(one) for one in wanted], redactor)
    for result, control in zip(answer["results"], wanted, strict=True):
        result["own"] = control.told()
    return {"changed": False, "api_requests": cluster.requests, **answer}


def _controls(given: dict[str, Any]) -> list[Own]:
    found = parse(given["controls"], "controls", given["namespace"])
    for name in given["files"]:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(f"files: {name} cannot be read ({getattr(exc, 'strerror', '') or 'no UTF-8'}).") from exc
        found += parse(yaml_text.load(text, name) or [], name, given["namespace"])
    return once(found)


def _http(given: dict[str, Any], url: str) -> Http:
    return Http(
        url,
        given["allowed_hosts"],
        ca_file=given["ca_file"] or "",
        resolve={name: str(address) for name, address in given["resolve"].items()},
        timeout_s=given["timeout"],
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), check)


if __name__ == "__main__":
    main()
