# The registers for emergencies: in order they pass, and each thing that is wrong with them is told, by tables.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts import (
    CHECKS,
    CUSTOMER,
    EXECUTIVE,
    ROLES,
    SEVERITIES,
    TIMES,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import (
    ContactFacts,
    Register,
    minutes,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import Alert, alert_rules
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.registers import register_of

TODAY = date(2026, 11, 30)
OPERATIONS = "emergency.contacts.operations"
SECOND = {"name": "Sam Second", "pager": "sam"}
ROUTES = """
route:
  receiver: all
  routes:
    - {receiver: pager, matchers: ['severity="critical"']}
    - {receiver: mail, match_re: {severity: warning|info}}
"""


def contacts() -> dict[str, Any]:
    entries = {
        role: {
            "confirmed": "2026-11-01",
            "person": {"name": f"Person {number}", "phone": "+44 20 7946 0101", "email": "a@b.test"},
            "deputy": dict(SECOND),
        }
        for number, role in enumerate(ROLES)
    }
    return {"contacts": entries}


def escalation() -> dict[str, Any]:
    told = {"person": {"name": "Boss", "phone": "+44 20 7946 0101"}, "deputy": dict(SECOND), "within": "1h"}
    return {
        "reviewed": "2026-11-01",
        "severities": [
            {
                "name": "critical", "meaning": "down", "respond_within": "15m",
                "escalate": [{"after": "15m", "to": "operations"}],
            },
            {
                "name": "warning", "meaning": "soon", "respond_within": "4h",
                "escalate": [{"after": "1d", "to": "executive"}],
            },
            {"name": "info", "meaning": "nothing", "informational": True},
        ],
        "executive": {**told, "severities": ["critical"], "template": "Since TIME it is so."},
        "customer": {
            **told, "severities": ["critical"], "channels": ["mail"],
            "templates": {"start": "It began.", "update": "It goes on.", "end": "It is over."},
        },
    }  # fmt: skip


def facts(**given: Any) -> ContactFacts:
    usual = {
        "contacts": Register("contacts.yml", contacts()),
        "escalation": Register("escalation.yml", escalation()),
        "routes": Told(data=ROUTES),
        "rules": Told(data=[Alert("Down", "critical"), Alert("Plain")]),
        "today": TODAY,
    }
    return ContactFacts(**usual | given)


def judged(given: ContactFacts, control: str) -> tuple[str, str]:
    verdict = CHECKS.judge(given, [control])[0].verdict
    return str(verdict.state), verdict.summary


def test_registers_in_order_pass_and_no_number_is_kept() -> None:
    results = CHECKS.judge(facts())
    assert {one.control: str(one.verdict.state) for one in results} == dict.fromkeys(CHECKS.controls, "pass")
    assert not [
        one for one in results if "7946" in str(one.verdict.evidence) or "a@b.test" in str(one.verdict.evidence)
    ]


def test_without_registers_all_is_pending_and_names_the_input() -> None:
    for one in CHECKS.judge(ContactFacts(today=TODAY)):
        assert (str(one.verdict.state), "Needs input" in one.verdict.summary) == ("pending", True)


def _of(role: str, **change: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda register: register["contacts"][role].update(change)


CONTACTS = [
    ("no entry", lambda one: one["contacts"].pop("operations"), "it has no entry operations"),
    ("no person", _of("operations", person=None), "operations names no person"),
    ("no deputy", _of("operations", deputy=None), "operations names no deputy"),
    ("nobody's name", _of("operations", person={"phone": "+44 20 7946 0101"}), "has no name"),
    ("a placeholder", _of("operations", person={"name": "[contact info]", "phone": "112233445"}), "is [contact info]"),
    ("no channel", _of("operations", person={"name": "A B"}), "has no channel (phone"),
    ("mail only", _of("operations", person={"name": "A B", "email": "a@b.test"}), "no channel that reaches"),
    ("no number", _of("operations", person={"name": "A B", "phone": "ask me"}), "the person of operations is none"),
    ("the same", _of("operations", deputy={"name": "person 0", "pager": "x"}), "of operations is the same person"),
    ("unconfirmed", _of("operations", confirmed=None), "does not say when it was last confirmed"),
    ("old", _of("operations", confirmed="2026-01-01"), "at most 90 are wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in CONTACTS], ids=[row[0] for row in CONTACTS])
def test_what_is_wrong_with_a_contact(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    register = contacts()
    change(register)
    state, summary = judged(facts(contacts=Register("c", register)), OPERATIONS)
    assert (state, said in summary) == ("fail", True), summary
    assert judged(facts(contacts=Register("c", register)), "emergency.contacts.security")[0] == "pass"


def test_one_person_cannot_stand_for_all() -> None:
    register = contacts()
    for one in register["contacts"].values():
        one["person"] = dict(register["contacts"]["operations"]["person"])
    for role in ROLES:
        state, summary = judged(facts(contacts=Register("c", register)), f"emergency.contacts.{role}")
        assert (state, "Person 0 is the person of all 4 roles" in summary) == ("fail", True)


def _level(number: int, **change: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda plan: plan["severities"][number].update(change)


PLANS = [
    (SEVERITIES, lambda plan: plan["severities"].pop(1), "routes have the severity warning, which is no level here"),
    (SEVERITIES, lambda plan: plan["severities"].pop(0), "alerts have the severity critical"),
    (SEVERITIES, _level(0, meaning=""), "the level critical has no meaning"),
    (SEVERITIES, lambda plan: plan.update(severities=[]), "it defines 0 levels"),
    (SEVERITIES, lambda plan: plan.update(reviewed="2020-01-01"), "at most 90 are wanted"),
    (TIMES, _level(0, respond_within=None), "critical has no time within which somebody responds"),
    (TIMES, _level(0, respond_within="soon"), "critical has no time within which somebody responds"),
    (TIMES, _level(0, escalate=[]), "critical goes to nobody further"),
    (
        TIMES,
        _level(0, escalate=[{"after": "1h", "to": "operations"}, {"after": "5m", "to": "executive"}]),
        "not in the order",
    ),
    (TIMES, _level(0, escalate=[{"after": "1h", "to": "somebody"}]), "goes to somebody, which is no role"),
    (TIMES, _level(0, escalate=[{"to": "operations"}]), "a step of the level critical has no time"),
    (TIMES, _level(1, respond_within="5m"), "a lower level is answered sooner"),
    (TIMES, lambda plan: plan.update(severities=plan["severities"][2:]), "no level asks for an answer"),
    (EXECUTIVE, lambda plan: plan.pop("executive"), "it has no executive"),
    (EXECUTIVE, lambda plan: plan["executive"].pop("deputy"), "executive names no deputy"),
    (EXECUTIVE, lambda plan: plan["executive"].update(template="Call [your name]."), "still has [your name]"),
    (EXECUTIVE, lambda plan: plan["executive"].update(within="x"), "executive has no time"),
    (EXECUTIVE, lambda plan: plan["executive"].update(severities=["huge"]), "told of huge, which is no level here"),
    (CUSTOMER, lambda plan: plan["customer"].pop("templates"), "customer has no message (templates.start)"),
    (CUSTOMER, lambda plan: plan["customer"].update(channels=[]), "customer names no channels"),
    (CUSTOMER, lambda plan: plan["customer"].pop("severities"), "says of no severity"),
]


@pytest.mark.parametrize(("control", "change", "said"), PLANS, ids=[row[2] for row in PLANS])
def test_what_is_wrong_with_the_escalation(control: str, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    plan = copy.deepcopy(escalation())
    change(plan)
    state, summary = judged(facts(escalation=Register("e", plan)), control)
    assert (state, said in summary) == ("fail", True), summary


def test_levels_may_have_names_of_their_own() -> None:
    plan = escalation()
    plan["severities"][0] |= {"name": "P1", "alerts": ["critical", "page"]}
    assert judged(facts(escalation=Register("e", plan)), SEVERITIES)[0] == "pass"


@pytest.mark.parametrize(
    "given",
    [
        {"routes": None},
        {"routes": Told(DENIED, None, "it answers 401")},
        {"routes": Told(data="route: [")},
        {"routes": Told(data="route: {routes: [{matchers: ['severity=~\"crit.*\"']}]}")},
        {"rules": Told(DENIED, None, "it answers 401")},
    ],
)
def test_what_cannot_be_compared_is_not_known(given: dict[str, Any]) -> None:
    assert judged(facts(**given), SEVERITIES)[0] == "pending"


def test_without_prometheus_the_routes_alone_are_compared() -> None:
    verdict = CHECKS.judge(facts(rules=None), [SEVERITIES])[0].verdict
    assert verdict.state == "pass"
    assert verdict.evidence[0].observed["severities_of_alerts"] is None


def test_a_file_is_read_or_its_problem_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text("contacts: {}\n")
    (tmp_path / "list.yml").write_text("- a\n")
    (tmp_path / "broken.yml").write_text("a: [\n")
    given = {"folder": str(tmp_path)}
    assert register_of("contacts", {**given, "contacts": "good.yml"}).data == {"contacts": {}}
    assert register_of("contacts", {"folder": None, "contacts": {"contacts": {}}}).where == "the inventory"
    for name, said in (("list.yml", "no mapping"), ("broken.yml", "not YAML"), ("none.yml", "not there")):
        found = register_of("contacts", {**given, "contacts": name})
        assert (found.data, said in found.problem) == (None, True), found.problem
    assert judged(facts(contacts=register_of("contacts", {**given, "contacts": "none.yml"})), OPERATIONS)[0] == "fail"


def test_rules_are_read_as_prometheus_tells_them() -> None:
    class Asked:
        def __init__(self, data: Any) -> None:
            self.data = data

        def json(self, path: str, query: dict[str, str]) -> Told:
            assert (path, query) == ("/api/v1/rules", {"type": "alert"})
            return Told(data=self.data)

    rules = [
        {"type": "alerting", "name": "Down", "labels": {"severity": "critical"}, "annotations": {"runbook_url": "u"}},
        {"type": "recording", "name": "sum"},
    ]
    told = alert_rules(Asked({"status": "success", "data": {"groups": [{"rules": rules}]}}))  # type: ignore[arg-type]
    assert told.data == [Alert("Down", "critical", "u")]
    assert not alert_rules(Asked({"status": "success"})).ok  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "found"), [("15m", 15), ("4 h", 240), ("2d", 2880), ("0m", None), ("x", None), (15, None)]
)
def test_times(given: Any, found: int | None) -> None:
    assert minutes(given) == found
