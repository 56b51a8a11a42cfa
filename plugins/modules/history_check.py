#!/usr/bin/python
# Reviews what was stored since go-live: figures, alerts, errors, use, autoscalers and growth.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: history_check
short_description: Review a day, a week or a month of history
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks Prometheus and the log store for the time since go-live, and changes nothing.
  - O(review=day) settles C(post_go_live.day_monitoring.performance), C(post_go_live.day_monitoring.spikes),
    C(post_go_live.day_monitoring.alerts) and C(post_go_live.day_monitoring.logs).
  - O(review=week) settles C(post_go_live.week_performance.trends), C(post_go_live.week_performance.opportunities),
    C(post_go_live.week_performance.utilization), C(post_go_live.week_performance.autoscaling),
    C(post_go_live.week_security.logs) and C(post_go_live.week_security.alerts).
  - O(review=month) settles C(post_go_live.month_optimization.resources),
    C(post_go_live.month_optimization.thresholds) and C(post_go_live.month_optimization.planning).
  - A review that is not due is V(pending), and says when it is. It is due O(span) after O(go_live).
  - Figures are compared with the time before by the Mann-Whitney U test and Cliff's delta. They are V(fail) only where
    the difference is no chance (p below 0.01), large (delta of 0.474 or more) and matters (20 percent or more). With
    fewer than 30 values, or where less than 80 percent of the time has values, or as much of the time before, it is
    V(inconclusive).
  - A spike is 8 deviations away from the same time of earlier days. Changes of level are found by binary segmentation.
  - Each rule must be proven able to fire. It fired in the last month, a test of O(rule_tests) makes it fire, or it has
    samples with its threshold left out. A rule on a metric that no target has is V(fail).
  - Lines with errors are made into patterns by Drain's method; one that was not there before is V(fail).
  - A container that asks for four times its use with some room or more is V(fail), and so is one that uses more than is
    kept for it. What to write instead stands as a difference of values in the evidence.
  - Sign-ins that fail, and lock-outs, are counted by the hour. It is V(fail) where they come in a burst, by the method
    of spikes, where an hour is above the limit, and where a week has many more than those before. It is
    V(inconclusive) without 30 sign-ins, of which some failed and some did not.
  - Of rules that watch over security none may fire now, and somebody must have acted on each firing in time. Where no
    such rule is loaded, that is V(pending).
  - Where the store has alerts, targets or the release's memory for less than 80 percent of the hours of the month,
    C(post_go_live.month_optimization.thresholds) is V(inconclusive).
  - A forecast is a straight line by least squares with its prediction interval of 95 percent. What may run out within
    O(horizon) by it is V(fail).
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.history
  - bytebot.production.prometheus
  - bytebot.production.log_store
  - bytebot.production.results
  - bytebot.production.services
