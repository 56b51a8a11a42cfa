# Rules, test alerts and escalation, judged by tables of what was observed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_facts import (
    Alert,
    AlertsFacts,
    Level,
    Register,
    RulesSeen,
    Sent,
    TravelSeen,
    Way,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_routes import reached
from ansible_collections.bytebot.production.plugins.module_utils.checks.alerts import (
    CHECKS,
    DELIVERY,
    ESCALATION,
    RULES,
    TRIGGER,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, SILENT, Told

LINK = "https://docs.example.net/runbooks/down"
DOWN = Alert("Down", "critical", runbook=True)


def rule(**other: Any) -> dict[str, Any]:
    return {
        "type": "alerting",
        "name": "Down",
        "health": "ok",
        "state": "inactive",
        "labels": {"severity": "critical"},
        "annotations": {"runbook_url": LINK},
        "lastEvaluation": "2026-11-30T03:17:12Z",
        **other,
    }


def rules(*given: dict[str, Any], **other: Any) -> RulesSeen:
    groups = [{"name": "g", "interval": 30, "rules": list(given)}]
    return RulesSeen("http://p", Told(data=groups), Told(data=[({}, "1796008634")]), **{"links": {LINK: ""}, **other})


def told(control: str, facts: AlertsFacts) -> tuple[str, str]:
    (found,) = CHECKS.judge(facts, [control])
    return str(found.verdict.state), found.verdict.summary


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (rules(rule()), "pass", "all 1 wanted alerts"),
        (rules(), "fail", "has no rule"),
        (rules(rule(health="err", lastError="vector cannot")), "fail", "vector cannot"),
        (rules(rule(labels={"severity": "warning"})), "fail", "severity critical"),
        (rules(rule(), rule(labels={"severity": "warning"})), "pass", ""),
        (rules(rule(annotations={})), "fail", "links to no runbook"),
        (rules(rule(), links={LINK: "HTTP 404"}), "fail", "HTTP 404"),
        (rules(rule(), links={}, gaps={LINK: "not in allowed_hosts"}), "pending", "not in allowed_hosts"),
        (rules(rule(lastEvaluation="2026-11-30T02:00:00Z")), "fail", "was evaluated"),
        (rules(rule(), rule(name="Other", health="err")), "fail", "Other"),
        (rules(rule(), tests={"a.test.yml": "FAILED"}), "fail", "a.test.yml"),
        (rules(rule(), untested="promtool is not there"), "pending", "promtool"),
        (RulesSeen("http://p", Told(DENIED, None, "it answers 401")), "pending", "401"),
    ],
)
def test_rules(seen: RulesSeen, state: str, words: str) -> None:
    found = told(RULES, AlertsFacts(rules=seen, wanted=(DOWN,)))
    assert found[0] == state, found
    assert words in found[1]


def test_rules_need_a_list() -> None:
    assert told(RULES, AlertsFacts(rules=rules(rule())))[0] == "pending"
    assert told(RULES, AlertsFacts(wanted=(DOWN,)))[0] == "pending"


WAY = Way("critical-alerts", "webhook", 6.0, 11.0, 20.0)
SENT = Sent("Test1", {"severity": "critical"}, Told(), there=True, ways=(WAY,))
TRAVEL = TravelSeen("http://a", Told(data={}), Told(data="firing"), Told(data=True), (SENT,))
AWAY, SHUT = Told(SILENT, None, "Connection refused"), Told(DENIED, None, "it answers 401")
FACTS = AlertsFacts(rules(rule()), TRAVEL, (DOWN,), permitted=True, records=True)


def sent(**other: Any) -> AlertsFacts:
    return replace(FACTS, travel=replace(TRAVEL, sent=(replace(SENT, **other),)))


