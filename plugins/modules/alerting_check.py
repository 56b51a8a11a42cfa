#!/usr/bin/python
# Judges Alertmanager: it serves, and sends the alerts of each severity to somebody.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: alerting_check
short_description: Judge Alertmanager and its routes
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks Alertmanager and Prometheus by their HTTP APIs.
  - Settles C(infrastructure.monitoring.alertmanager), C(monitoring.alerting.rules), C(monitoring.alerting.trigger),
    C(monitoring.alerting.delivery) and C(monitoring.alerting.escalation).
  - It judges that Alertmanager is ready and its cluster whole, that it took its newest configuration, and that an alert
    of each of O(severities) comes to a receiver that notifies somebody. The routes of the loaded configuration are
    followed as Alertmanager follows them, with matchers in all their forms, C(continue), and what routes inherit.
  - A receiver without any integration notifies nobody. Where all routes of a severity are muted at times, that is
    V(fail) of level V(should).
  - Each of O(alerts) must have a rule of its severity that is evaluated without an error. Its runbook is asked for
    where that is wanted. O(rule_tests) are run by promtool.
  - The alert O(watchdog) always fires, which proves the way from a rule to Alertmanager. Only with O(test_alerts) are
    alerts of their own names sent to Alertmanager, one for each kind of labels in O(deliveries). Each must arrive where
    O(deliveries) says, and so must its end. B(Persons are notified by them.) They end when this ends, and by themselves
    where this is killed.
  - A test alert that is silenced, inhibited or muted is V(fail), and so is one that comes too late. The time is that of
    the route's own waits, and O(delivery_within) beyond.
  - A way of a receiver that O(deliveries) leaves out makes the delivery V(pending).
  - An escalation needs two ways for critical alerts, a repetition within O(repeat_within), and a register of who is
    told by which of them. Persons' names stand in no result.
extends_documentation_fragment:
  - bytebot.production.alertmanager
  - bytebot.production.deliveries
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.services
options:
  minimum_version:
    description: Oldest version of Alertmanager. One below V(0.25) is told as weaker.
    type: str
    default: "0.25"
  severities:
    description: Severities whose alerts must reach somebody.
    type: list
    elements: str
    default: [critical, warning]
  severity_label:
    description: Name of the label that holds the severity.
    type: str
    default: severity
  labels:
    description: Labels that the alerts bear beside their severity, since routes may ask for them.
    type: dict
    default: {}
  receivers:
    description:
      - By severity, the name of the receiver that its alerts must come to. Where none is named for a severity, any that
        notifies somebody will do, the one for all others too.
    type: dict
    default: {}
  peers:
    description: How many Alertmanagers must know each other.
    type: int
    default: 1
  alerts:
    description: Alerts that must have a rule.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the alert.
        type: str
        required: true
      severity:
        description: Severity that a rule of this name must give it.
        type: str
        required: true
      runbook:
        description: Whether the rule must link to a runbook (annotation C(runbook_url)) that is there.
        type: bool
        default: false
  rule_tests:
    description: Files of rule tests, as C(promtool test rules) takes them.
    type: list
    elements: path
    default: []
  promtool:
    description: The program promtool, for O(rule_tests).
    type: str
    default: promtool
  watchdog:
    description: Name of the alert that always fires.
    type: str
    default: Watchdog
  test_alerts:
    description: Whether alerts may be sent that notify the persons behind O(deliveries).
    type: bool
    default: false
  delivery_within:
    description: Seconds that a notification may take beyond the waits of its route.
    type: float
    default: 60.0
  escalation:
    description: Who is told of a critical alert, the first level first.
    type: list
    elements: dict
    suboptions:
      receiver:
        description: Name of the receiver in Alertmanager.
        type: str
        required: true
      way:
        description: Kind of notification, as in O(deliveries[].way).
        type: str
        required: true
      persons:
        description: Who hears it, by name or duty.
        type: list
        elements: str
        default: []
  repeat_within:
    description: After what time a critical alert must be told again. More than V(15m) is told as weaker.
    type: str
    default: 15m
attributes:
  check_mode:
    description: In check mode it reads and sends no alert, so that what needs one is V(pending).
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - PyYAML
  - jmespath, where O(deliveries) has expressions
seealso:
  - module: bytebot.production.metrics_check
