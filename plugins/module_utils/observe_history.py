# Asks Prometheus and the log store for the time since go-live, and for what proves rules; all for checks/history.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Template
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import history_statistics as statistics
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    DAY_S,
    Episode,
    Growth,
    GrowthSeen,
    LogsSeen,
    Period,
    Point,
    Room,
    RuleSeen,
    RulesSeen,
    Scaler,
    ScalersSeen,
    Signal,
    SignalSeen,
    Used,
    UseSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_promql import read
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_templates import mined
from ansible_collections.bytebot.production.plugins.module_utils.clients.log_errors import MOST, Errors, Place
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told

VALUES = 168  # of the reviewed time; a week has one for each hour
FINE = 10_000  # Prometheus gives at most 11,000 points of a series
SHORTEST_S = 60.0
MOST_RULES = 300
LASTING = 3  # steps that a pod was there; a rate needs two samples, which a shorter one need not have
FIRED_WITHIN_S = 30 * DAY_S
_SECOND = 1.0
# Pods of Deployments, StatefulSets and DaemonSets by their names, so that those of former revisions are one workload.
_POD = re.compile(r"-(?:[a-z0-9]{6,10}-)?[a-z0-9]{5}$|-\d+$")
_INSIDE = 'container!="",container!="POD"'


@dataclass
class History:
    """What was stored of a release.

    :param server: where the history is; :param labels: further labels of its series, as those of a cluster.
    """

    server: Prometheus
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def signals(self, signals: Sequence[Signal], period: Period) -> tuple[SignalSeen, ...]:
        """Each figure, from the beginning of what it is compared with."""
        step_s = step_of(period, VALUES)
        return tuple(self._signal(one, period, step_s) for one in signals)

    def _signal(self, signal: Signal, period: Period, step_s: float) -> SignalSeen:
        begin = period.earliest if period.stage == "day" else period.begin
        query = self.filled(signal.query, step_s)
        told = self.server.query_range(query, begin + step_s, period.end, step_s)
        points = told.data[0][1] if told.ok and told.data else []
        if told.ok and len(told.data) > 1:
            told = Told("wrong", None, f"it has {len(told.data)} series where one is wanted: {query}", told.status)
        return SignalSeen(replace(signal, query=query), replace(told, data=None), tuple(points), step_s)

    def filled(self, query: str, step_s: float) -> str:
        """A query with its selector and step."""
        return Template(query).safe_substitute(selector=self._selector(), step=f"{step_s:.0f}s")

    def _selector(self, *more: str) -> str:
        return ",".join([f'namespace="{self.namespace}"', *self._own(), *more])

    def _own(self) -> list[str]:
        return [f"{name}={json.dumps(value)}" for name, value in self.labels.items()]

    # ------------------------------------------------------------------ rules and alerts

    def rules(self, live: Prometheus, period: Period) -> RulesSeen:
        """The rules of the live server, what they would have without their thresholds, and when they fired."""
        url, groups = live.service.url, live.rules()
        if not groups.ok:
            return RulesSeen(url, groups)
        history, fired = self._fired(live, period)
        if not history.ok:
            return RulesSeen(url, groups, history)
        found = [rule for group in groups.data for rule in group.get("rules") or [] if rule.get("type") == "alerting"]
        rules = tuple(_rule(live, rule, fired) for rule in found[:MOST_RULES])
        left = len(found) - len(rules)
        return RulesSeen(url, replace(groups, data=None), replace(history, data=None), rules, left=left)

    def _fired(self, live: Prometheus, period: Period) -> tuple[Told, frozenset[tuple[str, str]]]:
        """Which alerts fired, by name and severity, in the history or where rules are evaluated."""
        span = f"{FIRED_WITHIN_S:.0f}s"

        def query(labels: Sequence[str]) -> str:
            matchers = ",".join(['alertstate="firing"', *labels])
            return f"sum by (alertname, severity) (count_over_time(ALERTS{{{matchers}}}[{span}]))"

        answers = [self._at(query(self._own()), period.end)]
        if live.service.url != self.server.service.url:
            answers.append(live.query(query([])))
        bad = next((one for one in answers if not one.ok), None)
        if bad:
            return bad, frozenset()
        rows = [labels for one in answers for labels, _value in one.data]
        return Told(), frozenset((str(one.get("alertname")), str(one.get("severity") or "")) for one in rows)

    def episodes(self, period: Period) -> tuple[Told, tuple[Episode, ...]]:
        """The times in which alerts fired."""
        step_s = max(300.0, step_of(period, FINE))
        matchers = ",".join(['alertstate="firing"', *self._own()])
        query = f"sum by (alertname, severity) (count_over_time(ALERTS{{{matchers}}}[{step_s:.0f}s]))"
        told = self.server.query_range(query, period.begin + step_s, period.end, step_s)
        if not told.ok:
            return told, ()
        found = [
            Episode(str(labels.get("alertname")), str(labels.get("severity") or ""), begin - step_s, end)
            for labels, points in told.data
            for begin, end in _unbroken([at for at, _value in points], step_s)
        ]
        return replace(told, data=None), tuple(sorted(found, key=lambda one: (one.alert, one.begin)))

    def keeps_alerts(self, period: Period) -> tuple[Told, bool]:
        """Whether the store has any series of alerts, also of such as always fire: of a month."""
        matchers = ",".join(self._own())
        told = self._at(f"count(count_over_time(ALERTS{{{matchers}}}[{FIRED_WITHIN_S:.0f}s]))", period.end)
        return told, bool(told.ok and told.data)

    # ------------------------------------------------------------------ containers

    def use(self, period: Period) -> UseSeen:
        """What containers used and were given."""
        url, step_s = self.server.service.url, step_of(period, VALUES)
        inside, by = self._selector(_INSIDE), "by (pod, container)"
        step = f"{step_s:.0f}s"
        queries = {
            "cpu": f"max {by} (rate(container_cpu_usage_seconds_total{{{inside}}}[{step}]))",
            "memory": f"max {by} (max_over_time(container_memory_working_set_bytes{{{inside}}}[{step}]))",
            "throttled": f"max {by} (increase(container_cpu_cfs_throttled_periods_total{{{inside}}}[{step}]))"
            f" / max {by} (increase(container_cpu_cfs_periods_total{{{inside}}}[{step}]) > 0)",
        }
        series: dict[str, dict[tuple[str, str], list[list[Point]]]] = {}
        for name, query in queries.items():
            told = self.server.query_range(query, period.begin + step_s, period.end, step_s)
            if not told.ok:
                return UseSeen(url, told)
            series[name] = {}
            for labels, points in told.data:
                series[name].setdefault(_kind(labels), []).append(points)
        given: dict[tuple[str, str, str], float] = {}
        for what in ("requests", "limits"):
            query = f"max by (pod, container, resource) (kube_pod_container_resource_{what}{{{self._selector()}}})"
            told = self._at(query, period.end)
            if not told.ok:
                return UseSeen(url, told)
            for labels, value in told.data:
                given[(what, str(labels.get("resource")), "/".join(_kind(labels)))] = float(value)
        used = tuple(_used(kind, series, given) for kind in sorted(series["cpu"].keys() & series["memory"].keys()))
        now = {name.removeprefix("/") for _what, _of, name in given}
        # What is no longer there asks for nothing, and is nobody's to change.
        there = tuple(one for one in used if not now or one.where in now)
        told_of = {**series["cpu"], **series["memory"]}
        halves = sorted(
            "/".join(kind)
            for kind in series["cpu"].keys() ^ series["memory"].keys()
            if any(len(points) >= LASTING for points in told_of[kind])
        )
        halves = [name for name in halves if not now or name in now]
        return UseSeen(url, Told(), there, int((period.end - period.begin) / step_s), tuple(halves))

    def _at(self, query: str, end: float) -> Told:
        """An instant query, as of the end of the time."""
        told = self.server.query_range(query, end, end + _SECOND, 2 * _SECOND)
        return (
            replace(told, data=[(labels, points[-1][1]) for labels, points in told.data if points]) if told.ok else told
        )

    def scalers(self, period: Period) -> ScalersSeen:
        """The replicas that autoscalers wanted, as finely as can be asked."""
        url, step_s = self.server.service.url, step_of(period, FINE)
        name = "horizontalpodautoscaler"
        query = f"max by ({name}) (kube_{name}_status_desired_replicas{{{self._selector()}}})"
        told = self.server.query_range(query, period.begin + step_s, period.end, step_s)
        if not told.ok:
            return ScalersSeen(url, told)
        bounds: dict[str, dict[str, float]] = {}
        for bound in ("min", "max"):
            answer = self._at(f"max by ({name}) (kube_{name}_spec_{bound}_replicas{{{self._selector()}}})", period.end)
            if not answer.ok:
                return ScalersSeen(url, answer)
            bounds[bound] = {str(labels.get(name)): value for labels, value in answer.data}
        found = [
            Scaler(one, tuple(points), bounds["min"].get(one), bounds["max"].get(one))
            for labels, points in told.data
            if (one := str(labels.get(name)))
        ]
        return ScalersSeen(url, replace(told, data=None), tuple(found), step_s)

    # ------------------------------------------------------------------ growth

    def growth(self, rooms: Sequence[Room], period: Period) -> GrowthSeen:
        """The highest use of each day of all that can run out."""
        url, found, empty = self.server.service.url, [], []
        for room in rooms:
            used, capacity = (self.filled(query, 3600) for query in (room.used, room.capacity))
            days = math.floor((period.end - period.begin) / DAY_S)
            begin = period.end - (days - 1) * DAY_S
            told = self.server.query_range(f"max_over_time(({used})[1d:1h])", begin, period.end, DAY_S)
            there = self._at(capacity, period.end)
            bad = next((one for one in (told, there) if not one.ok), None)
            if bad:
                return GrowthSeen(url, bad)
            if several := _several(room, told.data) or _several(room, there.data):
                return GrowthSeen(url, Told("wrong", None, several))
            if not told.data:
                empty.append(room.name)
            capacities = {str(labels.get(room.by) or ""): value for labels, value in there.data}
            for labels, points in told.data:
                name = str(labels.get(room.by) or "") if room.by else ""
                shown = f"{room.name} {name}".strip()
                found.append(Growth(replace(room, used=used), shown, tuple(points), capacities.get(name)))
        return GrowthSeen(url, Told(), tuple(found), tuple(empty))


