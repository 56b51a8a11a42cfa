# Brings the database to the schema of this version, once, whoever asks first; then makes the first administrator.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import uuid
from importlib import resources
from typing import Any

import bcrypt
import psycopg

from bytebot_app.database import conninfo
from bytebot_app.logs import logger
from bytebot_app.settings import Settings

LOCK = 727_001  # any number that only this application uses
_DONE = "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL"
_HISTORY = """
CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id text PRIMARY KEY,
  checksum text NOT NULL,
  migration_name text NOT NULL UNIQUE,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  applied_steps_count integer NOT NULL DEFAULT 0)
"""


def migrate(settings: Settings) -> None:
    """Apply what is missing. Several pods may call this at once: one works, the others wait and find it done."""
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute(_HISTORY)
        done = {row[0] for row in connection.execute(_DONE)}
        for name, sql in available():
            if name not in done:
                _apply(connection, name, sql)
        _bootstrap(connection, settings)


def available() -> list[tuple[str, str]]:
    """The migrations that this version brings, in their order."""
    folder = resources.files("bytebot_app") / "migrations"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return [(item.name.removesuffix(".sql"), item.read_text(encoding="utf-8")) for item in files]


def _apply(connection: psycopg.Connection[Any], name: str, sql: str) -> None:
    with connection.transaction():
        connection.execute(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (str(uuid.uuid4()), hashlib.sha256(sql.encode()).hexdigest(), name),
        )
        connection.execute(sql.encode())
        connection.execute(
            "UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE migration_name = %s",
            (name,),
        )
    logger().info("migration applied", migration=name)


def _bootstrap(connection: psycopg.Connection[Any], settings: Settings) -> None:
    password = settings.bootstrap_admin_password.get_secret_value()
    if not settings.bootstrap_admin_username or not password:
        return
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(settings.bcrypt_rounds)).decode()
    made = connection.execute(
        'INSERT INTO users (id, email, username, "passwordHash", role)'
        " SELECT %s, %s, %s, %s, 'ADMIN' WHERE NOT EXISTS (SELECT 1 FROM users WHERE role = 'ADMIN')",
        (str(uuid.uuid4()), settings.bootstrap_admin_username, settings.bootstrap_admin_username, hashed),
    )
    if made.rowcount:
        logger().info("first administrator made")
