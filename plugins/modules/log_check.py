#!/usr/bin/python
# Judges the aggregation of logs: the store is well, and an agent stands on every node.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: log_check
short_description: Judge the log store, its agents, and the lines that come to it
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks the store of logs by its HTTP API and reads the DaemonSet of its agent. It changes nothing.
  - Settles C(infrastructure.monitoring.logs), C(monitoring.logging.flow), C(monitoring.logging.structured),
    C(monitoring.logging.retention) and C(monitoring.logging.errors).
  - The store must be well, answer a search, and take lines. A store of V(elasticsearch) or V(opensearch) whose replicas
    are not assigned is V(fail) of level V(should).
  - On each node that is ready and that O(agents.nodes) selects, a pod of the DaemonSet must be ready; where none is,
    the summary says why, such as a taint that is not tolerated. A node that is not ready is another control's matter.
  - For lines it makes requests at O(base_url) that bear a word of their own as correlation id, until each ready pod of
    O(workload) has written of one, as its own log tells. A line that each of them wrote must be found in the store.
  - Each line that these pods wrote meanwhile must be one JSON object with O(line_fields), a known level (a word, or a
    number as pino writes it), and a time with its zone. The log is that of the container that the pod names by
    C(kubectl.kubernetes.io/default-container), or of its first one. Those of the requests must bear
    the correlation id, which the answer's header tells, too.
  - One of the requests is a sign-in of a user that does not exist, which is an error and changes nothing. Its line
    must stand under a level of O(error_levels), with a code. The token, password and e-mail address that the requests
    bear must stand in no line.
  - How long lines are kept is asked of the store.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.log_store
  - bytebot.production.results
  - bytebot.production.services
  - bytebot.production.watched
options:
  workload:
    description:
      - Name of the Deployment that answers requests at O(base_url).
      - The release's name with C(-api) where it is empty.
    type: str
    default: ""
  lines_within:
    description: Seconds that a line may take to the store.
    type: float
    default: 60.0
  keep:
    description: How long lines must be kept. Less than V(30d) is told as weaker.
    type: str
    default: 30d
  line_fields:
    description: Fields that each line must have.
    type: list
    elements: str
    default: [timestamp, level, message, service]
  time_field:
    description: The field with the time.
    type: str
    default: timestamp
  level_field:
    description: The field with the level.
    type: str
    default: level
  correlation_field:
    description: The field with the correlation id.
    type: str
    default: correlationId
  code_fields:
    description: Fields any of which tells the code of an error.
    type: list
    elements: str
    default: [eventType, code, errorCode]
  error_levels:
    description: Levels under which errors stand, those that users cause among them.
    type: list
    elements: str
    default: [error, warn, warning, fatal, critical]
  pod_field:
    description: The store's field (or label) with the pod's name. The usual one of its agents where it is empty.
    type: str
    default: ""
  namespace_field:
    description: The store's field (or label) with the namespace. The usual one of its agents where it is empty.
    type: str
    default: ""
  searched_fields:
    description: The store's fields that are searched for a word. The usual ones where it is empty.
    type: list
    elements: str
    default: []
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
    description: In check mode it makes no request, so that what needs one is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
notes:
  - Needs the verb list on DaemonSets and Pods in the namespace of the agent, and on Nodes. Where it is missing, the
    control is V(pending) and the summary names it.
  - For lines it needs list on Pods and get on pods/log in O(namespace).
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

