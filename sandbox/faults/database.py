# Faults in PostgreSQL itself: stopped, too trusting, not encrypted, with a wrong certificate; each seen by signing in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from sandbox import probe
from sandbox.components import postgres as component
from sandbox.faults.certificates import issued
from sandbox.faults.fault import Act, Fault, Hands, scaled
from sandbox.faults.keeping import Object, changed, restarted, restored, steps
from sandbox.files import b64
from sandbox.handover import password
from sandbox.host.netns import call_inside

VERSION, CREDENTIALS, TLS = (f"infrastructure.database.{item}" for item in ("version", "credentials", "tls"))
SIGN_IN = "deployment.secrets.database"  # it takes no server that does not prove itself, or asks for no proof
POSTGRES = "/apis/apps/v1/namespaces/database/statefulsets/postgres"
TIMEOUT_S = 3
# X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_HOSTNAME_MISMATCH of OpenSSL.
EXPIRED, OTHER_NAME = 10, 62
HOST_PLAIN = ("hostssl", "host")
FILES = "/api/v1/namespaces/database/configmaps/postgres"
START = 'exec "$bin/postgres" -D "$data" $conf'
# The server of this version but for the number of its version, which stands there three times (the value, its least,
# its greatest). The text stays: by it the server knows whether its data is of its version. It finds its own files by
# where it lies, so the folders beside it are led there.
AS_13 = r"""
old=/tmp/old/lib/postgresql/15
mkdir -p "$old/bin"
ln -sfn /usr/share /tmp/old/share
ln -sfn /usr/lib/postgresql/15/lib "$old/lib"
LC_ALL=C perl -0777 -pe '
  my ($minor) = /\b15\.(\d+) \(Debian/;
  my ($now, $then) = map { pack("V", $_ + $minor) x 3 } (150000, 130000);
  s/\Q$now\E/$then/g;
' "$bin/postgres" > "$old/bin/postgres"
chmod 700 "$old/bin/postgres"
exec "$old/bin/postgres" -D "$data" $conf
"""
SIGNAL = '"$data/standby.signal"'


def _postgres_greets(hands: Hands) -> bytes:
    """Its answer to the question whether it encrypts; nothing where it is down."""
    service = hands.cluster.get("/api/v1/namespaces/database/services/postgres") or {}
    return probe.exchange(hands.settings, service["spec"]["clusterIP"], 5432, component.SSL_REQUEST)


def ask_postgres(hands: Hands, statement: str, word: str = "", mode: str = "verify-full") -> Any:
    """The only value of a statement's only row, asked as the application's user, by default with its own password.

    :raises psycopg.Error: it refuses, or nothing answers.
    """
    service = hands.cluster.get("/api/v1/namespaces/database/services/postgres") or {}
    s = hands.settings
    # With an authority given, `require` would verify, too.
    verified = {"sslrootcert": str(s.handover / "database-ca.crt")} if mode.startswith("verify") else {}
    where = make_conninfo(
        host=component.NAMES[-1], hostaddr=service["spec"]["clusterIP"], dbname=s.database, user=s.database_user,
        password=word or password(s, "database-password"), sslmode=mode, connect_timeout=TIMEOUT_S, **verified,
    )  # fmt: skip

    def inside() -> Any:
        with psycopg.connect(where) as connection:
            return (connection.execute(statement.encode()).fetchone() or (None,))[0]

    return call_inside(s, inside)


def _postgres_lets_in(mode: str) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        try:
            ask_postgres(hands, "SELECT 1", mode=mode)
        except psycopg.Error:
            return False
        return True

    return seen


def _certificate_refused(code: int) -> Callable[[Hands], bool]:
    """Who verifies is told this cause by the library, and who only encrypts gets in."""

    def seen(hands: Hands) -> bool:
        s = hands.settings
        service = hands.cluster.get("/api/v1/namespaces/database/services/postgres") or {}
        context = ssl.create_default_context(cafile=str(s.handover / "database-ca.crt"))
        try:
            with probe.connect(s, service["spec"]["clusterIP"], 5432) as plain:
                plain.sendall(component.SSL_REQUEST)
                if plain.recv(1) == b"S":
                    context.wrap_socket(plain, server_hostname=component.NAMES[-1]).close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_code == code and _postgres_lets_in("require")(hands)
        except OSError:
            return False
        return False

    return seen


def _postgres_says(**changes: tuple[str, str]) -> Act:
    """Other words in its files, `postgresql` or `pg_hba`."""

    def act(hands: Hands) -> None:
        path = "/api/v1/namespaces/database/configmaps/postgres"
        given = (hands.cluster.get(path) or {})["data"]
        texts = {f"{file}.conf": given[f"{file}.conf"].replace(*words) for file, words in changes.items()}
        hands.patch(path, {"data": texts})
        hands.restart(POSTGRES)

    return act


