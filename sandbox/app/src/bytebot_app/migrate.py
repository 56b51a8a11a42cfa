# Brings the database to the schema of this version, once, whoever asks first; then makes the first accounts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import time
import uuid
from importlib import resources
from typing import Any

import psycopg

from bytebot_app.bootstrap import bootstrap
from bytebot_app.database import Database, conninfo
from bytebot_app.logs import logger
from bytebot_app.settings import Settings

LOCK = 727_001  # any number that only this application uses
TRIES, PAUSE_S = 5, 2.0  # a new pod's network may come a moment after the pod
_HISTORY = """
CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id text PRIMARY KEY,
  checksum text NOT NULL,
  migration_name text NOT NULL UNIQUE,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  applied_steps_count integer NOT NULL DEFAULT 0);
ALTER TABLE _prisma_migrations ADD COLUMN IF NOT EXISTS logs text, ADD COLUMN IF NOT EXISTS rolled_back_at timestamptz
"""
_BEGIN = """
INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES (%s, %s, %s)
ON CONFLICT (migration_name) DO UPDATE SET checksum = excluded.checksum, started_at = now()
"""
_END = "UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE migration_name = %s"
_UNFINISHED = "SELECT migration_name, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL"


def migrate(settings: Settings) -> None:
    """Apply what is missing. Several pods may call this at once: one works, the others wait and find it done."""
    with _connected(settings) as connection:
        connection.execute("SET lock_timeout = '120s'")
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute(_HISTORY.encode())
        rows = connection.execute("SELECT migration_name, checksum, finished_at FROM _prisma_migrations").fetchall()
        done = {name: checksum for name, checksum, finished in rows if finished}
        for name, sql in available():
            if name not in done:
                _apply(connection, name, sql)
            elif done[name] != _checksum(sql):
                logger().warning("a migration was changed after it had been applied", migration=name)
        bootstrap(connection, settings)


def available() -> list[tuple[str, str]]:
    """The migrations that this version brings, in their order."""
    folder = resources.files("bytebot_app") / "migrations"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return [(item.name.removesuffix(".sql"), item.read_text(encoding="utf-8")) for item in files]


async def missing(database: Database) -> set[str]:
    """The migrations that are not finished: of this version, or begun by any other."""
    rows = await database.rows(_UNFINISHED)
    finished = {row["migration_name"] for row in rows if row["finished_at"]}
    return ({name for name, _sql in available()} | {row["migration_name"] for row in rows}) - finished


def _connected(settings: Settings) -> psycopg.Connection[Any]:
    for left in reversed(range(TRIES)):
        try:
            return psycopg.connect(conninfo(settings), autocommit=True)
        except psycopg.OperationalError as exc:
            if not left:
                raise
            logger().warning("the database does not answer yet", reason=" ".join(str(exc).split()))
            time.sleep(PAUSE_S)
    raise AssertionError("unreachable")


def _apply(connection: psycopg.Connection[Any], name: str, sql: str) -> None:
    # Committed before the work begins: a migration that fails leaves a row without an end for everybody to see.
    connection.execute(_BEGIN.encode(), (str(uuid.uuid4()), _checksum(sql), name))
    with connection.transaction():
        connection.execute(sql.encode())
        connection.execute(_END.encode(), (name,))
    logger().info("migration applied", migration=name)


def _checksum(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()
