# Faults in Redis itself: stopped, open to everybody, forgetful, full; each seen by signing in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import redis

from sandbox import probe
from sandbox.components import redis as component
from sandbox.faults.fault import Act, Fault, Hands, scaled
from sandbox.files import b64
from sandbox.handover import password
from sandbox.host.netns import call_inside

VERSION, CREDENTIALS, PERSISTENCE, MEMORY = (
    f"infrastructure.cache.{item}" for item in ("version", "credentials", "persistence", "memory")
)
REDIS = "/apis/apps/v1/namespaces/cache/statefulsets/redis"
TIMEOUT_S = 3
MIB = 1 << 20


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
        hands.restart(REDIS)

    return act


def _redis_lets_in(change: Callable[[str], str]) -> Act:
    """Another access list."""

    def act(hands: Hands) -> None:
        given = component.values(hands)["acl"]
        hands.patch("/api/v1/namespaces/cache/secrets/redis", {"data": {"users.acl": b64(change(given))}})
        hands.restart(REDIS)

    return act


def _redis_as_declared(hands: Hands) -> None:
    hands.declare("redis", component.values(hands))
    hands.restart(REDIS)


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


def _everybody(acl: str) -> str:
    return acl.replace("user default off", "user default on nopass ~* &* +@all")


def _everything(acl: str) -> str:
    return acl.replace("+@all -@admin -@dangerous +info", "+@all")


FAULTS = (
    Fault(
        name="redis_stopped", says="Redis does not run", layer="database",
        turns_red=(VERSION,), put=scaled(REDIS, 0),
        heal=scaled(REDIS, 1), seen=lambda hands: _redis_greets(hands) == b"",
    ),
    Fault(
        name="redis_no_password", says="Redis lets everybody in without a password", layer="database",
        turns_red=(CREDENTIALS,),
        put=_redis_lets_in(_everybody), heal=_redis_as_declared,
        seen=lambda hands: _redis_greets(hands).startswith(b"+PONG"),
    ),
    Fault(
        name="redis_acl_allows_all", says="Redis lets the application's user do everything", layer="database",
        turns_red=(CREDENTIALS,),
        put=_redis_lets_in(_everything), heal=_redis_as_declared, seen=_redis_obeys,
    ),
    Fault(
        name="redis_aof_off", says="Redis keeps no append-only file", layer="database",
        turns_red=(PERSISTENCE,),
        put=_redis_says(appendonly="no"), heal=_redis_as_declared,
        seen=_redis_tells("persistence", lambda told: told["aof_enabled"] == 0),
    ),
    Fault(
        name="redis_maxmemory_zero", says="Redis has no bound of its memory", layer="database",
        turns_red=(MEMORY,),
        put=_redis_says(maxmemory="0"), heal=_redis_as_declared,
        seen=_redis_tells("memory", lambda told: told["maxmemory"] == 0),
    ),
    Fault(
        name="redis_maxmemory_above_limit", says="Redis may use more memory than its container", layer="database",
        turns_red=(MEMORY,),
        put=_redis_says(maxmemory="512mb"), heal=_redis_as_declared,
        seen=_redis_tells("memory", lambda told: told["maxmemory"] == 512 * MIB),
    ),
    Fault(
        name="redis_full_no_eviction", says="Redis is full and gives nothing up", layer="database",
        turns_red=(MEMORY,),
        put=_redis_says(maxmemory="100kb", maxmemory_policy="noeviction"), heal=_redis_as_declared, seen=_redis_is_full,
    ),
)  # fmt: skip
