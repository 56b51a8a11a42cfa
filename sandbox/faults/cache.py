# Faults in Redis itself: stopped, open to everybody, forgetful, full, old, broken; each seen by signing in.
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
from sandbox.faults.keeping import Object, changed, restarted, restored, steps
from sandbox.files import b64
from sandbox.handover import password
from sandbox.host.netns import call_inside

VERSION, CREDENTIALS, PERSISTENCE, MEMORY = (
    f"infrastructure.cache.{item}" for item in ("version", "credentials", "persistence", "memory")
)
REDIS = "/apis/apps/v1/namespaces/cache/statefulsets/redis"
TIMEOUT_S = 3
MIB = 1 << 20
SERVE = "exec redis-server /etc/redis/redis.conf"
# The server of this version in every word but its own version, which is one constant of the program.
OLD = r"""
LC_ALL=C perl -0777 -pe 's/\0\K7(?=\.\d+\.\d+\0)/5/g' /usr/bin/redis-server > /old/redis-server
chmod 700 /old/redis-server
exec /old/redis-server /etc/redis/redis.conf
"""
# A cluster of one that lacks one of its 16384 slots, written anew at each start.
NODES = "nodes-of-a-fault.conf"
ONE_SLOT_SHORT = f"""
printf '%s :0@0 myself,master - 0 0 0 connected 0-99 101-16383\\nvars currentEpoch 0 lastVoteEpoch 0\\n' \\
  {"0123456789" * 4} > /data/{NODES}
{SERVE} --cluster-enabled yes --cluster-config-file {NODES}
"""
# No file may grow, as on a disk that is full; without the signal that would end the process.
NO_GROWTH = f"trap '' XFSZ; ulimit -f 0; {SERVE}"
# It refuses PING then, too, so that a probe which asks by that would take it out of its Service.
PORT_OPEN = {"tcpSocket": {"port": 6379}}


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


def _started_by(script: str, ready: Mapping[str, Any] | None = None, **mounted: str) -> Act:
    """Started by a script, with empty folders at these paths, each in place of what is mounted there.

    :param ready: how it is probed whether it is ready, where not as declared.
    """

    def change(server: Object) -> None:
        pod = server["spec"]["template"]["spec"]
        (one,) = pod["containers"]
        kept = [mount for mount in one["volumeMounts"] if mount["mountPath"] not in mounted.values()]
        one["volumeMounts"] = kept + [{"name": name, "mountPath": path} for name, path in mounted.items()]
        pod["volumes"] = pod["volumes"] + [{"name": name, "emptyDir": {}} for name in mounted]
        if ready:
            one["readinessProbe"] = {**ready, "periodSeconds": 1}
        if script:
            one["command"] = ["sh", "-ec", script]

    return changed(REDIS, change, then=restarted(REDIS))


def _without_nodes(hands: Hands) -> None:
    hands.exec("cache", "redis-0", "redis", ["rm", "-f", f"/data/{NODES}"])


def _lacks_a_slot(hands: Hands) -> bool:
    try:
        told = _ask_redis(hands, lambda client: client.cluster("INFO"))
    except redis.RedisError:
        return False
    return bool(told["cluster_state"] == "fail" and told["cluster_slots_assigned"] == "16383")


def _does_not_keep_what_is_written(hands: Hands) -> bool:
    """Something is written first, so that there is something to keep."""
    try:
        _ask_redis(hands, lambda client: client.set("sandbox:seen", "1", ex=5))
    except redis.ResponseError:
        pass
    except redis.RedisError:
        return False
    return _redis_tells("persistence", lambda told: bool(told["aof_last_write_status"] == "err"))(hands)


def _folder_goes_with_the_pod(hands: Hands) -> bool:
    """By the running pod: what it keeps its files in is an empty folder of its own."""
    pod = hands.cluster.get("/api/v1/namespaces/cache/pods/redis-0")
    if pod is None:
        return False
    names = [one["name"] for one in pod["spec"]["containers"][0]["volumeMounts"] if one["mountPath"] == "/data"]
    return any("emptyDir" in volume for volume in pod["spec"]["volumes"] if volume["name"] in names)


_REDIS_BACK = restored(REDIS, then=restarted(REDIS))


def _everybody(acl: str) -> str:
    return acl.replace("user default off", "user default on nopass")


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
    Fault(
        name="redis_old_version", says="Redis says that it is of version 5: its program with that one constant changed",
        layer="database",
        turns_red=(VERSION,), put=_started_by(OLD, old="/old"), heal=_REDIS_BACK,
        seen=_redis_tells("server", lambda told: str(told["redis_version"]).startswith("5.")),
    ),
    Fault(
        name="redis_slot_failed", says="Redis is a cluster that lacks one of its slots", layer="database",
        turns_red=(VERSION,),
        put=_started_by(ONE_SLOT_SHORT), heal=restored(REDIS, then=steps(restarted(REDIS), _without_nodes)),
        seen=_lacks_a_slot,
    ),
    Fault(
        name="redis_volume_empty_dir", says="Redis keeps its files in a folder that goes with its pod",
        layer="database",
        turns_red=(PERSISTENCE,), put=_started_by("", scratch="/data"), heal=_REDIS_BACK,
        seen=_folder_goes_with_the_pod,
    ),
    Fault(
        name="redis_aof_write_failed", says="Redis cannot write to its append-only file", layer="database",
        # The application is not ready without a Redis that answers its PING.
        turns_red=(PERSISTENCE, "deployment.execution.pods"),
        put=_started_by(NO_GROWTH, PORT_OPEN), heal=_REDIS_BACK, seen=_does_not_keep_what_is_written,
    ),
)  # fmt: skip
