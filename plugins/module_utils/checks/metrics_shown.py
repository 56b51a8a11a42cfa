# Judges Grafana: its own health, a query through its data source, and the dashboards that must be there.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import GrafanaSeen, MetricsFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict

_START = "Start Grafana, look at its log and its database, and let this machine reach it."
_SOURCE = "Correct the data source (Connections, Data sources, Save & test), and look whether what it names runs."
_PUT = "Put the dashboard back (from the files it is provisioned from), or let this account read it."
_NAMES = "Name the dashboards by title or uid (in the inventory: bytebot_dashboards)."


def judge_grafana(facts: MetricsFacts) -> Verdict:
    """The verdict; what it tells of itself is evidence."""
    seen = facts.grafana
    if seen is None:
        return no_input("grafana", "bytebot_grafana")
    found, evidence = Found(), _evidence(facts, seen)
    where = f"Grafana at {seen.url}"
    if not found.asked(seen.health, "it does not serve", _START, allow="the right to reach it"):
        return found.verdict(where, "", [evidence])
    if seen.health.data.get("database") != "ok":
        found.wrong(f"its database is {seen.health.data.get('database') or 'not told'}", _START)
    source = _source(found, seen)
    _boards(found, facts, seen)
    count = len(facts.wanted.dashboards)
    there = "the wanted dashboard is" if count == 1 else f"all {count} wanted dashboards are"
    good = f"version {seen.health.data.get('version')} serves, {source} answers through it, and {there} there"
    return found.verdict(where, good, [evidence])


def _source(found: Found, seen: GrafanaSeen) -> str:
    if not found.asked(seen.found, "the data source", _SOURCE, allow="datasources:read"):
        return ""
    if seen.source is None:
        found.wrong("it has no data source of type prometheus", _SOURCE)
        return ""
    source, answer = seen.source, seen.source.answer
    what = f"data source {source.name or source.uid}"
    if found.asked(answer, f"{what} does not answer", _SOURCE, allow="datasources:query") and not answer.data:
        found.wrong(f"{what} answers {source.how} with nothing", _SOURCE)
    return what


def _boards(found: Found, facts: MetricsFacts, seen: GrafanaSeen) -> None:
    if not facts.wanted.dashboards:
        found.unknown("Needs input dashboards: none is named", _NAMES)
        return
    if not found.asked(seen.listed, "the dashboards", _START, allow="dashboards:read"):
        return
    for name in facts.wanted.dashboards:
        told = seen.boards.get(name)
        if told is None:
            found.wrong(f"there is no dashboard {name} (or this account may not see it)", _PUT)
        elif told.kind == DENIED:
            found.unknown(f"dashboard {name}: {told.cause}", "Sign in with an account that has dashboards:read.")
        elif not told.ok:
            found.wrong(f"dashboard {name}: {told.cause}", _PUT)
        elif not panels(told.data):
            found.wrong(f"dashboard {name} has no panel", _PUT)


def panels(board: object) -> int:
    """How many panels a dashboard has, those within rows too."""
    if not isinstance(board, dict):
        return 0
    rows = [one for one in board.get("panels") or [] if isinstance(one, dict)]
    rows += [one for row in board.get("rows") or [] for one in row.get("panels") or []]
    inner = sum(len(one.get("panels") or []) for one in rows if one.get("type") == "row")
    return inner + sum(1 for one in rows if one.get("type") != "row")


def _evidence(facts: MetricsFacts, seen: GrafanaSeen) -> Evidence:
    source = seen.source
    observed = {
        "health": seen.health.data if seen.health.ok else seen.health.seen(),
        "data_source": {
            "name": source.name,
            "uid": source.uid,
            "type": source.kind,
            "asked": source.how,
            "answer": source.answer.data if source.answer.ok else source.answer.seen(),
        }
        if source
        else seen.found.seen(),
        "dashboards": {
            name: {"panels": panels(told.data)} if told.ok else told.seen() for name, told in seen.boards.items()
        },
        "wanted": list(facts.wanted.dashboards),
        "listed": len(seen.listed.data) if seen.listed.ok and seen.listed.data else seen.listed.seen(),
    }
    return Evidence(f"Grafana {seen.url}", observed, facts.at)