@pytest.mark.parametrize(
    ("facts", "trigger", "delivery"),
    [
        (FACTS, "pass", "pass"),
        (replace(FACTS, travel=replace(TRAVEL, rule=Told(data="inactive"))), "fail", "pass"),
        (replace(FACTS, travel=replace(TRAVEL, rule=Told(data=""))), "fail", "pass"),
        (replace(FACTS, travel=replace(TRAVEL, held=Told(data=False))), "fail", "pass"),
        (sent(there=False), "fail", "pass"),
        (sent(sent=Told("wrong", None, "it answers 400")), "fail", "fail"),
        (sent(hidden="silenced"), "pass", "fail"),
        (sent(ways=(replace(WAY, fired=None),)), "pass", "fail"),
        (sent(ways=(replace(WAY, resolved=None),)), "pass", "fail"),
        (sent(ways=(replace(WAY, fired=None, trouble="it answers 401"),)), "pass", "pending"),
        (replace(FACTS, travel=replace(TRAVEL, uncovered=("critical-alerts by email",))), "pass", "pending"),
        (replace(FACTS, travel=replace(TRAVEL, unknown=("pager that notifies by email",))), "pass", "fail"),
        (replace(FACTS, permitted=False, travel=replace(TRAVEL, sent=())), "pending", "pending"),
        (replace(FACTS, records=False, travel=replace(TRAVEL, sent=())), "pending", "pending"),
        (replace(FACTS, unasked="It needs a probe.", travel=replace(TRAVEL, sent=())), "pending", "pending"),
        (replace(FACTS, travel=None), "pending", "pending"),
        (replace(FACTS, travel=TravelSeen("http://a", AWAY, Told(data="firing"), AWAY)), "fail", "fail"),
        (replace(FACTS, travel=TravelSeen("http://a", SHUT, Told(data="firing"), SHUT)), "pending", "pending"),
        (replace(FACTS, travel=replace(TRAVEL, sent=())), "pending", "pending"),
        (sent(ways=()), "pass", "pending"),
    ],
)
def test_a_test_alert(facts: AlertsFacts, trigger: str, delivery: str) -> None:
    assert told(TRIGGER, facts)[0] == trigger
    assert told(DELIVERY, facts)[0] == delivery


CONFIG = """
route:
  receiver: default
  routes: [{{receiver: critical, matchers: [severity="critical"], repeat_interval: {repeat}}}]
receivers:
  - name: default
    email_configs: [{{to: a@example.net}}]
  - name: critical
    email_configs: [{{to: b@example.net}}]
    {second}
"""
TWO = "webhook_configs: [{url: http://hook}]"
FIRST, SECOND = Level("critical", "webhook", ("on-call primary",)), Level("critical", "email", ("head of operations",))


def routed(repeat: str = "5m", second: str = TWO, levels: tuple[Level, ...] = (FIRST, SECOND)) -> AlertsFacts:
    status = Told(data={"config": {"original": CONFIG.format(repeat=repeat, second=second)}})
    return AlertsFacts(status=status, url="http://a", labels={"severity": "critical"}, register=Register(levels))


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (routed(), "pass", "2 ways and again after 5m"),
        (routed(second=""), "fail", "one way only"),
        (routed(repeat="30d"), "fail", "only after 30d"),
        (routed(levels=(FIRST,)), "fail", "names 1 level"),
        (routed(levels=(FIRST, replace(SECOND, persons=()))), "fail", "names nobody"),
        (routed(levels=(FIRST, replace(SECOND, persons=("[contact info]",)))), "fail", "placeholder"),
        (routed(levels=(FIRST, replace(SECOND, persons=FIRST.persons))), "fail", "the same persons"),
        (routed(levels=(FIRST, replace(SECOND, way="pagerduty"))), "fail", "does not come to critical by pagerduty"),
        (replace(routed(), register=None), "pending", "escalation"),
        (replace(routed(), status=Told(data={"config": {"original": "route: ["}})), "pending", ""),
    ],
)
def test_escalation(facts: AlertsFacts, state: str, words: str) -> None:
    found = told(ESCALATION, facts)
    assert found[0] == state, found
    assert words in found[1]
    assert "head of operations" not in str(CHECKS.judge(facts, [ESCALATION]))


def test_routes_inherit_their_waits() -> None:
    route = {
        "receiver": "a", "group_wait": "10s", "repeat_interval": "1h",
        "routes": [{"receiver": "b", "matchers": ['severity="critical"'], "group_wait": "5s"}],
    }  # fmt: skip
    (found,) = reached(route, {"severity": "critical"})
    assert (found.receiver, found.wait, found.interval, found.repeat) == ("b", "5s", "5m", "1h")
