# Redis judged from tables of observations: each trap turns red what it must, and what is not known is never green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.redis import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import (
    CREDENTIALS,
    DANGEROUS,
    MEMORY,
    PERSISTENCE,
    VERSION,
    Pods,
    RedisFacts,
    RedisSeen,
    RedisWanted,
    ServerPod,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    Attempt,
    Injected,
    Keys,
    SignIn,
    Target,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

EVERY = (VERSION, CREDENTIALS, PERSISTENCE, MEMORY)
MIB = 2**20
REFUSED = Attempt("refused", "no")
INFO = {
    "redis_version": "7.2.4", "redis_mode": "standalone", "role": "master", "cluster_enabled": "0", "aof_enabled": "1",
    "aof_last_write_status": "ok", "maxmemory": str(192 * MIB), "maxmemory_policy": "volatile-lru",
    "used_memory": str(MIB),
}  # fmt: skip
SEEN = RedisSeen(
    info=INFO,
    user="shop",
    nobody=REFUSED,
    wrong=REFUSED,
    commands=dict.fromkeys(DANGEROUS, "denied"),
    how="ACL DRYRUN",
)
POD = ServerPod("redis-0", 256 * MIB, "persistentVolumeClaim data", lasting=True)
GOOD = RedisFacts(
    "shop",
    Keys("bytebot-redis-secret"),
    released=True,
    target=Target("cache.shop", 6379, "shop", "x"),
    side="namespace",
    seen=SEEN,
    pods=Pods((POD,)),
)
# Redis documentation, INFO and CLUSTER INFO; Valkey's INFO server
CLUSTER = {"cluster_state": "ok", "cluster_slots_ok": "16384", "cluster_slots_fail": "0"}
VALKEY = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1"}
REPLICA = "ip=10.0.0.2,port=6379,state=online,offset=42,lag=0"


def verdicts(facts: RedisFacts) -> dict[str, Verdict]:
    return {one.control: one.verdict for one in CHECKS.judge(facts)}


def states(facts: RedisFacts) -> dict[str, str]:
    return {control: str(one.state) for control, one in verdicts(facts).items()}


def seen(**changes: Any) -> RedisFacts:
    return replace(GOOD, seen=replace(SEEN, **changes))


def info(**changes: str) -> RedisFacts:
    return seen(info={**INFO, **changes})


def wanting(facts: RedisFacts = GOOD, **changes: Any) -> RedisFacts:
    return replace(facts, wanted=RedisWanted(**changes))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (GOOD, "Redis 7.2.4 answers at cache.shop:6379 and takes writes (without replicas)"),
        (info(**VALKEY), "Valkey 8.0.1"),
        (info(slave0=REPLICA, connected_slaves="1"), "1 replicas in sync"),
        (seen(info={**INFO, "cluster_enabled": "1", "role": "slave"}, cluster=CLUSTER), "a whole cluster"),
        (replace(GOOD, pods=Pods(outside="it is no Service of this cluster")), "Redis 7.2.4"),
        (seen(config_denied="unknown command 'CONFIG'"), "Redis 7.2.4"),  # as managed services answer
    ],
)
def test_a_server_as_it_should_be_is_green(facts: RedisFacts, said: str) -> None:
    found = verdicts(facts)
    assert {str(one.state) for one in found.values()} == {"pass"}
    assert said in found[VERSION].summary


