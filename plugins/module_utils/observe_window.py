# Asks Prometheus, Alertmanager and the cluster what happened in the windows, for the checks in checks/window.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_watched import target_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.window import due
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import (
    Alert,
    Restart,
    Stretch,
    Wanted,
    WindowFacts,
    WindowSeen,
    moment,
    told_at,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_series import (
    PROCESS,
    Points,
    Row,
    dark,
    moved,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history
from ansible_collections.bytebot.production.plugins.module_utils.observe_alerts import PREFIX
from ansible_collections.bytebot.production.plugins.module_utils.observe_targets import (
    Scope,
    look_at_release,
    look_at_scrapes,
    selector_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_window_labels import can_have, quoted

Object = dict[str, Any]
NONE = "none"  # the question was answered, and there is nothing of it
MOST_POINTS, FEWEST_POINTS, LEAST_STEP_S = 60, 12, 5.0
MOST_VALUES, EDGES = 100_000, 20  # values of one answer, and edges that a histogram is supposed to have
FRESH_S = 60.0
_COUNTED = ("requests", "durations")
_INSTANCE = "app.kubernetes.io/instance"
_ENDS = {"Deployment": "-[a-z0-9]+-[a-z0-9]{5}", "DaemonSet": "-[a-z0-9]{5}", "StatefulSet": "-[0-9]+"}


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the application's metrics are called.

    :param requests: a counter, with the status code in the label ``code``; :param durations: a histogram.
    :param unit: seconds of one of its units; :param selector: matchers that choose the release's series, or empty.
    """

    requests: str
    durations: str
    code: str = "status_code"
    unit: float = 1.0
    requests_of: str = ""
    durations_of: str = ""
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at.

    :param started: when the go-live began, or empty; :param baseline: when the window to compare with began, or empty.
    :param alert_labels: that an alert must have to count; :param early: whether that window is wanted.
    """

    scope: Scope
    metrics: Metrics
    prometheus: Prometheus | None = None
    alertmanager: Alertmanager | None = None
    cluster: Cluster | None = None
    started: str = ""
    baseline: str = ""
    early: bool = True
    late: bool = True
    severity: str = "severity"
    alert_labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    functions: tuple[Mapping[str, Any], ...] = ()
    wanted: Wanted = field(default_factory=Wanted)


def look(given: Look) -> WindowFacts:
    """Find out when it began, and observe the windows that are over; each length once."""
    server = given.prometheus
    facts = WindowFacts(
        url=server.service.url if server else "",
        alertmanager=given.alertmanager.service.url if given.alertmanager else "",
        functions=given.functions,
        wanted=given.wanted,
        local=time.time(),
    )
    release, missing = _release(given)
    facts = _begun(facts, given, release, missing)
    if server is None:
        return facts
    facts = replace(facts, clock=_clock(server))
    windows = _Windows(given, server, facts, release)
    seen: dict[float, WindowSeen] = {}

    def of(length: float, early: bool) -> WindowSeen | None:
        over = due(facts, early)
        if over is None or not facts.now or facts.now < over:
            return None
        return seen.setdefault(length, seen.get(length) or windows.look(length))

    return replace(
        facts,
        early=of(given.wanted.early_s, True) if given.early else None,
        late=of(given.wanted.late_s, False) if given.late else None,
    )


def _clock(server: Prometheus) -> Told:
    told = server.query("time()")
    return replace(told, data=float(told.data[0][1])) if told.ok and told.data else told


def _release(given: Look) -> tuple[Release | None, str]:
    """The revision that helm has deployed; why it is not known."""
    if given.cluster is None:
        return None, "no namespace and release are named"
    try:
        found = history(given.cluster, given.scope.release, given.scope.namespace, given.driver)
    except CollectionError as exc:
        return None, exc.sentence.rstrip(".")
    deployed = next((one for one in found if one.status == "deployed"), None)
    return deployed, "" if deployed else f"helm has no deployed revision of {given.scope.release}"


def _begun(facts: WindowFacts, given: Look, release: Release | None, missing: str) -> WindowFacts:
    if given.started:
        return replace(facts, start=moment(given.started), source="as given")
    at = moment(release.updated) if release else None
    if release is None or at is None:
        why = missing or f"helm's record of {given.scope.release} tells no time"
        remedy = "Name the time of the go-live (in the inventory: at in bytebot_go_live)."
        return replace(facts, missing=(f"Needs input started: {why}.", remedy))
    return replace(facts, start=at, source=f"by helm's record of revision {release.revision}")


class _Windows:
    """Observes windows of one release, after one go-live."""

    def __init__(self, given: Look, server: Prometheus, facts: WindowFacts, release: Release | None) -> None:
        self._given, self._server, self._facts, self._release = given, server, facts, release
        self._start = facts.start or 0.0
        self._named = {"requests": given.metrics.requests, "durations": f"{given.metrics.durations}_bucket"}
        self._refused: dict[str, Told] = {}
        self._counted: dict[str, int] = {}

    def look(self, length: float) -> WindowSeen:
        """The window of a length from the start on, and the one that it is compared with."""
        self._refused, self._counted = {}, {}
        selector, processes, unscraped = self._chosen()
        baseline = moment(self._given.baseline) if self._given.baseline else None
        mixed = baseline is not None and baseline + length > self._start
        before = self._stretch(self._start - length if baseline is None else baseline, length, selector, processes)
        # That there was nothing before is for the check to tell; that it could not be asked is not.
        self._refused = {name: told for name, told in self._refused.items() if told.kind != NONE}
        after = self._stretch(self._start, length, selector, processes)
        after = replace(after, dark={**after.dark, **dict.fromkeys(unscraped, 1.0)})
        # A counter has no series before the first request: where the window before has them, there were none.
        for name, counted in (("requests", before.codes), ("durations", before.buckets)):
            if counted and (told := self._refused.get(name)) is not None and told.kind == NONE:
                del self._refused[name]
        restarts = tuple(self._restarts(length))
        alerts = tuple(self._alerts(length))
        return WindowSeen(length, before, after, restarts, alerts, self._refused, self._counted, mixed)

    def _chosen(self) -> tuple[str, int, tuple[str, ...]]:
        """Matchers of the release's series, how many processes there are to tell of, and pods that are no targets."""
        given = self._given
        scope = replace(given.scope, settle_s=0)
        cluster = given.cluster
        if cluster is None:
            return given.metrics.selector, 1, ()
        found, seen = look_at_scrapes(self._server, scope, lambda: look_at_release(cluster, scope))
        chosen = given.metrics.selector or (selector_of(found, seen) if seen.targets.ok and not found.denied else "")
        # A pod that Prometheus does not scrape is hidden by those that it does.
        missing = {one.pod for one in found.sources if seen.targets.ok and target_of(found, one, seen) is None}
        others = {one.pod for one in found.sources} - missing
        many = max(1, len(found.sources))
        return chosen or f'namespace="{quoted(scope.namespace)}"', many, tuple(sorted(missing)) if others else ()

    def _stretch(self, start: float, length: float, selector: str, processes: int) -> Stretch:
        most = max(FEWEST_POINTS, min(MOST_POINTS, MOST_VALUES // (EDGES * processes)))
        step = max(LEAST_STEP_S, length / most)
        points = Points(start, step, int(length / step) + 1)
        metrics, by = self._given.metrics, ", ".join(PROCESS)
        starts = self._asked("starts", f"max by ({by}) (process_start_time_seconds{{{selector}}})", points)
        # Of a target that is down Prometheus has a fresh "up" too, and nothing of the release.
        up = f"up{{{selector}}}"
        fresh = self._asked("fresh", f"max(timestamp({up}) and {up} == 1)", points)
        ups = self._asked("up", f"max by ({by}) ({up})", points)
        counter = f"{metrics.requests}{{{_both(selector, metrics.requests_of)}}}"
        histogram = f"{metrics.durations}_bucket{{{_both(selector, metrics.durations_of)}}}"
        requests = self._asked("requests", f"sum by ({by}, {metrics.code}) ({counter})", points)
        durations = self._asked("durations", f"sum by ({by}, le) ({histogram})", points)
        return Stretch(
            start,
            step,
            moved(points, requests, metrics.code, starts),
            moved(points, durations, "le", starts),
            metrics.unit,
            _blind(points, fresh),
            dark(points, ups),
        )

    def _asked(self, what: str, expression: str, points: Points) -> Sequence[Row]:
        told = self._server.query_range(expression, points.start, points.end, points.step)
        if not told.ok:
            self._refused |= dict.fromkeys([what] if what in _COUNTED else _COUNTED, told)
            return ()
        if not told.data and what in _COUNTED:
            self._refused[what] = Told(NONE, None, f"Prometheus has no series {self._named[what]} of the release")
        rows: Sequence[Row] = told.data
        return rows

    # ------------------------------------------------------------------------ restarts

    def _restarts(self, length: float) -> Iterator[Restart]:
        """By kube-state-metrics, which knows pods that are gone, and by the pods that are still there."""
        space = self._given.scope.namespace
        step = max(LEAST_STEP_S, length / MOST_POINTS)
        points = Points(self._start, step, int(length / step) + 1)
        expression = (
            f'max by (pod, container) (kube_pod_container_status_restarts_total{{namespace="{quoted(space)}"}})'
        )
        told = self._server.query_range(expression, points.start, points.end, points.step)
        pods, why = self._pods()
        if why:
            self._refused["pods"] = why
        if not told.ok:
            self._refused["restarts"] = told
        rows: Sequence[Row] = told.data if told.ok else ()  # a refusal has data too, as its message
        mine = [(labels, values) for labels, values in rows if self._is_mine(labels.get("pod", ""), pods)]
        self._counted["restarts"] = len(mine)
        counted = _restarted(points, rows, mine)
        seen = dict(_by_kubelet(pods.values(), self._start, self._start + length))
        for pod, container in sorted({*counted, *seen}):
            times = max(counted.get((pod, container), 0), 1 if (pod, container) in seen else 0)
            if times:
                yield Restart(pod, container, times, seen.get((pod, container), ""))

    def _pods(self) -> tuple[dict[str, Object], Told | None]:
        if self._given.cluster is None:
            return {}, Told(NONE, None, "no namespace and release are named")
        try:
            found = self._given.cluster.list("v1", "Pod", self._given.scope.namespace)
        except NotPermitted as exc:
            return {}, Told(DENIED, None, exc.sentence.rstrip("."))
        named = {str(one["metadata"]["name"]): one for one in found}
        return {
            name: one for name, one in named.items() if self._is_mine(name, {}) or _labelled(one, self._given)
        }, None

    def _is_mine(self, pod: str, pods: Mapping[str, Object]) -> bool:
        """Whether a pod is of the release, also where it is gone: by the names of its workloads."""
        if pod in pods:
            return True
        objects = self._release.objects if self._release else ()
        named = [(_ENDS.get(str(one.get("kind"))), str(one["metadata"]["name"])) for one in objects]
        return any(end and re.fullmatch(re.escape(name) + end, pod) for end, name in named)

    # ------------------------------------------------------------------------ alerts

    def _alerts(self, length: float) -> Iterator[Alert]:
        """Those that fired in the window, by Prometheus' own series, and what Alertmanager holds of that time."""
        given, end = self._given, self._start + length
        name = given.severity
        matchers = "".join(f', {label}="{quoted(text)}"' for label, text in given.alert_labels.items())
        fired = f'ALERTS{{alertstate="firing"{matchers}}}[{max(1, round(length))}s]'
        told = self._server.query(f"max by (alertname, {name}) (max_over_time({fired}))", end)
        if not told.ok:
            self._refused["alerts"] = told
        for labels, _value in told.data or () if told.ok else ():
            yield Alert(str(labels.get("alertname", "")), str(labels.get(name, "")), "Prometheus")
        rules = self._server.rules()
        if not rules.ok:
            self._refused["rules"] = rules
        healthy = tuple(_healthy(rules.data if rules.ok else (), name, given.wanted.severities))
        self._counted["rules"] = len(healthy)
        if given.alert_labels and healthy:
            told = can_have(self._server, healthy, given.alert_labels, end)
            self._counted["labelled"] = int(told.ok and told.data)
            if not told.ok:
                self._refused["alerts"] = told
        if given.alertmanager is None:
            return
        held = given.alertmanager.firing()
        if not held.ok:
            self._refused["alertmanager"] = held
        yield from _held(held.data or () if held.ok else (), given, end)


def _labelled(pod: Object, given: Look) -> bool:
    """Whether a pod says that it is of the release, and a workload has made it."""
    meta = pod["metadata"]
    return (meta.get("labels") or {}).get(_INSTANCE) == given.scope.release and bool(meta.get("ownerReferences"))


def _restarted(points: Points, rows: Sequence[Row], mine: Sequence[Row]) -> dict[tuple[str, str], int]:
    """What the counters of restarts have moved by; a new pod's begin at nothing, where others were told of before."""
    told: set[int] = set()
    for _labels, values in rows:
        told.update(points.placed(values))
    found = {}
    for labels, values in mine:
        placed, last, total = points.placed(values), None, 0.0
        for point in sorted(placed):
            before = last if last is not None else 0.0 if any(one < point for one in told) else placed[point]
            total += max(0.0, placed[point] - before)
            last = placed[point]
        found[labels.get("pod", ""), labels.get("container", "")] = round(total)
    return found


def _by_kubelet(pods: Iterable[Object], start: float, end: float) -> Iterator[tuple[tuple[str, str], str]]:
    """The containers that ended in a window and began anew, with the reason."""
    for pod in pods:
        for one in (pod.get("status") or {}).get("containerStatuses") or []:
            ended = (one.get("lastState") or {}).get("terminated") or {}
            at = moment(str(ended.get("finishedAt") or ""))
            if at is not None and start <= at <= end:
                why = f"{ended.get('reason') or 'ended'} at {told_at(at)}, exit code {ended.get('exitCode')}"
                yield (str(pod["metadata"]["name"]), str(one["name"])), why


def _healthy(groups: Sequence[Mapping[str, Any]], label: str, severities: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The alerting rules of some severities that are evaluated without an error."""
    for group in groups:
        for rule in group.get("rules") or ():
            severity = (rule.get("labels") or {}).get(label)
            if rule.get("type") == "alerting" and rule.get("health") == "ok" and severity in severities:
                yield rule


def _held(alerts: Sequence[Any], given: Look, end: float) -> Iterator[Alert]:
    """Of what Alertmanager holds: what began before the window was over, and is no test of the checklist's own."""
    for one in alerts:
        if not isinstance(one, Mapping) or not isinstance(one.get("labels"), Mapping):
            continue
        labels, began = one["labels"], moment(str(one.get("startsAt") or ""))
        named = str(labels.get("alertname", ""))
        mine = all(labels.get(label) == text for label, text in given.alert_labels.items())
        if began is not None and began <= end and mine and not named.startswith(PREFIX):
            yield Alert(named, str(labels.get(given.severity, "")), "Alertmanager")


def _blind(points: Points, rows: Sequence[Row]) -> float:
    """The share of the points of time at which no sample of the release was fresh."""
    fresh: dict[int, float] = {}
    for _labels, values in rows:
        fresh |= points.placed(values)
    limit = max(FRESH_S, points.step)
    good = sum(1 for point, at in fresh.items() if points.start + point * points.step - at <= limit)
    return 1 - good / points.number


def _both(*matchers: str) -> str:
    return ", ".join(one for one in matchers if one)
