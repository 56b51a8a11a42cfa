# What is asked of a PostgreSQL server, by a real one whose rules of sign-in, roles and certificate are changed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import PostgresSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Target
from ansible_collections.bytebot.production.plugins.module_utils.clients.ask_postgres import look
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from tests.unit.real_servers import HOST, Postgres, free_port, postgres

WORD = "x9-Horse-Battery-Staple"
TARGET = Target(HOST, 5432, "shop", WORD, "postgres")
SAFE = "hostssl all all all scram-sha-256"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("ca")) as server:
        server.sql(f"CREATE ROLE shop LOGIN PASSWORD '{WORD}'")
        yield server


@pytest.fixture
def server(running: Postgres) -> Postgres:
    """As it should be."""
    running.sql(f"ALTER ROLE shop NOSUPERUSER NOCREATEROLE NOBYPASSRLS PASSWORD '{WORD}'")
    running.admit(SAFE)
    running.certificate(HOST)
    return running


def ask(server: Postgres, target: Target = TARGET, *, probing: bool = True) -> PostgresSeen:
    return look(target, Place("127.0.0.1", server.port, str(server.ca.file)), probing=probing)


def test_a_server_as_it_should_be(server: Postgres) -> None:
    with psycopg.connect(
        host=str(server.folder), port=server.port, user="test", dbname="postgres", application_name="another"
    ):
        seen = ask(server)
    assert seen.number("connections_of_others") == 1
    assert (seen.cause, seen.mode, seen.scram, seen.used_password) == ("", "verify-full", True, True)
    assert (seen.wrong.outcome, seen.plain.outcome) == ("refused", "refused")
    assert (seen.encryption.offered, seen.encryption.verified, seen.encryption.why) == (True, True, "")
    assert seen.encryption.protocol in ("TLSv1.2", "TLSv1.3")
    assert seen.encryption.names == (HOST,)
    assert seen.number("max_connections") == 40
    assert seen.number("server_version_num") >= 130000
    assert seen.server["in_recovery"] is False
    assert seen.connections["another"] == 1  # which this role may see of others, too
    assert (seen.role["rolsuper"], seen.role["verifier"]) == (False, "not readable")


def test_trust_is_seen_by_one_wrong_password(server: Postgres) -> None:
    server.admit("hostssl all all all trust")
    seen = ask(server)
    assert (seen.cause, seen.scram, seen.used_password) == ("", False, False)
    assert seen.wrong.outcome == "accepted"


@pytest.mark.parametrize("method", ["md5", "password"])
def test_a_password_that_is_not_proved_by_scram_is_seen(server: Postgres, method: str) -> None:
    if method == "md5":
        server.sql("SET password_encryption = 'md5'", f"ALTER ROLE shop PASSWORD '{WORD}'")
    server.admit(f"hostssl all all all {method}")
    seen = ask(server)
    assert (seen.cause, seen.scram, seen.used_password) == ("", False, True)
    assert seen.wrong.outcome == "refused"


def test_a_password_itself_never_goes_to_a_server_that_is_not_verified(server: Postgres) -> None:
    server.certificate("another.host")
    server.admit("hostssl all all all password")
    seen = ask(server)
    assert "not sent to a server that is not verified" in seen.cause
    assert seen.wrong.outcome == "untried"


def test_a_wrong_password_in_the_secret_is_tried_once_and_no_other(server: Postgres) -> None:
    log = server.folder / "log"
    before = log.read_text().count("password authentication failed")
    seen = ask(server, Target(HOST, 5432, "shop", "something else", "postgres"))
    assert seen.cause == "the user or the password is refused"
    assert not seen.lost
    assert (seen.wrong.outcome, seen.plain.outcome) == ("untried", "untried")
    assert log.read_text().count("password authentication failed") == before + 1


def test_one_deliberate_wrong_password_only(server: Postgres) -> None:
    log = server.folder / "log"
    before = log.read_text().count("password authentication failed")
    assert ask(server).wrong.outcome == "refused"
    assert log.read_text().count("password authentication failed") == before + 1