def look_at_errors(store: Errors, url: str, place: Place, period: Period) -> LogsSeen:
    """The lines with errors of the reviewed time, and of the time before it."""
    before = store.read(place, period.earliest, period.begin)
    after = store.read(place, period.begin, period.end) if before.ok else before
    every = store.count(place, period.begin, period.end) if after.ok else after
    # Where no line is an error, whether one could be: a level of another name is as silent as no error.
    level = store.levelled(place, period.begin, period.end) if every.ok and every.data and not after.data else every
    if not level.ok:
        return LogsSeen(url, level)
    return LogsSeen(
        url,
        replace(every, data=None),
        mined(before.data),
        mined(after.data),
        (len(before.data), len(after.data)),
        int(every.data),
        (len(before.data) >= MOST, len(after.data) >= MOST),
        place.levels,
        bool(level.data or not every.data),
    )


def step_of(period: Period, values: int) -> float:
    """The distance of so many values over the reviewed time, in whole minutes."""
    return max(SHORTEST_S, math.ceil((period.end - period.begin) / values / SHORTEST_S) * SHORTEST_S)


def _rule(live: Prometheus, rule: Mapping[str, Any], fired: frozenset[tuple[str, str]]) -> RuleSeen:
    name, query = str(rule.get("name") or ""), str(rule.get("query") or "")
    severity = str((rule.get("labels") or {}).get("severity") or "")
    seen = RuleSeen(
        name, severity, query, fired=(name, severity) in fired,
        health=str(rule.get("health") or ""), trouble=" ".join(str(rule.get("lastError") or "").split())[:200],
    )  # fmt: skip
    if seen.fired or seen.health == "err":
        return seen
    told = read(query)
    yields = live.query(f"count({told.left})") if told.left else None
    if yields is not None and yields.ok:
        yields = replace(yields, data=int(float(yields.data[0][1])) if yields.data else 0)
    missing = () if (yields and yields.ok and yields.data) else tuple(_missing(live, told.metrics))
    return replace(seen, yields=yields, missing=missing, absent=told.absent)


