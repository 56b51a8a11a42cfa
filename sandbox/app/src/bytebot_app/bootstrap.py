# The first accounts, one for each role whose name and password are set.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from bytebot_app import passwords
from bytebot_app.auth_settings import BOOTSTRAP_ROLES
from bytebot_app.logs import logger
from bytebot_app.roles import ADMIN, public_name
from bytebot_app.settings import Settings

_ADD = """
WITH made AS (
  INSERT INTO users (id, email, username, "passwordHash", role, roles, "teamIds") VALUES (%s, %s, %s, %s, %s, %s, %s)
  ON CONFLICT DO NOTHING RETURNING id, "passwordHash"),
kept AS (INSERT INTO password_history ("userId", "passwordHash") SELECT id, "passwordHash" FROM made)
SELECT id FROM made
"""
# Where there is an administrator, another one made of an old Secret would be a way in that nobody looks after.
_ADMINISTRATOR = "SELECT 1 FROM users WHERE 'ADMIN' = ANY(roles) OR role = 'ADMIN' OR username = %s"
_NAMED = "SELECT 1 FROM users WHERE username = %s"


def bootstrap(connection: psycopg.Connection[Any], settings: Settings) -> None:
    """Make the accounts that are wanted and not there. What is there stays as it is, its password too."""
    teams = [settings.bootstrap_team] if settings.bootstrap_team else []
    for role in BOOTSTRAP_ROLES:
        username, password = settings.bootstrap(role)
        there = _ADMINISTRATOR if role == ADMIN else _NAMED
        if not username or connection.execute(there.encode(), (username,)).fetchone():
            continue
        known = passwords.hashed(password, settings.bcrypt_rounds)
        values = (str(uuid.uuid4()), username, username, known, role, [role], teams)
        if connection.execute(_ADD.encode(), values).fetchone():
            logger().info("first account made", role=public_name(role))
