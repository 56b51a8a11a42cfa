# Faults in what people wrote: a copy of the sandbox's documents that is wrong, and inputs that point to it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.faults.fault import DOCUMENTS_COPY, Fault, Hands

DEPLOYMENT = tuple(
    f"documentation.deployment.{item}" for item in ("procedures", "configuration", "troubleshooting", "rollback")
)
RUNBOOKS = tuple(f"documentation.runbooks.{item}" for item in ("incident", "monitoring", "backup", "scaling"))
USER = tuple(f"documentation.user.{item}" for item in ("api", "integration", "authentication", "faq"))
DOCUMENTS = (*DEPLOYMENT, *RUNBOOKS, *USER)
CONTACTS = tuple(f"emergency.contacts.{item}" for item in ("operations", "development", "security", "infrastructure"))
SEVERITIES, TIMES, EXECUTIVE, CUSTOMER = (
    f"emergency.escalation.{item}" for item in ("severities", "timeframes", "executive", "customer")
)
REQUEST, COMMUNICATION = "go_live.change.request", "go_live.change.communication"
PLACEHOLDERS, STAKEHOLDERS = "go_live.review.placeholders", "go_live.change.stakeholders"
MESSAGE = "people/notification.yml"
CHANGE = "people/change.yml"
PEOPLE, PLAN = "people/contacts.yml", "people/escalation.yml"
EMERGENCY, REVIEW = "team.access.emergency", "team.access.review"
_OF_DOCUMENTS = ("operations", "runbooks", "users")
LONG_AGO = "2001-02-03"

Spoil = Callable[[Path], object]


def spoilt(*spoils: Spoil) -> Callable[[Hands], Mapping[str, Any]]:
    """A copy of the documents that something is wrong with, and the inputs that name it; several share the copy."""

    def variables(hands: Hands) -> Mapping[str, Any]:
        copy = hands.common / DOCUMENTS_COPY
        if not copy.exists():
            shutil.copytree(hands.settings.documents, copy)
        for spoil in spoils:
            spoil(copy)
        return {"sandbox_documents": str(copy)}

    return variables


def every(change: Callable[[str], str]) -> Spoil:
    """Another text of each document of the section."""

    def spoil(copy: Path) -> None:
        for folder in _OF_DOCUMENTS:
            for path in sorted((copy / folder).glob("*.md")):
                path.write_text(change(path.read_text()))

    return spoil


def one(name: str, change: Callable[[str], str]) -> Spoil:
    """Another text of one file."""
    return lambda copy: (copy / name).write_text(change((copy / name).read_text()))


