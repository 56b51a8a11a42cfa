#!/usr/bin/python
# Judges the first half hour and the first two hours after a go-live, against the time before.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: window_check
short_description: Judge the windows after a go-live
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks Prometheus, Alertmanager and the cluster what happened since a go-live, and compares it with a window of the
    same length before. Nothing is sent to the application, and nothing is changed.
  - Settles C(go_live.t_plus_30m.stability), C(go_live.t_plus_30m.functionality), C(go_live.t_plus_30m.errors),
    C(go_live.t_plus_30m.traffic), C(go_live.t_plus_2h.performance), C(go_live.t_plus_2h.alerts) and
    C(go_live.t_plus_2h.errors).
  - A window that is not over makes its controls V(pending), and the summary tells until when.
  - The share of errors is compared by Fisher's exact test. It is V(fail) where it has risen by O(error_rise) and that
    is chance in less than one case of a hundred, or where it certainly is above O(error_share). It is V(pass) only
    where the rise is certainly less than O(error_rise), by the 95 % bound of Newcombe's interval.
  - Durations are compared in the same way. Slow is what takes longer than the 95th percentile of before and what
    O(latency_rise) and O(latency_floor) allow on top, up to the next edge of the histogram, so that both windows are
    counted exactly. A rise of the slow ones by O(slow_rise) counts.
  - A trend is the slope of Theil and Sen over the 95th percentiles of twelve parts of the window, with Sen's interval,
    which is that of Mann and Kendall's test. For errors it is the test of Cochran and Armitage.
  - Too few requests for a certain answer, no window before, and a window without metrics are V(inconclusive), also
    where it is one of several processes that has none for more than a tenth of it.
  - Restarts are those that kube-state-metrics counted, which knows pods that are gone, and those that the kubelet
    tells.
  - An alert counts where it fired at any time of the window by Prometheus, or where Alertmanager holds one that began
    before the window was over, silenced or not. Test alerts of M(bytebot.production.alerting_check) are left out. Where
    no rule of such an alert is evaluated, silence tells nothing.
  - C(go_live.t_plus_30m.functionality) is settled by the results of tests that ran after the window (O(functions)).
  - A window that is shorter than the document's, and thresholds that are weaker, are told with each result.
