# What is asked of a Redis server, by a real one whose users, persistence and memory are changed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path

import pytest
import redis as library

from ansible_collections.bytebot.production.plugins.module_utils.checks.redis import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import (
    DANGEROUS,
    PERSISTENCE,
    VERSION,
    RedisFacts,
    RedisSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys, Target
from ansible_collections.bytebot.production.plugins.module_utils.clients.ask_redis import (
    DRYRUN,
    QUEUED,
    fields,
    look,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_redis import sign_in
from tests.unit.collection.throwaway_ca import Authority
from tests.unit.real_servers import free_port, redis

WORD = "x9-Horse-Battery-Staple"
SAFE = f"user shop on >{WORD} ~* &* +@all -@admin -@dangerous +info"
OWNER = f"user owner on >{WORD} ~* &* +@all"
CLOSED = "user default off"
UNSEEN = {"SHUTDOWN"}  # Redis 7 takes it into no transaction, whoever asks


def ask(port: int, user: str = "shop", password: str = WORD, *, probing: bool = True) -> RedisSeen:
    return look(Target("cache.shop", 6379, user, password), Place("127.0.0.1", port), probing=probing)


def test_a_server_as_it_should_be() -> None:
    with redis("--appendonly", "yes", "--maxmemory", "64mb", acl=(CLOSED, SAFE)) as port:
        seen = ask(port)
    assert (seen.cause, seen.user, seen.info["role"]) == ("", "shop", "master")
    assert (seen.nobody.outcome, seen.wrong.outcome) == ("refused", "refused")
    assert (seen.info["aof_enabled"], seen.number("maxmemory")) == ("1", 64 * 2**20)
    assert "permission" in seen.config_denied
    assert {name for name, state in seen.commands.items() if state != "denied"} == UNSEEN
    assert (seen.how, seen.rules) == (QUEUED, "")


def test_what_the_user_may_is_seen_without_running_it() -> None:
    allowing = f"{SAFE} +flushall +config|set +keys"
    with redis(acl=(CLOSED, allowing, OWNER)) as port:
        owner = library.Redis(port=port, username="owner", password=WORD, decode_responses=True)
        owner.set("kept", "1")
        before = owner.config_get()
        seen = ask(port)
        assert owner.get("kept") == "1"
        assert owner.config_get() == before
        run = {name for name, told in owner.info("commandstats").items() if told["calls"]}
        assert run.isdisjoint({"cmdstat_flushall", "cmdstat_flushdb", "cmdstat_keys", "cmdstat_config|set"})
        owner.close()
    allowed = {name for name, state in seen.commands.items() if state == "allowed"}
    assert allowed == {"FLUSHALL", "CONFIG SET", "KEYS"}


def test_both_ways_of_seeing_rights_agree() -> None:
    rules = "~* &* +@all -@admin -@dangerous +info +flushdb +keys"
    asking = f"user asking on >{WORD} {rules} +acl|dryrun"
    with redis(acl=(CLOSED, asking, f"user plain on >{WORD} {rules}")) as port:
        dry, queued = ask(port, "asking"), ask(port, "plain")
    assert (dry.how, queued.how) == (DRYRUN, QUEUED)
    assert {name for name in DANGEROUS if dry.commands[name] != queued.commands[name]} == UNSEEN
    assert {name for name, state in dry.commands.items() if state == "allowed"} == {"FLUSHDB", "KEYS"}


def test_a_server_that_cannot_keep_what_is_written_lets_in_and_says_so() -> None:
    """Its disk is full: no file may grow any more. It refuses PING then, as it does all writes."""
    options = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    with redis(*options, acl=(CLOSED, f"{SAFE} +flushdb", OWNER), shell="trap '' XFSZ") as port:
        owner = library.Redis(port=port, username="owner", password=WORD, decode_responses=True)
        resource.prlimit(owner.info("server")["process_id"], resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        end = time.monotonic() + 20
        while owner.info("persistence")["aof_last_write_status"] == "ok" and time.monotonic() < end:
            with contextlib.suppress(library.ResponseError):
                owner.set("lost", "1")
            time.sleep(0.05)
        seen = ask(port)
        assert sign_in(Target("cache.shop", 6379, "shop", WORD), port, "", 5.0).cause == ""
        assert "password" in sign_in(Target("cache.shop", 6379, "shop", "wrong"), port, "", 5.0).cause
        owner.close()
    assert (seen.cause, seen.unkept.split()[0], seen.info["aof_last_write_status"]) == ("", "MISCONF", "err")
    assert (seen.nobody.outcome, seen.wrong.outcome) == ("refused", "refused")
    assert {name for name, state in seen.commands.items() if state == "allowed"} == {"FLUSHDB"}
    facts = RedisFacts("shop", Keys("cache"), target=Target("cache.shop", 6379, "shop", WORD), seen=seen)
    states = {one.control: one.verdict for one in CHECKS.judge(facts, [VERSION, PERSISTENCE])}
    assert {name: one.state for name, one in states.items()} == {VERSION: "pass", PERSISTENCE: "fail"}
    assert "takes no writes" in states[VERSION].summary


def test_a_user_who_may_all_is_seen_and_the_server_stays() -> None:
    with redis("--appendonly", "yes", acl=(CLOSED, OWNER)) as port:
        seen = ask(port, "owner")
        assert ask(port, "owner").cause == ""
    assert seen.commands["FLUSHALL"] == "allowed"
    assert seen.commands["CONFIG SET"] == "allowed"
    assert seen.config["appendonly"] == "yes"
    assert seen.config["dir"].startswith("/")
    assert "+@all" in seen.rules
    assert WORD not in seen.rules


def test_an_open_server_is_seen() -> None:
    with redis(acl=("user default on nopass ~* &* +@all", "user shop on nopass ~* &* +@all")) as port:
        seen = ask(port)
    assert (seen.nobody.outcome, seen.wrong.outcome) == ("accepted", "accepted")


def test_a_wrong_password_in_the_secret_is_refused_and_no_other_is_tried() -> None:
    with redis(acl=(CLOSED, SAFE)) as port:
        seen = ask(port, password="something else")
    assert "refused" in seen.cause
    assert not seen.lost
    assert (seen.nobody.outcome, seen.wrong.outcome, seen.info) == ("untried", "untried", {})


def test_what_may_not_be_read_says_so() -> None:
    with redis(acl=(CLOSED, f"user shop on >{WORD} ~* &* -@all +ping +get")) as port:
        seen = ask(port)
    assert "permission" in seen.info_denied
    assert all(state.startswith("not seen") for state in seen.commands.values())
    assert set(seen.commands) == set(DANGEROUS)


def test_check_mode_tries_nobody_else() -> None:
    with redis(acl=(CLOSED, SAFE)) as port:
        seen = ask(port, probing=False)
    assert (seen.cause, seen.nobody.outcome, seen.wrong.outcome) == ("", "untried", "untried")


def test_a_replica_and_a_cluster_say_what_they_are() -> None:
    with redis("--replicaof", "127.0.0.1 1", acl=(CLOSED, SAFE)) as port:
        assert ask(port).info["role"] == "slave"
    bus = ("--cluster-port", str(free_port()))  # else it is 10000 above the other, which may be none
    with redis("--cluster-enabled", "yes", *bus, acl=(CLOSED, f"{SAFE} +cluster|info")) as port:
        seen = ask(port)
    assert (seen.info["redis_mode"], seen.cluster["cluster_state"]) == ("cluster", "fail")


@pytest.mark.parametrize(("host", "verifies"), [("cache.shop", True), ("another.host", False)])
def test_tls_is_verified_by_name_before_a_password_is_sent(tmp_path: Path, host: str, verifies: bool) -> None:
    authority, tls_port = Authority(tmp_path), free_port()
    shown = str(authority.issue(host))
    tls = ("--tls-port", str(tls_port), "--tls-cert-file", shown, "--tls-key-file", shown, "--tls-auth-clients", "no")
    with redis(*tls, "--tls-ca-cert-file", str(authority.file), acl=(CLOSED, SAFE)):
        target = Target("cache.shop", 6379, "shop", WORD, encryption="on")
        seen = look(target, Place("127.0.0.1", tls_port, str(authority.file)), probing=True)
    assert (seen.cause == "") is verifies
    assert ("certificate" in seen.cause) is not verifies
    assert (seen.nobody.outcome, seen.wrong.outcome) == (("refused", "refused") if verifies else ("untried", "untried"))


def test_a_full_server_still_says_what_it_is_and_what_the_user_may() -> None:
    full, allowing = ("--maxmemory", "100kb", "--maxmemory-policy", "noeviction"), f"{SAFE} +flushall"
    with redis(*full, acl=(CLOSED, allowing, OWNER)) as port:
        seen = ask(port)
        ran = library.Redis(port=port, username="owner", password=WORD).info("commandstats")["cmdstat_flushall"]
    assert (seen.number("used_memory") or 0) > (seen.number("maxmemory") or 0) > 0
    assert {name for name, state in seen.commands.items() if state == "allowed"} == {"FLUSHALL"}
    assert {name for name, state in seen.commands.items() if state.startswith("not seen")} == UNSEEN
    assert ran["calls"] == 0
    assert (seen.cause, seen.nobody.outcome, seen.wrong.outcome) == ("", "refused", "refused")


def test_nobody_listens() -> None:
    assert ask(free_port()).lost


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\n",
            {"redis_version": "7.2.4", "server_name": "valkey"},
        ),
        ("slave0:ip=10.0.0.1,port=6379,state=online\n", {"slave0": "ip=10.0.0.1,port=6379,state=online"}),
        ("no pair\n\n", {}),
    ],
)
def test_fields(text: str, found: dict[str, str]) -> None:
    assert fields(text) == found
