# The pooler before the database: what it lets in, how it asks the server, and that its pools fit there.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import configparser
import hashlib
import hmac
import re
from typing import Any

import pytest

from sandbox.catalog import discover
from sandbox.component import Context
from sandbox.components.pgbouncer.scram import secret
from tests.unit.sandbox.test_config_files import ctx, objects  # noqa: F401 - a fixture

# RFC 7677, section 3.
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
ASKED = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s={SALT},i=4096,c=biws,r={NONCE}".encode()
PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_a_stored_password_proves_the_conversation_of_the_standard() -> None:
    kind, parameters, keys = secret("pencil", SALT).split("$")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert (kind, parameters) == ("SCRAM-SHA-256", f"4096:{SALT}")
    assert hmac.digest(server, ASKED, "sha256") == SIGNATURE
    client = bytes(a ^ b for a, b in zip(PROOF, hmac.digest(stored, ASKED, "sha256"), strict=True))
    assert hashlib.sha256(client).digest() == stored


@pytest.fixture
def made(ctx: Context) -> dict[tuple[str, str], dict[str, Any]]:  # noqa: F811
    return {(o["kind"], o["metadata"]["name"]): o for o in objects(ctx, discover()["pgbouncer"])}


@pytest.fixture
def config(made: dict[tuple[str, str], dict[str, Any]]) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None)
    read.read_string(made["ConfigMap", "pgbouncer"]["data"]["pgbouncer.ini"])
    return read


def test_it_takes_and_makes_only_encrypted_connections_with_scram(config: configparser.ConfigParser) -> None:
    own = config["pgbouncer"]
    assert (own["client_tls_sslmode"], own["server_tls_sslmode"]) == ("require", "verify-full")
    assert (own["auth_type"], own["pool_mode"]) == ("scram-sha-256", "transaction")
    assert "admin_users" not in own


def test_its_pools_leave_room_in_the_server(ctx: Context, config: configparser.ConfigParser) -> None:  # noqa: F811
    (server,) = [o for o in objects(ctx, discover()["postgres"]) if o["kind"] == "ConfigMap"]
    (found,) = re.findall(r"max_connections = (\d+)", server["data"]["postgresql.conf"])
    assert config["pgbouncer"].getint("max_db_connections") < int(found) - 20


def test_no_password_of_people_lies_in_its_list_of_users(
    ctx: Context,  # noqa: F811
    made: dict[tuple[str, str], dict[str, Any]],
) -> None:
    users = base64.b64decode(made["Secret", "pgbouncer-users"]["data"]["users"]).decode()
    assert (ctx.settings.handover / "pooler-password").read_text() not in users
    assert (ctx.settings.handover / "database-password").read_text() not in users
    assert re.findall(r'^"(\w+)"', users, re.MULTILINE) == ["pooler_lookup", "pooler_statistics"]


def test_the_lookup_is_of_no_use_for_those_who_may_change_the_server(
    made: dict[tuple[str, str], dict[str, Any]],
) -> None:
    text = made["ConfigMap", "pgbouncer"]["data"]["lookup.sql"]
    assert "NOT s.usesuper" in text
    assert "REVOKE ALL ON FUNCTION pooler.secret_of(name) FROM PUBLIC;" in text
