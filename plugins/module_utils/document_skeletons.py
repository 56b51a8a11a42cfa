# Writes skeletons of the documents that the checklist asks for, with what the live system knows, for people to finish.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_wanted import QUESTIONS, SECTIONS
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import Alert
from ansible_collections.bytebot.production.plugins.module_utils.document_text import MARKER
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import dump

FILES: Mapping[str, tuple[str, str]] = {
    "documentation.deployment.procedures": ("operations/deployment.md", "Deployment"),
    "documentation.deployment.configuration": ("operations/configuration.md", "Configuration"),
    "documentation.deployment.troubleshooting": ("operations/troubleshooting.md", "Troubleshooting"),
    "documentation.deployment.rollback": ("operations/rollback.md", "Rollback"),
    "documentation.runbooks.incident": ("runbooks/incident.md", "Incidents"),
    "documentation.runbooks.monitoring": ("runbooks/alerts.md", "Monitoring and alerts"),
    "documentation.runbooks.backup": ("runbooks/backup.md", "Backup and recovery"),
    "documentation.runbooks.scaling": ("runbooks/scaling.md", "Scaling"),
    "documentation.user.api": ("users/api.md", "The API"),
    "documentation.user.integration": ("users/integration.md", "Integration"),
    "documentation.user.authentication": ("users/authentication.md", "Authentication and authorization"),
    "documentation.user.faq": ("users/faq.md", "Questions and answers"),
    "team.access.emergency": ("access/emergency.md", "Emergency access"),
    "go_live.change.communication": ("people/communication.md", "Telling others when something goes wrong"),
}
OPEN = "[your words are missing here]"  # which no document passes with


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of the release, as Helm keeps it."""

    number: int
    status: str
    chart: str
    version: str
    updated: str
    description: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the live system knows; values without anything secret.

    :param secrets: by the name of each Secret, its keys. :param workloads: by name, kind, replicas and image.
    :param levels: those of the register of escalation, as they stand there.
    """

    namespace: str = ""
    release: str = ""
    version: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    workloads: Sequence[tuple[str, str, str, str]] = ()
    scalers: Sequence[tuple[str, str, str]] = ()
    revisions: Sequence[Revision] = ()
    alerts: Sequence[Alert] = ()
    levels: Sequence[Mapping[str, Any]] = ()


def skeletons(known: Known) -> dict[str, str]:
    """The text of each document, by its path."""
    return {path: _text(control, title, known) for control, (path, title) in FILES.items()}


def _text(control: str, title: str, known: Known) -> str:
    version = f" of version {known.version}" if known.version else ""
    extra = "tested:\naccount:\n" if control == "team.access.emergency" else ""
    lines = [
        f"---\nowner:\nreviewed:\n{extra}---",
        f"<!-- {MARKER}: complete what is open, name the owner and the day of the review, and take this line out. -->",
        "",
        f"# {title}{version}",
    ]
    for words in SECTIONS[control]:
        heading = words.split("|")[0].capitalize()
        lines += ["", f"## {heading}", "", *(_facts(control, heading, known) or ()), OPEN]
    for number in range(QUESTIONS.get(control, 0)):
        lines += ["", f"## {number + 1}. {OPEN}?", "", OPEN]
    return "\n".join(lines) + "\n"


def _facts(control: str, heading: str, known: Known) -> list[str] | None:
    """What the live system knows for one section, with an empty line after it."""
    tables: Mapping[tuple[str, str], Iterator[str]] = {
        ("documentation.deployment.procedures", "Steps"): _workloads(known),
        ("documentation.deployment.configuration", "Values"): _values(known),
        ("documentation.deployment.configuration", "Secrets"): _secrets(known),
        ("documentation.deployment.rollback", "Steps"): _revisions(known),
        ("documentation.runbooks.incident", "Severity"): _levels(known),
        ("documentation.runbooks.monitoring", "Alerts"): _alerts(known),
        ("documentation.runbooks.scaling", "Limits"): _scalers(known),
    }
    found = list(tables.get((control, heading), iter(())))
    return [*found, ""] if found else None


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    told = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in row] for row in rows]
    if told:
        yield f"| {' | '.join(heads)} |"
        yield f"|{' --- |' * len(heads)}"
        yield from (f"| {' | '.join(row)} |" for row in told)


def _workloads(known: Known) -> Iterator[str]:
    yield from _table(("Workload", "Kind", "Replicas", "Image"), known.workloads)


def _values(known: Known) -> Iterator[str]:
    if known.values:
        yield from ("```yaml", dump(dict(known.values)).rstrip(), "```")


def _secrets(known: Known) -> Iterator[str]:
    yield from _table(("Secret", "Keys"), ((f"`{name}`", ", ".join(keys)) for name, keys in known.secrets.items()))


def _revisions(known: Known) -> Iterator[str]:
    rows = ((one.number, one.status, one.chart, one.version, one.updated, one.description) for one in known.revisions)
    yield from _table(("Revision", "Status", "Chart", "Version", "When", "What"), rows)


def _alerts(known: Known) -> Iterator[str]:
    rows = ((f"`{one.name}`", one.severity, one.summary, one.runbook, OPEN) for one in known.alerts)
    yield from _table(("Alert", "Severity", "What it says", "Runbook", "First thing to do"), rows)


def _scalers(known: Known) -> Iterator[str]:
    yield from _table(("Scaled", "At least", "At most"), known.scalers)


def _levels(known: Known) -> Iterator[str]:
    rows = ((one.get("name", ""), one.get("meaning", ""), one.get("respond_within", "")) for one in known.levels)
    yield from _table(("Severity", "Meaning", "Answered within"), rows)
