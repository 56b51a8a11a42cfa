#!/usr/bin/python
# Examines the Ingresses of a release: class, hosts, TLS, backends, admission and shadowed paths.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ingress_check
short_description: Examine the Ingresses of a release
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Reads the Ingresses of a namespace and what they name, and settles the control V(deployment.execution.ingress).
  - Their class exists and is the wanted one; every wanted host has a rule, and a TLS Secret of type
    V(kubernetes.io/tls); every path leads to a Service and port that exist; a controller has published an address;
    and no other Ingress claims the same or a more precise path on the same host.
  - Certificates themselves are judged by other controls; of a TLS Secret only type and certificate are kept.
  - What is wrong does not fail the task. It stands in RV(results) and RV(failed_controls).
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.results.attributes
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  selector:
    description: Label selector of the Ingresses to judge. All of the namespace where it is empty.
    type: str
    default: ""
  hosts:
    description: Hosts that must be published.
    type: list
    elements: str
    required: true
  tls:
    description: Whether every host needs a TLS Secret.
    type: bool
    default: true
  ingress_class:
    description: The class that the Ingresses must have. Any class that exists where it is not set.
    type: str
  settle_timeout:
    description: Seconds to wait for the address of a new Ingress, where nothing else is wrong.
    type: float
    default: 10.0
attributes:
  check_mode:
    description: Only reads. Where no Ingress is there yet, the control is V(pending) in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
requirements:
  - "cryptography >= 43 (Python package)"
notes:
  - Needs the verbs list on Ingresses, Services and EndpointSlices and get on the TLS Secrets in the namespace,
    and list on IngressClasses and on the Ingresses of all namespaces. What may not be read makes the state V(error),
    and the summary names it.
seealso:
  - module: bytebot.production.health_probe
"""

EXAMPLES = r"""
- name: Examine the Ingress of the release
  bytebot.production.ingress_check:
    namespace: bytebot-production
    hosts: [api.bytebot.com]
    ingress_class: nginx
  register: ingress

- name: Stop where it is not as wanted
  ansible.builtin.assert:
    that: ingress.failed_controls | length == 0
    fail_msg: "{{ ingress.results | map(attribute='summary') }}"
"""

RETURN = r"""
results:
  description: One result per judged control.
  returned: success
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: deployment.execution.ingress}
    state: {description: "V(pass), V(fail) or V(error).", type: str, returned: always, sample: pass}
    summary: {description: "What was seen, with the numbers.", type: str, returned: always}
    remedy: {description: What to do now; empty when nothing., type: str, returned: always}
    evidence:
      description: The observations that the result rests on, redacted.
      type: list
      elements: dict
      returned: always
      contains:
        source: {description: What was asked., type: str, returned: always}
        observed_at: {description: When (UTC; RFC 3339)., type: str, returned: always}
        observed: {description: The facts that came back., type: raw, returned: always}
        sha256: {description: Over the canonical JSON of the facts., type: str, returned: always}
    started: {description: When judging began (UTC; RFC 3339)., type: str, returned: always}
    duration_s: {description: Seconds spent judging., type: float, returned: always}
    level: {description: "V(should) where a red state is advice only.", type: str, returned: always}
    weaker: {description: Thresholds that are weaker than the document's., type: list, elements: str, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: success
  type: list
  elements: str
  sample: [deployment.execution.ingress]
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import CHECKS, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_ingress import ingress_facts, settled_facts
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "namespace": {"type": "str", "required": True},
    "selector": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "tls": {"type": "bool", "default": True},
    "ingress_class": {"type": "str"},
    "settle_timeout": {"type": "float", "default": 10.0},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "ingress_check")
    if not given["hosts"]:
        raise InputError("hosts: name at least one host that must be published.")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    wanted = Wanted(tuple(given["hosts"]), given["tls"], given["ingress_class"] or "")
    cluster = Cluster(connection, module.tmpdir)
    place = {"namespace": given["namespace"], "selector": given["selector"]}
    facts = settled_facts(partial(ingress_facts, cluster, redactor, wanted, **place), given["settle_timeout"])
    if module.check_mode and not facts.ours:
        results = CHECKS.pending("No Ingress is there yet, and check mode deploys nothing.", "", given["only"])
    else:
        results = CHECKS.judge(facts, given["only"])
    return {"changed": False, **results_of(results, redactor)}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, examine)


if __name__ == "__main__":
    main()
