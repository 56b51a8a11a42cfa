# Judges the aggregation of logs: the store takes and finds lines, and an agent stands on every node.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks.log_agents import AgentSeen, judge_agents
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.clients.logs import StoreSeen
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import SHOULD, Evidence, Verdict, utc_now

_START = "Start the log store, look at its log and its volume, and let this machine reach it."
_WRITE = "Give the log store's volume room, and let it take lines again."
_REPLICAS = "Let the replicas of the store's indices be assigned (a second node, or number_of_replicas 0)."
_SEND = "Look at the agents' logs: are they told of new pods, do they read their files, do they reach the store?"
_READ = "the right to ask for its health and to search"


@dataclass(frozen=True, slots=True)
class LogFacts:
    """One observation; ``store`` is None where nothing says where it is, ``agents`` where none is named."""

    store: StoreSeen | None = None
    agents: AgentSeen | None = None
    at: str = field(default_factory=utc_now)


CHECKS: Checks[LogFacts] = Checks()


@CHECKS.settles("infrastructure.monitoring.logs")
def logs(facts: LogFacts) -> Verdict:
    """The store is well, answers a search, and an agent that is ready stands on each node."""
    store = facts.store
    if store is None:
        return no_input("log_store", "bytebot_log_store")
    found = Found()
    if found.asked(store.health, "it is not well", _START, allow=_READ):
        found.asked(store.search, "it answers no search", _START, allow=_READ)
        for told in store.unwell:
            found.wrong(told, _WRITE)
        for told in store.thin:
            found.wrong(told, _REPLICAS, SHOULD)
        if store.recent == 0:
            found.wrong("no line of the last 5 minutes is in it", _SEND, SHOULD)
    covered = judge_agents(found, facts.agents)
    good = f"it is well and answers searches{_recent(store)}; {covered}"
    evidence = [Evidence(f"{store.title} {store.url}", _told(store), facts.at)]
    if facts.agents:
        evidence.append(Evidence(f"{facts.agents.where} and the nodes", facts.agents.told(), facts.at))
    return found.verdict(f"{store.title} at {store.url}", good, evidence)


def _recent(store: StoreSeen) -> str:
    return f" ({store.recent} lines of the last 5 minutes)" if store.recent is not None else ""


def _told(store: StoreSeen) -> Mapping[str, object]:
    return {
        "health": store.health.seen(),
        "search": store.search.seen(),
        "lines_in_5_minutes": store.recent,
        **store.told,
    }
