# Asks Prometheus for a week of security: sign-ins, lock-outs, and rules that watch over it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import Episode, Period, Point
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_promql import read
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_security_facts import (
    SecurityAlerts,
    SecurityRule,
    SecurityRulesSeen,
    SignIns,
    SignInsSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import WRONG, Told
from ansible_collections.bytebot.production.plugins.module_utils.observe_history import (
    FINE,
    MOST_RULES,
    History,
)

HOUR_S = 3600.0
_SECOND = 1.0


@dataclass
class SecurityHistory:
    """What was stored of a release's security."""

    history: History

    def sign_ins(self, wanted: SignIns, period: Period) -> SignInsSeen:
        """Sign-ins that failed, each hour, from the beginning of what they are compared with."""
        url = self.history.server.service.url
        # An hour is the finest in which a few failures are no burst.
        step_s = max(HOUR_S, math.ceil((period.end - period.earliest) / FINE))
        every, failed = f"{wanted.metric}{{$selector}}", f"{wanted.metric}{{$selector,{wanted.failed}}}"
        # Where none has failed yet there may be no series of failures.
        query = f"3600 * (sum(rate({failed}[$step])) or 0 * sum(rate({every}[$step])))"
        told, points, query = self._hourly(query, period, step_s)
        seen = SignInsSeen(url, told, query, points, step_s)
        sums: list[float | None] = []
        for counter in (every, failed):
            if told.ok:
                told = self._at(f"sum(increase({counter}[{period.end - period.begin:.0f}s]))", period.end)
                sums.append(told.data[0][1] if told.ok and told.data else None)
        if not told.ok:
            return replace(seen, told=replace(told, data=None))
        seen = replace(seen, attempts=sums[0], failed=sums[1])
        if not wanted.locked:
            return seen
        told, points, query = self._hourly(f"3600 * sum(rate({wanted.locked}[$step]))", period, step_s)
        return replace(seen, told=told, locked_query=query, locked=points)

    def _hourly(self, query: str, period: Period, step_s: float) -> tuple[Told, tuple[Point, ...], str]:
        """A figure from the beginning of the time before, in steps that end with the reviewed time."""
        query = self.history.filled(query, step_s)
        steps = math.floor((period.end - period.earliest) / step_s) - 1
        told = self.history.server.query_range(query, period.end - max(0, steps) * step_s, period.end, step_s)
        # By the begin of each step, so that none of the time before counts as reviewed.
        points = tuple((at - step_s, value) for at, value in told.data[0][1]) if told.ok and told.data else ()
        if told.ok and len(told.data) > 1:
            told = Told(WRONG, None, f"it has {len(told.data)} series where one is wanted: {query}", told.status)
        return replace(told, data=None), points, query

    def _at(self, query: str, end: float) -> Told:
        told = self.history.server.query_range(self.history.filled(query, HOUR_S), end, end + _SECOND, 2 * _SECOND)
        if not told.ok:
            return told
        return replace(told, data=[(labels, points[-1][1]) for labels, points in told.data if points])

    def rules(self, live: Prometheus, wanted: SecurityAlerts, period: Period) -> SecurityRulesSeen:
        """The rules of the live server that watch over security, and whether the store tells of their time."""
        url, groups = live.service.url, live.rules()
        if not groups.ok:
            return SecurityRulesSeen(url, groups)
        found = [
            (str(group.get("name") or ""), rule)
            for group in groups.data
            for rule in group.get("rules") or []
            if rule.get("type") == "alerting"
        ]
        mine = [(group, rule) for group, rule in found if _marked(wanted, group, rule)]
        rules = tuple(_rule(group, rule) for group, rule in mine)
        metrics = {name for _group, rule in mine[:MOST_RULES] for name in read(str(rule.get("query") or "")).metrics}
        told, covered = self._covered(sorted(metrics), period)
        kept = True
        if told.ok and live.service.url != self.history.server.service.url:
            told, kept = self.history.keeps_alerts(period)
        return SecurityRulesSeen(url, replace(told, data=None), rules, covered, kept)

    def _covered(self, metrics: Sequence[str], period: Period) -> tuple[Told, float]:
        if not metrics:
            return Told(), 0.0
        names = "|".join(re.escape(name) for name in metrics)
        query = f"count({{{self._matchers(f'__name__=~{json.dumps(names)}')}}})"
        told = self.history.server.query_range(query, period.begin + HOUR_S, period.end, HOUR_S)
        points = told.data[0][1] if told.ok and told.data else []
        return told, min(1.0, len(points) * HOUR_S / max(HOUR_S, period.end - period.begin))

    def _matchers(self, *more: str) -> str:
        return ",".join([*more, *(f"{name}={json.dumps(value)}" for name, value in self.history.labels.items())])

    def episodes(self, period: Period) -> tuple[Told, tuple[Episode, ...]]:
        """The times in which alerts fired, of those that lasted into the reviewed time with their true begin."""
        told, found = self.history.episodes(replace(period, span_s=2 * period.span_s))
        return told, tuple(one for one in found if one.end >= period.begin)


def _marked(wanted: SecurityAlerts, group: str, rule: Mapping[str, Any]) -> bool:
    labels = {str(name): str(value) for name, value in (rule.get("labels") or {}).items()}
    return wanted.marks(group, str(rule.get("name") or ""), labels)


def _rule(group: str, rule: Mapping[str, Any]) -> SecurityRule:
    alerts = rule.get("alerts") or []
    return SecurityRule(
        str(rule.get("name") or ""), group, str((rule.get("labels") or {}).get("severity") or ""),
        str(rule.get("health") or ""), " ".join(str(rule.get("lastError") or "").split())[:200],
        rule.get("state") == "firing" or any(one.get("state") == "firing" for one in alerts),
    )  # fmt: skip
