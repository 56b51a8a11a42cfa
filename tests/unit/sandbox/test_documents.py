# The sandbox's documents hold, and each fault in them turns red what it declares, judged against the declared alerts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils import observe_followup
from ansible_collections.bytebot.production.plugins.module_utils.argspec_documents import http_for, places_of
from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    change_record,
    contacts,
    followup,
    notification,
    placeholders_left,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import ContactFacts, Register
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import Live
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup_facts import FIELDS
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import Alert
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_placeholders import _pages
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load
from ansible_collections.bytebot.production.plugins.modules import followup_check
from ansible_collections.bytebot.production.plugins.modules.document_check import _scope
from sandbox import handover
from sandbox.faults import documents as faults
from sandbox.faults import records
from sandbox.faults.fault import Fault, Hands
from sandbox.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
COMPONENTS = ROOT / "sandbox" / "components"
INVENTORY = yaml.safe_load((ROOT / "inventories" / "sandbox" / "group_vars" / "all.yml").read_text())
VERSION = "1.0.0"
# That of the rotation of Secrets is judged by another module.
DOCUMENTS = {name: where for name, where in INVENTORY["bytebot_documents"].items() if name in CHECKS.controls}
CASES = [fault for fault in (*faults.FAULTS, *records.FAULTS) if fault.turns_red]
EVERY = {
    *CHECKS.controls,
    *contacts.CHECKS.controls,
    change_record.REQUEST,
    *followup.CHECKS.controls,
    placeholders_left.PLACEHOLDERS,
    notification.STAKEHOLDERS,
}
MONTH_AGO = (datetime.now(UTC) - timedelta(days=31)).isoformat()


def alerts() -> list[Alert]:
    """Those of the rules that the sandbox's Prometheus loads."""
    files = sorted((COMPONENTS / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return [
        Alert(one["alert"], one["labels"]["severity"]) for group in groups for one in group["rules"] if "alert" in one
    ]


def judged(folder: Path) -> dict[str, str]:
    """All that is judged by documents, as the roles judge it; commands are compared on the real sandbox alone."""
    given: dict[str, Any] = {
        "documents": DOCUMENTS, "only": [], "max_age": 90, "test_age": 180, "namespace": "",
        "release": "", "version": VERSION, "go_live": MONTH_AGO,
        "live_api": {"url": str(handed / "openapi.json")}, "access_now": {},
        "allowed_hosts": ["api.bytebot.test"], "ca_file": None, "resolve": {}, "timeout": 1.0,
    } if (handed := folder.parent) else {}  # fmt: skip
    read = Documents(str(folder), lambda url: http_for(given, url))
    found = observe(read, _scope(given, probe=False), None, None)
    known = replace(found, live=Live(frozenset(one.name for one in alerts()), versions=(VERSION,)))
    results = [
        *CHECKS.judge(known),
        *contacts.CHECKS.judge(_people(folder)),
        *change_record.CHECKS.judge(_change(folder)),
        *placeholders_left.CHECKS.judge(_left(read)),
        *notification.CHECKS.judge(_message(folder)),
        *followup.CHECKS.judge(observe_followup.observe(_records(folder), followup_check._RECORD, Redactor())),
    ]
    return {one.control: str(one.verdict.state) for one in results}


def _message(folder: Path) -> notification.NotificationFacts:
    record = load((folder / "people" / "notification.yml").read_text(), "notification.yml")
    at = load((folder / "people" / "change.yml").read_text(), "change.yml")["window"]["start"]
    wanted = tuple(INVENTORY["bytebot_records"]["notification"]["stakeholders"])
    return notification.NotificationFacts("notification.yml", Told(data=record), record, at=at, wanted=wanted)


def _left(read: Documents) -> placeholders_left.LeftFacts:
    """A release without a placeholder, beside these documents."""
    places = places_of(INVENTORY["bytebot_documents"]) or ()
    pages = tuple(_pages(read, places))
    api = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "there"}}
    return placeholders_left.LeftFacts("there", "bytebot", {}, objects=(api,), hosts=("api.bytebot.test",), pages=pages)


def _records(folder: Path) -> dict[str, Any]:
    named = {kind: {"path": str(folder / "people" / f"{kind}.yml")} for kind in FIELDS}
    return {**named, "go_live": MONTH_AGO, "answer_hours": 8}


def _people(folder: Path) -> ContactFacts:
    registers = [
        Register(INVENTORY[name], load((folder / INVENTORY[name]).read_text(), name))
        for name in ("bytebot_contacts", "bytebot_escalation")
    ]
    routes = (COMPONENTS / "alertmanager" / "alertmanager.yml").read_text()
    return ContactFacts(*registers, Told(data=routes), Told(data=alerts()), today=datetime.now(UTC).date())


def _change(folder: Path) -> change_record.ChangeFacts:
    record = load((folder / "people" / "change.yml").read_text(), "change.yml")
    found = {"state": record["state"], "version": record["title"], **record["window"]}
    return change_record.ChangeFacts("change.yml", Told(data=record), found, versions=(VERSION,))


@pytest.fixture
def handed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Documents as the sandbox hands them over, with a short description in place of the application's own."""
    described = {"openapi": "3.1.0", "info": {"version": VERSION}, "paths": {"/api/v1/tasks": {"get": {}}}}
    monkeypatch.setattr(handover, "run", lambda *_, **__: json.dumps(described))
    handover.documents(settings)
    for place in (settings.state, settings.state / "faults"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "openapi.json").write_text(json.dumps(described))
    return settings


def test_the_documents_of_the_sandbox_hold(handed: Settings) -> None:
    assert judged(handed.documents) == dict.fromkeys(EVERY, "pass")


@pytest.mark.parametrize("fault", CASES, ids=lambda fault: fault.name)
def test_a_fault_turns_red_what_it_declares(fault: Fault, handed: Settings) -> None:
    variables: Mapping[str, Any] = fault.variables(Hands(handed, None, None))  # type: ignore[arg-type]
    states = judged(Path(variables["sandbox_documents"]))
    sections = {control.partition(".")[0] for control in fault.turns_red}  # which are judged with it
    red = {control for control, state in states.items() if state == "fail" and control.partition(".")[0] in sections}
    assert red == set(fault.turns_red)
    unread = {control for control, state in states.items() if state not in {"pass", "fail"}}
    assert unread <= {placeholders_left.PLACEHOLDERS}, "what is not there cannot be read, and is another one's finding"


def test_documents_are_of_the_day(handed: Settings) -> None:
    today = datetime.now(UTC).date().isoformat()
    for path in handed.documents.rglob("*.md"):
        assert f"reviewed: {today}" in path.read_text(), path
