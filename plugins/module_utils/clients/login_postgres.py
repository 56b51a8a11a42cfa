# Signs in to PostgreSQL once, over verified TLS where a CA is given, and says exactly why it was refused.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Target
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

PACKAGE = "psycopg"
# What the server's and libpq's English messages begin to say; in another language the message itself is shown.
_CAUSES = (
    (r"password authentication failed|28P01", "the user or the password is refused"),
    (r'database ".*" does not exist|3D000', "the database does not exist"),
    (r'role ".*" does not exist|is not permitted to log in|28000', "the user does not exist or may not sign in"),
    (r"permission denied for database|does not have CONNECT privilege|42501", "the user may not use the database"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", "the server admits no such sign-in from there (pg_hba.conf)"),
    (r"server does not support SSL", "the server offers no TLS, and the Secret's sslmode asks for it"),
    (r"certificate verify failed|does not match host name", "the server's certificate does not verify"),
    (r"too many clients|too many connections|remaining connection slots", "the server has no connection left"),
    (r"is starting up|is shutting down|in recovery mode", "the server is starting or stopping"),
)
BUSY = ("the server has no connection left", "the server is starting or stopping")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is met: an address and port that lead to it, and its CA in a file (empty where there is none)."""

    address: str
    port: int
    ca_file: str = ""
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a sign-in; ``cause`` is empty where it was accepted, ``lost`` where no server spoke at all."""

    cause: str = ""
    lost: bool = False
    passing: bool = False
    seen: dict[str, object] = field(default_factory=dict)


def mode_of(target: Target) -> str:
    """The ``sslmode`` that is used: what is asked for, else the strictest that the Secret's content allows."""
    return target.encryption or ("verify-full" if target.ca else "require")


def sign_in(target: Target, port: int, ca_file: str, timeout_s: float) -> Outcome:
    """Sign in through a port on this machine that leads to the target; TLS is checked against the target's own name.

    :param ca_file: the CA in a file; empty where the Secret has none.
    """
    psycopg = library()
    mode = mode_of(target)
    try:
        with connect(target, Place("127.0.0.1", port, ca_file, timeout_s), mode) as connection:
            used = bool(connection.pgconn.used_password)
            row = connection.execute("SELECT current_user, current_database()").fetchone() or ("", "")
            version = connection.info.parameter_status("server_version") or ""
    except psycopg.Error as exc:
        return refusal(exc)
    seen: dict[str, object] = {"user": row[0], "database": row[1], "server_version": version, "encryption": mode}
    if not used:
        return Outcome("the server asked for no password, so any password would do", seen=seen)
    return Outcome(seen=seen)


def library() -> Any:
    """psycopg, imported where it is needed. :raises LibraryMissing: it is not there."""
    try:
        import psycopg
    except ImportError as exc:
        raise LibraryMissing(PACKAGE, str(exc)) from exc
    return psycopg


def connect(target: Target, place: Place, mode: str, password: str | None = None, auth: str = "") -> Any:
    """A connection to the target where it is met, encrypted and verified as ``mode`` says.

    :param password: in place of the target's own; :param auth: the only way of signing in that is taken part in
        (``require_auth`` of libpq); empty for any.
    """
    return library().connect(
        host=target.host,
        hostaddr=place.address,
        port=place.port,
        user=target.username,
        password=target.password if password is None else password,
        passfile=os.devnull,
        dbname=target.database,
        sslmode=mode,
        sslrootcert=place.ca_file or ("system" if mode == "verify-full" else None),
        gssencmode="disable",
        require_auth=auth or None,
        connect_timeout=max(2, int(place.timeout_s)),
        application_name="bytebot.production",
        autocommit=True,
    )


def refusal(exc: BaseException) -> Outcome:
    """Why a connection was not had, from what the server or libpq said."""
    return _refusal(" ".join(str(exc).split()))


def _refusal(message: str) -> Outcome:
    for pattern, cause in _CAUSES:
        if re.search(pattern, message):
            return Outcome(cause, passing=cause in BUSY)
    lost = re.search(r"closed the connection unexpectedly|timeout|timed out|Connection refused|reset by peer", message)
    tail = message.rpartition("failed: ")[2][:300].rstrip(".")
    return Outcome(f"the server refuses the sign-in ({tail})", lost=bool(lost))