options:
  review:
    description: Which review it is.
    type: str
    required: true
    choices: [day, week, month]
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release, whose first deployment counts where O(go_live) is not set.
    type: str
    default: ""
  go_live:
    description: When the release went live, as V(2026-03-01T09:00:00Z).
    type: str
    default: ""
  span:
    description:
      - How much time is reviewed, and how long after O(go_live) that is due. Less than a day, a week or a month is told
        as weaker.
      - V(24h), V(7d) or V(30d) where it is not set.
    type: str
    default: ""
  until:
    description:
      - End of the time that is reviewed, as V(2026-03-08T09:00:00Z). Now where it is not set.
      - One that lies more than an hour back is told as weaker.
    type: str
    default: ""
  baseline:
    description: How many times O(span) before the reviewed time is what it is compared with.
    type: int
    default: 7
  labels:
    description: Further labels of the release's series, where a store holds those of several clusters.
    type: dict
    default: {}
  signals:
    description:
      - Figures that tell how the system does. Response time, share of server errors and memory by the usual metrics
        where it is not set.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name in the report.
        type: str
        required: true
      query:
        description:
          - PromQL with one series. C($selector) in it stands for the matchers of namespace and O(labels), C($step) for
            the distance of two values.
        type: str
        required: true
      unit:
        description: Unit in the report.
        type: str
        default: ""
      floor:
        description: The least difference that matters.
        type: float
        default: 0.0
      limit:
        description: What its median must not pass.
        type: float
      worse:
        description: Which values are worse.
        type: str
        choices: [higher, lower]
        default: higher
  rule_tests:
    description: Files of rule tests, as C(promtool test rules) takes them. They must hold.
    type: list
    elements: path
    default: []
  promtool:
    description: The program promtool, for O(rule_tests).
    type: str
    default: promtool
  error_levels:
    description: Levels of lines that are errors, in any case of letters.
    type: list
    elements: str
    default: [error, fatal, critical]
  level_field:
    description: Field of a line with its level.
    type: str
    default: level
  namespace_field:
    description: Field (or label) of the store with the namespace. The usual one of its agents where it is not set.
    type: str
    default: ""
  log_labels:
    description: Further fields (or labels) of the release's lines, where a store holds those of several clusters.
    type: dict
    default: {}
  known_errors:
    description: Regular expressions of errors that are expected.
    type: list
    elements: str
    default: []
  values_paths:
    description:
      - By workload, or workload and container as V(bytebot-api/api), the key of the chart's values that holds its
        resources, for the proposals.
    type: dict
    default: {}
  flaps:
    description:
      - Changes of an autoscaler's direction in an hour that are too many, where two hours have them.
      - More than V(4) is told as weaker.
    type: int
    default: 4
  actions_file:
    description:
      - JSON or YAML file with what was done about alerts, a list of C(alert), C(at) and C(action) (acknowledged,
        silenced, annotated).
      - An action counts for a firing from its begin to an hour after its end.
    type: path
  precision:
    description:
      - Share of an alert's firings that somebody must have acted on, from three firings on.
      - Less than V(0.5) is told as weaker.
    type: float
    default: 0.5
  unjudged_alerts:
    description: Alerts that nobody acts on.
    type: list
    elements: str
    default: [Watchdog]
  sign_ins:
    description: How sign-ins are counted, and how many may fail.
    type: dict
    suboptions:
      metric:
        description: Counter of all sign-ins.
        type: str
        default: auth_attempts_total
      failed:
        description: Matchers of those that failed.
        type: str
        default: status!="success"
      limit:
        description: How many may fail in an hour. More than V(360), the document's 0.1 in a second, is told as weaker.
        type: float
        default: 360.0
      burst:
        description: How many more than usual in an hour are a burst, at least. More than V(60) is told as weaker.
        type: float
        default: 60.0
      locked:
        description:
          - A counter of lock-outs, with its matchers. C($selector) stands for those of namespace and O(labels).
          - Lock-outs are not counted where it is not set.
        type: str
        default: ""
      locked_burst:
        description:
          - How many more lock-outs than usual in an hour are a burst, at least.
          - More than V(10) is told as weaker.
        type: float
        default: 10.0
  security_alerts:
    description: Which rules watch over security, by any of their group, a label and their name.
    type: dict
    suboptions:
      groups:
        description: Regular expressions that are found in the name of a group of rules.
        type: list
        elements: str
        default: ["(?i)security"]
      labels:
        description: By label of a rule, a regular expression that is all of its value.
        type: dict
        default: {category: security}
      alerts:
        description: Names of alerts.
        type: list
        elements: str
        default: []
      within:
        description:
          - How soon after its begin somebody must act on a firing, by O(actions_file).
          - More than V(24h) is told as weaker.
        type: str
        default: 24h
  rooms:
    description:
      - What can run out. Volumes, and the memory of containers against their limits, where it is not set.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name in the report.
        type: str
        required: true
      used:
        description: PromQL of what is used. C($selector) stands for the matchers of namespace and O(labels).
        type: str
        required: true
      capacity:
        description: PromQL of what there is.
        type: str
        required: true
      by:
        description: Label by which both belong together, where there are several.
        type: str
        default: ""
  horizon:
    description: How far ahead nothing may run out. Less than V(90d) is told as weaker.
    type: str
    default: 90d
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - PyYAML
seealso:
  - module: bytebot.production.metrics_check
  - module: bytebot.production.alerting_check
  - module: bytebot.production.log_check
