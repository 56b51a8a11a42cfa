# PgBouncer of Debian before PostgreSQL: transaction pooling, TLS to both sides, SCRAM against the server's own secrets.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from sandbox.build.images import Image
from sandbox.build.layers import DebianRoot, User
from sandbox.component import Context, Reach, Rollout, Workload, only_full
from sandbox.components.pgbouncer.scram import secret
from sandbox.handover import password
from sandbox.host.netns import call_inside
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS
from sandbox.supervisor import fingerprint

USER = 172
PORT = 6432
# Asks the server for a user's secret; may do nothing else.
LOOKUP = "pooler_lookup"
# Sees SHOW POOLS and its like on the console, which is the database `pgbouncer`; may change nothing.
STATISTICS = "pooler_statistics"
TEMPLATE = Path(__file__).parent / "pgbouncer.yaml.j2"
SERVICE = "/api/v1/namespaces/database/services/pgbouncer"
NAMES = tuple(f"pgbouncer{end}" for end in ("", ".database", ".database.svc", ".database.svc.cluster.local"))
ROOT = DebianRoot(
    "pgbouncer",
    ("pgbouncer", f"postgresql-client-{VERSIONS.postgres}"),
    users=(User("postgres", USER, "/var/lib/postgresql"),),
)


def prepare(ctx: Context) -> None:
    password(ctx.settings, "pooler-password")
    ctx.pki.random_b64("pooler-lookup-password", 24)
    ctx.pki.random_b64("pooler-salt", 16)


def values(ctx: Context) -> Mapping[str, str]:
    statistics = secret(password(ctx.settings, "pooler-password"), ctx.pki.random_b64("pooler-salt", 16))
    lookup_password = ctx.pki.random_b64("pooler-lookup-password", 24)
    users = f'"{LOOKUP}" "{lookup_password}"\n"{STATISTICS}" "{statistics}"\n'
    return {
        "version": VERSIONS.pgbouncer,
        "user": str(USER),
        "port": str(PORT),
        "lookup": LOOKUP,
        "lookup_password": lookup_password,
        "statistics": STATISTICS,
        # The lookup's own password is needed in plain text, for PgBouncer signs in with it.
        "users": users,
        "fingerprint": fingerprint([TEMPLATE.read_text(), users]),
    }


def ask(ctx: Reach, database: str, user: str, word: str, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement through the pooler, over verified TLS, from the sandbox's network.

    :raises psycopg.Error: it refuses, or nothing answers.
    """
    service = ctx.cluster.get(SERVICE)
    if service is None:
        raise psycopg.OperationalError("there is no Service pgbouncer")
    s = ctx.settings
    where = make_conninfo(
        host="pgbouncer.database.svc.cluster.local", hostaddr=service["spec"]["clusterIP"], port=PORT, dbname=database,
        user=user, password=word, sslmode="verify-full", sslrootcert=str(s.handover / "database-ca.crt"),
        connect_timeout=5,
    )  # fmt: skip

    def inside() -> list[tuple[object, ...]]:
        # The console knows no transactions and no prepared statements.
        with psycopg.connect(where, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            return connection.execute(statement.encode()).fetchall()

    return call_inside(s, inside)


def answers(ctx: Context) -> bool:
    """The application's user gets through to the server, and the console shows the pool that this made."""
    s = ctx.settings
    try:
        through = ask(ctx, s.database, s.database_user, password(s, "database-password"), "SELECT 1")
        pools = ask(ctx, "pgbouncer", STATISTICS, password(s, "pooler-password"), "SHOW POOLS")
    except (psycopg.Error, OSError):
        return False
    return through == [(1,)] and any(row[:2] == (s.database, s.database_user) for row in pools)


COMPONENT = Workload(
    needs=("postgres",),
    version=VERSIONS.pgbouncer,
    images=(Image("pgbouncer", VERSIONS.pgbouncer, (ROOT,), user=str(USER), stop_signal="SIGINT"),),
    certificates=(Certificate("pgbouncer", "database-ca", "pgbouncer.database.svc.cluster.local", names=NAMES),),
    rollouts=(Rollout("Deployment", "database", "pgbouncer"),),
    prepare=prepare,
    values=values,
    answers=answers,
    wanted=only_full,
)
