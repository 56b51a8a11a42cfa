#!/usr/bin/python
# Judges a Redis or Valkey server: version, who may come in and do what, what it keeps, and its memory.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_check
short_description: Judge a Redis or Valkey server
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Connects with the credentials in a Secret of the release and judges what the server does, not what it is said to do.
    It changes nothing. No value of a Secret leaves the module.
  - Settles C(infrastructure.cache.version), C(infrastructure.cache.credentials), C(infrastructure.cache.persistence)
    and C(infrastructure.cache.memory).
  - Whether the user may run dangerous commands is asked by C(ACL DRYRUN) where it may be. Else they are put into a
    transaction that is discarded, since a server looks at rights before it queues; their arguments are such that none
    would do anything even if it were run, and nothing is queued unless it is seen that queueing works.
  - A server that forbids C(CONFIG), as managed services do, is judged by C(INFO).
  - A node of Redis Cluster stands for its cluster, whose state and slots are judged. A Sentinel holds no data and is
    red; name the server itself.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.probe
  - bytebot.production.reach
  - bytebot.production.redis
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
    description: Oldest major version of Redis. One below V(6) is told as weaker than the document.
    type: int
    default: 6
  require_tls:
    description: Whether a connection without TLS is red.
    type: bool
    default: false
  use:
    description:
      - What the server keeps. V(queue) wants C(noeviction); V(cache) wants any policy but that; V(mixed), both in one
        server, wants one that removes only what has a time to live, or none.
    type: str
    choices: [mixed, queue, cache]
    default: mixed
  headroom:
    description:
      - Share of the container's memory that must stay above C(maxmemory). Less than V(0.2) is told as weaker.
    type: float
    default: 0.2
  rdb_reason:
    description:
      - Why snapshots will do in place of the append-only file. Where it is empty, they do not.
      - That they are made must show by C(CONFIG GET save), or by one of the last day.
    type: str
    default: ""
  data_directory:
    description: Where the server keeps its data, where C(CONFIG GET dir) is not allowed.
    type: str
    default: /data
  needed_commands:
    description: Dangerous commands that the application needs; each is told as weaker.
    type: list
    elements: str
    choices: [FLUSHALL, FLUSHDB, CONFIG SET, KEYS, DEBUG, SHUTDOWN, ACL DELUSER, REPLICAOF]
    default: []
attributes:
  check_mode:
    description: In check mode no pod is made, and no sign-in without or with a wrong password is tried; what rests on
      that is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - redis >= 5
seealso:
  - module: bytebot.production.postgres_check
  - module: bytebot.production.secret_check
"""

EXAMPLES = r"""
- name: Judge the Redis of the release
  bytebot.production.redis_check:
    namespace: bytebot-production
    release: bytebot
    probe_image: docker.io/library/busybox:1.37
  register: cache

- name: Judge a managed cache from this machine
  bytebot.production.redis_check:
    namespace: bytebot-production
    release: bytebot
    reach: direct
    redis:
      secret: bytebot-redis-secret
      url_key: REDIS_URL
    require_tls: true
    use: cache
    rdb_reason: What is kept can be computed anew.
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: infrastructure.cache.version}
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
    PROBE_ARGS,
    REACH_ARGS,
    REDIS_ARGS,
    not_negative,
    pem_of,
    redis_keys,
    sides_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import (
    DANGEROUS,
    HEADROOM,
    MIXED,
    USES,
    RedisWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_redis import DIRECTORY, RedisScope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **REDIS_ARGS,
    **PROBE_ARGS,
    **REACH_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "minimum_version": {"type": "int", "default": 6},
    "require_tls": {"type": "bool", "default": False},
    "use": {"type": "str", "choices": list(USES), "default": MIXED},
    "headroom": {"type": "float", "default": HEADROOM},
    "rdb_reason": {"type": "str", "default": ""},
    "data_directory": {"type": "str", "default": DIRECTORY},
    "needed_commands": {"type": "list", "elements": "str", "default": [], "choices": list(DANGEROUS)},
}


def judge_redis(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Meet the server once and judge every control that rests on it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "redis_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    scope = _scope(module)
    cluster = Cluster(connection, module.tmpdir)
    results = results_of(CHECKS.judge(observe(cluster, scope, redactor, module.tmpdir), given["only"]), redactor)
    return {"changed": False, "api_requests": cluster.requests, **results}


def _scope(module: AnsibleModule) -> RedisScope:
    given = module.params
    not_negative(given, "minimum_version", "probe_timeout", "headroom")
    if given["headroom"] >= 1:
        raise InputError(f"headroom {given['headroom']} is no share; 0.2 stands for 20 %.")
    return RedisScope(
        namespace=given["namespace"],
        release=given["release"],
        redis=redis_keys(given["redis"]),
        sides=sides_of(given, check_mode=module.check_mode),
        wanted=RedisWanted(
            given["minimum_version"],
            tls=given["require_tls"],
            use=given["use"],
            headroom=given["headroom"],
            rdb_reason=given["rdb_reason"].strip(),
            needed=tuple(given["needed_commands"]),
        ),
        ca=pem_of(given["ca_file"]),
        data_directory=given["data_directory"],
        probing=not module.check_mode,
        only=tuple(given["only"]),
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_redis)


if __name__ == "__main__":
    main()