def test_a_plain_connection_that_is_not_refused_is_seen_without_a_password(server: Postgres) -> None:
    server.admit("host all all all scram-sha-256")
    log = server.folder / "log"
    before = log.read_text().count("password authentication failed")
    seen = ask(server)
    assert seen.plain.outcome == "accepted"
    assert log.read_text().count("password authentication failed") == before + 1  # the deliberate one, by TLS
    server.admit("hostssl all all all scram-sha-256", "hostnossl all all all trust")
    assert ask(server).plain.outcome == "accepted"
    server.admit("hostssl all all all scram-sha-256", "hostnossl all all all reject")
    assert ask(server).plain.outcome == "refused"


@pytest.mark.parametrize(
    ("host", "times", "why"),
    [
        ("another.host", {}, "hostname"),
        (HOST, {"start": timedelta(days=-3), "end": timedelta(days=-1)}, "expired"),
    ],
)
def test_a_certificate_that_does_not_verify(server: Postgres, host: str, times: dict[str, timedelta], why: str) -> None:
    server.certificate(host, **times)
    seen = ask(server)
    assert (seen.encryption.offered, seen.encryption.verified) == (True, False)
    assert why in seen.encryption.why
    assert (seen.cause, seen.mode, seen.scram) == ("", "require", True)  # and the rest is known all the same


def test_a_server_without_tls(server: Postgres) -> None:
    server.admit("host all all all scram-sha-256")
    server.sql("ALTER SYSTEM SET ssl = off")
    server.reload()
    try:
        seen = ask(server)
    finally:
        server.sql("ALTER SYSTEM RESET ssl")
        server.reload()
    assert seen.encryption.offered is False
    assert (seen.cause, seen.mode, seen.plain.outcome) == ("", "disable", "accepted")


def test_a_server_that_takes_no_writes_is_seen_though_it_is_no_replica(server: Postgres) -> None:
    assert ask(server).server["read_only"] == "off"
    server.sql("ALTER ROLE shop SET default_transaction_read_only = on")
    try:
        seen = ask(server)
    finally:
        server.sql("ALTER ROLE shop RESET default_transaction_read_only")
    assert (seen.server["read_only"], seen.server["in_recovery"]) == ("on", False)


def test_rights_by_membership_are_seen(server: Postgres) -> None:
    assert ask(server).role["member_of"] == ()
    for role in ("administrators", "rds_superuser", "readers"):
        server.sql(f"CREATE ROLE {role}")
    server.sql("ALTER ROLE administrators SUPERUSER", "CREATE ROLE team NOINHERIT", "GRANT administrators TO team")
    server.sql("GRANT team, rds_superuser, readers, pg_execute_server_program TO shop")
    try:
        seen = ask(server)
    finally:
        server.sql("DROP ROLE administrators, rds_superuser, readers, team")
        server.sql("REVOKE pg_execute_server_program FROM shop")
    assert seen.role["member_of"] == ("administrators", "pg_execute_server_program", "rds_superuser")


def test_rights_over_the_server_are_seen(server: Postgres) -> None:
    server.sql("ALTER ROLE shop SUPERUSER CREATEROLE BYPASSRLS")
    seen = ask(server)
    assert (seen.role["rolsuper"], seen.role["rolcreaterole"], seen.role["rolbypassrls"]) == (True, True, True)
    assert seen.role["verifier"] == "SCRAM-SHA-256"


def test_check_mode_tries_nothing_that_should_be_refused(server: Postgres) -> None:
    before = (server.folder / "log").read_text()
    seen = ask(server, probing=False)
    assert (seen.cause, seen.wrong.outcome, seen.plain.outcome) == ("", "untried", "untried")
    assert (server.folder / "log").read_text().count("FATAL") == before.count("FATAL")


def test_nobody_listens(tmp_path: Path) -> None:
    seen = look(TARGET, Place("127.0.0.1", free_port()), probing=True)
    assert seen.lost
    assert "refused" in seen.cause.lower()
