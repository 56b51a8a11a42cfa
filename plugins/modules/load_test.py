#!/usr/bin/python
# Sends load as users do, and judges how long answers take, how many users go well, and what the release needs for it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: load_test
short_description: Send load and judge latency, concurrency, resources, memory and the database
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(performance_testing.load.latency), C(performance_testing.load.concurrency),
    C(performance_testing.load.resources), C(performance_testing.load.leak) and C(performance_testing.load.database),
    all by one run of load.
  - The load is an open loop. When each request is due is fixed before the first one is sent, and latency counts from
    then, so that a server that stands still is measured in full. Time-outs and statuses other than 2xx are failures,
    and stand in percentiles as slower than any answer. Requests of the warm-up are left out.
  - Where the sender itself was late (more than O(lag_ms) in more than one case of a hundred), a red by time is
    V(inconclusive). A green stays one, since such lag only adds to what is measured, unless more than one request of
    ten left late by five times that.
  - A percentile is judged by its 95 % confidence interval from order statistics. Where O(latency_ms) lies within, it is
    V(inconclusive), with the number of requests that would tell.
  - After the steady part the load rises in levels up to the expected users times O(head_room). The knee is the last
    level that went well.
  - Meanwhile a short program in each container of the release reads its control group, through the API server's exec,
    every two seconds. Where this account may not exec, O(prometheus) is asked. PostgreSQL is asked for its own counters
    before and after, and for connections and locks each second. What no limit bounds, memory or processor time, is
    V(pending), as there is nothing to hold it against.
  - Memory grows where the slope by Theil and Sen is certainly (95 %) more than what O(leak_hours) allow. A soak too
    short to tell is V(inconclusive), and the remedy says how long it must be. A restart is red.
  - It sends GET only, to hosts in O(allowed_hosts) only, follows no redirect, and reads at most 1 MiB of an answer. No
    load is sent without O(allowed). Rate, time and number of requests are bounded.
  - While it runs, it tells how far it is.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.database
  - bytebot.production.probe
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.web
  - bytebot.production.users
