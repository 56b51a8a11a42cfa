# What is observed of a week of security: sign-ins that failed, lock-outs, and the rules that watch over security.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told

USUAL_LIMIT = 360.0  # in an hour; the document's alert fires above 0.1 in a second
USUAL_BURST, USUAL_LOCKED = 60.0, 10.0  # in an hour
USUAL_WITHIN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class SignIns:
    """How sign-ins are counted, and how many may fail.

    :param failed: matchers of those that failed; :param limit: of them in an hour; :param burst: least of a burst.
    :param locked: PromQL of a counter of lock-outs; :param locked_burst: least of a burst of them, in an hour.
    """

    metric: str = "auth_attempts_total"
    failed: str = 'status!="success"'
    limit: float = USUAL_LIMIT
    burst: float = USUAL_BURST
    locked: str = ""
    locked_burst: float = USUAL_LOCKED

    @property
    def weaker(self) -> tuple[str, ...]:
        """What is weaker than the document's, or than usual."""
        found = []
        if self.limit > USUAL_LIMIT:
            found.append(f"{self.limit:g} failed sign-ins an hour, document {USUAL_LIMIT:g}")
        if self.burst > USUAL_BURST:
            found.append(f"{self.burst:g} more failed sign-ins an hour are a burst, usual {USUAL_BURST:g}")
        if self.locked and self.locked_burst > USUAL_LOCKED:
            found.append(f"{self.locked_burst:g} more lock-outs an hour are a burst, usual {USUAL_LOCKED:g}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class SecurityAlerts:
    """Which rules watch over security, by any of these, and how soon somebody acts on them.

    :param groups: regular expressions of groups; :param labels: by label a regular expression of all its value.
    :param alerts: names.
    """

    groups: tuple[str, ...] = ("(?i)security",)
    labels: Mapping[str, str] = field(default_factory=lambda: {"category": "security"})
    alerts: tuple[str, ...] = ()
    within_s: float = USUAL_WITHIN_S

    def marks(self, group: str, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a rule is one of them."""
        return (
            name in self.alerts
            or any(re.search(text, group) for text in self.groups)
            or any(label in labels and re.fullmatch(text, labels[label]) for label, text in self.labels.items())
        )


@dataclass(frozen=True, slots=True)
class SignInsSeen:
    """Sign-ins over the reviewed time and the time before.

    :param told: the first question that was not answered, or the last answer; :param query: of the failed ones.
    :param points: failed ones, as in an hour, by the begin of each, the earliest first.
    :param attempts: all of the reviewed time; :param failed: of them; each None where no series is counted.
    :param locked: lock-outs, as in an hour; None where nothing tells of them.
    """

    url: str
    told: Told
    query: str = ""
    points: tuple[tuple[float, float], ...] = ()
    step_s: float = 3600.0
    attempts: float | None = None
    failed: float | None = None
    locked_query: str = ""
    locked: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class SecurityRule:
    """A rule that watches over security, as it is loaded now."""

    name: str
    group: str
    severity: str = ""
    health: str = "ok"
    trouble: str = ""
    firing: bool = False


@dataclass(frozen=True, slots=True)
class SecurityRulesSeen:
    """All of them.

    :param covered: share of the reviewed time in which the store has a series that one of them looks at.
    :param kept: whether the store keeps the series of alerts.
    """

    url: str
    told: Told
    rules: tuple[SecurityRule, ...] = ()
    covered: float = 0.0
    kept: bool = True