extends_documentation_fragment:
  - bytebot.production.alertmanager
  - bytebot.production.cluster
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.services
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  started:
    description:
      - When the go-live began, as a moment with its zone (V(2026-11-30T20:00:00Z)).
      - Where it is not set, it is the time at which helm deployed the revision that is deployed now.
    type: str
  baseline:
    description:
      - When the window to compare with began, as O(started). For a first go-live, or where load differs by the hour.
      - Where it is not set, it is the time right before O(started).
      - It is the length of the later window, or more, before O(started), or that one is compared with itself in part
        and stays V(inconclusive).
    type: str
  early_window:
    description: How long the first window is. Less than V(30m) is told as weaker.
    type: str
    default: 30m
  late_window:
    description: How long the second window is, which begins with the first. Less than V(2h) is told as weaker.
    type: str
    default: 2h
  requests_metric:
    description: Counter of the requests of users.
    type: str
    default: bytebot_api_requests_total
  requests_matchers:
    description: PromQL matchers that choose those of users among them, as V(endpoint!~"/health.*").
    type: str
    default: ""
  code_label:
    description: Label with the status code.
    type: str
    default: status_code
  error_codes:
    description:
      - Regular expression of the status codes that are errors of the system, which matches one from 400 to 599 at
        least.
      - Requests with a text in O(code_label) that is neither a status code, nor a class of them, nor matched make the
        controls on errors V(pending).
    type: str
    default: 5..
  durations_metric:
    description: Histogram of how long requests took, without its suffix C(_bucket).
    type: str
    default: http_request_duration_seconds
  durations_matchers:
    description: PromQL matchers that choose the requests of users among them.
    type: str
    default: route=~"/api/.*"
  durations_unit:
    description: What the histogram counts in.
    type: str
    default: seconds
    choices: [seconds, milliseconds]
  selector:
    description:
      - PromQL matchers of the series of the release, as V(namespace="bytebot-production").
      - Where it is not set, they are those of the targets that the release's Services offer.
    type: str
  metrics_port:
    description: Name of the ports of the release's Services that offer metrics.
    type: str
    default: metrics
  error_share:
    description: Share of all requests that may fail. More than V(0.01) is told as weaker.
    type: float
    default: 0.01
  error_rise:
    description: Rise of that share that counts. More than V(0.005) is told as weaker.
    type: float
    default: 0.005
  slow_rise:
    description: Rise of the share of slow requests that counts. More than V(0.05) is told as weaker.
    type: float
    default: 0.05
  latency_rise:
    description: Share by which the 95th percentile may rise. More than V(0.25) is told as weaker.
    type: float
    default: 0.25
  latency_floor:
    description: Milliseconds by which it may rise in any case. More than V(50) is told as weaker.
    type: float
    default: 50.0
  drift_floor:
    description: >-
      Milliseconds by which it may rise in any case while the second window lasts. More than V(50) is told as weaker.
    type: float
    default: 50.0
  latency:
    description: Milliseconds within which 95 of 100 requests must be answered. More than V(200) is told as weaker.
    type: float
    default: 200.0
  max_restarts:
    description: How many restarts of containers are accepted. More than none is told as weaker.
    type: int
    default: 0
  severities:
    description: Severities of alerts that must not fire.
    type: list
    elements: str
    default: [critical]
  severity_label:
    description: Name of the label that holds the severity.
    type: str
    default: severity
  alert_labels:
    description:
      - Labels that an alert must have to count, where others' alerts are there, too.
      - Where no rule sets them and no series in Prometheus has them, silence is V(inconclusive).
    type: dict
    default: {}
  expected_traffic:
    description: How many requests of users are expected in a minute.
    type: dict
    suboptions:
      least:
        description: At least so many; more than none.
        type: float
        required: true
      most:
        description: At most so many.
        type: float
        required: true
  functions:
    description: Results of tests of the functions, as modules of this collection return them in C(results).
    type: list
    elements: dict
    default: []
  wanted_functions:
    description: Controls of which O(functions) must have a result.
    type: list
    elements: str
    default: []
  driver:
    description: Helm's storage driver.
    type: str
    default: secret
    choices: [secret, configmap]
attributes:
  check_mode:
    description: It only reads, in check mode and without.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
notes:
  - Needs the verb list on Services, EndpointSlices and Pods in O(namespace), and on the Secrets (or ConfigMaps) in
    which helm keeps its record.
seealso:
  - module: bytebot.production.metrics_check
  - module: bytebot.production.alerting_check
