# The alerts that rules of Prometheus can raise, by its documented HTTP API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import unwarned
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import WRONG, Service, Told


@dataclass(frozen=True, slots=True, order=True)
class Alert:
    """One rule that alerts; several may have one name."""

    name: str
    severity: str = ""
    runbook: str = ""
    summary: str = ""


def alert_rules(service: Service, label: str = "severity") -> Told:
    """All rules that alert, as a list of :class:`Alert` (Prometheus documentation, "HTTP API", rules)."""
    told = unwarned(service.json("/api/v1/rules", {"type": "alert"}))
    whole: Any = told.data
    data = whole.get("data") if isinstance(whole, Mapping) else None
    groups = data.get("groups") if isinstance(data, Mapping) else None
    if not told.ok:
        return told
    if not isinstance(groups, list):
        return Told(WRONG, None, "its answer about rules is not that of Prometheus", told.status)
    rules = [rule for group in groups if isinstance(group, Mapping) for rule in group.get("rules") or []]
    found = [_alert(rule, label) for rule in rules if isinstance(rule, Mapping) and rule.get("type") == "alerting"]
    return replace(told, data=sorted(set(found)))


def _alert(rule: Mapping[str, Any], label: str) -> Alert:
    labels, notes = _mapping(rule.get("labels")), _mapping(rule.get("annotations"))
    return Alert(
        str(rule.get("name") or ""),
        str(labels.get(label) or ""),
        str(notes.get("runbook_url") or ""),
        " ".join(str(notes.get("summary") or "").split()),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
