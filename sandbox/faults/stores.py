# Faults in PostgreSQL and Redis themselves: stopped, open to everybody, forgetful, full; each seen by signing in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import redis
from psycopg.conninfo import make_conninfo

from sandbox import catalog, probe
from sandbox.components import postgres as postgres_component
from sandbox.components import redis as redis_component
from sandbox.faults.fault import Act, Fault, Hands, scaled
from sandbox.files import b64, render
from sandbox.handover import password
from sandbox.host.netns import call_inside

REDIS = "/apis/apps/v1/namespaces/cache/statefulsets/redis"
POSTGRES = "/apis/apps/v1/namespaces/database/statefulsets/postgres"
TIMEOUT_S = 3
MIB = 1 << 20


def _restart(hands: Hands, path: str) -> None:
    """A new pod of the same name, which reads its configuration anew."""
    found = hands.cluster.get(path) or {}
    former = {pod["metadata"]["uid"] for pod in hands.cluster.pods_of(found)}
    meta = found["metadata"]
    hands.delete_pod(meta["namespace"], f"{meta['name']}-0")

    def renewed() -> bool:
        pods = hands.cluster.pods_of(found)
        return hands.settled(path) and not former & {pod["metadata"]["uid"] for pod in pods}

    hands.until(renewed, f"{path} has a new pod that is ready")


def _declared(hands: Hands, name: str, values: Mapping[str, Any]) -> None:
    """Applies a component's objects as they are declared."""
    for template in sorted((catalog.FOLDER / name).glob("*.yaml.j2")):
        hands.cluster.apply(name, render(template, {"s": hands.settings, "pki": hands.pki, **values}))


# ------------------------------------------------------------------ Redis


def _redis_says(**directives: str) -> Act:
    """Other values of directives that its configuration has."""

    def act(hands: Hands) -> None:
        path = "/api/v1/namespaces/cache/configmaps/redis"
        text = (hands.cluster.get(path) or {})["data"]["redis.conf"]
        for name, value in directives.items():
            word = name.replace("_", "-")
            text, changed = re.subn(rf"(?m)^{word} .*$", f"{word} {value}", text)
            if not changed:
                raise ValueError(f"redis.conf has no {word}")
        hands.patch(path, {"data": {"redis.conf": text}})
        _restart(hands, REDIS)

    return act


def _redis_lets_in(change: Callable[[str], str]) -> Act:
    """Another access list."""

    def act(hands: Hands) -> None:
        given = redis_component.values(hands)["acl"]
        hands.patch("/api/v1/namespaces/cache/secrets/redis", {"data": {"users.acl": b64(change(given))}})
        _restart(hands, REDIS)

    return act


def _redis_as_declared(hands: Hands) -> None:
    _declared(hands, "redis", redis_component.values(hands))
    _restart(hands, REDIS)


def _ask_redis(hands: Hands, question: Callable[[redis.Redis], Any]) -> Any:
    """As the application's user.

    :raises redis.RedisError: it refuses, or nothing answers.
    """
    service = hands.cluster.get("/api/v1/namespaces/cache/services/redis") or {}
    s = hands.settings

    def inside() -> Any:
        with redis.Redis(
            service["spec"]["clusterIP"], 6379, username=s.redis_user, password=password(s, "redis-password"),
            socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S,
        ) as client:  # fmt: skip
            return question(client)

    return call_inside(s, inside)


def _redis_tells(section: str, holds: Callable[[Mapping[str, Any]], bool]) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        try:
            return holds(_ask_redis(hands, lambda client: client.info(section)))
        except redis.RedisError:
            return False

    return seen


def _redis_greets(hands: Hands) -> bytes:
    service = hands.cluster.get("/api/v1/namespaces/cache/services/redis") or {}
    return probe.exchange(hands.settings, service["spec"]["clusterIP"], 6379, b"PING\r\n")


def _redis_obeys(hands: Hands) -> bool:
    try:
        return bool(_ask_redis(hands, lambda client: client.config_get("maxmemory")))
    except redis.RedisError:
        return False


def _redis_is_full(hands: Hands) -> bool:
    try:
        _ask_redis(hands, lambda client: client.set("sandbox:seen", "1", ex=5))
    except redis.exceptions.OutOfMemoryError:
        return True
    except redis.RedisError:
        return False
    return False


# ------------------------------------------------------------------ PostgreSQL


def _postgres_silent(hands: Hands) -> bool:
    service = hands.cluster.get("/api/v1/namespaces/database/services/postgres") or {}
    said = probe.exchange(hands.settings, service["spec"]["clusterIP"], 5432, postgres_component.SSL_REQUEST)
    return said == b""


