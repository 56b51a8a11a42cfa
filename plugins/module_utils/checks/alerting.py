# Judges Alertmanager: it serves, took its newest configuration, and sends the alerts of each severity to somebody.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_routes import (
    NotUnderstood,
    Reached,
    integrations,
    reached,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import version
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, utc_now
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

USUAL_VERSION = "0.25"
SEVERITIES = ("critical", "warning")
READY, ALONE = "ready", "disabled"  # states of the cluster; alone means that it has no peers by its arguments
_START = "Start Alertmanager, look at its log, and let this machine reach it."
_PEERS = "Look at --cluster.peer of each Alertmanager and at the network between them (port 9094)."
_CONFIG = "Look at Alertmanager's log, correct its configuration (amtool check-config), and load it again."
_RECEIVER = (
    "Give the receiver a way to notify (email_configs, pagerduty_configs, webhook_configs …), or route to one that has."
)
_NAMED = "Put the receiver and its route back, or correct the name that is wanted (receivers)."
_HAND = "Follow the routes by hand: amtool config routes test --alertmanager.url=URL severity=SEVERITY."
_UPGRADE = "Upgrade Alertmanager to a supported version."


@dataclass(frozen=True, slots=True)
class AlertmanagerSeen:
    """What Alertmanager answered.

    :param reloaded: whether it took its newest configuration; None in it where its metrics do not say.
    """

    url: str
    ready: Told
    status: Told = field(default_factory=Told)
    reloaded: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class AlertingWanted:
    """What it is judged by.

    :param labels: what alerts bear beside their severity; :param peers: how many Alertmanagers know each other.
    :param receivers: by severity, the receiver that its alerts must come to, where one is named.
    """

    version: str = USUAL_VERSION
    severities: tuple[str, ...] = SEVERITIES
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str = "severity"
    receivers: Mapping[str, str] = field(default_factory=dict)
    peers: int = 1


@dataclass(frozen=True, slots=True)
class AlertingFacts:
    """One observation; None where nothing says where Alertmanager is."""

    alertmanager: AlertmanagerSeen | None = None
    wanted: AlertingWanted = field(default_factory=AlertingWanted)
    at: str = field(default_factory=utc_now)


CHECKS: Checks[AlertingFacts] = Checks()


@CHECKS.settles("infrastructure.monitoring.alertmanager")
def alertmanager(facts: AlertingFacts) -> Verdict:
    """It serves, its cluster is whole, and the alerts of each severity come to a receiver that notifies somebody."""
    seen = facts.alertmanager
    if seen is None:
        return no_input("alertmanager", "bytebot_alertmanager")
    found, where = Found(), f"Alertmanager at {seen.url}"
    read = "the right to read its API"
    if seen.ready.kind != ABSENT and not found.asked(seen.ready, "it is not ready", _START, allow=read):
        return found.verdict(where, "", [_evidence(facts, seen, {})])
    if not found.asked(seen.status, "its status", _START, allow=read):
        return found.verdict(where, "", [_evidence(facts, seen, {})])
    _version(found, facts, seen.status.data)
    _cluster(found, facts, seen.status.data)
    if seen.reloaded.ok and seen.reloaded.data is False:
        found.wrong("it refused its newest configuration and runs on an older one", _CONFIG)
    ways = _routes(found, facts, str((seen.status.data.get("config") or {}).get("original") or ""))
    sent = ", ".join(f"{severity} by {' and '.join(kinds)}" for severity, kinds in ways.items())
    good = f"version {_told_version(seen.status.data)} is ready, and sends alerts of severity {sent}"
    return found.verdict(where, good, [_evidence(facts, seen, ways)], _weaker(facts))


def _weaker(facts: AlertingFacts) -> list[str]:
    if version(facts.wanted.version) < version(USUAL_VERSION):
        return [f"Alertmanager {facts.wanted.version} wanted, usual {USUAL_VERSION}"]
    return []