def data(name: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Other data in one file of YAML."""

    def spoil(copy: Path) -> None:
        found = yaml.safe_load((copy / name).read_text())
        change(found)
        (copy / name).write_text(yaml.safe_dump(found))

    return spoil


def _missing(copy: Path) -> None:
    for folder in _OF_DOCUMENTS:
        for path in (copy / folder).glob("*.md"):
            path.unlink()


def _first_section_empty(text: str) -> str:
    """The heading stays, and nothing below it."""
    return re.sub(r"(?m)^(## .+\n)(?:(?!## )(?!.*\?$).*\n)*", r"\1\n", text, count=1)


def _added(text: str) -> Callable[[str], str]:
    return lambda before: f"{before}\n{text}\n"


def _dated(text: str) -> str:
    return re.sub(r"(?m)^reviewed: .*$", f"reviewed: {LONG_AGO}", text)


def _drifted(text: str) -> str:
    """An operation is not published, and another one is that nobody has."""
    description = json.loads(text)
    description["paths"]["/api/v1/gone"] = description["paths"].pop("/api/v1/tasks")
    return json.dumps(description)


def _nobody(register: dict[str, Any]) -> None:
    """[contact info] in place of each person, as the document has it."""
    entries = register["contacts"].values() if "contacts" in register else (register["executive"], register["customer"])
    for entry in entries:
        entry["person"] = {"name": "[contact info]", "phone": "[contact info]"}


def _one_person(register: dict[str, Any]) -> None:
    entries = list(register["contacts"].values())
    for entry in entries:
        entry["person"] = dict(entries[0]["person"])


def _unconfirmed(register: dict[str, Any]) -> None:
    for entry in register["contacts"].values():
        entry["confirmed"] = LONG_AGO


def _without_warning(register: dict[str, Any]) -> None:
    """A level that alerts and their routes have is not in the register."""
    register["severities"] = [level for level in register["severities"] if level["name"] != "warning"]


# Such a section holds for the stage of operations, so the gate of the stage deploy stays open.
FAULTS = (
    Fault(
        name="document_missing", says="no document is where the inventory says", layer="inputs",
        turns_red=DOCUMENTS, shuts=False, variables=spoilt(_missing),
    ),
    Fault(
        name="document_section_empty", says="the first section of each document has a heading and no text",
        layer="inputs", turns_red=DOCUMENTS, shuts=False, variables=spoilt(every(_first_section_empty)),
    ),
    Fault(
        name="document_placeholder", says="documents name [contact info] in place of somebody", layer="inputs",
        turns_red=(*DOCUMENTS, COMMUNICATION, PLACEHOLDERS), shuts=False,
        variables=spoilt(
            every(_added("Call the lead: [contact info].")),
            one("people/communication.md", _added("Write to [contact info].")),
        ),
    ),
    Fault(
        name="document_dead_link", says="documents link to a page that is not there", layer="inputs",
        turns_red=DOCUMENTS, shuts=False, variables=spoilt(every(_added("See [the other page](no-such-page.md)."))),
    ),
    Fault(
        name="document_overdue", says="documents were reviewed many years ago", layer="inputs",
        turns_red=DOCUMENTS, shuts=False, variables=spoilt(every(_dated)),
    ),
    Fault(
        name="document_unknown_alert", says="documents name an alert that no rule has", layer="inputs",
        turns_red=DOCUMENTS, shuts=False, component="prometheus",
        variables=spoilt(every(_added("Where the alert `BytebotNobodyHome` fires, look who is there."))),
    ),
    Fault(
        name="api_description_drifts", says="the published description of the API is not the live one", layer="inputs",
        turns_red=("documentation.user.api",), shuts=False, variables=spoilt(one("users/openapi.json", _drifted)),
    ),
    Fault(
        name="break_glass_missing", says="nothing is written about emergency access", layer="inputs",
        turns_red=(EMERGENCY,), shuts=False, variables=spoilt(lambda copy: (copy / "access/emergency.md").unlink()),
    ),
    Fault(
        name="break_glass_test_old", says="emergency access was tested many years ago", layer="inputs",
        turns_red=(EMERGENCY,), shuts=False, variables=spoilt(
            one("access/emergency.md", lambda text: re.sub(r"(?m)^tested: .*$", f"tested: {LONG_AGO}", text)),
        ),
    ),
    Fault(
        name="access_review_overdue", says="access was last reviewed many years ago", layer="inputs",
        turns_red=(REVIEW,), shuts=False,
        variables=spoilt(data("access/review.yml", lambda record: record.update(reviewed=LONG_AGO))),
    ),
    Fault(
        name="contact_placeholder", says="the registers have [contact info] where a person should stand",
        layer="inputs", turns_red=(*CONTACTS, EXECUTIVE, CUSTOMER), shuts=False,
        variables=spoilt(data(PEOPLE, _nobody), data(PLAN, _nobody)),
    ),
    Fault(
        name="one_person_in_all_roles", says="one person is called for everything", layer="inputs",
        turns_red=CONTACTS, shuts=False, variables=spoilt(data(PEOPLE, _one_person)),
    ),
    Fault(
        name="contact_unconfirmed", says="contacts were confirmed many years ago", layer="inputs",
        turns_red=CONTACTS, shuts=False, variables=spoilt(data(PEOPLE, _unconfirmed)),
    ),
    Fault(
        name="routing_severity_unknown", says="alerts and routes have a severity that the register does not define",
        layer="inputs", turns_red=(SEVERITIES,), shuts=False, component="alertmanager",
        variables=spoilt(data(PLAN, _without_warning)),
    ),
    Fault(
        name="severity_without_time", says="a severity has no time within which somebody responds", layer="inputs",
        turns_red=(TIMES,), shuts=False,
        variables=spoilt(data(PLAN, lambda plan: plan["severities"][0].pop("respond_within"))),
    ),
    Fault(
        name="escalation_without_deputy", says="the executive who is told has no deputy", layer="inputs",
        turns_red=(EXECUTIVE,), shuts=False, variables=spoilt(data(PLAN, lambda plan: plan["executive"].pop("deputy"))),
    ),
    Fault(
        name="message_template_missing", says="nothing is written that customers are told", layer="inputs",
        turns_red=(CUSTOMER,), shuts=False,
        variables=spoilt(data(PLAN, lambda plan: plan["customer"].pop("templates"))),
    ),
    Fault(
        name="change_not_approved", says="the change is requested, and not approved", layer="inputs",
        turns_red=(REQUEST,), shuts=False,
        variables=spoilt(data(CHANGE, lambda record: record.update(state="requested"))),
    ),
    Fault(
        name="change_window_over", says="the window of the change was many years ago", layer="inputs",
        turns_red=(REQUEST, STAKEHOLDERS), shuts=False,  # who was told was told of another day
        variables=spoilt(data(CHANGE, lambda record: record.update(window={"start": LONG_AGO, "end": "2001-02-04"}))),
    ),
    Fault(
        name="change_other_version", says="the change is about another version", layer="inputs",
        turns_red=(REQUEST,), shuts=False,
        variables=spoilt(data(CHANGE, lambda record: record.update(title="Go-live of Bytebot 0.9.0"))),
    ),
    Fault(
        name="notification_not_sent", says="the message with the schedule is a draft that nobody sent", layer="inputs",
        turns_red=(STAKEHOLDERS,), shuts=False,
        variables=spoilt(data(MESSAGE, lambda record: record.update(sent=None))),
    ),
    Fault(
        name="notification_without_schedule", says="the message to the stakeholders does not say when", layer="inputs",
        turns_red=(STAKEHOLDERS,), shuts=False,
        variables=spoilt(data(MESSAGE, lambda record: record.update(text="Bytebot goes live soon."))),
    ),
)  # fmt: skip
