#!/usr/bin/python
# Judges how a release is configured, tuned and watched over, by what runs and by what happens when something breaks.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration_check
short_description: Judge a release's environment, tuning and probes by what runs
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles the eleven controls of the section C(application_configuration).
  - The variables are those that the processes have. A short program of shell builtins is run in each container for
    that; their values are compared with what ConfigMaps and Secrets say now, and shown nowhere. Where it may not be
    run, the times of the ConfigMaps are compared with the start of the containers.
  - The level of logs is judged by the variable that sets it and by the last 500 lines of each container, of which only
    the levels are kept.
  - Errors are provoked by requests that nobody can take for good ones; none changes anything.
  - Pools are judged by the database's own connections, limits by the figures of O(prometheus) in O(window); a container
    without a limit of its processor or its memory is red. Where O(tests_allowed) permits V(load), a few requests a
    second are sent to O(load_path) meanwhile; without it, or where most of them met 429 or a proxy with nobody behind
    it, both are V(pending) unless they are red.
  - Where O(tests_allowed) permits V(drills), two copies of one pod of the release are made, to which nobody is led. One
    is hung and must be restarted; the other reaches its database through a relay of its own, which is cut, and must
    become unready, leave its Service, not be restarted, and come back. Each autoscaler is put below what its pods use
    and then above it, and must scale out and in again. Copies are removed and autoscalers given back what they were
    whatever happens; what a killed run has left, the next one heals.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.database
  - bytebot.production.probe
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.web
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  variables:
    description:
      - Variables that containers must have. A name that is missing while one like it is there is told as misspelled.
      - Where it is not set, the control of variables is V(pending) when nothing else is wrong.
    type: list
    elements: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      pattern:
        description: Regular expression that its whole value must match. Any value but a blank one where it is not set.
        type: str
        default: ""
      workloads:
        description: Names of the workloads that need it. All where it is empty.
        type: list
        elements: str
        default: []
  level_variables:
    description: Variables that set the level of logs.
    type: list
    elements: str
    default: [LOG_LEVEL]
  levels:
    description: Levels that are right for production, in small letters.
    type: list
    elements: str
    default: [info, information, notice, warn, warning, error]
  debug_variables:
    description: Variables that must be off or not there.
    type: list
    elements: str
    default: [DEBUG, DEBUG_MODE, AUTH_DEBUG, ENABLE_SWAGGER, FLASK_DEBUG, DJANGO_DEBUG]
  production_variables:
    description: By variable, the value that says that this is production, where a container has the variable.
    type: dict
    default: {NODE_ENV: production}
  debug_ports:
    description: Ports on which debuggers and profilers listen.
    type: list
    elements: int
    default: [2345, 5005, 5678, 5858, 6060, 8787, 9003, 9222, 9229, 9230]
  documents_wanted:
    description: Whether the API's own documents may be served.
    type: bool
    default: false
  document_paths:
    description: Paths at which documents are looked for.
    type: list
    elements: str
    default: [/api/docs, /docs, /redoc, /swagger, /api-docs, /openapi.json, /api/docs-json, /swagger.json]
  error_paths:
    description: Paths that are asked in wrong ways.
    type: list
    elements: str
    default: [/api/v1/tasks, /api/v1/auth/login]
  feature_flags:
    description:
      - The register of feature flags. Where it is not set, their control is V(pending).
    type: list
    elements: dict
    suboptions:
      name:
        description: The variable of the flag.
        type: str
        required: true
      owner:
        description: Who answers for it.
        type: str
        default: ""
      rollout:
        description: Percent of requests or users that have it. On is V(100), off is V(0).
        type: int
        required: true
      default:
        description: Percent that holds where the variable is not set.
        type: int
        default: 0
  flag_prefixes:
    description: Beginnings of the names of variables that are feature flags.
    type: list
    elements: str
    default: [ENABLE_, FEATURE_]
  pool_size_variables:
    description: Variables that say the size of a replica's pool, themselves or as C(connection_limit) of a URL.
    type: list
    elements: str
    default: [DATABASE_MAX_CONNECTIONS, DATABASE_URL]
  connection_reserve:
    description: Connections that are kept for people.
    type: int
    default: 5
  minimum_pool:
    description: The smallest pool of a replica.
    type: int
    default: 2
  pool_metric:
    description: Metric of the connections that a replica has in use, with the label V(pod).
    type: str
    default: bytebot_database_connections_active
  pool_utilisation:
    description: Share of a pool that may be in use for a tenth of the time.
    type: float
    default: 0.9
  window:
    description: How far back figures are looked at, as Prometheus writes a length of time.
    type: str
    default: 15m
  throttled_share:
    description: Share of its processor's periods in which a container may be throttled.
    type: float
    default: 0.25
  limit_share:
    description: Share of a limit that may be used.
    type: float
    default: 0.9
  limit_times:
    description: How many times the memory that was used a limit may be.
    type: float
    default: 10
  minimum_replicas:
    description: The smallest minimum of an autoscaler.
    type: int
    default: 2
  tests_allowed:
    description: What may be done beside looking. V(writes) is of no account here.
    type: list
    elements: str
    choices: [writes, load, drills]
    default: []
  load_path:
    description: A path that asks the database, and is exempt from limits on requests.
    type: str
    default: /health/ready
  load_rate:
    description: Requests a second.
    type: float
    default: 10
  load_seconds:
    description: For how long.
    type: float
    default: 20
  drill_workload:
    description: The Deployment whose pod is copied. The one that an Ingress leads to where it is not set.
    type: str
    default: ""
