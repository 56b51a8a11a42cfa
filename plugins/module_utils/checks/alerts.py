# Judges alerts from rule to person: rules, an alert that fires, where it arrives, and who is told next.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_escalation import judge_escalation
from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_facts import (
    Alert,
    AlertsFacts,
    RulesSeen,
    Sent,
    TravelSeen,
    Way,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import SHOULD, Evidence, Verdict, pending

RULES, TRIGGER = "monitoring.alerting.rules", "monitoring.alerting.trigger"
DELIVERY, ESCALATION = "monitoring.alerting.delivery", "monitoring.alerting.escalation"
CHECKS: Checks[AlertsFacts] = Checks()
ROUNDS = 3.0
_READ = "the right to query its API"
_LOAD = "Load the rule (promtool check rules FILE), then look at the rules' page of Prometheus."
_MEND = "Correct the rule's expression (promtool check rules, promtool test rules)."
_LINK = "Give the rule an annotation runbook_url that leads to the page."
_HOSTS = "Add the runbooks' host to allowed_hosts (in the inventory: bytebot_allowed_hosts)."
_ALWAYS = (
    "Load a rule that always fires (expr: vector(1)), and let Prometheus send its alerts to Alertmanager (alerting)."
)
_PERMIT = "Permit test alerts for this environment (in the inventory: writes in bytebot_tests_allowed)."
_RECORDS = "Say where each receiver's notifications are recorded (in the inventory: bytebot_receivers)."
_HIDDEN = "Expire the silence, or narrow the inhibit_rules or times of the route that hide the alert."
_RECEIVER = (
    "Look at Alertmanager's log and metrics (alertmanager_notifications_failed_total), and correct the receiver."
)
_PROMTOOL = "Install promtool, or name it (promtool)."


@CHECKS.settles(RULES)
def rules(facts: AlertsFacts) -> Verdict:
    """Each wanted alert has a rule of its severity that is evaluated without an error, and a runbook where wanted."""
    seen = facts.rules
    if seen is None:
        return no_input("prometheus", "bytebot_prometheus")
    if not facts.wanted:
        return pending(
            "Needs input alerts: none is named.", "Name them with severity (in the inventory: bytebot_alerts)."
        )
    found, where = Found(), f"Prometheus at {seen.url}"
    if found.asked(seen.groups, "its rules", "Start Prometheus.", allow=_READ):
        loaded = list(_alerting(seen))
        for one in facts.wanted:
            _rule(found, one, [rule for rule, _interval in loaded if rule.get("name") == one.name], seen)
        _unwell(found, facts, seen)
    for path, said in seen.tests.items():
        if said:
            found.wrong(f"the rule tests of {path} fail ({said})", "Correct the rules or their tests.")
    if seen.untested:
        found.unknown(seen.untested, _PROMTOOL)
    tested = f", and {len(seen.tests)} files of rule tests pass" if seen.tests else ""
    links = sum(1 for why in seen.links.values() if not why)
    good = f"all {len(facts.wanted)} wanted alerts have a healthy rule; {links} runbook links lead to a page{tested}"
    return found.verdict(where, good, [_rules_evidence(facts, seen)])


def _alerting(seen: RulesSeen) -> Iterator[tuple[Mapping[str, Any], float]]:
    for group in seen.groups.data or []:
        for rule in group.get("rules") or []:
            if rule.get("type", "alerting") == "alerting":
                yield rule, float(group.get("interval") or 60)


def unsettled(seen: RulesSeen) -> bool:
    """Whether a rule has not been evaluated yet, as just after loading."""
    return seen.groups.ok and any(rule.get("health") == "unknown" for rule, _interval in _alerting(seen))


def _rule(found: Found, wanted: Alert, named: list[Mapping[str, Any]], seen: RulesSeen) -> None:
    if not named:
        found.wrong(f"alert {wanted.name} has no rule", _LOAD)
        return
    fits = [one for one in named if (one.get("labels") or {}).get("severity") == wanted.severity]
    if not fits:
        found.wrong(f"no rule of alert {wanted.name} has severity {wanted.severity}", _LOAD)
    for one in fits or named:
        if one.get("health") != "ok":
            said = " ".join(str(one.get("lastError") or one.get("health")).split())[:120]
            found.wrong(f"the rule of alert {wanted.name} is not healthy ({said})", _MEND)
    if not wanted.runbook:
        return
    for one in fits or named:
        link = str((one.get("annotations") or {}).get("runbook_url") or "")
        if not link:
            found.wrong(f"alert {wanted.name} links to no runbook", _LINK)
        elif seen.links.get(link):
            found.wrong(f"the runbook of alert {wanted.name} is not there ({seen.links[link]})", _LINK)
        elif link in seen.gaps:
            found.unknown(f"the runbook of alert {wanted.name}: {seen.gaps[link]}", _HOSTS)


def _unwell(found: Found, facts: AlertsFacts, seen: RulesSeen) -> None:
    """Rules beside the wanted ones that fail, and rules that are not evaluated any more."""
    names = {one.name for one in facts.wanted}
    now = float(seen.now.data[0][1]) if seen.now.ok and seen.now.data else 0.0
    for rule, interval in _alerting(seen):
        name = str(rule.get("name"))
        if name not in names and rule.get("health") == "err":
            found.wrong(f"the rule of alert {name} is not healthy", _MEND, SHOULD)
        late = now - _unix(str(rule.get("lastEvaluation") or "")) if now else 0.0
        if name in names and rule.get("health") == "ok" and late > ROUNDS * interval + 60:
            found.wrong(f"the rule of alert {name} was evaluated {words(late)} ago", _MEND)


def _unix(text: str) -> float:
    head, _dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    try:
        return datetime.fromisoformat(f"{head}{zone}".replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _rules_evidence(facts: AlertsFacts, seen: RulesSeen) -> Evidence:
    names = {one.name for one in facts.wanted}
    observed = {
        "wanted": [f"{one.name} {one.severity}" for one in facts.wanted],
        "rules": [
            {
                "alert": rule.get("name"),
                "severity": (rule.get("labels") or {}).get("severity"),
                "health": rule.get("health"),
                "state": rule.get("state"),
                "runbook": (rule.get("annotations") or {}).get("runbook_url"),
            }
            for rule, _interval in (_alerting(seen) if seen.groups.ok else ())
            if rule.get("name") in names
        ],
        "runbooks": {link: why or "there" for link, why in seen.links.items()} | dict(seen.gaps),
        "rule_tests": {path: said or "pass" for path, said in seen.tests.items()},
    }
    return Evidence(f"rules of Prometheus {seen.url}", observed, facts.at)


@CHECKS.settles(TRIGGER)
def trigger(facts: AlertsFacts) -> Verdict:
    """The alert that always fires comes from its rule to Alertmanager, and a test alert is taken by it."""
    seen = facts.travel
    if seen is None or facts.rules is None:
        which = (
            ("prometheus", "bytebot_prometheus") if facts.rules is None else ("alertmanager", "bytebot_alertmanager")
        )
        return no_input(*which)
    found, where = Found(), f"Alerts to Alertmanager at {seen.url}"
    if found.asked(seen.rule, "the rules of Prometheus", "Start Prometheus.", allow=_READ):
        if not seen.rule.data:
            found.wrong(f"no rule {facts.watchdog} is loaded, which must always fire", _ALWAYS)
        elif seen.rule.data != "firing":
            found.wrong(f"the rule {facts.watchdog}, which must always fire, is {seen.rule.data}", _ALWAYS)
    if found.asked(seen.held, "its alerts", "Start Alertmanager.", allow=_READ) and not seen.held.data:
        found.wrong(f"the alert {facts.watchdog} has not come to it from Prometheus", _ALWAYS)
    for one in seen.sent:
        if not one.sent.ok:
            found.asked(
                one.sent, "a test alert was not taken", "Look at Alertmanager's log.", allow="the right to post"
            )
        elif not one.there:
            found.wrong(f"the test alert {one.name} was taken and is not there", "Look at Alertmanager's log.")
    if facts.unasked or not facts.permitted:
        found.unknown(facts.unasked.rstrip(".") or "no test alert may be sent in this environment", _PERMIT)
    elif not seen.sent and not found.problems:
        found.unknown(seen.unread or "no test alert was sent", _RECORDS)
    good = f"{facts.watchdog} fires and came from its rule; {len(seen.sent)} test alerts with a word of their own, too"
    return found.verdict(where, good, [_travel_evidence(facts, seen)])


@CHECKS.settles(DELIVERY)
def delivery(facts: AlertsFacts) -> Verdict:
    """A test alert and its end arrive by each way of each receiver."""
    seen = facts.travel
    if seen is None:
        return no_input("alertmanager", "bytebot_alertmanager")
    if facts.unasked:
        return pending(facts.unasked)
    if not facts.records:
        return pending("Needs input deliveries: nothing says where notifications arrive.", _RECORDS)
    if not facts.permitted:
        return pending("No test alert may be sent in this environment.", _PERMIT)
    found, where = Found(), f"Alertmanager at {seen.url}"
    if found.asked(seen.status, "its configuration", "Start Alertmanager.", allow=_READ) and seen.unread:
        found.unknown(seen.unread, _RECORDS)
    for one in seen.sent:
        _arrived(found, one)
    for name in seen.unknown:
        found.wrong(f"it has no receiver {name}", _RECORDS)
    for name in seen.uncovered:
        found.unknown(f"nothing says where {name} arrives", _RECORDS)
    ways = [way for one in seen.sent for way in one.ways]
    if not ways and not found.problems and not found.gaps:
        found.unknown("no test alert was followed to a receiver", _RECORDS)
    slowest = max([way.fired or 0.0 for way in ways], default=0.0)
    names = ", ".join(f"{way.receiver} by {way.kind}" for way in ways)
    good = f"a test alert and its end arrived at {names}; the slowest alert took {slowest:.0f} s"
    return found.verdict(where, good, [_travel_evidence(facts, seen)])


def _arrived(found: Found, one: Sent) -> None:
    if not one.sent.ok:
        found.asked(one.sent, "a test alert was not taken", "Look at Alertmanager's log.", allow="the right to post")
        return
    if one.hidden:
        told = ", ".join(f"{name}={value}" for name, value in one.labels.items())
        found.wrong(f"a test alert with {told} is {one.hidden}", _HIDDEN)
        return
    for way in one.ways:
        name = f"{way.receiver} by {way.kind}"
        if way.trouble:
            found.unknown(f"the record of {name}: {way.trouble}", _RECORDS)
        elif way.fired is None:
            found.wrong(f"the alert did not arrive at {name} within {way.bound:.0f} s", _RECEIVER)
        elif way.resolved is None:
            found.wrong(f"the end of the alert did not arrive at {name} within {way.bound:.0f} s", _RECEIVER)


@CHECKS.settles(ESCALATION)
def escalation(facts: AlertsFacts) -> Verdict:
    """A critical alert that nobody answers is told again, and to the next one, who is named."""
    return judge_escalation(facts)


def _travel_evidence(facts: AlertsFacts, seen: TravelSeen) -> Evidence:
    observed = {
        "always_firing": {
            "alert": facts.watchdog,
            "rule": seen.rule.data if seen.rule.ok else seen.rule.seen(),
            "in_alertmanager": seen.held.data if seen.held.ok else seen.held.seen(),
        },
        "sent": [
            {
                "alert": one.name,
                "labels": dict(one.labels),
                "answer": one.sent.seen(),
                "there": one.there,
                "hidden": one.hidden,
                "ways": [_way(way) for way in one.ways],
            }
            for one in seen.sent
        ],
    }
    return Evidence(f"alerts of Alertmanager {seen.url}", observed, facts.at)


def _way(way: Way) -> dict[str, object]:
    return {
        "receiver": way.receiver,
        "by": way.kind,
        "alert_after_s": None if way.fired is None else round(way.fired, 1),
        "end_after_s": None if way.resolved is None else round(way.resolved, 1),
        "within_s": way.bound,
    }
