# What is observed of alerts: the rules, an alert that was sent and where it came to, and who is told next.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

USUAL_REPEAT = "15m"  # by when a person must answer to an incident of the first severity


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that must have a rule. :param runbook: whether the rule must link to one that is there."""

    name: str
    severity: str
    runbook: bool = False


@dataclass(frozen=True, slots=True)
class RulesSeen:
    """The groups of rules that are loaded.

    :param links: by runbook link, why it leads nowhere; empty where it leads to something.
    :param gaps: by link, why it was not asked; :param tests: by file of rule tests, what promtool said of a failure.
    """

    url: str
    groups: Told
    now: Told = field(default_factory=Told)
    links: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    untested: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How a receiver notifies, and seconds until the alert and its end came; None where they did not come in time.

    :param bound: seconds that each might have taken; :param trouble: why its record cannot be read.
    """

    receiver: str
    kind: str
    fired: float | None = None
    resolved: float | None = None
    bound: float = 0.0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A test alert.

    :param there: whether Alertmanager showed it; :param hidden: what silenced, inhibited or muted it, in words.
    """

    name: str
    labels: Mapping[str, str]
    sent: Told
    there: bool = False
    hidden: str = ""
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class TravelSeen:
    """What became of the alert that always fires, and of the alerts that were sent.

    :param rule: state of its rule, empty where there is none; :param held: whether Alertmanager has it.
    :param uncovered: ways of the loaded receivers that no record tells of.
    """

    url: str
    status: Told
    rule: Told = field(default_factory=Told)
    held: Told = field(default_factory=Told)
    sent: tuple[Sent, ...] = ()
    uncovered: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """One step of an escalation: by which receiver and way, and how many persons are named."""

    receiver: str
    way: str
    persons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """Who is told first and next. :param problem: why the register cannot be read."""

    levels: tuple[Level, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AlertsFacts:
    """One observation; None where nothing says where the service is, or a control was not asked for."""

    rules: RulesSeen | None = None
    travel: TravelSeen | None = None
    wanted: tuple[Alert, ...] = ()
    watchdog: str = "Watchdog"
    permitted: bool = False
    records: bool = False
    register: Register | None = None
    status: Told | None = None
    url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    repeat: str = USUAL_REPEAT
    unasked: str = ""
    at: str = field(default_factory=utc_now)


def config_of(status: Told) -> str:
    """The text of the configuration that Alertmanager has loaded."""
    data: Any = status.data if status.ok else {}
    return str((data.get("config") or {}).get("original") or "") if isinstance(data, Mapping) else ""