@pytest.mark.parametrize(
    ("facts", "red", "said"),
    [
        (info(redis_version="5.0.14"), VERSION, "version 6 or newer is wanted"),
        (info(redis_mode="sentinel"), VERSION, "Sentinel"),
        (info(role="slave", master_link_status="down"), VERSION, "its link to the primary is down"),
        (info(slave0=REPLICA.replace("online", "wait_bgsave")), VERSION, "not in sync"),
        (seen(info={**INFO, "cluster_enabled": "1"}, cluster={**CLUSTER, "cluster_state": "fail"}), VERSION, "fail"),
        (
            seen(info={**INFO, "cluster_enabled": "1"}, cluster={**CLUSTER, "cluster_slots_ok": "16383"}),
            VERSION,
            "16383 of 16384 slots",
        ),
        (seen(nobody=Attempt("accepted", "")), CREDENTIALS, "without a password"),
        (seen(wrong=Attempt("accepted", "")), CREDENTIALS, "any password"),
        (seen(commands={**SEEN.commands, "FLUSHALL": "allowed"}), CREDENTIALS, "may run FLUSHALL"),
        (replace(GOOD, password_flaw="is the user's name"), CREDENTIALS, "is the user's name"),
        (wanting(tls=True), CREDENTIALS, "not encrypted"),
        (info(aof_enabled="0"), PERSISTENCE, "the append-only file is off"),
        (info(aof_last_write_status="err"), PERSISTENCE, "aof_last_write_status is err"),
        (info(rdb_last_bgsave_status="err"), PERSISTENCE, "rdb_last_bgsave_status is err"),  # and writes are refused
        (info(min_slaves_good_slaves="0"), VERSION, "min-replicas-to-write asks for replicas, and none is good"),
        (
            wanting(info(aof_enabled="0", rdb_last_bgsave_status="err"), rdb_reason="a cache"),
            PERSISTENCE,
            "rdb_last_bgsave_status is err",
        ),
        (
            wanting(seen(info={**INFO, "aof_enabled": "0"}, config={"save": ""}), rdb_reason="a cache"),
            PERSISTENCE,
            "and so are snapshots",
        ),
        (
            replace(GOOD, pods=Pods((replace(POD, volume="emptyDir data", lasting=False),))),
            PERSISTENCE,
            "emptyDir data",
        ),
        (replace(GOOD, pods=Pods((ServerPod("redis-0", 256 * MIB),))), PERSISTENCE, "no volume"),
        (info(maxmemory="0"), MEMORY, "maxmemory is not set"),
        (info(maxmemory=str(300 * MIB)), MEMORY, "300 MiB leaves less than 20% of the 256 MiB that redis-0 has"),
        (info(maxmemory=str(250 * MIB)), MEMORY, "leaves less"),
        (info(maxmemory_policy="allkeys-lru"), MEMORY, "may remove what waits in a queue"),
        (wanting(use="queue"), MEMORY, "may remove what waits in a queue"),
        (wanting(info(maxmemory_policy="noeviction"), use="cache"), MEMORY, "refuse writes"),
        (info(maxmemory_policy="noeviction", used_memory=str(190 * MIB)), MEMORY, "refuses writes when it is full"),
    ],
)
def test_each_trap_turns_red_its_control_and_no_other(facts: RedisFacts, red: str, said: str) -> None:
    found = verdicts(facts)
    assert {control for control, one in found.items() if one.state != "pass"} == {red}
    assert found[red].state == "fail"
    assert said in found[red].summary
    assert found[red].remedy


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (
            replace(GOOD, seen=None, no_way=SignIn("refused", "nothing listens", "Start it.")),
            {VERSION: "fail", CREDENTIALS: "pending", PERSISTENCE: "pending", MEMORY: "pending"},
        ),
        (replace(GOOD, seen=None, no_way=SignIn("unseen", "no image")), dict.fromkeys(EVERY, "pending")),
        (replace(GOOD, secret_problem="Secret x could not be read."), dict.fromkeys(EVERY, "pending")),
        (
            seen(cause="the user or the password is refused", info={}, commands={}, nobody=Attempt(), wrong=Attempt()),
            {VERSION: "pending", CREDENTIALS: "fail", PERSISTENCE: "pending", MEMORY: "pending"},
        ),
        (
            seen(cause="the server is not ready", passing=True, info={}, commands={}),
            {VERSION: "inconclusive", CREDENTIALS: "inconclusive", PERSISTENCE: "inconclusive", MEMORY: "inconclusive"},
        ),
        (
            replace(GOOD, seen=None, target=Target(problems=("host is empty",))),
            {VERSION: "pending", CREDENTIALS: "fail", PERSISTENCE: "pending", MEMORY: "pending"},
        ),
        (
            seen(info={}, info_denied="no permissions to run the 'info' command"),
            {VERSION: "pending", CREDENTIALS: "pass", PERSISTENCE: "pending", MEMORY: "pending"},
        ),
        (
            seen(commands=dict.fromkeys(DANGEROUS, "not seen: no transaction is to be had")),
            {VERSION: "pass", CREDENTIALS: "pending", PERSISTENCE: "pass", MEMORY: "pass"},
        ),
        (
            seen(wrong=Attempt("unseen", "lost")),
            {VERSION: "pass", CREDENTIALS: "inconclusive", PERSISTENCE: "pass", MEMORY: "pass"},
        ),
        (
            replace(seen(nobody=Attempt(), wrong=Attempt()), probing=False),
            {VERSION: "pass", CREDENTIALS: "pending", PERSISTENCE: "pass", MEMORY: "pass"},
        ),
        (
            replace(GOOD, pods=Pods(problem="Not permitted to list pods.")),
            {VERSION: "pass", CREDENTIALS: "pass", PERSISTENCE: "pending", MEMORY: "pending"},
        ),
        (
            replace(GOOD, pods=Pods()),
            {VERSION: "pass", CREDENTIALS: "pass", PERSISTENCE: "inconclusive", MEMORY: "inconclusive"},
        ),
        # no Secret: the release says whether Redis is used
        (replace(GOOD, absent=True, seen=None), dict.fromkeys(EVERY, "not_applicable")),
        (replace(GOOD, absent=True, seen=None, released=False), dict.fromkeys(EVERY, "pending")),
        (
            replace(GOOD, absent=True, seen=None, mentions_redis=("ConfigMap x",)),
            {VERSION: "fail", CREDENTIALS: "pending", PERSISTENCE: "pending", MEMORY: "pending"},
        ),
        (
            replace(GOOD, absent=True, seen=None, mentions_redis=("ConfigMap x",), injected=Injected(("vault",))),
            dict.fromkeys(EVERY, "pending"),
        ),
    ],
)
def test_what_is_not_known_is_never_green(facts: RedisFacts, wanted: dict[str, str]) -> None:
    assert states(facts) == wanted


