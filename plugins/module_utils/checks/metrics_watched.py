# Judges what Prometheus scrapes of a release, the series of its pods and nodes, and what dashboards show of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_business import judge_business
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    ROUNDS,
    BoardSeen,
    ReleaseSeen,
    ScrapesSeen,
    Source,
    WatchedFacts,
    pair_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import seconds, words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending

SCRAPED, BUSINESS = "monitoring.metrics.scraped", "monitoring.metrics.business"
SYSTEM, DASHBOARDS = "monitoring.metrics.system", "monitoring.metrics.dashboards"
PREPARED = "go_live.t_minus_2h.dashboards"
CHECKS: Checks[WatchedFacts] = Checks()
_READ = "the right to query its API"
_REACH = "Start Prometheus, and let this machine reach it."
_TARGETS = "Look at the targets' page of Prometheus and at what chooses them (ServiceMonitor, scrape_configs)."
_LIMITS = "Raise sample_limit, label limits or target_limit of the job, or export fewer series."
_OFFER = "Give a Service of the release a port named metrics, or name the port (metrics_port)."
_EXPORT = {
    "container": "Let Prometheus scrape cAdvisor of each kubelet (/metrics/cadvisor).",
    "object": "Run kube-state-metrics, and let Prometheus scrape it.",
    "node": "Run node-exporter on each node, and let Prometheus scrape it.",
}
_PANEL = "Open the panel in Grafana, and correct its query, its variables or the name of the metric."
_SHOWN = 3


@CHECKS.settles(SCRAPED)
def scraped(facts: WatchedFacts) -> Verdict:
    """Each place where the release offers metrics is a target that is up and was scraped just now."""
    release, seen = facts.release, facts.scrapes
    if seen is None:
        return no_input("prometheus", "bytebot_prometheus")
    if release is None:
        return pending("Needs inputs namespace and release.", "Set bytebot_namespace and bytebot_release.")
    if release.denied:
        return pending(f"{release.denied}.", "Allow this account to list services, endpointslices and pods there.")
    found, where = Found(), f"Prometheus at {seen.url}"
    if found.asked(seen.targets, "its targets", _REACH, allow=_READ):
        for what, remedy in target_problems(release, seen):
            found.wrong(what, remedy)
        if found.asked(seen.exceeded, "what limits refused", _REACH, allow=_READ) and exceeded(seen) > 0:
            found.wrong(f"{exceeded(seen):g} scrapes were refused for a limit within 10 minutes", _LIMITS)
    services = sorted({one.service for one in release.sources})
    good = (
        f"all {len(release.sources)} targets behind {', '.join(services)} are up, freshly scraped, and no limit "
        "refused any"
    )
    return found.verdict(where, good, [_scraped_evidence(facts, release, seen)])


def exceeded(seen: ScrapesSeen) -> float:
    """Scrapes that a limit refused."""
    return max([float(value) for _labels, value in seen.exceeded.data or []], default=0.0)


def target_problems(release: ReleaseSeen, seen: ScrapesSeen) -> list[tuple[str, str]]:
    """What is wrong with the targets, each with what helps."""
    if not release.sources:
        return [(f"no Service of {release.release} in {release.namespace} offers metrics by its ports", _OFFER)]
    now = _clock(seen.now)
    missing, bad = [], []
    for source in release.sources:
        target = target_of(release, source, seen)
        if target is None:
            missing.append(source.pod)
        elif target.get("health") != "up":
            said = " ".join(str(target.get("lastError") or target.get("health")).split())[:120]
            bad.append((f"target {source.service} of pod {source.pod} is {target.get('health')} ({said})", _TARGETS))
        elif (late := _late(target, now)) is not None:
            bad.append((f"target of pod {source.pod} was scraped {words(late)} ago", _TARGETS))
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        bad.insert(0, (f"no target for pod {', '.join(missing[:_SHOWN])}{more}", _TARGETS))
    return bad


