# Asks PostgreSQL for its own counters, again and again while something else goes on; it changes nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import (
    DatabaseSeen,
    Moment,
    Statement,
    Table,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Target
from ansible_collections.bytebot.production.plugins.module_utils.clients.ask_postgres import SCRAM
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import (
    Place,
    connect,
    library,
    mode_of,
    refusal,
)

MOST_MOMENTS = 5000
LOOK_S = 1.0  # between two looks
STATEMENT_MS = 5000  # for one question
_TEXT = 400  # characters of a statement that are kept
_PLAIN = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE)\b", re.IGNORECASE)  # their values are left out
_OURS = re.compile(r"\b(pg_(stat|locks|settings|database|roles|extension)|current_setting\b)", re.IGNORECASE)
# Source: PostgreSQL documentation, "The Cumulative Statistics System", "pg_locks" and "pg_stat_statements".
_SERVER = "SELECT blks_hit, blks_read, deadlocks FROM pg_stat_database WHERE datname = current_database()"
_TABLES = (
    "SELECT schemaname || '.' || relname, seq_scan, seq_tup_read, n_live_tup, n_dead_tup FROM pg_stat_user_tables"
    " ORDER BY n_live_tup + n_dead_tup DESC LIMIT 500"
)
_STATEMENTS = (
    "SELECT queryid::text || ' ' || userid::text, left(query, {text}), calls, total_exec_time FROM {name}"
    " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND queryid IS NOT NULL"
    " ORDER BY total_exec_time DESC LIMIT 2000"
)
_WHERE = (
    "SELECT quote_ident(n.nspname) || '.pg_stat_statements' FROM pg_extension e JOIN pg_namespace n"
    " ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"
)
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND usename IS NOT NULL"
_WAITS = (
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(l.waitstart)), 0) * 1000 FROM pg_locks l"
    " JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.datname = current_database()"
)
_MOST = (
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true)::int, 0)"
)


@dataclass
class _Counters:
    """All counters at one time."""

    server: tuple[int, ...] = (0, 0, 0)
    tables: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    statements: Mapping[str, tuple[str, int, float]] | None = None
    no_statements: str = ""


def watch(target: Target, place: Place, during: Callable[[], None]) -> DatabaseSeen:
    """Read the counters, do something, and read them again; a thread looks each second meanwhile.

    Where the server refuses, nothing is done.
    """
    psycopg, mode = library(), mode_of(target)
    try:
        with connect(target, place, mode, auth="" if mode == "verify-full" else SCRAM) as connection:
            connection.execute(f"SET statement_timeout = {STATEMENT_MS}")
            before = _counters(connection)
            (most,) = connection.execute(_MOST).fetchone()
            moments: list[Moment] = []
            over = threading.Event()
            looks = threading.Thread(target=_look, args=(connection, over, moments), name="database", daemon=True)
            looks.start()
            try:
                during()
            finally:
                over.set()
                looks.join()
            return _difference(before, _counters(connection), int(most), tuple(moments))
    except psycopg.Error as exc:
        outcome = refusal(exc)
        return DatabaseSeen(outcome.cause, outcome.lost)


def _look(connection: Any, over: threading.Event, moments: list[Moment]) -> None:
    """Look until it is over; a server that goes away is known by the last counters, which do not come."""
    with contextlib.suppress(library().Error):
        while len(moments) < MOST_MOMENTS:
            moments.append(_moment(connection))
            if over.wait(LOOK_S):
                return


def _moment(connection: Any) -> Moment:
    (connections,) = connection.execute(_CONNECTIONS).fetchone()
    waiting, waited = connection.execute(_WAITS).fetchone()
    return Moment(int(connections), int(waiting), max(0.0, float(waited)))


def _counters(connection: Any) -> _Counters:
    server = connection.execute(_SERVER).fetchone() or (0, 0, 0)
    tables = {row[0]: tuple(int(one or 0) for one in row[1:]) for row in connection.execute(_TABLES).fetchall()}
    found = _Counters(tuple(int(one or 0) for one in server), tables)
    name = connection.execute(_WHERE).fetchone()
    if name is None:
        found.no_statements = "the extension pg_stat_statements is not in this database"
        return found
    try:
        rows = connection.execute(_STATEMENTS.format(text=_TEXT, name=name[0])).fetchall()
    except library().Error as exc:
        found.no_statements = f"pg_stat_statements does not tell ({' '.join(str(exc).split())[:120]})"
        return found
    found.statements = {
        row[0]: (" ".join(row[1].split()), int(row[2]), float(row[3]))
        for row in rows
        if _PLAIN.match(row[1] or "") and not _OURS.search(row[1])
    }
    return found


def _difference(before: _Counters, after: _Counters, most: int, moments: tuple[Moment, ...]) -> DatabaseSeen:
    hits, reads, deadlocks = (max(0, now - then) for now, then in zip(after.server, before.server, strict=True))
    tables = []
    for name, (scans, scanned, live, dead) in after.tables.items():
        then = before.tables.get(name, (0, 0, 0, 0))
        tables.append(Table(name, max(0, scans - then[0]), max(0, scanned - then[1]), live, dead))
    return DatabaseSeen(
        most_connections=most,
        hits=hits,
        reads=reads,
        deadlocks=deadlocks,
        tables=tuple(tables),
        statements=_ran(before, after),
        no_statements=after.no_statements,
        moments=moments,
    )


def _ran(before: _Counters, after: _Counters) -> tuple[Statement, ...] | None:
    """What ran between the two; where the server's counters were reset meanwhile, they count from there."""
    if after.statements is None:
        return None
    known = before.statements or {}
    found = []
    for key, (text, calls, total) in after.statements.items():
        _text, calls_then, total_then = known.get(key, ("", 0, 0.0))
        if calls < calls_then:
            calls_then, total_then = 0, 0.0
        if calls > calls_then:
            found.append(Statement(text, calls - calls_then, max(0.0, total - total_then) / (calls - calls_then)))
    return tuple(found)