@pytest.mark.parametrize(
    ("fields", "state", "said"),
    [
        ({}, "pending", "Whether cache.shop:6379 takes snapshots is not known"),
        ({"rdb_last_save_time": "1767225600", "uptime_in_seconds": "86400"}, "pending", "is not known"),  # its start
        (
            {"rdb_last_save_time": "1767225600", "uptime_in_seconds": "900000"},
            "pass",
            "by snapshots, the last one 24h ago",
        ),
        ({"rdb_last_save_time": "1767220000", "uptime_in_seconds": "900000"}, "pending", "is not known"),
        ({"rdb_last_save_time": "soon", "uptime_in_seconds": "900000"}, "pending", "is not known"),
    ],
)
def test_snapshots_of_a_server_whose_settings_are_hidden_are_believed_where_one_was_made(
    fields: dict[str, str], state: str, said: str
) -> None:
    facts = replace(info(aof_enabled="0", rdb_last_bgsave_status="ok", **fields), observed_at="2026-01-02T00:00:00Z")
    found = verdicts(wanting(facts, rdb_reason="a cache"))[PERSISTENCE]
    assert (str(found.state), said in found.summary) == (state, True), found.summary


def test_a_snapshot_that_failed_stops_no_writes_where_none_are_to_be_made() -> None:
    failing = seen(info={**INFO, "rdb_last_bgsave_status": "err"}, config={"save": ""})
    assert verdicts(failing)[PERSISTENCE].state == "pass"


def test_what_is_allowed_all_the_same_is_told_as_weaker() -> None:
    found = verdicts(wanting(seen(commands={**SEEN.commands, "KEYS": "allowed"}), needed=("KEYS",)))
    assert (found[CREDENTIALS].state, found[CREDENTIALS].weaker) == ("pass", ("KEYS allowed to the application",))
    shots = {"info": {**INFO, "aof_enabled": "0"}, "config": {"save": "3600 1"}}
    found = verdicts(wanting(seen(**shots), rdb_reason="it can be computed anew"))
    assert found[PERSISTENCE].state == "pass"
    assert "it can be computed anew" in found[PERSISTENCE].weaker[0]
    assert verdicts(wanting(headroom=0.1, major=5))[MEMORY].weaker
    assert verdicts(wanting(major=5))[VERSION].weaker


def test_a_command_that_could_not_be_seen_is_not_told_as_denied() -> None:
    found = verdicts(seen(commands={**SEEN.commands, "SHUTDOWN": "not seen: no"}))[CREDENTIALS]
    assert found.state == "pass"
    assert "(SHUTDOWN could not be seen)" in found.summary


@given(st.integers(1, 2**34), st.integers(1, 2**34), st.floats(0, 0.99))
def test_memory_is_green_exactly_where_it_fits(most: int, limit: int, headroom: float) -> None:
    facts = wanting(
        replace(info(maxmemory=str(most), used_memory="0"), pods=Pods((replace(POD, limit=limit),))), headroom=headroom
    )
    assert (states(facts)[MEMORY] == "pass") == (most <= limit * (1 - headroom))