def _ask_postgres(hands: Hands, word: str, statement: str) -> Any:
    """The only value of a statement's only row, asked as the application's user.

    :raises psycopg.Error: it refuses, or nothing answers.
    """
    service = hands.cluster.get("/api/v1/namespaces/database/services/postgres") or {}
    s = hands.settings
    where = make_conninfo(
        host=postgres_component.NAMES[-1], hostaddr=service["spec"]["clusterIP"], dbname=s.database,
        user=s.database_user, password=word, sslmode="verify-full", connect_timeout=TIMEOUT_S,
        sslrootcert=str(s.handover / "database-ca.crt"),
    )  # fmt: skip

    def inside() -> Any:
        with psycopg.connect(where) as connection:
            return (connection.execute(statement.encode()).fetchone() or (None,))[0]

    return call_inside(s, inside)


def _role_may(words: str) -> Act:
    def act(hands: Hands) -> None:
        statement = f"ALTER ROLE {hands.settings.database_user} {words}"
        command = ["psql", "--no-psqlrc", "-h", "/run/postgresql", "-U", "postgres", "-c", statement]
        hands.exec("database", "postgres-0", "postgres", command)

    return act


def _role_is_superuser(hands: Hands) -> bool:
    word = password(hands.settings, "database-password")
    statement = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    try:
        return _ask_postgres(hands, word, statement) is True
    except psycopg.Error:
        return False


def _trusts_everybody(hands: Hands) -> None:
    path = "/api/v1/namespaces/database/configmaps/postgres"
    text = (hands.cluster.get(path) or {})["data"]["pg_hba.conf"]
    hands.patch(path, {"data": {"pg_hba.conf": text.replace("scram-sha-256", "trust")}})
    _restart(hands, POSTGRES)


def _postgres_as_declared(hands: Hands) -> None:
    _declared(hands, "postgres", postgres_component.values(hands))
    _restart(hands, POSTGRES)


def _takes_a_wrong_password(hands: Hands) -> bool:
    try:
        _ask_postgres(hands, "a wrong one", "SELECT 1")
    except psycopg.Error:
        return False
    return True


def _everybody(acl: str) -> str:
    return acl.replace("user default off", "user default on nopass ~* &* +@all")


def _everything(acl: str) -> str:
    return acl.replace("+@all -@admin -@dangerous +info", "+@all")


FAULTS = (
    Fault(
        name="postgres_stopped", says="PostgreSQL does not run", layer="database", put=scaled(POSTGRES, 0),
        heal=scaled(POSTGRES, 1), seen=_postgres_silent,
    ),
    Fault(
        name="database_user_superuser", says="the application's user of the database is a superuser", layer="database",
        put=_role_may("SUPERUSER"), heal=_role_may("NOSUPERUSER"), seen=_role_is_superuser,
    ),
    Fault(
        name="pg_hba_trust", says="PostgreSQL takes any password", layer="database", put=_trusts_everybody,
        heal=_postgres_as_declared, seen=_takes_a_wrong_password,
    ),
    Fault(
        name="redis_stopped", says="Redis does not run", layer="database", put=scaled(REDIS, 0),
        heal=scaled(REDIS, 1), seen=lambda hands: _redis_greets(hands) == b"",
    ),
    Fault(
        name="redis_no_password", says="Redis lets everybody in without a password", layer="database",
        put=_redis_lets_in(_everybody), heal=_redis_as_declared,
        seen=lambda hands: _redis_greets(hands).startswith(b"+PONG"),
    ),
    Fault(
        name="redis_acl_allows_all", says="Redis lets the application's user do everything", layer="database",
        put=_redis_lets_in(_everything), heal=_redis_as_declared, seen=_redis_obeys,
    ),
    Fault(
        name="redis_aof_off", says="Redis keeps no append-only file", layer="database",
        put=_redis_says(appendonly="no"), heal=_redis_as_declared,
        seen=_redis_tells("persistence", lambda told: told["aof_enabled"] == 0),
    ),
    Fault(
        name="redis_maxmemory_zero", says="Redis has no bound of its memory", layer="database",
        put=_redis_says(maxmemory="0"), heal=_redis_as_declared,
        seen=_redis_tells("memory", lambda told: told["maxmemory"] == 0),
    ),
    Fault(
        name="redis_maxmemory_above_limit", says="Redis may use more memory than its container", layer="database",
        put=_redis_says(maxmemory="512mb"), heal=_redis_as_declared,
        seen=_redis_tells("memory", lambda told: told["maxmemory"] == 512 * MIB),
    ),
    Fault(
        name="redis_full_no_eviction", says="Redis is full and gives nothing up", layer="database",
        put=_redis_says(maxmemory="100kb", maxmemory_policy="noeviction"), heal=_redis_as_declared, seen=_redis_is_full,
    ),
)  # fmt: skip