def target_of(release: ReleaseSeen, source: Source, seen: ScrapesSeen) -> dict[str, Any] | None:
    """The target of a place, by its address and port, or else by its labels; the best one where there are several."""
    fits = [one for one in seen.targets.data or [] if isinstance(one, dict) and _fits(one, release, source)]
    return min(fits, key=lambda one: one.get("health") != "up") if fits else None


def _fits(target: dict[str, Any], release: ReleaseSeen, source: Source) -> bool:
    try:
        url = urlsplit(str(target.get("scrapeUrl") or ""))
        here = (url.hostname, url.port) == (source.address, source.port)
    except ValueError:
        here = False
    return here or pair_of(target.get("labels") or {}) == (release.namespace, source.pod)


def _late(target: dict[str, Any], now: float) -> float | None:
    """The age of the last scrape where it is too old."""
    interval = seconds(str(target.get("scrapeInterval") or "")) or 60.0
    at = _unix(str(target.get("lastScrape") or ""))
    age = now - at if now and at else None
    return age if age is not None and age > ROUNDS * interval else None


def _clock(now: Told) -> float:
    return float(now.data[0][1]) if now.ok and now.data else 0.0


def _unix(text: str) -> float:
    """RFC 3339 with any number of digits of a second."""
    head, _dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    try:
        return datetime.fromisoformat(f"{head}{zone}".replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _scraped_evidence(facts: WatchedFacts, release: ReleaseSeen, seen: ScrapesSeen) -> Evidence:
    rows = []
    for source in release.sources:
        target = target_of(release, source, seen) if seen.targets.ok else None
        row = {"pod": source.pod, "service": source.service, "at": f"{source.address}:{source.port}"}
        if target:
            row |= {name: str(target.get(name) or "") for name in ("health", "lastScrape", "scrapeInterval")}
        rows.append(row)
    observed = {"wanted": rows, "targets": len(seen.targets.data or []) if seen.targets.ok else seen.targets.seen()}
    return Evidence(f"targets of Prometheus {seen.url}", observed, facts.at)


@CHECKS.settles(BUSINESS)
def business(facts: WatchedFacts) -> Verdict:
    """Each counter of the business moves by the events that were caused, and by no others."""
    if facts.scrapes is None:
        return no_input("prometheus", "bytebot_prometheus")
    return judge_business(facts)


@CHECKS.settles(SYSTEM)
def system(facts: WatchedFacts) -> Verdict:
    """Each pod of the release has series of its containers and of its object, and each node below it of itself."""
    release, seen = facts.running, facts.system
    if seen is None:
        return no_input("prometheus", "bytebot_prometheus")
    if release is None:
        return pending("Needs inputs namespace and release.", "Set bytebot_namespace and bytebot_release.")
    if release.denied:
        return pending(f"{release.denied}.", "Allow this account to list services, endpointslices and pods there.")
    found, where = Found(), f"Prometheus at {seen.url}"
    for what, kind in system_problems(release, seen, found):
        found.wrong(what, _EXPORT[kind])
    nodes = sorted({one.node for one in release.pods if one.running})
    pods = [one for one in release.pods if one.running]
    good = f"{len(pods)} pods have series of their containers and objects, and {len(nodes)} nodes of themselves"
    observed = {
        "pods": [one.name for one in pods],
        "nodes": nodes,
        "series": {
            name: len(told.data or []) if told.ok else told.seen()
            for name, told in (("containers", seen.containers), ("objects", seen.states), ("nodes", seen.nodes))
        },
    }
    return found.verdict(where, good, [Evidence(f"series in Prometheus {seen.url}", observed, facts.at)])


def system_problems(release: ReleaseSeen, seen: Any, found: Found | None = None) -> list[tuple[str, str]]:
    """Pods and nodes without series, each with the kind of series."""
    running = [one for one in release.pods if one.running]
    if not running:
        return [(f"no pod of {release.release} runs in {release.namespace}", "object")]
    problems = []
    for kind, what, told in (("container", "containers", seen.containers), ("object", "objects", seen.states)):
        if found is not None and not found.asked(told, f"series of {what}", _REACH, allow=_READ):
            continue
        there = {pair_of(labels) for labels, _value in told.data or []}
        lost = sorted(one.name for one in running if (release.namespace, one.name) not in there)
        if lost:
            more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
            problems.append((f"no series of the {kind} of pod {', '.join(lost[:_SHOWN])}{more}", kind))
    if found is None or found.asked(seen.nodes, "series of nodes", _REACH, allow=_READ):
        names = {text for labels, _value in seen.nodes.data or [] for text in _names_of(labels)}
        blind = sorted({one.node for one in running if not {one.node, one.node_address} & names})
        if blind:
            problems.append((f"no series of node {', '.join(blind[:_SHOWN])}", "node"))
    return problems


def _names_of(labels: dict[str, Any]) -> set[str]:
    """All by which a series of a machine can tell which one it is of."""
    named = {str(labels.get(name) or "") for name in ("node", "nodename", "instance", "kubernetes_node")}
    return {text for name in named for text in (name, name.rpartition(":")[0])} - {""}


@CHECKS.settles(DASHBOARDS)
def dashboards(facts: WatchedFacts) -> Verdict:
    """Each query of each panel of the wanted dashboards answers, and by fresh values."""
    return _live_boards(facts, links=False)


@CHECKS.settles(PREPARED)
def prepared(facts: WatchedFacts) -> Verdict:
    """The same shortly before a go-live, with the links to the dashboards for those who watch then."""
    return _live_boards(facts, links=True)


def _live_boards(facts: WatchedFacts, *, links: bool) -> Verdict:
    seen = facts.boards
    if seen is None:
        return no_input("grafana", "bytebot_grafana")
    if not facts.wanted_boards:
        return pending("Needs input dashboards: none is named.", "Name them (in the inventory: bytebot_dashboards).")
    found, where = Found(), f"Grafana at {seen.url}"
    if found.asked(seen.listed, "the dashboards", "Start Grafana.", allow="dashboards:read"):
        for board in seen.boards:
            _board(found, board, facts)
    queries = [one for board in seen.boards for one in board.asked]
    quiet = sorted({name for one in queries for name in one.quiet})
    no_events = f"; of {', '.join(quiet)} no event has come yet" if quiet else ""
    good = f"{len(queries)} queries of {len(seen.boards)} dashboards answer with fresh values{no_events}"
    told = _boards_told(facts)
    if links:
        told = {"links": {one.name: f"{seen.url.rstrip('/')}/d/{one.uid}" for one in seen.boards if one.uid}, **told}
    return found.verdict(where, good, [Evidence(f"dashboards of Grafana {seen.url}", told, facts.at)])


def _board(found: Found, board: BoardSeen, facts: WatchedFacts) -> None:
    now = facts.boards.now if facts.boards else 0.0
    if not found.asked(board.problem, f"dashboard {board.name}", _PANEL, allow="dashboards:read and datasources:query"):
        return
    for name in board.unresolved:
        found.wrong(f"variable {name} of dashboard {board.name} has no value", _PANEL)
    if not board.asked:
        found.wrong(f"no panel of dashboard {board.name} has a query", _PANEL)
    for one in board.asked:
        what = f"panel {one.panel} of {board.name}"
        if not found.asked(one.told, what, _PANEL, allow="datasources:query"):
            continue
        newest, series = one.told.data
        if one.lost:
            found.wrong(f"{what}: nothing is stored under {', '.join(one.lost)}", _PANEL)
        elif not series and not one.quiet:
            found.wrong(f"{what} shows nothing", _PANEL)
        elif series and now - newest > facts.fresh_s and not one.quiet:  # else the last event is from before a restart
            found.wrong(f"{what}: its newest value is {words(now - newest)} old", _PANEL)


def _boards_told(facts: WatchedFacts) -> dict[str, Any]:
    seen = facts.boards
    return {
        board.name: [
            {
                "panel": one.panel,
                "query": one.expression,
                "series": one.told.data[1] if one.told.ok else one.told.seen(),
                "no_event_yet": list(one.quiet),
                "not_stored": list(one.lost),
            }
            for one in board.asked
        ]
        or board.problem.seen()
        for board in (seen.boards if seen else ())
    }
