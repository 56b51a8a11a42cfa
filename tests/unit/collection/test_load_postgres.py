# What PostgreSQL tells of itself while something goes on, by a real one: whole reads, locks, connections, refusals.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Target
from ansible_collections.bytebot.production.plugins.module_utils.clients import load_postgres
from ansible_collections.bytebot.production.plugins.module_utils.clients.load_postgres import _Counters, _difference
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from tests.unit.real_servers import HOST, Postgres, postgres

WORD = "x9-Horse-Battery-Staple"
CA = "-----BEGIN CERTIFICATE-----"  # that there is one; the file is what counts
TARGET = Target(HOST, 5432, "shop", WORD, "postgres", ca=CA)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("ca")) as made:
        made.sql(
            f"CREATE ROLE shop LOGIN PASSWORD '{WORD}'",
            "CREATE TABLE things AS SELECT generate_series(1, 500) AS id",
            "ANALYZE things",
        )
        made.admit("hostssl all all all scram-sha-256")
        yield made


def connected(server: Postgres) -> Any:
    return psycopg.connect(host=str(server.folder), port=server.port, user="test", dbname="postgres", autocommit=True)


def watch(server: Postgres, during: Any, target: Target = TARGET) -> load_postgres.DatabaseSeen:
    return load_postgres.watch(target, Place("127.0.0.1", server.port, str(server.ca.file)), during)


def test_whole_reads_are_counted_from_before_to_after(server: Postgres) -> None:
    def during() -> None:
        with connected(server) as one:
            for _turn in range(7):
                one.execute("SELECT count(*) FROM things WHERE id = 3")
            # A server process tells its counts now and then, or at an end that nobody waits for (PostgreSQL, 28.2).
            one.execute("SELECT pg_stat_force_next_flush()")

    seen = watch(server, during)
    assert seen.cause == ""
    table = next(one for one in seen.tables if one.name == "public.things")
    assert (table.scans, table.scanned) == (7, 3500)
    assert seen.most_connections == 40 - 3
    assert seen.moments
    assert seen.statements is None
    assert "not in this database" in seen.no_statements


def test_who_waits_for_a_lock_is_seen(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_postgres, "LOOK_S", 0.05)
    ended = threading.Event()

    def during() -> None:
        with connected(server) as holds, connected(server) as waits, connected(server) as looks:
            holds.execute("SELECT pg_advisory_lock(7)")
            asks = threading.Thread(target=lambda: (waits.execute("SELECT pg_advisory_lock(7)"), ended.set()))
            asks.start()
            for _turn in range(200):
                if looks.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                    break
            while not any(one.waited_ms > 0 for one in moments):
                looks.execute("SELECT pg_sleep(0.05)")
            holds.execute("SELECT pg_advisory_unlock(7)")
            asks.join(10)

    moments: list[load_postgres.Moment] = []
    real = load_postgres._moment

    def kept(connection: Any) -> load_postgres.Moment:
        moments.append(real(connection))
        return moments[-1]

    monkeypatch.setattr(load_postgres, "_moment", kept)
    seen = watch(server, during)
    assert ended.is_set()
    assert max(one.waiting for one in seen.moments) == 1
    assert max(one.connections for one in seen.moments) >= 4


def test_nothing_is_done_where_it_refuses(server: Postgres) -> None:
    done: list[int] = []
    seen = watch(server, lambda: done.append(1), replace(TARGET, password="wrong"))
    assert "password is refused" in seen.cause
    assert not done


def test_what_is_done_may_fail_and_is_not_hidden(server: Postgres) -> None:
    def during() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        watch(server, during)


def test_statements_count_from_before_and_from_a_reset() -> None:
    before = _Counters(statements={"a": ("SELECT a", 10, 100.0), "b": ("SELECT b", 50, 10.0)})
    after = _Counters(statements={"a": ("SELECT a", 30, 200.0), "b": ("SELECT b", 5, 20.0), "c": ("SELECT c", 1, 9.0)})
    found = {one.text: (one.calls, one.mean_ms) for one in _difference(before, after, 57, ()).statements or ()}
    assert found == {"SELECT a": (20, 5.0), "SELECT b": (5, 4.0), "SELECT c": (1, 9.0)}