"""

EXAMPLES = r"""
- name: Judge Alertmanager
  bytebot.production.alerting_check:
    alertmanager:
      url: https://alertmanager.example.net
      token_file: /run/secrets/alertmanager-token
    severities: [critical, warning, info]
    receivers: {critical: pager}
    labels: {namespace: bytebot-production}
    peers: 3
    allowed_hosts: [alertmanager.example.net]
    only: [infrastructure.monitoring.alertmanager]

- name: Judge the way of alerts, by one that is sent
  bytebot.production.alerting_check:
    prometheus: {url: https://prometheus.example.net}
    alertmanager: {url: https://alertmanager.example.net}
    allowed_hosts: [prometheus.example.net, alertmanager.example.net, mail.example.net, docs.example.net]
    alerts:
      - {name: BytebotServiceDown, severity: critical, runbook: true}
    test_alerts: true
    deliveries:
      - receiver: critical-alerts
        way: email
        url: "https://mail.example.net/api/v1/search?query={nonce}"
        firing: "messages[?contains(Subject, 'FIRING')]"
        resolved: "messages[?contains(Subject, 'RESOLVED')]"
    escalation:
      - {receiver: critical-alerts, way: pagerduty, persons: [on-call primary]}
      - {receiver: critical-alerts, way: slack, persons: [on-call secondary, head of operations]}
    only: [monitoring.alerting.rules, monitoring.alerting.delivery, monitoring.alerting.escalation]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.monitoring.alertmanager}
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

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    ALERTMANAGER_ARGS,
    LOGIN_ARGS,
    PROMETHEUS_ARGS,
    SERVICES_ARGS,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks import alerts
from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_facts import (
    USUAL_REPEAT,
    Alert,
    AlertsFacts,
    Level,
    Register,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.alerting import (
    CHECKS,
    SEVERITIES,
    USUAL_VERSION,
    AlertingFacts,
    AlertingWanted,
    AlertmanagerSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import expression_problem
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span, wanted_version
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_alerts import (
    NONCE,
    Record,
    Travel,
    look_at_rules,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

WATCHED = alerts.CHECKS
ALERTMANAGER = "infrastructure.monitoring.alertmanager"
DELIVERY: dict[str, Any] = {
    **LOGIN_ARGS,
    "receiver": {"type": "str", "required": True},
    "way": {"type": "str", "required": True},
    "labels": {"type": "dict", "default": {"severity": "critical"}},
    "firing": {"type": "str"},
    "resolved": {"type": "str"},
}
LEVEL: dict[str, Any] = {
    "receiver": {"type": "str", "required": True},
    "way": {"type": "str", "required": True},
    "persons": {"type": "list", "elements": "str", "default": []},
}
ALERT: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "severity": {"type": "str", "required": True},
    "runbook": {"type": "bool", "default": False},
}
ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **ALERTMANAGER_ARGS,
    **PROMETHEUS_ARGS,
    "minimum_version": {"type": "str", "default": USUAL_VERSION},
    "severities": {"type": "list", "elements": "str", "default": list(SEVERITIES)},
    "severity_label": {"type": "str", "default": "severity"},
    "labels": {"type": "dict", "default": {}},
    "receivers": {"type": "dict", "default": {}},
    "peers": {"type": "int", "default": 1},
    "alerts": {"type": "list", "elements": "dict", "default": [], "options": ALERT},
    "rule_tests": {"type": "list", "elements": "path", "default": []},
    "promtool": {"type": "str", "default": "promtool"},
    "watchdog": {"type": "str", "default": "Watchdog"},
    "test_alerts": {"type": "bool", "default": False},
    "delivery_within": {"type": "float", "default": 60.0},
    "deliveries": {"type": "list", "elements": "dict", "default": [], "options": DELIVERY},
    "escalation": {"type": "list", "elements": "dict", "options": LEVEL},
    "repeat_within": {"type": "str", "default": USUAL_REPEAT},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask once, and judge."""
    given = module.params
    every = (*CHECKS.controls, *WATCHED.controls)
    known_only(given["only"], every, "alerting_check")
    judged = set(given["only"] or every)
    service = service_of("alertmanager", given, redactor)
    server = Alertmanager(service) if service else None
    results = []
    if ALERTMANAGER in judged:
        facts = AlertingFacts(_look(server) if server else None, _wanted(given))
        results += CHECKS.judge(facts, judged)
    if judged & set(WATCHED.controls):
        results += WATCHED.judge(_watched(module, redactor, server, judged), judged)
    return {"changed": False, **results_of(results, redactor)}


def _wanted(given: Mapping[str, Any]) -> AlertingWanted:
    wanted_version("minimum_version", given["minimum_version"])
    if not given["severities"]:
        raise InputError("severities: name at least one severity whose alerts must reach somebody.")
    return AlertingWanted(
        given["minimum_version"],
        tuple(given["severities"]),
        {name: str(value) for name, value in given["labels"].items()},
        given["severity_label"],
        {name: str(value) for name, value in given["receivers"].items()},
        given["peers"],
    )


def _look(server: Alertmanager) -> AlertmanagerSeen:
    """Where it is not there at all, nothing more is asked."""
    ready = server.ready()
    if ready.kind == "silent":
        return AlertmanagerSeen(server.service.url, ready)
    return AlertmanagerSeen(server.service.url, ready, server.status(), server.reloaded())


def _watched(module: AnsibleModule, redactor: Redactor, server: Alertmanager | None, judged: set[str]) -> AlertsFacts:
    given = module.params
    span("repeat_within", given["repeat_within"])
    wanted = tuple(Alert(**one) for one in given["alerts"])
    records = tuple(_record(number, one, given, redactor) for number, one in enumerate(given["deliveries"]))
    service = service_of("prometheus", given, redactor)
    travels = bool(judged & {alerts.TRIGGER, alerts.DELIVERY})
    rules = None
    if service and judged - {ALERTMANAGER, alerts.ESCALATION}:
        asked = wanted if alerts.RULES in judged else ()
        rules = look_at_rules(Prometheus(service), asked, lambda url: _http(url, given))
    sends = given["test_alerts"] and not module.check_mode
    travel = None
    if server and travels:
        follow = Travel(server, records, given["watchdog"], given["delivery_within"])
        travel = follow.look(rules, sends=sends)
    tests = _tested(module) if alerts.RULES in judged else ({}, "")
    if rules:
        rules = replace(rules, tests=tests[0], untested=tests[1])
    asks = server is not None and alerts.ESCALATION in judged
    return AlertsFacts(
        rules,
        travel,
        wanted,
        given["watchdog"],
        given["test_alerts"],
        bool(records),
        _register(given["escalation"]),
        (travel.status if travel else server.status()) if asks and server else None,
        server.service.url if server else "",
        {**{name: str(value) for name, value in given["labels"].items()}, given["severity_label"]: "critical"},
        given["repeat_within"],
        "It needs a probe, and check mode sends none." if module.check_mode else "",
    )


def _record(number: int, one: Mapping[str, Any], given: Mapping[str, Any], redactor: Redactor) -> Record:
    name = f"deliveries[{number}]"
    for part in ("firing", "resolved"):
        if one[part] and (problem := expression_problem(one[part].replace(NONCE, "nonce"))):
            raise InputError(f"{name}.{part} is no JMESPath expression: {problem}.")
    service = service_of(name, {**given, name: one}, redactor)
    if service is None:
        raise InputError(f"{name}: say where it is.")
    labels = {key: str(value) for key, value in one["labels"].items()}
    return Record(one["receiver"], one["way"], service, one["url"], labels, one["firing"] or "", one["resolved"] or "")


def _http(url: str, given: Mapping[str, Any]) -> Http:
    return Http(
        url,
        given["allowed_hosts"],
        ca_file=given["ca_file"] or "",
        resolve={host: str(address) for host, address in given["resolve"].items()},
        timeout_s=given["timeout"],
    )


def _register(given: list[Mapping[str, Any]] | None) -> Register | None:
    if given is None:
        return None
    return Register(tuple(Level(one["receiver"], one["way"], tuple(one["persons"])) for one in given))


def _tested(module: AnsibleModule) -> tuple[dict[str, str], str]:
    """By file of rule tests, what failed; and why none was run."""
    given = module.params
    if not given["rule_tests"]:
        return {}, ""
    program = module.get_bin_path(given["promtool"])
    if not program:
        return {}, f"the rule tests were not run, since {given['promtool']} is not there"
    found = {}
    for path in given["rule_tests"]:
        if not Path(path).is_file():
            raise InputError(f"rule_tests: there is no file {path}.")
        code, out, said = module.run_command([program, "test", "rules", path], handle_exceptions=False)
        told = " ".join((said or out).split())[:300]
        found[Path(path).name] = "" if code == 0 else told or f"promtool ends with {code}"
    return found, ""


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