def _told_version(status: Mapping[str, Any]) -> str:
    return str((status.get("versionInfo") or {}).get("version") or "unknown")


def _version(found: Found, facts: AlertingFacts, status: Mapping[str, Any]) -> None:
    text = _told_version(status)
    if not version(text):
        found.unknown(f"its version is {text}", "Look at its version by hand: alertmanager --version.")
    elif version(text) < version(facts.wanted.version):
        found.wrong(f"version {text} runs, {facts.wanted.version} or newer is wanted", _UPGRADE)


def _cluster(found: Found, facts: AlertingFacts, status: Mapping[str, Any]) -> None:
    cluster = status.get("cluster") or {}
    state, peers = str(cluster.get("status") or "not told"), len(cluster.get("peers") or [])
    if state not in (READY, ALONE):
        found.wrong(f"its cluster is {state}", _PEERS)
    elif facts.wanted.peers > max(peers, 1):
        found.wrong(f"its cluster has {max(peers, 1)} members, {facts.wanted.peers} are wanted", _PEERS)


def _routes(found: Found, facts: AlertingFacts, text: str) -> dict[str, list[str]]:
    """By severity, the kinds of notification of the receivers that its alerts come to."""
    try:
        config = load(text, "Alertmanager's configuration")
    except InputError as exc:
        found.unknown(exc.sentence.rstrip("."), _HAND)
        return {}
    if not isinstance(config, Mapping) or not isinstance(config.get("route"), Mapping):
        found.unknown("the configuration that it tells has no route", _HAND)
        return {}
    known = {
        str(one.get("name")): integrations(one) for one in config.get("receivers") or [] if isinstance(one, Mapping)
    }
    ways: dict[str, list[str]] = {}
    for severity in facts.wanted.severities:
        try:
            to = reached(config["route"], {**facts.wanted.labels, facts.wanted.label: severity})
        except NotUnderstood as exc:
            found.unknown(f"where alerts of severity {severity} go is not certain: {exc}", _HAND)
            continue
        ways[severity] = sorted({kind for one in to for kind in known.get(one.receiver, [])})
        named = facts.wanted.receivers.get(severity)
        if named and named not in {one.receiver for one in to}:
            found.wrong(f"alerts of severity {severity} do not come to receiver {named}, but to {_to(to)}", _NAMED)
        if not ways[severity]:
            found.wrong(f"alerts of severity {severity} come to {_blind(to)}", _RECEIVER)
        elif all(one.timed for one in to if known.get(one.receiver)):
            found.wrong(
                f"alerts of severity {severity} are sent at some times only ({to[0].path})",
                "Let one route of that severity stand without mute_time_intervals and active_time_intervals.",
                "should",
            )
    return ways


def _blind(to: list[Reached]) -> str:
    return f"{_to(to)}, which notifies nobody"


def _to(to: list[Reached]) -> str:
    return ", ".join(dict.fromkeys(f"receiver {one.receiver or '(none)'} ({one.path})" for one in to))


def _evidence(facts: AlertingFacts, seen: AlertmanagerSeen, ways: Mapping[str, list[str]]) -> Evidence:
    """Without the configuration itself: it names people and addresses."""
    status = seen.status.data if seen.status.ok else {}
    cluster = (status or {}).get("cluster") or {}
    observed = {
        "ready": seen.ready.seen(),
        "status": {"cluster": cluster.get("status"), "peers": len(cluster.get("peers") or [])}
        if seen.status.ok
        else seen.status.seen(),
        "version": _told_version(status or {}),
        "newest_configuration_taken": seen.reloaded.data if seen.reloaded.ok else seen.reloaded.seen(),
        "labels": dict(facts.wanted.labels),
        "notified_by_severity": {severity: list(kinds) for severity, kinds in ways.items()},
    }
    return Evidence(f"Alertmanager {seen.url}", observed, facts.at)
