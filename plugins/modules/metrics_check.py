#!/usr/bin/python
# Judges Prometheus and Grafana: what they serve, were told, keep and show.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_check
short_description: Judge Prometheus and Grafana
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks Prometheus and Grafana by their HTTP APIs.
  - Settles C(infrastructure.monitoring.prometheus), C(infrastructure.monitoring.grafana),
    C(monitoring.metrics.scraped), C(monitoring.metrics.business), C(monitoring.metrics.system),
    C(monitoring.metrics.dashboards) and C(go_live.t_minus_2h.dashboards), which is the same shortly before a go-live,
    with links to the dashboards in its evidence.
  - Of Prometheus it judges that it is ready, its version, whether it took its newest configuration, that it stores
    samples now (a server whose volume is full stores none), the room on its volume where O(prometheus.volume) is named,
    and how long it keeps metrics.
  - Of Grafana it judges its health, a query that the data source answers through Grafana, and that each of
    O(dashboards) is there and has panels.
  - Each place where Services of O(release) offer metrics must be a target that is up and was scraped just now; each pod
    must have series of its containers and its object, and each node below it of itself.
  - Counters of the business are judged by events that are caused at O(base_url). They are read over all replicas
    before and after, when all have been scraped again, and must have moved by exactly the events. Where others may have
    caused some, too, it is tried again.
  - The queries of all panels are asked through Grafana with their variables filled in. One that shows nothing is right
    only where a target describes its metrics and no event has come yet.
  - It signs in by O(accounts) and out again. Only with O(writes) does it make tasks, which are due in a year and are
    removed at the end; those that a killed run has left are removed by the next one.
  - What is not said, and what the account may not read, makes a control V(pending), and the summary names it.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.grafana
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.services
  - bytebot.production.watched
options:
  minimum_version:
    description: Oldest version of Prometheus. One below V(2.53) is told as weaker.
    type: str
    default: "2.53"
  retention:
    description:
      - How long Prometheus must keep metrics, as it writes a length of time (V(15d), V(36h)). Less than V(15d) is told
        as weaker.
    type: str
    default: 15d
  newest_sample:
    description: How old the newest sample may be.
    type: str
    default: 5m
  room:
    description: Share of the volume that must be free, where O(prometheus.volume) is named.
    type: float
    default: 0.1
  dashboards:
    description: Dashboards that must be there, by title or uid.
    type: list
    elements: str
    default: []
  fresh:
    description: How old the newest value of a panel may be.
    type: str
    default: 2m
  metrics_port:
    description: Name of the ports of the release's Services that offer metrics.
    type: str
    default: metrics
  metrics_path:
    description: The path of the application's metrics at O(base_url).
    type: str
    default: /metrics
  settle:
    description: Seconds that targets and series may take to follow a roll-out.
    type: float
    default: 30.0
  accounts:
    description: Users that sign in for events, the first one for those of signing in.
    type: list
    elements: dict
    default: []
    suboptions:
      role:
        description: Its role, in words.
        type: str
        required: true
      secret:
        description: Name of the Secret with its name and password.
        type: str
        required: true
      username_key:
        description: Key of the name.
        type: str
        default: username
      password_key:
        description: Key of the password.
        type: str
        default: password
  business_metrics:
    description: Counters of the business, each with the event that moves it.
    type: list
    elements: dict
    default: []
    suboptions:
      metric:
        description: Name of the counter.
        type: str
        required: true
      event:
        description:
          - What moves it by one. V(sign_in) signs in and out again, V(failed_sign_in) tries a user that does not exist,
            V(request) asks for a task that does not exist, and V(task) makes a task, for which O(writes) is needed.
        type: str
        required: true
        choices: [sign_in, failed_sign_in, request, task]
      labels:
        description: Labels by which the counted event is told from others.
        type: dict
        default: {}
  business_events:
    description: How many events of each kind are caused.
    type: int
    default: 2
  writes:
    description: Whether tasks may be made and removed.
    type: bool
    default: false
  task_role:
    description: Role of the account that asks, makes tasks and removes them. The first account where none has it.
    type: str
    default: operator
  logout_path:
    description: The path of the sign-out.
    type: str
    default: /api/v1/auth/logout
attributes:
  check_mode:
    description: In check mode it reads and causes no event, so that C(monitoring.metrics.business) is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
notes:
  - Needs the verb list on Services, EndpointSlices and Pods in O(namespace), and get on the Secrets of O(accounts).
seealso:
  - module: bytebot.production.alerting_check
  - module: bytebot.production.log_check
"""

EXAMPLES = r"""
- name: Judge Prometheus and Grafana
  bytebot.production.metrics_check:
    prometheus:
      url: https://prometheus.example.net
      username: checklist
      password_file: /run/secrets/prometheus-password
      volume: monitoring/prometheus-data
    grafana:
      url: https://grafana.example.net
      token_variable: GRAFANA_TOKEN
    dashboards: [Bytebot Overview, Bytebot Performance]
    allowed_hosts: [prometheus.example.net, grafana.example.net]
    retention: 30d
  register: metrics