"""

EXAMPLES = r"""
- name: Review the first week
  bytebot.production.history_check:
    review: week
    namespace: bytebot-production
    go_live: "2026-03-01T09:00:00Z"
    prometheus: {url: https://prometheus.example.net, token_file: /run/secrets/prometheus-token}
    values_paths: {bytebot-api: resources.api}
    allowed_hosts: [prometheus.example.net]

- name: Review the first day, by a store of several clusters
  bytebot.production.history_check:
    review: day
    namespace: bytebot-production
    release: bytebot
    prometheus: {url: https://prometheus.example.net}
    history: {url: https://thanos.example.net}
    labels: {cluster: production}
    log_store: {url: https://loki.example.net, kind: loki}
    log_labels: {cluster: production}
    known_errors: ["^upstream .* closed the connection"]
    allowed_hosts: [prometheus.example.net, thanos.example.net, loki.example.net]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: post_go_live.day_monitoring.spikes}
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
due:
  description: When the review can be made, RFC 3339 in UTC; empty where nothing says when the release went live.
  returned: always
  type: str
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    SERVICES_ARGS,
    service_args,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks import history as checks
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    HIGHER,
    LOWER,
    ROOMS,
    SIGNALS,
    SPANS,
    Episode,
    EpisodesSeen,
    HistoryFacts,
    LogsSeen,
    Period,
    Room,
    RulesSeen,
    Signal,
    Wanted,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_errors import Place, errors_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.logs import KINDS
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_history import History, look_at_errors
from ansible_collections.bytebot.production.plugins.module_utils.observe_history_security import SecurityHistory
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.review_inputs import (
    actions_of,
    rule_tests,
    security_alerts_of,
    sign_ins_of,
    time_of,
    went_live,
)

CHECKS = checks.CHECKS
MOST_BASELINE = 30
_TEXT: dict[str, Any] = {"type": "str", "required": True}
SIGNAL: dict[str, Any] = {
    "name": _TEXT,
    "query": _TEXT,
    "unit": {"type": "str", "default": ""},
    "floor": {"type": "float", "default": 0.0},
    "limit": {"type": "float"},
    "worse": {"type": "str", "choices": [HIGHER, LOWER], "default": HIGHER},
}
SIGN_INS: dict[str, Any] = {
    "metric": {"type": "str", "default": "auth_attempts_total"},
    "failed": {"type": "str", "default": 'status!="success"'},
    "limit": {"type": "float", "default": 360.0},
    "burst": {"type": "float", "default": 60.0},
    "locked": {"type": "str", "default": ""},
    "locked_burst": {"type": "float", "default": 10.0},
}
SECURITY_ALERTS: dict[str, Any] = {
    "groups": {"type": "list", "elements": "str", "default": ["(?i)security"]},
    "labels": {"type": "dict", "default": {"category": "security"}},
    "alerts": {"type": "list", "elements": "str", "default": []},
    "within": {"type": "str", "default": "24h"},
}
ROOM: dict[str, Any] = {"name": _TEXT, "used": _TEXT, "capacity": _TEXT, "by": {"type": "str", "default": ""}}
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "prometheus": service_args(volume={"type": "str"}),
    "history": service_args(),
    "log_store": service_args(
        kind={"type": "str", "required": True, "choices": list(KINDS)}, index={"type": "str", "default": "*"}
    ),
    "review": {"type": "str", "required": True, "choices": list(SPANS)},
    "namespace": _TEXT,
    "release": {"type": "str", "default": ""},
    "go_live": {"type": "str", "default": ""},
    "span": {"type": "str", "default": ""},
    "until": {"type": "str", "default": ""},
    "baseline": {"type": "int", "default": 7},
    "labels": {"type": "dict", "default": {}},
    "signals": {"type": "list", "elements": "dict", "options": SIGNAL},
    "rule_tests": {"type": "list", "elements": "path", "default": []},
    "promtool": {"type": "str", "default": "promtool"},
    "error_levels": {"type": "list", "elements": "str", "default": ["error", "fatal", "critical"]},
    "level_field": {"type": "str", "default": "level"},
    "namespace_field": {"type": "str", "default": ""},
    "log_labels": {"type": "dict", "default": {}},
    "known_errors": {"type": "list", "elements": "str", "default": []},
    "values_paths": {"type": "dict", "default": {}},
    "flaps": {"type": "int", "default": 4},
    "actions_file": {"type": "path"},
    "precision": {"type": "float", "default": 0.5},
    "unjudged_alerts": {"type": "list", "elements": "str", "default": ["Watchdog"]},
    "sign_ins": {"type": "dict", "options": SIGN_INS},
    "security_alerts": {"type": "dict", "options": SECURITY_ALERTS},
    "rooms": {"type": "list", "elements": "dict", "options": ROOM},
    "horizon": {"type": "str", "default": "90d"},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Say when it is due, or look once, and judge."""
    given = module.params
    mine = checks.STAGES[given["review"]]
    known_only(given["only"], mine, f"history_check with review {given['review']}")
    judged = set(given["only"] or mine)
    wanted = _wanted(given)
    live, why = went_live(module, redactor)
    if live is None:
        results = CHECKS.pending(
            f"Nothing says when the release went live: {why}.", "Set bytebot_go_live.at in the inventory.", judged
        )
        return {"changed": False, "due": "", **results_of(results, redactor)}
    period = _period(given, *live)
    facts = HistoryFacts(period, wanted)
    if period.is_due:
        facts = _look(module, redactor, facts, judged)
    results = CHECKS.judge(facts, judged)
    return {"changed": False, "due": stamp(period.due), **results_of(results, redactor)}


def _period(given: Mapping[str, Any], go_live: float, source: str) -> Period:
    now = time.time()
    end = time_of("until", given["until"]) if given["until"] else now
    if end > now:
        raise InputError(f"until: {given['until']} has not come yet.")
    length = span("span", given["span"]) if given["span"] else SPANS[given["review"]]
    if not 1 <= given["baseline"] <= MOST_BASELINE:
        raise InputError(f"baseline: {given['baseline']} is not from 1 to {MOST_BASELINE}.")
    return Period(given["review"], go_live, source, length, end, now, given["baseline"])


def _wanted(given: Mapping[str, Any]) -> Wanted:
    for text in given["known_errors"]:
        try:
            found = re.compile(text)
        except re.error as exc:
            raise InputError(f"known_errors: {text!r} is no regular expression ({exc}).") from exc
        if found.search(""):
            raise InputError(f"known_errors: {text!r} is found in each line, so that no error would be new.")
    if not 0 < given["precision"] <= 1:
        raise InputError(f"precision: {given['precision']} is not above 0 and up to 1.")
    for one in given["signals"] or ():
        # Nothing is more than what is no number, so such a figure could never be red.
        if not math.isfinite(one["floor"]) or not math.isfinite(one["limit"] or 0.0):
            raise InputError(f"signals: floor and limit of {one['name']} must be numbers.")
    if given["signals"] is not None and not given["signals"]:
        raise InputError("signals: name at least one, or leave it out for the usual ones.")
    if given["flaps"] < 1:
        raise InputError(f"flaps: {given['flaps']} is less than 1.")
    return Wanted(
        tuple(given["known_errors"]),
        {str(name): str(path) for name, path in given["values_paths"].items()},
        given["flaps"],
        span("horizon", given["horizon"]),
        given["precision"],
        frozenset(given["unjudged_alerts"]),
        sign_ins_of(given["sign_ins"]),
        security_alerts_of(given["security_alerts"]),
    )


def _look(module: AnsibleModule, redactor: Redactor, facts: HistoryFacts, judged: set[str]) -> HistoryFacts:
    given, period = module.params, facts.period
    wanted = {control.rpartition(".")[2] for control in judged if not control.startswith(checks.SECURITY)}
    if "logs" in wanted:
        facts = replace(facts, logs=_logs(given, redactor, period))
    service = service_of("prometheus", given, redactor)
    if service is None:
        return facts
    live = Prometheus(service)
    stored = service_of("history", given, redactor)
    labels = {str(name): str(value) for name, value in given["labels"].items()}
    history = History(Prometheus(stored) if stored else live, given["namespace"], labels)
    if wanted & {"performance", "spikes", "trends"}:
        signals = SIGNALS if given["signals"] is None else tuple(Signal(**one) for one in given["signals"])
        facts = replace(facts, signals=history.signals(signals, period))
    if "alerts" in wanted:
        facts = replace(facts, rules=_rules(module, history, live, period))
    if wanted & {"opportunities", "utilization", "resources"}:
        facts = replace(facts, use=history.use(period))
    if "autoscaling" in wanted:
        facts = replace(facts, scalers=history.scalers(period))
    if "thresholds" in wanted:
        facts = replace(facts, alerts=_all_alerts(given, history, period))
    secure = SecurityHistory(history)
    if f"{checks.SECURITY}.logs" in judged:
        facts = replace(facts, sign_ins=secure.sign_ins(facts.wanted.sign_ins, period))
    if f"{checks.SECURITY}.alerts" in judged:
        rules = secure.rules(live, facts.wanted.security_alerts, period)
        facts = replace(facts, security=rules, alerts=_alerts(given, history, *secure.episodes(period)))
    if "planning" in wanted:
        rooms = ROOMS if given["rooms"] is None else tuple(Room(**one) for one in given["rooms"])
        facts = replace(facts, growth=history.growth(rooms, period))
    return facts


def _alerts(given: Mapping[str, Any], history: History, told: Told, episodes: tuple[Episode, ...]) -> EpisodesSeen:
    actions, problem = actions_of(given["actions_file"])
    return EpisodesSeen(history.server.service.url, told, episodes, actions, given["actions_file"] or "", problem)


def _all_alerts(given: Mapping[str, Any], history: History, period: Period) -> EpisodesSeen:
    """Those that fired, of how much of the time the store tells, and where none did, whether it could tell of one."""
    told, episodes = history.episodes(period)
    kept, covered = bool(episodes), 0.0
    if told.ok:
        told, covered = history.covered(period)
    if told.ok and not episodes:
        told, kept = history.keeps_alerts(period)
    return replace(_alerts(given, history, replace(told, data=None), episodes), kept=kept, covered=covered)


def _rules(module: AnsibleModule, history: History, live: Prometheus, period: Period) -> RulesSeen:
    tested, tests = rule_tests(module)
    return replace(history.rules(live, period), tested=tested, tests=tests)


def _logs(given: Mapping[str, Any], redactor: Redactor, period: Period) -> LogsSeen | None:
    service = service_of("log_store", given, redactor)
    if service is None:
        return None
    if not given["error_levels"]:
        raise InputError("error_levels: name at least one level.")
    labels = {str(name): str(value) for name, value in given["log_labels"].items()}
    levels = tuple(one.lower() for one in given["error_levels"])
    place = Place(given["namespace"], levels, labels, given["namespace_field"], given["level_field"])
    store = errors_of(given["log_store"]["kind"], service, given["log_store"]["index"])
    return look_at_errors(store, service.url, place, period)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
