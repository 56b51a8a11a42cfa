# Asks Prometheus, Grafana, the cluster and the application, for the checks in checks/metrics_watched.py.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_watched import (
    BUSINESS,
    DASHBOARDS,
    PREPARED,
    SCRAPED,
    SYSTEM,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.scrape_facts import (
    ROUNDS,
    BusinessSeen,
    Counter,
    ReleaseSeen,
    ScrapesSeen,
    WatchedFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import seconds
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, Fields
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.observe_events import Business, Plan
from ansible_collections.bytebot.production.plugins.module_utils.observe_panels import Wanted, look_at_boards
from ansible_collections.bytebot.production.plugins.module_utils.observe_targets import (
    Scope,
    look_at_release,
    look_at_scrapes,
    look_at_system,
    selector_of,
    slowest_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

PAGES = 8  # the metrics page is asked so often, to meet every replica
SLACK_S = 10.0
_SAMPLE = re.compile(r"(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^\n]*\})?\s+\S+")


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and by what.

    :param unasked: why nothing is caused, as in check mode.
    """

    scope: Scope
    only: Collection[str]
    prometheus: Prometheus | None = None
    grafana: Grafana | None = None
    cluster: Cluster | None = None
    application: Http | None = None
    fields: Fields = field(default_factory=Fields)
    accounts: tuple[Account, ...] = ()
    counters: tuple[Counter, ...] = ()
    boards: tuple[str, ...] = ()
    events: int = 2
    writes: bool = False
    role: str = "operator"
    metrics_path: str = "/metrics"
    tasks_path: str = "/api/v1/tasks"
    logout_path: str = "/api/v1/auth/logout"
    fresh_s: float = 120.0
    unasked: str = ""


def look(watch: Watch, redactor: Redactor) -> WatchedFacts:
    """Observe what the wanted controls rest on; the business comes before the dashboards, which show it."""
    facts = WatchedFacts(wanted_boards=watch.boards, fresh_s=watch.fresh_s, unasked=watch.unasked)
    server, cluster = watch.prometheus, watch.cluster

    def release() -> ReleaseSeen:
        if cluster is None:
            return ReleaseSeen(watch.scope.namespace, watch.scope.release)
        return look_at_release(cluster, watch.scope)

    if server and cluster and {SCRAPED, BUSINESS} & set(watch.only):
        found, seen = look_at_scrapes(server, watch.scope, release)
        facts = replace(facts, release=found, scrapes=seen)
        if BUSINESS in watch.only and not watch.unasked and seen.targets.ok and not found.denied:
            business = _business(watch, server, cluster, _plan(watch, found, seen), redactor)
            facts = replace(facts, business=business)
    elif server and {SCRAPED, BUSINESS} & set(watch.only):
        facts = replace(facts, scrapes=look_at_scrapes(server, replace(watch.scope, settle_s=0), release)[1])
    if server and SYSTEM in watch.only:
        scope = watch.scope if cluster else replace(watch.scope, settle_s=0)
        found, system = look_at_system(server, scope, release)
        facts = replace(facts, running=found if cluster else None, system=system)
    shown = {DASHBOARDS, PREPARED} & set(watch.only)
    if watch.grafana and shown and watch.boards:
        wanted = Wanted(watch.boards, lambda: exported(watch), _settles(watch, facts), _missed(facts))
        facts = replace(facts, boards=look_at_boards(watch.grafana, server, wanted))
    elif watch.grafana and shown:
        facts = replace(facts, boards=look_at_boards(watch.grafana, None, Wanted((), lambda: None)))
    return facts


def _settles(watch: Watch, facts: WatchedFacts) -> float:
    """Seconds after which what has just been counted is shown, at the longest interval of scraping."""
    found, seen = facts.release, facts.scrapes
    known = found is not None and seen is not None and seen.targets.ok
    slowest = slowest_of(found, seen, seconds) if found and seen and known else 0.0
    return max(watch.scope.settle_s, ROUNDS * slowest + SLACK_S)


def _missed(facts: WatchedFacts) -> Collection[str]:
    """Metrics of which there is nothing after events that they count."""
    tries = facts.business.tries if facts.business and not facts.business.trouble else ()
    return {move.counter.metric for move in (tries[-1] if tries else ()) if move.caused and not move.there}


def _plan(watch: Watch, found: ReleaseSeen, seen: ScrapesSeen) -> Plan:
    return Plan(
        watch.counters,
        watch.accounts,
        selector_of(found, seen),
        ROUNDS * slowest_of(found, seen, seconds) + SLACK_S,
        watch.events,
        watch.writes,
        watch.role,
        watch.tasks_path,
        watch.logout_path,
    )


def _business(
    watch: Watch, server: Prometheus, cluster: Cluster, plan: Plan, redactor: Redactor
) -> BusinessSeen | None:
    door = Door(cluster, watch.scope.namespace, watch.application, watch.fields) if watch.application else None
    return Business(server, door, plan, redactor).look()


def exported(watch: Watch) -> Collection[str] | None:
    """The metrics that the application's own page has samples of; None where it is not to be had."""
    application = watch.application
    if application is None:
        return None
    application.get(watch.tasks_path)  # one that is counted, though it is refused
    pages = [application.get(watch.metrics_path) for _number in range(PAGES)]
    if any(one.failure or one.status != HTTPStatus.OK for one in pages):
        return None
    return {name for one in pages for name in _SAMPLE.findall(one.body)}
