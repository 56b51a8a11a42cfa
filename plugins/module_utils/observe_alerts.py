# Sends test alerts and follows them to where they arrive; asks for rules and their runbooks; all for checks/alerts.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_escalation import receivers_of, root_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_facts import (
    Alert,
    RulesSeen,
    Sent,
    TravelSeen,
    Way,
    config_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_routes import (
    NotUnderstood,
    reached,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.alerts import unsettled
from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import holds
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import seconds
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Service, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

PAUSE_S, NONCE = 1.0, "{nonce}"
PREFIX = "BytebotDeliveryTest"
ENDS_S = 60.0  # after its time, a test alert ends by itself, should this be killed
SETTLE_S = 45.0
FIRING, RESOLVED = "firing", "resolved"


@dataclass(frozen=True, slots=True)
class Record:
    """Where it can be read that a receiver's notification has arrived.

    :param url: what is asked; ``{nonce}`` in it stands for the test alert's own word.
    :param firing: a JMESPath expression that holds when the alert has come; empty where words tell it.
    """

    receiver: str
    way: str
    service: Service = field(repr=False)
    url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    firing: str = ""
    resolved: str = ""

    def tells(self, nonce: str, word: str) -> tuple[bool, str]:
        """Whether it has arrived, and why that cannot be read."""
        told = self.service.json(self.url.replace(NONCE, nonce))
        if not told.ok:
            return False, told.cause
        text = json.dumps(told.data)
        expression = (self.firing if word == FIRING else self.resolved).replace(NONCE, nonce)
        if expression:
            return holds(expression, Answer("", body=text)), ""
        return nonce in text and word in text.lower(), ""


def look_at_rules(
    server: Prometheus,
    wanted: Sequence[Alert],
    opens: Callable[[str], Http],
    pause: Callable[[float], None] = time.sleep,
) -> RulesSeen:
    """Ask for the rules, again while one of them has not been evaluated yet, and for the runbooks that they link to."""
    end = time.monotonic() + SETTLE_S
    while True:
        seen = RulesSeen(server.service.url, server.rules(), server.query("time()"))
        if not unsettled(seen) or time.monotonic() >= end:
            break
        pause(PAUSE_S)
    names = {one.name for one in wanted if one.runbook}
    rules = [rule for group in seen.groups.data or [] for rule in group.get("rules") or []] if seen.groups.ok else []
    links = {
        str((rule.get("annotations") or {}).get("runbook_url") or "") for rule in rules if rule.get("name") in names
    }
    found, gaps = {}, {}
    for link in sorted(links - {""}):
        if "{{" in link:
            gaps[link] = "its address depends on the alert"
            continue
        try:
            answer = opens(link).get(link, follow=3)
        except InputError as exc:
            gaps[link] = exc.sentence.rstrip(".")
            continue
        good = answer.status == HTTPStatus.OK and answer.body.strip()
        found[link] = "" if good else answer.failure.sentence.rstrip(".") if answer.failure else answer.label
    return replace(seen, links=found, gaps=gaps)


@dataclass
class Travel:
    """Sends alerts and follows them.

    :param within_s: seconds that a notification may take beyond the waits of its route.
    """

    server: Alertmanager
    records: tuple[Record, ...]
    watchdog: str
    within_s: float
    pause: Callable[[float], None] = time.sleep

    def look(self, rules: RulesSeen | None, *, sends: bool) -> TravelSeen:
        """Look at the alert that always fires, and send and follow others where that is permitted."""
        url, status = self.server.service.url, self.server.status()
        if not status.ok:
            return TravelSeen(url, status, self._rule(rules), status)
        held = self._held()
        seen = TravelSeen(url, status, self._rule(rules), held)
        if not sends or not self.records:
            return seen
        try:
            config = load(config_of(status), "Alertmanager's configuration")
            sent = self._follow(root_of(config))
        except (InputError, NotUnderstood) as exc:
            return replace(seen, unread=str(exc).rstrip("."))
        known = receivers_of(config)
        told = {(one.receiver, one.way) for one in self.records}
        ways = {(name, kind) for name, kinds in known.items() for kind in kinds}
        return replace(
            seen,
            sent=tuple(sent),
            uncovered=tuple(f"{name} by {kind}" for name, kind in sorted(ways - told)),
            unknown=tuple(f"{name} that notifies by {kind}" for name, kind in sorted(told - ways)),
        )

    def _rule(self, rules: RulesSeen | None) -> Told:
        if rules is None or not rules.groups.ok:
            return rules.groups if rules else Told()
        states = [
            str(rule.get("state"))
            for group in rules.groups.data
            for rule in group.get("rules") or []
            if rule.get("name") == self.watchdog
        ]
        return Told(data=FIRING if FIRING in states else states[0] if states else "")

    def _held(self) -> Told:
        """Whether Alertmanager has the alert that always fires; Prometheus sends it again each minute or so."""
        end = time.monotonic() + self.within_s
        while True:
            told = self.server.alerts(self.watchdog)
            if not told.ok or told.data or time.monotonic() >= end:
                return replace(told, data=bool(told.data)) if told.ok else told
            self.pause(PAUSE_S)

    # ------------------------------------------------------------------ test alerts

    def _follow(self, route: Mapping[str, Any]) -> list[Sent]:
        kinds = list(dict.fromkeys(tuple(sorted(one.labels.items())) for one in self.records))
        tests = [_Test(self, dict(labels), route) for labels in kinds]
        try:
            for one in tests:
                one.send()
            self._wait(tests, FIRING)
            for one in tests:
                one.end()
            self._wait([one for one in tests if not one.hidden], RESOLVED)
        finally:
            for one in tests:
                one.end()
        return [one.seen() for one in tests]

    def _wait(self, tests: Sequence[_Test], word: str) -> None:
        while sum(one.look(word) for one in tests):  # each is looked at, whatever the first one says
            self.pause(PAUSE_S)


class _Test:
    """One alert, its way and its end."""

    def __init__(self, travel: Travel, labels: Mapping[str, str], route: Mapping[str, Any]) -> None:
        self._server = travel.server
        self.name = f"{PREFIX}{secrets.token_hex(6)}"
        self._labels = {**labels, "alertname": self.name, "service": self.name}
        self._given = labels
        to = reached(route, self._labels)
        self._bounds = {
            FIRING: travel.within_s + max([seconds(one.wait) or 0.0 for one in to], default=0.0),
            RESOLVED: travel.within_s + max([seconds(one.interval) or 0.0 for one in to], default=0.0),
        }
        records = [one for one in travel.records if dict(one.labels) == dict(labels)]
        self._ways = [(one, Way(one.receiver, one.way, bound=self._bounds[FIRING])) for one in records]
        self._began = {FIRING: 0.0, RESOLVED: 0.0}
        self.sent, self.there, self.hidden = Told(), False, ""
        self._ended = False

    def send(self) -> None:
        self.sent = self._server.send([self._alert(self._bounds[FIRING] + ENDS_S)])
        self._began[FIRING] = time.monotonic()

    def end(self) -> None:
        """Tell that it is over, once; it would end by itself, later."""
        if self.sent.ok and not self._ended:
            self._ended = self._server.send([self._alert(0.0)]).ok
            self._began[RESOLVED] = time.monotonic()

    def _alert(self, ends_s: float) -> dict[str, Any]:
        ends = datetime.now(UTC) + timedelta(seconds=ends_s)
        summary = f"Test of the way of alerts, {self.name}: nothing is wrong and nothing is to be done"
        return {
            "labels": self._labels,
            "annotations": {"summary": summary, "description": "It ends by itself within minutes."},
            "endsAt": ends.isoformat(),
        }

    def look(self, word: str) -> bool:
        """Look once; whether there is still something to wait for."""
        if not self.sent.ok:
            return False
        if word == FIRING and self._hidden():
            return False
        waits = False
        took = time.monotonic() - self._began[word]
        for number, (record, was) in enumerate(self._ways):
            way = was
            if way.trouble or (way.fired if word == FIRING else way.resolved) is not None:
                continue
            if word == RESOLVED and way.fired is None:
                continue
            arrived, trouble = record.tells(self.name, word)
            late = took > self._bounds[word]
            if arrived:
                way = replace(way, fired=took) if word == FIRING else replace(way, resolved=took)
            elif late:
                way = replace(way, trouble=trouble, bound=self._bounds[word])
            self._ways[number] = (record, way)
            waits = waits or not (arrived or late)
        return waits or (word == FIRING and not self.there and took <= self._bounds[FIRING])

    def _hidden(self) -> bool:
        """What hides it, by Alertmanager's own answer."""
        told = self._server.alerts(self.name)
        for one in told.data or [] if told.ok else []:
            self.there = True
            status = one.get("status") or {}
            by = [
                ("silenced", status.get("silencedBy")),
                ("inhibited by another alert", status.get("inhibitedBy")),
                ("muted by a time of its route", status.get("mutedBy")),
            ]
            self.hidden = " and ".join(word for word, which in by if which)
        return bool(self.hidden)

    def seen(self) -> Sent:
        return Sent(self.name, self._given, self.sent, self.there, self.hidden, tuple(way for _r, way in self._ways))