- name: Judge what they make of a release, by events that are caused
  bytebot.production.metrics_check:
    prometheus: {url: https://prometheus.example.net}
    grafana: {url: https://grafana.example.net, token_variable: GRAFANA_TOKEN}
    dashboards: [Bytebot Overview]
    allowed_hosts: [prometheus.example.net, grafana.example.net, api.bytebot.com]
    namespace: bytebot-production
    release: bytebot
    base_url: https://api.bytebot.com
    accounts:
      - {role: operator, secret: bytebot-test-operator}
    business_metrics:
      - {metric: auth_attempts_total, labels: {status: success}, event: sign_in}
    only: [monitoring.metrics.scraped, monitoring.metrics.business, monitoring.metrics.dashboards]

- name: Stop where one of them is not as wanted
  ansible.builtin.assert:
    that: metrics.failed_controls | length == 0
    fail_msg: "{{ metrics.results | map(attribute='summary') }}"
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.monitoring.prometheus}
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import not_negative
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    PROMETHEUS_ARGS,
    SERVICES_ARGS,
    service_args,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import ACCOUNTS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_watched import (
    WATCHED_ARGS,
    accounts_of,
    application_of,
    cluster_of,
    fields_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks import metrics_watched
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import (
    USUAL_RETENTION,
    USUAL_ROOM,
    USUAL_VERSION,
    MetricsWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import Counter
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span, wanted_version
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_events import EVENTS
from ansible_collections.bytebot.production.plugins.module_utils.observe_metrics import (
    facts_of,
    look_at_grafana,
    look_at_prometheus,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_targets import Scope
from ansible_collections.bytebot.production.plugins.module_utils.observe_watched import Watch, look
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

WATCHED = metrics_watched.CHECKS
PROMETHEUS = "infrastructure.monitoring.prometheus"
GRAFANA = "infrastructure.monitoring.grafana"
COUNTERS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "metric": {"type": "str", "required": True},
        "event": {"type": "str", "required": True, "choices": list(EVENTS)},
        "labels": {"type": "dict", "default": {}},
    },
}
ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **WATCHED_ARGS,
    **PROMETHEUS_ARGS,
    "grafana": service_args(data_source={"type": "str"}),
    "minimum_version": {"type": "str", "default": USUAL_VERSION},
    "retention": {"type": "str", "default": USUAL_RETENTION},
    "newest_sample": {"type": "str", "default": "5m"},
    "room": {"type": "float", "default": USUAL_ROOM},
    "dashboards": {"type": "list", "elements": "str", "default": []},
    "fresh": {"type": "str", "default": "2m"},
    "metrics_port": {"type": "str", "default": Scope("", "").port},
    "metrics_path": {"type": "str", "default": "/metrics"},
    "settle": {"type": "float", "default": Scope("", "").settle_s},
    "accounts": ACCOUNTS,
    "business_metrics": COUNTERS,
    "business_events": {"type": "int", "default": 2},
    "writes": {"type": "bool", "default": False},
    "task_role": {"type": "str", "default": "operator"},
    "logout_path": {"type": "str", "default": "/api/v1/auth/logout"},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask both once, and judge."""
    given = module.params
    known_only(given["only"], (*CHECKS.controls, *WATCHED.controls), "metrics_check")
    wanted = _wanted(given)
    volume = (given["prometheus"] or {}).get("volume") or ""
    if volume and volume.count("/") != 1:
        raise InputError(f"prometheus.volume: {volume!r} is not of the form namespace/name.")
    judged = given["only"] or (*CHECKS.controls, *WATCHED.controls)
    asked = {*judged}
    prometheus = service_of("prometheus", given, redactor) if asked - {GRAFANA} else None
    shown = {GRAFANA, metrics_watched.DASHBOARDS, metrics_watched.PREPARED}
    grafana = service_of("grafana", given, redactor) if asked & shown else None
    results = []
    if asked & set(CHECKS.controls):
        facts = facts_of(
            look_at_prometheus(Prometheus(prometheus), volume) if prometheus and PROMETHEUS in asked else None,
            look_at_grafana(Grafana(grafana), given["grafana"]["data_source"] or "", wanted.dashboards)
            if grafana and GRAFANA in asked
            else None,
            wanted,
        )
        results += CHECKS.judge(facts, judged)
    if asked & set(WATCHED.controls):
        watch = _watch(
            module, redactor, Prometheus(prometheus) if prometheus else None, Grafana(grafana) if grafana else None
        )
        results += WATCHED.judge(look(watch, redactor), judged)
    return {"changed": False, **results_of(results, redactor)}


def _wanted(given: dict[str, Any]) -> MetricsWanted:
    wanted_version("minimum_version", given["minimum_version"])
    span("retention", given["retention"])
    if not 0 <= given["room"] < 1:
        raise InputError(f"room {given['room']} is no share; 0.1 stands for 10 %.")
    return MetricsWanted(
        given["minimum_version"],
        given["retention"],
        span("newest_sample", given["newest_sample"]),
        given["room"],
        tuple(given["dashboards"]),
    )


def _watch(module: AnsibleModule, redactor: Redactor, prometheus: Prometheus | None, grafana: Grafana | None) -> Watch:
    given = module.params
    not_negative(given, "business_events")
    if not given["business_events"]:
        raise InputError("business_events: one event at least is needed.")
    only = tuple(given["only"] or WATCHED.controls)
    return Watch(
        Scope(given["namespace"], given["release"], given["metrics_port"], max(given["settle"], 0.0)),
        only,
        prometheus,
        grafana,
        cluster_of(given, module.tmpdir, redactor),
        application_of(given),
        fields_of(given),
        accounts_of(given),
        tuple(
            Counter(one["metric"], one["event"], {name: str(text) for name, text in one["labels"].items()})
            for one in given["business_metrics"]
        ),
        tuple(given["dashboards"]),
        given["business_events"],
        given["writes"],
        given["task_role"],
        given["metrics_path"],
        given["tasks_path"],
        given["logout_path"],
        span("fresh", given["fresh"]),
        "It needs a probe, and check mode sends none." if module.check_mode else "",
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