def _missing(live: Prometheus, metrics: Sequence[str]) -> Iterator[str]:
    """Metrics that no target has or describes. A counter of what never happened has no series, and is described."""
    for name in metrics:
        there = live.query(f'count({{__name__="{name}"}})')
        if not there.ok or there.data:
            continue
        base = re.sub(r"_(?:total|bucket|sum|count|created|info)$", "", name)
        told = [live.describes(one) for one in dict.fromkeys((name, base))]
        if all(one.ok and not one.data for one in told):
            yield name


def _unbroken(times: Sequence[float], step_s: float) -> Iterator[tuple[float, float]]:
    if not times:
        return
    begin = last = times[0]
    for at in times[1:]:
        if at - last > 1.5 * step_s:
            yield begin, last
            begin = at
        last = at
    yield begin, last


def _several(room: Room, rows: Sequence[tuple[Mapping[str, Any], Any]]) -> str:
    """Why rows cannot be told apart by the label of a room, so that what is used may meet another's capacity."""
    names = [str(labels.get(room.by) or "") if room.by else "" for labels, _value in rows]
    if len(set(names)) == len(names):
        return ""
    by = f"that differ by more than {room.by}" if room.by else "where one is wanted, and names no label to tell them by"
    return f"{room.name} has {len(names)} series {by}"


def _kind(labels: Mapping[str, Any]) -> tuple[str, str]:
    return _POD.sub("", str(labels.get("pod") or "")), str(labels.get("container") or "")


def _used(
    kind: tuple[str, str],
    series: Mapping[str, Mapping[tuple[str, str], list[list[Point]]]],
    given: Mapping[tuple[str, str, str], float],
) -> Used:
    cpu, memory, held = (series[name].get(kind, []) for name in ("cpu", "memory", "throttled"))
    times = {at for points in cpu for at, _value in points}
    hours: dict[int, float] = {}
    for points in cpu:
        for at, value in points:
            hour = int(at % DAY_S // 3600)
            hours[hour] = hours.get(hour, 0.0) + value

    def of(what: str, resource: str) -> float | None:
        return given.get((what, resource, "/".join(kind)))

    shares = [sum(value for _at, value in points) / len(points) for points in held if points]
    return Used(
        *kind,
        max((statistics.quantile([value for _at, value in points], 0.95) for points in cpu if points), default=0.0),
        max((value for points in memory for _at, value in points), default=0.0),
        len(times),
        of("requests", "cpu"),
        of("requests", "memory"),
        of("limits", "cpu"),
        of("limits", "memory"),
        max(shares, default=None),
        max(hours, key=lambda hour: hours[hour], default=None),
    )
