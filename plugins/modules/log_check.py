#!/usr/bin/python
# Judges the aggregation of logs: the store is well, and an agent stands on every node.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: log_check
short_description: Judge the log store and its agents
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks the store of logs by its HTTP API and reads the DaemonSet of its agent. It changes nothing.
  - Settles C(infrastructure.monitoring.logs).
  - The store must be well, answer a search, and take lines. A store of V(elasticsearch) or V(opensearch) whose replicas
    are not assigned is V(fail) of level V(should).
  - On each node that is ready and that O(agents.nodes) selects, a pod of the DaemonSet must be ready; where none is,
    the summary says why, such as a taint that is not tolerated. A node that is not ready is another control's matter.
  - Whether lines arrive from each pod is not seen here.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.log_store
  - bytebot.production.results
  - bytebot.production.services
options:
  agents:
    description: The DaemonSet of the agent that collects logs. Where it is not set, the control is V(pending).
    type: dict
    suboptions:
      namespace:
        description: Its namespace.
        type: str
        required: true
      name:
        description: Its name.
        type: str
        required: true
      nodes:
        description:
          - Label selector of the nodes that need an agent. Every node needs one where it is empty.
          - Use it to leave out nodes that have no place for a DaemonSet, such as virtual ones.
        type: str
        default: ""
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
notes:
  - Needs the verb list on DaemonSets and Pods in the namespace of the agent, and on Nodes. Where it is missing, the
    control is V(pending) and the summary names it.
seealso:
  - module: bytebot.production.metrics_check
"""

EXAMPLES = r"""
- name: Judge Loki and its agents
  bytebot.production.log_check:
    log_store:
      kind: loki
      url: https://loki.example.net
      tenant: bytebot
      token_file: /run/secrets/loki-token
    agents:
      namespace: logging
      name: alloy
      nodes: "eks.amazonaws.com/compute-type!=fargate"
    allowed_hosts: [loki.example.net]

- name: Judge an OpenSearch of several indices
  bytebot.production.log_check:
    log_store:
      kind: opensearch
      url: https://logs.example.net:9200
      index: "bytebot-*"
      certificate_file: /run/secrets/checklist.crt
      key_file: /run/secrets/checklist.key
    agents: {namespace: logging, name: fluent-bit}
    allowed_hosts: ["logs.example.net:9200"]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.monitoring.logs}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always}
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
      description: Thresholds that were judged by and are weaker than the usual ones, in words.
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

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    SERVICES_ARGS,
    service_args,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.logs import CHECKS, LogFacts
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.logs import KINDS, store_of
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_logs import look_at_agents
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "log_store": service_args(
        kind={"type": "str", "required": True, "choices": list(KINDS)}, index={"type": "str", "default": "*"}
    ),
    "agents": {
        "type": "dict",
        "options": {
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "nodes": {"type": "str", "default": ""},
        },
    },
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask the store once, look at the agents, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "log_check")
    service = service_of("log_store", given, redactor)
    if service is None:
        return {"changed": False, **results_of(CHECKS.judge(LogFacts(), given["only"]), redactor)}
    store = store_of(given["log_store"]["kind"], service, given["log_store"]["index"])
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    agents = given["agents"]
    seen = look_at_agents(Cluster(connection, module.tmpdir), **agents) if agents else None
    results = CHECKS.judge(LogFacts(store.look(), seen), given["only"])
    return {"changed": False, **results_of(results, redactor)}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
