#!/usr/bin/python
# Judges a PostgreSQL server: version, who may come in, connections against pools, encryption.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_check
short_description: Judge a PostgreSQL server and how a release uses it
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Connects with the credentials in a Secret of the release and judges what the server does, not what it is said to do.
    It changes nothing. No value of a Secret leaves the module.
  - Settles C(infrastructure.database.version), C(infrastructure.database.credentials),
    C(infrastructure.database.pooling) and C(infrastructure.database.tls).
  - One sign-in is tried with a random password, which must be refused, and one connection without TLS, on which no
    password is sent. The password in the Secret is proved by SCRAM only, which does not reveal it, unless the server's
    certificate verifies.
  - Pools come from O(pools), or from the variables of the deployed release's workloads, times the maximum of their
    HorizontalPodAutoscaler. Where a workload has the Secret of the database and no such variable, its pool is not
    known, which is V(pending). So is what may not be read, with the permission that is missing.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.database
  - bytebot.production.probe
  - bytebot.production.reach
  - bytebot.production.results
options:
  namespace:
    description: Namespace of the release, in which the Secret is.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  minimum_version:
    description: Oldest major version. One below V(14) is told as weaker than the document.
    type: int
    default: 14
  wanted_sslmode:
    description: What the application must ask for at least. One below V(verify-full) is told as weaker.
    type: str
    choices: [require, verify-ca, verify-full]
    default: verify-full
  sslmode_variables:
    description: Variables of the release's containers that say C(sslmode), as a word or in a URL.
    type: list
    elements: str
    default: [DATABASE_SSL_MODE, PGSSLMODE, DATABASE_URL]
  pools:
    description: Pools of connections, in place of those that the release's workloads are told to make.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of what has the pool., type: str, required: true}
      size: {description: Connections of one replica., type: int, required: true}
      replicas: {description: The most replicas that there may be., type: int, default: 1}
  pool_size_variables:
    description:
      - Variables of the release's containers that say the size of a pool, the first that does counts; a URL says it as
        C(connection_limit).
    type: list
    elements: str
    default: [DATABASE_MAX_CONNECTIONS, DATABASE_URL]
  connection_reserve:
    description:
      - Connections that are kept for people, backups and migrations, beside those that the server keeps.
      - Where other users have more than that now, theirs count in its place, unless there is a pooler.
    type: int
    default: 5
  pooler:
    description:
      - Where the credentials of PgBouncer's console stand, whose C(SHOW DATABASES), C(SHOW POOLS) and C(SHOW CONFIG)
        are then judged in place of the application's own pools.
    type: dict
    suboptions:
      secret: {description: Name of the Secret., type: str, required: true}
      username_key: {description: Key of the user's name., type: str, default: username}
      password_key: {description: Key of the password., type: str, default: password}
      host_key: {description: Key of the host., type: str, default: host}
      port_key: {description: "Key of the port; 5432 where it is not there.", type: str, default: port}
      ca_key: {description: "Key of the CA of the pooler's certificate, in PEM.", type: str, default: ca.crt}
      instances: {description: How many of it run., type: int, default: 1}
attributes:
  check_mode:
    description: In check mode no pod is made, and neither a wrong password nor a connection without TLS is tried; what
      rests on that is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - psycopg >= 3.2, with libpq >= 16 (C(psycopg[binary]) has it)
  - cryptography >= 43
seealso:
  - module: bytebot.production.redis_check
  - module: bytebot.production.secret_check
"""

EXAMPLES = r"""
- name: Judge the database of the release
  bytebot.production.postgres_check:
    namespace: bytebot-production
    release: bytebot
    probe_image: docker.io/library/busybox:1.37
  register: database

- name: Judge a managed database from this machine, with the pools that the application will have
  bytebot.production.postgres_check:
    namespace: bytebot-production
    release: bytebot
    reach: direct
    ca_file: files/rds-global-bundle.pem
    pools:
      - name: api
        size: 20
        replicas: 10

- name: Judge the pooler in front of the database
  bytebot.production.postgres_check:
    namespace: bytebot-production
    release: bytebot
    probe_image: docker.io/library/busybox:1.37
    pooler:
      secret: pooler-console
    only:
      - infrastructure.database.pooling
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: infrastructure.database.version}
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
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import (
    DATABASE_ARGS,
    PROBE_ARGS,
    REACH_ARGS,
    database_keys,
    key,
    not_negative,
    pem_of,
    sides_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import Pool, PostgresWanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_postgres import PostgresScope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_CONSOLE = ("username", "password", "host", "port", "ca")
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **DATABASE_ARGS,
    **PROBE_ARGS,
    **REACH_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "minimum_version": {"type": "int", "default": 14},
    "wanted_sslmode": {"type": "str", "choices": ["require", "verify-ca", "verify-full"], "default": "verify-full"},
    "sslmode_variables": {
        "type": "list",
        "elements": "str",
        "default": ["DATABASE_SSL_MODE", "PGSSLMODE", "DATABASE_URL"],
    },
    "pools": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "size": {"type": "int", "required": True},
            "replicas": {"type": "int", "default": 1},
        },
    },
    "pool_size_variables": {
        "type": "list",
        "elements": "str",
        "default": ["DATABASE_MAX_CONNECTIONS", "DATABASE_URL"],
    },
    "connection_reserve": {"type": "int", "default": 5},
    "pooler": {
        "type": "dict",
        "options": {
            **{f"{part}_key": key("ca.crt" if part == "ca" else part) for part in _CONSOLE},
            "secret": {"type": "str", "required": True, "no_log": False},
            "instances": {"type": "int", "default": 1},
        },
    },
}


def judge_postgres(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Meet the server once and judge every control that rests on it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "postgres_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    scope = _scope(module)
    cluster = Cluster(connection, module.tmpdir)
    results = results_of(CHECKS.judge(observe(cluster, scope, redactor, module.tmpdir), given["only"]), redactor)
    return {"changed": False, "api_requests": cluster.requests, **results}


def _scope(module: AnsibleModule) -> PostgresScope:
    given = module.params
    not_negative(given, "minimum_version", "connection_reserve", "probe_timeout")
    for pool in given["pools"]:
        not_negative(pool, "size", "replicas")
    pooler = given["pooler"]
    instances = pooler["instances"] if pooler else 1
    return PostgresScope(
        namespace=given["namespace"],
        release=given["release"],
        database=database_keys(given["database"]),
        sides=sides_of(given, check_mode=module.check_mode),
        wanted=PostgresWanted(
            given["minimum_version"], given["wanted_sslmode"], given["connection_reserve"], instances
        ),
        ca=pem_of(given["ca_file"]),
        pooler=_console(pooler) if pooler else None,
        pools=tuple(Pool(one["name"], one["size"], one["replicas"]) for one in given["pools"]),
        size_variables=tuple(given["pool_size_variables"]),
        mode_variables=tuple(given["sslmode_variables"]),
        probing=not module.check_mode,
        only=tuple(given["only"]),
    )


def _console(given: dict[str, Any]) -> Keys:
    parts = {part: given[f"{part}_key"] for part in _CONSOLE}
    return Keys(given["secret"], **parts, required=("username", "password", "host"))


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_postgres)


if __name__ == "__main__":
    main()
