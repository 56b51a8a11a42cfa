# Asks a PostgreSQL server what it is, who may come in and how; it changes nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    Encryption,
    PoolerSeen,
    PostgresSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Attempt, Target
from ansible_collections.bytebot.production.plugins.module_utils.clients import tls
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import (
    PACKAGE,
    Outcome,
    Place,
    connect,
    library,
    refusal,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing, Unreachable

SCRAM = "scram-sha-256"
LIBPQ = 160000  # the first with require_auth
# What servers and poolers say where they take no connection without TLS: PostgreSQL, PgBouncer, managed services.
_NO_PLAIN = re.compile(r"pg_hba\.conf|\bSSL\b|\bTLS\b|encrypt|insecure", re.IGNORECASE)
_WANTS_PASSWORD = re.compile(r"no password supplied|password authentication failed|empty password", re.IGNORECASE)
_OTHER_AUTH = re.compile(r"authentication method requirement|requirement .*failed|require_auth", re.IGNORECASE)
_OLD = ("TLSv1.0", "TLSv1.1")
_SETTINGS = (
    "server_version", "server_version_num", "password_encryption", "max_connections", "superuser_reserved_connections",
    "reserved_connections",
)  # fmt: skip
_RIGHTS_OF = (
    "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit FROM pg_roles"
    " WHERE rolname = current_user"
)
# Whoever is a member of a role can become it, also without inheriting from it (PostgreSQL documentation, "SET ROLE",
# "Predefined Roles"; the administrators' roles of RDS and Aurora, Cloud SQL, AlloyDB and Azure Database).
_POWERFUL = (
    "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "rds_superuser", "cloudsqlsuperuser",
    "alloydbsuperuser", "azure_pg_admin",
)  # fmt: skip
_MEMBER_OF = (
    "SELECT other.rolname FROM pg_roles other, pg_roles own WHERE own.rolname = current_user AND NOT own.rolsuper"
    " AND other.oid <> own.oid AND pg_has_role(own.oid, other.oid, 'MEMBER') AND (other.rolsuper OR other.rolcreaterole"
    " OR other.rolreplication OR other.rolbypassrls OR other.rolname = ANY(%s)) ORDER BY 1"
)
_RIGHTS = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls", "rolconnlimit")


def look(target: Target, place: Place, *, probing: bool) -> PostgresSeen:
    """Look at TLS, sign in, ask, and (where ``probing``) try once with a wrong password and once without TLS.

    A password goes to a server that is not known by its certificate by SCRAM only, which does not reveal it.
    """
    if library().pq.version() < LIBPQ:
        raise LibraryMissing(PACKAGE, "its libpq is older than 16, which cannot insist on SCRAM")
    encryption, problem = _encryption(target, place, probing=probing)
    if problem:
        return PostgresSeen(problem, lost=True)
    mode, place = _mode(encryption, place)
    seen = _signed_in(target, place, mode, encryption)
    if seen.cause or not probing:
        return seen
    plain = _plain(target, place) if encryption.offered else _NO_TLS
    return replace(seen, wrong=_wrong(target, place, mode), plain=plain)


_NO_TLS = Attempt("accepted", "the server offers no TLS")


def _mode(encryption: Encryption, place: Place) -> tuple[str, Place]:
    """The strictest ``sslmode`` that this server allows; with a CA, libpq's ``require`` would mean ``verify-ca``."""
    if encryption.offered and encryption.verified:
        return "verify-full", place
    return "require" if encryption.offered else "disable", replace(place, ca_file="")


def console(target: Target, place: Place) -> PoolerSeen:
    """Ask PgBouncer's console; it speaks the simple protocol only, and knows no transactions."""
    psycopg = library()
    encryption, problem = _encryption(target, place, probing=False)
    if problem:
        return PoolerSeen(problem, lost=True)
    mode, place = _mode(encryption, place)
    try:
        with connect(target, place, mode, auth="" if encryption.verified else SCRAM) as connection:
            databases, pools, config = (_shown(connection, what) for what in ("DATABASES", "POOLS", "CONFIG"))
    except psycopg.Error as exc:
        outcome = refusal(exc)
        return PoolerSeen(outcome.cause, outcome.lost, outcome.passing)
    return PoolerSeen(
        databases=databases, pools=pools, settings={row["key"]: row["value"] for row in config if "key" in row}
    )


def _shown(connection: Any, what: str) -> tuple[Mapping[str, str], ...]:
    result = connection.pgconn.exec_(f"SHOW {what}".encode())
    if result.error_message:
        raise library().OperationalError(result.error_message.decode("utf-8", "replace"))
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    return tuple(
        {name: (result.get_value(row, column) or b"").decode() for column, name in enumerate(names)}
        for row in range(result.ntuples)
    )


# ---------------------------------------------------------------------------- encryption


def _encryption(target: Target, place: Place, *, probing: bool) -> tuple[Encryption, str]:
    """What the server shows of TLS, or why it was not reached."""
    server = tls.Server(place.address, target.host, place.port, place.timeout_s, place.ca_file, "postgresql")
    try:
        shown = tls.handshake(server)
        old = tls.accepted(server, _OLD) if probing else {}
    except tls.NoTls as exc:
        return Encryption(False, why=exc.sentence.rstrip(".")), ""
    except Unreachable as exc:
        return Encryption(), exc.sentence.rstrip(".")
    return Encryption(
        True,
        shown.protocol,
        shown.verified,
        f"{shown.why}: {shown.reason}" if shown.why else "",
        tuple(version for version, taken in old.items() if taken),
        shown.leaf.names,
        shown.leaf.not_after,
        shown.leaf.issuer,
    ), ""


def _plain(target: Target, place: Place) -> Attempt:
    """Whether the server goes on without TLS; no password is sent, it is enough to be asked for one."""
    psycopg = library()
    try:
        connect(target, place, "disable", password="").close()
    except psycopg.Error as exc:
        said = " ".join(str(exc).split())[-300:]
        if _WANTS_PASSWORD.search(said):
            return Attempt("accepted", "it went on to ask for the password")
        outcome = refusal(exc)
        kept_out = not outcome.lost and not outcome.passing and _NO_PLAIN.search(said)
        return Attempt("refused" if kept_out else "unseen", outcome.cause)
    return Attempt("accepted", "it let the user in without a password")


# ---------------------------------------------------------------------------- signing in


def _by_scram(target: Target, place: Place, mode: str, encryption: Encryption) -> PostgresSeen | Exception:
    """What is seen by signing in with SCRAM alone, or why that did not go."""
    try:
        with connect(target, place, mode, auth=SCRAM) as connection:
            return _facts(connection, mode, encryption, scram=True)
    except library().OperationalError as exc:
        failure: Exception = exc
        return failure


def _signed_in(target: Target, place: Place, mode: str, encryption: Encryption) -> PostgresSeen:
    psycopg, met = library(), _by_scram(target, place, mode, encryption)
    if isinstance(met, PostgresSeen):
        return met
    outcome, other = refusal(met), _OTHER_AUTH.search(str(met))
    if not other:
        return PostgresSeen(outcome.cause, outcome.lost, outcome.passing, mode, encryption=encryption)
    # Nothing was sent but the user's name: any other way of signing in is tried only where the server is known.
    trusting = "did not complete authentication" in str(outcome.cause)
    if not encryption.verified and not trusting:
        cause = "it asks for the password itself or its MD5 hash, which is not sent to a server that is not verified"
        return PostgresSeen(cause, mode=mode, scram=False, encryption=encryption)
    try:
        with connect(target, place, mode, password="" if trusting else None) as connection:
            return _facts(connection, mode, encryption, scram=False)
    except psycopg.Error as exc:
        again = refusal(exc)
        return PostgresSeen(again.cause, again.lost, again.passing, mode, scram=False, encryption=encryption)


def _wrong(target: Target, place: Place, mode: str) -> Attempt:
    """One attempt with a password that nobody has."""
    psycopg = library()
    try:
        connect(target, place, mode, password=secrets.token_urlsafe(24)).close()
    except psycopg.Error as exc:
        outcome: Outcome = refusal(exc)
        return Attempt("unseen" if outcome.lost or outcome.passing else "refused", outcome.cause)
    return Attempt("accepted", "any password will do")


def _facts(connection: Any, mode: str, encryption: Encryption, *, scram: bool) -> PostgresSeen:
    ask = connection.execute
    settings = ask("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_SETTINGS)]).fetchall()
    recovery, read_only = ask("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')").fetchone()
    rights, members = ask(_RIGHTS_OF).fetchone(), ask(_MEMBER_OF, [list(_POWERFUL)]).fetchall()
    tls_row = ask("SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    users = ask(
        "SELECT coalesce(nullif(application_name, ''), '(none)'), count(*) FROM pg_stat_activity"
        " WHERE datname IS NOT NULL AND pid <> pg_backend_pid() GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50"
    ).fetchall()
    (others,) = ask(
        "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND usename <> current_user"
    ).fetchone()
    (all_rights,) = ask("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')").fetchone()
    return PostgresSeen(
        mode=mode,
        scram=scram,
        used_password=bool(connection.pgconn.used_password),
        server={
            **dict(settings),
            "in_recovery": recovery,
            "read_only": read_only,
            "connections_of_others": others,
            "ssl": list(tls_row) if tls_row else [],
            "reads_all_statistics": all_rights,
        },
        role={
            **dict(zip(_RIGHTS, rights or (), strict=False)),
            "member_of": tuple(name for (name,) in members),
            "verifier": _verifier(connection),
        },
        connections=dict(users),
        encryption=encryption,
    )


def _verifier(connection: Any) -> str:
    """How the user's own password is kept, where the user may read that."""
    psycopg = library()
    try:
        row = connection.execute("SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = current_user").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return "not readable"
    kept = str((row or ("",))[0] or "")
    return "SCRAM-SHA-256" if kept.startswith("SCRAM-SHA-256") else "MD5" if kept.startswith("md5") else "none"