attributes:
  check_mode:
    description: In check mode nothing is sent, run or changed; what rests on that is V(pending).
    support: full
  diff_mode:
    description: Nothing stays changed, so there is no difference to show.
    support: none
notes:
  - Needs list on Deployments, StatefulSets, DaemonSets, Pods, Services, Events and HorizontalPodAutoscalers, get on
    ConfigMaps, Secrets and C(pods/log), and create on C(pods/exec). Drills need create and delete on Pods and Services,
    list on Ingresses, NetworkPolicies and EndpointSlices, and patch on HorizontalPodAutoscalers.
seealso:
  - module: bytebot.production.postgres_check
  - module: bytebot.production.health_probe
  - module: bytebot.production.security_check
"""

EXAMPLES = r"""
- name: Judge how the release is configured
  bytebot.production.configuration_check:
    namespace: bytebot-production
    release: bytebot
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com, prometheus.bytebot.com]
    probe_image: docker.io/library/busybox:1.37
    prometheus: {url: https://prometheus.bytebot.com}
    variables:
      - {name: NODE_ENV, pattern: production}
      - {name: DATABASE_HOST}
    feature_flags:
      - {name: ENABLE_CIRCUIT_BREAKER, owner: platform, rollout: 100}
    tests_allowed: [load, drills]
  register: configuration

- name: Judge the probes alone, as they are described
  bytebot.production.configuration_check:
    namespace: bytebot-production
    release: bytebot
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    only: [application_configuration.health.startup]
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
      sample: application_configuration.health.liveness
    state:
      description: V(pass), V(fail), V(error), V(inconclusive), V(pending) or V(not_applicable).
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
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: always
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_configuration import (
    CONFIGURATION_ARGS,
    check_usable,
    wanted_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import (
    DATABASE_ARGS,
    PROBE_ARGS,
    database_keys,
    sides_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS, http_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import PROMETHEUS_ARGS, service_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    POOLING,
    PostgresFacts,
    PostgresWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_configuration import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_postgres import PostgresScope
from ansible_collections.bytebot.production.plugins.module_utils.observe_postgres import observe as observe_postgres
from ansible_collections.bytebot.production.plugins.module_utils.observe_use import LoadScope
from ansible_collections.bytebot.production.plugins.module_utils.reach import AUTO
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **DATABASE_ARGS,
    **PROBE_ARGS,
    **HTTP_ARGS,
    **PROMETHEUS_ARGS,
    **CONFIGURATION_ARGS,
}


def judge_configuration(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Observe the release once and judge every wanted control from it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "configuration_check")
    check_usable(given)
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    facts = observe(cluster, _scope(module, cluster, redactor), redactor)
    results = results_of(CHECKS.judge(facts, given["only"]), redactor)
    return {"changed": False, "api_requests": cluster.requests, **results}


def _scope(module: AnsibleModule, cluster: Cluster, redactor: Redactor) -> Scope:
    given = module.params
    prometheus = service_of("prometheus", given, redactor)

    def ask_database() -> PostgresFacts:
        scope = PostgresScope(
            namespace=given["namespace"],
            release=given["release"],
            database=database_keys(given["database"]),
            sides=sides_of({**given, "reach": AUTO}, check_mode=module.check_mode),
            wanted=PostgresWanted(reserve=given["connection_reserve"]),
            size_variables=tuple(given["pool_size_variables"]),
            only=(POOLING,),
        )
        return observe_postgres(cluster, scope, redactor, module.tmpdir)

    return Scope(
        namespace=given["namespace"],
        release=given["release"],
        wanted=wanted_of(given),
        http=http_of(given),
        ask_database=ask_database,
        load=LoadScope(given["load_path"], given["load_rate"] or 1.0, given["load_seconds"], lambda: http_of(given)),
        prometheus=Prometheus(prometheus) if prometheus else None,
        window=given["window"],
        pool_metric=given["pool_metric"],
        error_paths=tuple(given["error_paths"]),
        document_paths=tuple(given["document_paths"]),
        drill_workload=given["drill_workload"],
        allowed=tuple(given["tests_allowed"]),
        check_mode=module.check_mode,
        only=tuple(given["only"]),
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_configuration)


if __name__ == "__main__":
    main()
