# Judges what PostgreSQL told while the load ran: statements, cache, locks, dead rows, connections.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import (
    DatabaseSeen,
    LoadFacts,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

FULL = "the server has no connection left"
FEW_CALLS = 10  # a mean of fewer tells little
FEW_BLOCKS, FEW_ROWS, FEW_SCANS = 1000, 10_000, 5
SHOWN = 10
USUAL = Wanted()


def database(facts: LoadFacts) -> Verdict:
    """Every figure against its limit; what the server does not keep is pending, not green."""
    seen, wanted = facts.database, facts.wanted
    if seen is not None and seen.cause == FULL:
        evidence = Evidence("PostgreSQL while the load ran", {"cause": seen.cause}, facts.observed_at)
        remedy = "Make the application's pools smaller, end what holds connections, or raise max_connections."
        return failed(f"While the load ran, {FULL}.", remedy, evidence)
    if seen is None or seen.cause:
        why = facts.no_database or (seen.cause if seen else "")
        return pending(
            f"The database was not seen while the load ran: {why.rstrip('.') or 'it told nothing'}.",
            facts.no_database_remedy,
        )
    evidence = _evidence(seen)
    weaker = _weaker(wanted)
    if wrong := [*_slow(seen, wanted), *_tables(seen, wanted), *_server(seen, wanted)]:
        remedy = "Read the figures in the evidence: an index, a shorter transaction, VACUUM or a smaller pool may help."
        return failed(f"While the load ran, {'; '.join(wrong[:4])}.", remedy, evidence, weaker=weaker)
    if seen.statements is None:
        remedy = "Load pg_stat_statements and CREATE EXTENSION pg_stat_statements in this database."
        return pending(f"How long statements take is not known: {seen.no_statements}.", remedy, evidence)
    often = [one for one in seen.statements if one.calls >= FEW_CALLS]
    if not seen.moments or not often:
        what = "no statement was run often enough" if seen.moments else "it was not looked at while the load ran"
        return inconclusive(f"The database saw too little of the load: {what}.", "Send more of it.", evidence)
    slowest = max(often, key=lambda one: one.mean_ms)
    most = max(one.connections for one in seen.moments)
    summary = (
        f"The slowest of {len(often)} statements took {slowest.mean_ms:.3g} ms on average, {most} of "
        f"{seen.most_connections} connections were used, and the longest wait for a lock was "
        f"{max(one.waited_ms for one in seen.moments):.0f} ms."
    )
    return passed(summary, evidence, weaker=weaker)


def _slow(seen: DatabaseSeen, wanted: Wanted) -> Iterator[str]:
    for one in sorted(seen.statements or (), key=lambda one: -one.mean_ms):
        if one.calls >= FEW_CALLS and one.mean_ms > wanted.statement_ms:
            yield (
                f"a statement took {one.mean_ms:.3g} ms on average of {one.calls} calls, and {wanted.statement_ms:g} "
                f"are allowed ({one.text[:80]})"
            )


def _tables(seen: DatabaseSeen, wanted: Wanted) -> Iterator[str]:
    for table in seen.tables:
        each = table.scanned / table.scans if table.scans else 0
        if table.scans >= FEW_SCANS and each > wanted.scan_rows:
            yield f"the table {table.name} was read whole {table.scans} times ({each:.0f} rows each): it lacks an index"
        rows = table.live + table.dead
        if rows >= FEW_ROWS and table.dead / rows > wanted.dead_share:
            share = _percent(table.dead / rows)
            yield f"{share} of the rows of {table.name} are dead, and {_percent(wanted.dead_share)} are allowed"


def _server(seen: DatabaseSeen, wanted: Wanted) -> Iterator[str]:
    blocks = seen.hits + seen.reads
    if blocks >= FEW_BLOCKS and seen.hits / blocks < wanted.cache_share:
        share = _percent(seen.hits / blocks)
        yield f"{share} of the blocks came from the cache, and {_percent(wanted.cache_share)} are wanted"
    if seen.deadlocks:
        yield f"{seen.deadlocks} deadlocks came about"
    waited = max((one.waited_ms for one in seen.moments), default=0.0)
    if waited > wanted.lock_wait_ms:
        number = max(one.waiting for one in seen.moments)
        allowed = f"{wanted.lock_wait_ms:g} are allowed"
        yield f"up to {number} sessions waited up to {waited:.0f} ms for a lock, and {allowed}"
    most = max((one.connections for one in seen.moments), default=0)
    if seen.most_connections and most / seen.most_connections > wanted.connection_share:
        allowed = _percent(wanted.connection_share)
        yield f"{most} of {seen.most_connections} connections were used, and {allowed} are allowed"


def _evidence(seen: DatabaseSeen) -> Evidence:
    statements = sorted(seen.statements or (), key=lambda one: -one.calls * one.mean_ms)[:SHOWN]
    moments = seen.moments
    told = {
        "connections_most": max((one.connections for one in moments), default=0),
        "connections_allowed": seen.most_connections,
        "lock_wait_ms_most": round(max((one.waited_ms for one in moments), default=0.0), 1),
        "waiting_most": max((one.waiting for one in moments), default=0),
        "looks": len(moments),
        "blocks_from_cache": seen.hits,
        "blocks_read": seen.reads,
        "deadlocks": seen.deadlocks,
        "tables": [
            {"table": one.name, "scans": one.scans, "rows_scanned": one.scanned, "live": one.live, "dead": one.dead}
            for one in sorted(seen.tables, key=lambda one: -one.scanned)[:SHOWN]
        ],
        "statements": [
            {"statement": one.text, "calls": one.calls, "mean_ms": round(one.mean_ms, 3)} for one in statements
        ],
        "no_statements": seen.no_statements,
    }
    return Evidence("PostgreSQL while the load ran", told)


def _weaker(wanted: Wanted) -> tuple[str, ...]:
    rows = (
        (wanted.statement_ms, USUAL.statement_ms, "ms for a statement allowed"),
        (wanted.lock_wait_ms, USUAL.lock_wait_ms, "ms of waiting for a lock allowed"),
        (wanted.dead_share, USUAL.dead_share, "of 1 dead rows allowed"),
        (wanted.scan_rows, USUAL.scan_rows, "rows read whole allowed"),
        (wanted.connection_share, USUAL.connection_share, "of 1 connections allowed"),
        (-wanted.cache_share, -USUAL.cache_share, "of 1 blocks from the cache wanted"),
    )
    return tuple(f"{abs(given):g} {what}, usual {abs(usual):g}" for given, usual, what in rows if given > usual)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