options:
  namespace:
    description: Namespace of the release, in which the Secrets of O(accounts) are, too.
    type: str
    required: true
  release:
    description: Name of the Helm release, whose pods (C(app.kubernetes.io/instance)) are watched.
    type: str
    required: true
  allowed:
    description: Whether load may be sent in this environment. All controls are V(pending) where it may not.
    type: bool
    default: false
  load:
    description:
      - The load that is expected. Without it, or without its V(users), all controls are V(pending).
    type: dict
    suboptions:
      users:
        description: Users at one time that are expected. There is no default, since only you know.
        type: int
      think_time:
        description: Seconds between two requests of one user, on average.
        type: float
        default: 5.0
      rate:
        description: Requests a second of the steady part, in place of users over think time.
        type: float
      production_rate:
        description:
          - Requests a second that production brings; V(0) where nobody has said. C(go_live.testing.load) wants as many
            in the steady part; here it is only told, in the evidence of the latency.
        type: float
        default: 0
      warm_up:
        description: Seconds of load that are left out.
        type: float
        default: 30
      soak:
        description: Seconds of the steady part, in which latency and memory are judged.
        type: float
        default: 600
      levels:
        description: Levels from the expected load to that times the head-room.
        type: int
        default: 4
      level_seconds:
        description: Seconds of each level.
        type: float
        default: 30
      sign_ins:
        description:
          - Users that sign in on their own at most, the accounts in turn; the others share their sessions. Applications
            limit sign-ins, often to five a minute.
        type: int
        default: 4
      endpoints:
        description:
          - What is asked, each by its weight. Where it is empty, readiness (1), the list of tasks (3) and the own
            permissions (1).
        type: list
        elements: dict
        default: []
        suboptions:
          name: {description: Its name in reports., type: str, required: true}
          path: {description: Its path., type: str, required: true}
          weight: {description: How often it is asked beside the others., type: float, default: 1}
          signed_in: {description: Whether it is asked with a user's token., type: bool, default: true}
      arrivals:
        description: Whether requests arrive by chance, as those of many users do, or evenly.
        type: str
        choices: [poisson, even]
        default: poisson
      seed:
        description: By which the same requests come at the same times again.
        type: int
        default: 1
  limit_header:
    description: The header by which a 429 tells the limit.
    type: str
    default: X-RateLimit-Limit
  user_limit:
    description:
      - Requests a minute that one user may send at least. A refusal (429) at such a limit, of a test user who sent
        more, tells nothing of the system and makes V(inconclusive); at a lower one it is a failure.
    type: int
    default: 100
  workers:
    description: Processes that send; V(0) for one for each 400 requests a second, and at most one for each core.
    type: int
    default: 0
  maximum_rate: {description: Requests a second at most; more is refused as an input., type: float, default: 200}
  maximum_seconds: {description: Seconds of the whole load at most., type: float, default: 3600}
  maximum_requests: {description: Requests of the whole load at most., type: int, default: 200000}
  latency_ms:
    description: What 95 % of the requests may take. More than V(200) is told as weaker.
    type: float
    default: 200
  error_share: {description: Share of requests that may fail., type: float, default: 0.01}
  knee_ms: {description: What 95 % of the requests may take while the load rises., type: float, default: 1000}
  head_room: {description: Up to how many times the expected load it must go well., type: float, default: 1.5}
  lag_ms: {description: What the sender itself may be late., type: float, default: 20}
  memory_share: {description: Share of its limit of memory that a container may use., type: float, default: 0.8}
  memory_budget:
    description: Memory of a container that has no limit, as C(512Mi). What has neither is V(pending).
    type: str
  cpu_share: {description: Share of its limit of processor time that a container may use., type: float, default: 0.8}
  throttled_share: {description: Share of the periods in which it may be throttled., type: float, default: 0.25}
  files_share: {description: Share of the files that process 1 may open., type: float, default: 0.8}
  leak_hours:
    description:
      - Hours that the memory must last if it went on growing as in the soak. Less than V(24) is told as weaker.
    type: float
    default: 24
  statement_ms: {description: What a statement may take on average., type: float, default: 50}
  cache_share: {description: Share of blocks that must come from the database's cache., type: float, default: 0.9}
  lock_wait_ms: {description: How long a session may wait for a lock., type: float, default: 1000}
  dead_share: {description: Share of a table's rows that may be dead., type: float, default: 0.3}
  scan_rows:
    description: Rows that a table may have and be read whole again and again, for lack of an index.
    type: int
    default: 10000
  connection_share: {description: Share of the database's connections that may be used., type: float, default: 0.8}
attributes:
  check_mode:
    description: In check mode nothing is sent, and all controls are V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - "aiohttp >= 3.10 (Python package)"
  - "psycopg >= 3.2 (Python package)"
notes:
  - Needs get on the Secrets of O(accounts) and the database, list on pods, create on pods/exec, and what a probe's pod
    needs (see O(probe_image)) where this machine does not reach the database.
seealso:
  - module: bytebot.production.http_security_check
  - module: bytebot.production.postgres_check
  - name: Gil Tene, How NOT to Measure Latency
    description: Why latency counts from when a request was due.
    link: https://www.infoq.com/presentations/latency-response-time/
"""

EXAMPLES = r"""
- name: Judge the release under the load of 50 users
  bytebot.production.load_test:
    namespace: bytebot-staging
    release: bytebot
    base_url: https://api.staging.example.net
    allowed_hosts: [api.staging.example.net]
    allowed: true
    load: {users: 50, think_time: 5}
    accounts:
      - {role: operator, secret: bytebot-test-operator}
      - {role: viewer, secret: bytebot-test-viewer}
    probe_image: docker.io/library/busybox:1.37
  register: load

- name: Judge the latency of one endpoint alone
  bytebot.production.load_test:
    namespace: bytebot-staging
    release: bytebot
    base_url: https://api.staging.example.net
    allowed_hosts: [api.staging.example.net]
    allowed: true
    load:
      users: 20
      think_time: 1
      soak: 60
      endpoints:
        - {name: readiness, path: /health/ready, signed_in: false}
    only: [performance_testing.load.latency]
"""

RETURN = r"""
results:
  description:
    - One entry per control that was judged.
    - The evidence of the latency holds C(series), a row for each five seconds with the columns in C(series_columns),
      and percentiles in milliseconds; that of the leak holds C(series) for each container (seconds, KiB).
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: performance_testing.load.latency}
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
      description: Thresholds that were judged by and are weaker than the document's or the usual ones, in words.
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
requests:
  description: How many requests were sent, with the warm-up.
  returned: always
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import http_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_load import LOAD_ARGS, LoadInputs
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import service_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.load import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_load import observe
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {**LOAD_ARGS, **ONLY_ARGS}


def judge_load(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Send the load once, and judge all that was seen of it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "load_test")
    http = http_of(given)
    inputs = LoadInputs(given, http, check_mode=module.check_mode)
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    service = service_of("prometheus", given, redactor)
    cluster = Cluster(connection, module.tmpdir)
    facts = observe(
        cluster,
        inputs.scope(cluster),
        redactor,
        Progress.given(redactor),
        folder=module.tmpdir,
        prometheus=Prometheus(service) if service else None,
    )
    results = results_of(CHECKS.judge(facts, given["only"]), redactor)
    return {"changed": False, "requests": facts.tally.done, **results}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_load)


if __name__ == "__main__":
    main()