"""

EXAMPLES = r"""
- name: Judge the first half hour
  bytebot.production.window_check:
    prometheus: {url: https://prometheus.example.net}
    alertmanager: {url: https://alertmanager.example.net}
    allowed_hosts: [prometheus.example.net, alertmanager.example.net]
    namespace: bytebot-production
    release: bytebot
    started: "2026-11-30T20:00:00Z"
    expected_traffic: {least: 60, most: 6000}
    alert_labels: {namespace: bytebot-production}
    only: [go_live.t_plus_30m.stability, go_live.t_plus_30m.errors, go_live.t_plus_30m.traffic]
  register: early

- name: Judge the first two hours of a first go-live, by the rehearsal
  bytebot.production.window_check:
    prometheus: {url: https://prometheus.example.net}
    alertmanager: {url: https://alertmanager.example.net}
    allowed_hosts: [prometheus.example.net, alertmanager.example.net]
    namespace: bytebot-production
    release: bytebot
    baseline: "2026-11-29T10:00:00Z"
    durations_metric: http_request_duration_ms
    durations_unit: milliseconds
    only: [go_live.t_plus_2h.performance, go_live.t_plus_2h.alerts, go_live.t_plus_2h.errors]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: go_live.t_plus_30m.stability}
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
windows:
  description: When the windows are over.
  returned: always
  type: dict
  contains:
    early:
      description: The first window.
      type: dict
      returned: always
      contains:
        known: {description: Whether its time is known., type: bool, returned: always}
        over: {description: Whether it is over., type: bool, returned: always}
        left_s: {description: Seconds that are left of it., type: float, returned: always}
    late:
      description: The second window.
      type: dict
      returned: always
      contains:
        known: {description: Whether its time is known., type: bool, returned: always}
        over: {description: Whether it is over., type: bool, returned: always}
        left_s: {description: Seconds that are left of it., type: float, returned: always}
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    SERVICES_ARGS,
    service_args,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_watched import cluster_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.checks.window import CHECKS, due
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import (
    Wanted,
    WindowFacts,
    moment,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_targets import Scope
from ansible_collections.bytebot.production.plugins.module_utils.observe_window import Look, Metrics, look
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

EARLY = "go_live.t_plus_30m."
FUNCTIONALITY = "go_live.t_plus_30m.functionality"
UNITS = {"seconds": 1.0, "milliseconds": 0.001}
SHARES = ("error_share", "error_rise", "slow_rise")
STATUSES = range(400, 600)  # of answers that tell of an error
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "prometheus": service_args(volume={"type": "str"}),
    "alertmanager": service_args(),
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "started": {"type": "str"},
    "baseline": {"type": "str"},
    "early_window": {"type": "str", "default": "30m"},
    "late_window": {"type": "str", "default": "2h"},
    "requests_metric": {"type": "str", "default": "bytebot_api_requests_total"},
    "requests_matchers": {"type": "str", "default": ""},
    "code_label": {"type": "str", "default": "status_code"},
    "error_codes": {"type": "str", "default": "5.."},
    "durations_metric": {"type": "str", "default": "http_request_duration_seconds"},
    "durations_matchers": {"type": "str", "default": 'route=~"/api/.*"'},
    "durations_unit": {"type": "str", "default": "seconds", "choices": list(UNITS)},
    "selector": {"type": "str"},
    "metrics_port": {"type": "str", "default": "metrics"},
    "error_share": {"type": "float", "default": 0.01},
    "error_rise": {"type": "float", "default": 0.005},
    "slow_rise": {"type": "float", "default": 0.05},
    "latency_rise": {"type": "float", "default": 0.25},
    "latency_floor": {"type": "float", "default": 50.0},
    "drift_floor": {"type": "float", "default": 50.0},
    "latency": {"type": "float", "default": 200.0},
    "max_restarts": {"type": "int", "default": 0},
    "severities": {"type": "list", "elements": "str", "default": ["critical"]},
    "severity_label": {"type": "str", "default": "severity"},
    "alert_labels": {"type": "dict", "default": {}},
    "expected_traffic": {
        "type": "dict",
        "options": {"least": {"type": "float", "required": True}, "most": {"type": "float", "required": True}},
    },
    "functions": {"type": "list", "elements": "dict", "default": []},
    "wanted_functions": {"type": "list", "elements": "str", "default": []},
    "driver": {"type": "str", "default": "secret", "choices": ["secret", "configmap"]},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask once, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "window_check")
    judged = tuple(given["only"] or CHECKS.controls)
    wanted = _wanted(given)
    prometheus, alertmanager = (service_of(name, given, redactor) for name in ("prometheus", "alertmanager"))
    metrics = Metrics(
        _named(given, "requests_metric"),
        _named(given, "durations_metric"),
        _named(given, "code_label"),
        UNITS[given["durations_unit"]],
        given["requests_matchers"],
        given["durations_matchers"],
        given["selector"] or "",
    )
    facts = look(
        Look(
            scope=Scope(given["namespace"], given["release"], given["metrics_port"]),
            metrics=metrics,
            prometheus=Prometheus(prometheus) if prometheus else None,
            alertmanager=Alertmanager(alertmanager) if alertmanager else None,
            cluster=cluster_of(given, module.tmpdir, redactor),
            started=_moment(given, "started"),
            baseline=_moment(given, "baseline"),
            early=any(one.startswith(EARLY) and one != FUNCTIONALITY for one in judged),
            late=any(not one.startswith(EARLY) for one in judged),
            severity=_named(given, "severity_label"),
            alert_labels={_label(name): str(text) for name, text in given["alert_labels"].items()},
            driver=given["driver"],
            functions=tuple(given["functions"]),
            wanted=wanted,
        )
    )
    results = results_of(CHECKS.judge(facts, judged), redactor)
    return {"changed": False, **results, "windows": {"early": _left(facts, True), "late": _left(facts, False)}}


def _left(facts: WindowFacts, early: bool) -> dict[str, Any]:
    over = due(facts, early)
    if over is None:
        return {"known": False, "over": False, "left_s": 0.0}
    now = facts.now or facts.local
    return {"known": True, "over": now >= over, "left_s": max(0.0, round(over - now, 1))}


def _wanted(given: Mapping[str, Any]) -> Wanted:
    for name in SHARES:
        if not 0 < given[name] < 1:
            raise InputError(f"{name} {given[name]} is no share; 0.01 stands for 1 %.")
    for name in ("latency_rise", "latency_floor", "drift_floor", "max_restarts"):
        if not 0 <= given[name] < math.inf:
            raise InputError(f"{name} {given[name]} is less than nothing, or no number.")
    if not 0 < given["latency"] < math.inf:
        raise InputError(f"latency {given['latency']} is no time.")
    if not given["severities"]:
        raise InputError("severities: one at least is needed, or no alert counts.")
    early, late = span("early_window", given["early_window"]), span("late_window", given["late_window"])
    if late < early:
        raise InputError(f"late_window {given['late_window']} is shorter than early_window {given['early_window']}.")
    return Wanted(
        early_s=early,
        late_s=late,
        errors=_pattern(given["error_codes"]),
        error_share=given["error_share"],
        error_rise=given["error_rise"],
        slow_rise=given["slow_rise"],
        latency_rise=given["latency_rise"],
        floor_ms=given["latency_floor"],
        drift_ms=given["drift_floor"],
        latency_ms=given["latency"],
        restarts=given["max_restarts"],
        severities=tuple(given["severities"]),
        traffic=_traffic(given["expected_traffic"]),
        functions=tuple(given["wanted_functions"]),
    )


def _traffic(given: Mapping[str, Any] | None) -> tuple[float, float] | None:
    if not given:
        return None
    least, most = given["least"], given["most"]
    if not (math.isfinite(most) and 0 < least <= most):
        raise InputError(f"expected_traffic: {least:g} to {most:g} is no band; it begins above nothing and ends later.")
    return least, most


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as exc:
        raise InputError(f"error_codes: {text!r} is no regular expression ({exc}).") from exc
    if not text or re.fullmatch(text, "200"):
        raise InputError(f"error_codes: {text!r} does not tell errors from answers of success.")
    if not any(re.fullmatch(text, str(code)) for code in STATUSES):
        raise InputError(f"error_codes: {text!r} matches no status code of an error, which are 400 to 599.")
    return text


def _named(given: Mapping[str, Any], option: str) -> str:
    name = str(given[option])
    if not _NAME.fullmatch(name):
        raise InputError(f"{option}: {name!r} is no name of a metric or label.")
    return name


def _label(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(f"alert_labels: {name!r} is no name of a label.")
    return name


def _moment(given: Mapping[str, Any], option: str) -> str:
    text = str(given[option] or "")
    if text and moment(text) is None:
        raise InputError(f"{option}: {text!r} is no moment with its zone; 2026-11-30T20:00:00Z is one.")
    return text


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