def _postgres_shows(names: Sequence[str], over_since: int = 0) -> Act:
    def act(hands: Hands) -> None:
        certificate, key = issued(hands.pki, "database-ca", names, over_since)
        path = "/api/v1/namespaces/database/secrets/postgres-tls"
        hands.patch(path, {"data": {"tls.crt": b64(certificate), "tls.key": b64(key)}})
        hands.restart(POSTGRES)

    return act


def _role_may(words: str) -> Act:
    def act(hands: Hands) -> None:
        statement = f"ALTER ROLE {hands.settings.database_user} {words}"
        command = ["psql", "--no-psqlrc", "-h", "/run/postgresql", "-U", "postgres", "-c", statement]
        hands.exec("database", "postgres-0", "postgres", command)

    return act


def _role_is_superuser(hands: Hands) -> bool:
    statement = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    try:
        return ask_postgres(hands, statement) is True
    except psycopg.Error:
        return False


def _postgres_as_declared(hands: Hands) -> None:
    hands.declare("postgres", component.values(hands))
    hands.restart(POSTGRES)


def _started_by(script: str, first: str = "") -> Act:
    """Started by another last command, and with one before all others."""

    def change(files: Object) -> None:
        text = files["data"]["start.sh"]
        files["data"]["start.sh"] = text.replace("set -eu\n", f"set -eu\n{first}\n").replace(START, script)

    return changed(FILES, change, then=restarted(POSTGRES))


def _no_standby(hands: Hands) -> None:
    hands.exec("database", "postgres-0", "postgres", ["rm", "-f", "/data/pgdata/standby.signal"])


def _tells(statement: str, holds: Callable[[Any], bool]) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        try:
            return holds(ask_postgres(hands, statement))
        except psycopg.Error:
            return False

    return seen


def _takes_a_wrong_password(hands: Hands) -> bool:
    try:
        ask_postgres(hands, "SELECT 1", word="a wrong one")
    except psycopg.Error:
        return False
    return True


FAULTS = (
    Fault(
        name="postgres_stopped", says="PostgreSQL does not run", layer="database",
        turns_red=(VERSION,), put=scaled(POSTGRES, 0),
        heal=scaled(POSTGRES, 1), seen=lambda hands: _postgres_greets(hands) == b"",
    ),
    Fault(
        name="database_user_superuser", says="the application's user of the database is a superuser", layer="database",
        turns_red=(CREDENTIALS,),
        put=_role_may("SUPERUSER"), heal=_role_may("NOSUPERUSER"), seen=_role_is_superuser,
    ),
    Fault(
        name="pg_hba_trust", says="PostgreSQL takes any password", layer="database",
        turns_red=(CREDENTIALS, SIGN_IN),
        put=_postgres_says(pg_hba=("scram-sha-256", "trust")), heal=_postgres_as_declared, seen=_takes_a_wrong_password,
    ),
    Fault(
        name="database_tls_off", says="PostgreSQL does not encrypt", layer="database",
        turns_red=(TLS, SIGN_IN),
        put=_postgres_says(postgresql=("ssl = on", "ssl = off"), pg_hba=HOST_PLAIN), heal=_postgres_as_declared,
        seen=lambda hands: _postgres_greets(hands) == b"N",
    ),
    Fault(
        name="database_plain_allowed", says="PostgreSQL lets in who does not encrypt", layer="database",
        turns_red=(TLS,),
        put=_postgres_says(pg_hba=HOST_PLAIN), heal=_postgres_as_declared, seen=_postgres_lets_in("disable"),
    ),
    Fault(
        name="database_certificate_other_name", says="PostgreSQL's certificate is for another name", layer="database",
        turns_red=(TLS, SIGN_IN),
        put=_postgres_shows(["postgres.elsewhere.test"]), heal=_postgres_as_declared,
        seen=_certificate_refused(OTHER_NAME),
    ),
    Fault(
        name="database_certificate_expired", says="PostgreSQL's certificate is over", layer="database",
        turns_red=(TLS, SIGN_IN),
        put=_postgres_shows(component.NAMES, over_since=1), heal=_postgres_as_declared,
        seen=_certificate_refused(EXPIRED),
    ),
    Fault(
        name="postgres_13", says="PostgreSQL tells the number of a version 13: its program with that constant changed",
        layer="database",
        turns_red=(VERSION,), put=_started_by(AS_13), heal=restored(FILES, then=restarted(POSTGRES)),
        seen=_tells("SHOW server_version_num", lambda told: str(told).startswith("130")),
    ),
    Fault(
        name="postgres_replica_only", says="the only PostgreSQL is a standby, which takes no writes", layer="database",
        turns_red=(VERSION,),
        put=_started_by(f"touch {SIGNAL}\n{START}", first="rm -f /data/pgdata/standby.signal"),
        heal=restored(FILES, then=steps(_no_standby, restarted(POSTGRES))),
        seen=_tells("SELECT pg_is_in_recovery()", bool),
    ),
)  # fmt: skip