- name: Judge the lines of a release
  bytebot.production.log_check:
    log_store: {kind: victoria_logs, url: https://logs.example.net}
    namespace: bytebot-production
    release: bytebot
    base_url: https://api.bytebot.com
    workload: bytebot-api
    keep: 90d
    allowed_hosts: [logs.example.net, api.bytebot.com]
    only: [monitoring.logging.flow, monitoring.logging.structured, monitoring.logging.errors]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.monitoring.logs}
    state: {description: "V(pass), V(fail), V(error), V(inconclusive) or V(pending).", type: str, returned: always}
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

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    SERVICES_ARGS,
    service_args,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_watched import (
    WATCHED_ARGS,
    application_of,
    cluster_of,
    fields_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks import log_lines
from ansible_collections.bytebot.production.plugins.module_utils.checks.log_facts import (
    ERRORS,
    FIELDS,
    USUAL_KEPT,
    FlowSeen,
    LineNames,
    LinesFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.logs import CHECKS, LogFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_search import Names, Searched, searched
from ansible_collections.bytebot.production.plugins.module_utils.clients.logs import KINDS, store_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Service
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_lines import Lines
from ansible_collections.bytebot.production.plugins.module_utils.observe_logs import look_at_agents
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

WATCHED = log_lines.CHECKS
STORE = "infrastructure.monitoring.logs"
TITLES = {"victoria_logs": "VictoriaLogs", "loki": "Loki", "elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}


def _texts(*usual: str) -> dict[str, Any]:
    return {"type": "list", "elements": "str", "default": list(usual)}


ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **WATCHED_ARGS,
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
    "workload": {"type": "str", "default": ""},
    "lines_within": {"type": "float", "default": 60.0},
    "keep": {"type": "str", "default": USUAL_KEPT},
    "line_fields": _texts(*FIELDS),
    "time_field": {"type": "str", "default": LineNames().time},
    "level_field": {"type": "str", "default": LineNames().level},
    "correlation_field": {"type": "str", "default": LineNames().correlation},
    "code_fields": _texts(*LineNames().codes),
    "error_levels": _texts(*ERRORS),
    "pod_field": {"type": "str", "default": ""},
    "namespace_field": {"type": "str", "default": ""},
    "searched_fields": _texts(),
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask the store once, look at the agents and at lines, and judge."""
    given = module.params
    every = (*CHECKS.controls, *WATCHED.controls)
    known_only(given["only"], every, "log_check")
    judged = set(given["only"] or every)
    service = service_of("log_store", given, redactor)
    results = []
    if STORE in judged:
        results += CHECKS.judge(_store(module, redactor, service), judged)
    if judged & set(WATCHED.controls):
        results += WATCHED.judge(_lines(module, redactor, service, judged), judged)
    return {"changed": False, **results_of(results, redactor)}


def _store(module: AnsibleModule, redactor: Redactor, service: Service | None) -> LogFacts:
    given = module.params
    if service is None:
        return LogFacts()
    store = store_of(given["log_store"]["kind"], service, given["log_store"]["index"])
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    agents = given["agents"]
    seen = look_at_agents(Cluster(connection, module.tmpdir), **agents) if agents else None
    return LogFacts(store.look(), seen)


def _lines(module: AnsibleModule, redactor: Redactor, service: Service | None, judged: set[str]) -> LinesFacts:
    given = module.params
    span("keep", given["keep"])
    names = LineNames(
        given["time_field"],
        given["level_field"],
        given["correlation_field"],
        tuple(given["code_fields"]),
        tuple(given["line_fields"]),
        errors=tuple(one.lower() for one in given["error_levels"]),
    )
    if service is None:
        return LinesFacts(names=names)
    kind = given["log_store"]["kind"]
    fields = Names(given["pod_field"], given["namespace_field"], tuple(given["searched_fields"]))
    store = searched(kind, service, given["log_store"]["index"], fields)
    asks = bool(judged - {STORE, log_lines.RETENTION}) and not module.check_mode
    return LinesFacts(
        service.url,
        TITLES[kind],
        _flow(module, redactor, store, names) if asks else None,
        store.kept() if log_lines.RETENTION in judged else None,
        names,
        given["keep"],
        time.time(),
        "It needs a probe, and check mode sends none." if module.check_mode else "",
    )


def _flow(module: AnsibleModule, redactor: Redactor, store: Searched, names: LineNames) -> FlowSeen | None:
    given = module.params
    cluster, http = cluster_of(given, module.tmpdir, redactor), application_of(given)
    if cluster is None or http is None:
        return None
    workload = given["workload"] or f"{given['release']}-api"
    return Lines(
        cluster,
        given["namespace"],
        workload,
        http,
        fields_of(given),
        store,
        names,
        given["lines_within"],
        redactor,
        given["tasks_path"],
    ).look()


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
