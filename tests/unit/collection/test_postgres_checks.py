# PostgreSQL judged from tables of observations: each trap turns red what it must, and what is not known is never green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    CREDENTIALS,
    POOLING,
    TLS,
    VERSION,
    Asked,
    Encryption,
    Pool,
    PoolerSeen,
    PostgresFacts,
    PostgresSeen,
    PostgresWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_pooler import server_connections
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import (
    Attempt,
    Keys,
    SignIn,
    Target,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

EVERY = (VERSION, CREDENTIALS, POOLING, TLS)
REFUSED = Attempt("refused", "no")
SERVER = {
    "server_version": "16.4", "server_version_num": "160004", "in_recovery": False, "max_connections": "60",
    "superuser_reserved_connections": "3", "password_encryption": "scram-sha-256",
}  # fmt: skip
SEEN = PostgresSeen(
    mode="verify-full",
    scram=True,
    server=SERVER,
    role={"rolsuper": False, "rolconnlimit": -1, "verifier": "not readable"},
    encryption=Encryption(True, "TLSv1.3", verified=True),
    wrong=REFUSED,
    plain=REFUSED,
)
GOOD = PostgresFacts(
    "shop",
    Keys("bytebot-db-secret"),
    target=Target("db.shop", 5432, "shop", "x", "shop"),
    side="controller",
    seen=SEEN,
    released=True,
    asked=(Asked("verify-full", "DATABASE_SSL_MODE of Deployment api"),),
    pools=(Pool("api", 5, 4, "input"),),
)
POOLER = Target("pooler.shop", 6432, "statistics", "x", "pgbouncer")
CONSOLE = PoolerSeen(
    databases=(
        {"name": "shop", "pool_size": "15", "reserve_pool": "5", "max_connections": "25"},
        {"name": "pgbouncer", "pool_size": "2"},
    ),
    pools=({"database": "shop", "user": "shop", "cl_waiting": "0", "maxwait": "0"},),
    settings={"max_client_conn": "200", "default_pool_size": "15", "reserve_pool_size": "5"},
)
POOLED = replace(GOOD, pooler_target=POOLER, pooler=CONSOLE)


def verdicts(facts: PostgresFacts) -> dict[str, Verdict]:
    return {one.control: one.verdict for one in CHECKS.judge(facts)}


def states(facts: PostgresFacts) -> dict[str, str]:
    return {control: str(one.state) for control, one in verdicts(facts).items()}


def seen(**changes: Any) -> PostgresFacts:
    return replace(GOOD, seen=replace(SEEN, **changes))


def serving(**changes: Any) -> PostgresFacts:
    return seen(server={**SERVER, **changes})


def test_a_server_as_it_should_be_is_green() -> None:
    assert states(GOOD) == dict.fromkeys(EVERY, "pass")
    assert states(POOLED) == dict.fromkeys(EVERY, "pass")


@pytest.mark.parametrize(
    ("facts", "red", "said"),
    [
        (serving(server_version="13.9", server_version_num="130009"), VERSION, "14 or newer is wanted"),
        (serving(in_recovery=True), VERSION, "in recovery"),
        (serving(read_only="on"), VERSION, "begins each transaction read-only"),
        (seen(wrong=Attempt("accepted", "")), CREDENTIALS, "trust"),
        (seen(used_password=False, scram=False), CREDENTIALS, "trust"),
        (seen(scram=False), CREDENTIALS, "without SCRAM"),
        (seen(role={"rolsuper": True}), CREDENTIALS, "is superuser"),
        (seen(role={"rolcreaterole": True}), CREDENTIALS, "may make roles"),
        (seen(role={"rolbypassrls": True}), CREDENTIALS, "bypasses row security"),
        (seen(role={"member_of": ("rds_superuser",)}), CREDENTIALS, "is a member of rds_superuser"),
        (seen(role={"verifier": "MD5"}), CREDENTIALS, "MD5"),
        (serving(password_encryption="md5"), CREDENTIALS, "MD5"),
        (replace(GOOD, password_flaw="is the user's name"), CREDENTIALS, "is the user's name"),
        (replace(GOOD, pools=(Pool("api", 20, 10),)), POOLING, "may open 200 connections (api 20 x 10)"),
        (serving(max_connections="20"), POOLING, "has 12 for them"),
        (serving(reserved_connections="40"), POOLING, "has 12 for them"),
        (serving(connections_of_others=40), POOLING, "has 17 for them (max_connections 60, less reserves and 40 of"),
        (seen(role={"rolconnlimit": 7}), POOLING, "the role may have 7"),
        (seen(plain=Attempt("accepted", "it asked")), TLS, "without TLS is not refused"),
        (seen(encryption=Encryption(False), plain=Attempt("accepted", "none")), TLS, "offers no TLS"),
        (seen(encryption=Encryption(True, "TLSv1.3", why="expired: it has")), TLS, "does not verify (expired"),
        (seen(encryption=Encryption(True, "TLSv1.3", verified=True, old=("TLSv1.0",))), TLS, "accepts TLSv1.0"),
        (replace(GOOD, asked=(Asked("require", "X"),)), TLS, "X asks for sslmode require"),
        (replace(GOOD, asked=(*GOOD.asked, Asked("disable", "Y"))), TLS, "Y asks for sslmode disable"),
        (replace(GOOD, asked=(Asked("verify_full", "X"),)), TLS, "verify_full"),
        (replace(POOLED, pooler=replace(CONSOLE, cause="no")), POOLING, "console"),
        (replace(POOLED, pooler=None, pooler_no_way=SignIn("refused", "nothing listens")), POOLING, "not reached"),
        (replace(POOLED, wanted=PostgresWanted(instances=3)), POOLING, "may open 60 connections"),
        (replace(POOLED, pools=(Pool("api", 50, 5),)), POOLING, "it takes 200 clients"),
        (
            replace(POOLED, pooler=replace(CONSOLE, pools=({"database": "shop", "cl_waiting": "3", "maxwait": "9"},))),
            POOLING,
            "3 clients of shop wait, the first for 9 s",
        ),
        (replace(GOOD, pooler_target=Target(problems=("host is empty",))), POOLING, "host is empty"),
    ],
)
def test_each_trap_turns_red_its_control_and_no_other(facts: PostgresFacts, red: str, said: str) -> None:
    found = verdicts(facts)
    assert {control for control, one in found.items() if one.state != "pass"} == {red}
    assert found[red].state == "fail"
    assert said in found[red].summary
    assert found[red].remedy


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        # nothing listens: the version says so, and what rests on it waits
        (
            replace(GOOD, seen=None, no_way=SignIn("refused", "nothing listens there", "Start it.")),
            {VERSION: "fail", CREDENTIALS: "pending", POOLING: "pending", TLS: "pending"},
        ),
        # and a sslmode that is too weak is certain without any server
        (
            replace(GOOD, seen=None, no_way=SignIn("refused", "x"), asked=(Asked("disable", "X"),)),
            {VERSION: "fail", CREDENTIALS: "pending", POOLING: "pending", TLS: "fail"},
        ),
        (replace(GOOD, seen=None, no_way=SignIn("blocked", "a policy")), dict.fromkeys(EVERY, "inconclusive")),
        (replace(GOOD, seen=None, no_way=SignIn("unable", "no pod")), dict.fromkeys(EVERY, "error")),
        (replace(GOOD, seen=None, no_way=SignIn("missing", "psycopg")), dict.fromkeys(EVERY, "pending")),
        (replace(GOOD, seen=None, no_way=SignIn("unseen", "no image")), dict.fromkeys(EVERY, "pending")),
        (replace(GOOD, secret_problem="Secret x is not there.", seen=None), dict.fromkeys(EVERY, "pending")),
        # a wrong password in the Secret
        (
            seen(cause="the user or the password is refused", scram=None, server={}, role={}, wrong=Attempt(),
                 plain=Attempt()),
            {VERSION: "pending", CREDENTIALS: "fail", POOLING: "pending", TLS: "pending"},
        ),
        (
            seen(cause="the server is starting or stopping", passing=True, plain=Attempt(), wrong=Attempt()),
            {VERSION: "inconclusive", CREDENTIALS: "inconclusive", POOLING: "pending", TLS: "pending"},
        ),
        (
            replace(GOOD, seen=None, target=Target(problems=("host is empty",))),
            {VERSION: "pending", CREDENTIALS: "fail", POOLING: "pending", TLS: "pending"},
        ),
        # check mode
        (
            replace(seen(wrong=Attempt(), plain=Attempt()), probing=False),
            {VERSION: "pass", CREDENTIALS: "pending", POOLING: "pass", TLS: "pending"},
        ),
        (
            seen(wrong=Attempt("unseen", "lost"), plain=Attempt("unseen", "lost")),
            {VERSION: "pass", CREDENTIALS: "inconclusive", POOLING: "pass", TLS: "inconclusive"},
        ),
        # what is not known of the release
        (replace(GOOD, pools=None), {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pending", TLS: "pass"}),
        (
            replace(GOOD, pools_problem="Not permitted to list HPAs."),
            {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pending", TLS: "pass"},
        ),
        (
            replace(GOOD, pools=(Pool("api", None, 4),)),
            {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pending", TLS: "pass"},
        ),
        (replace(GOOD, asked=()), {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pass", TLS: "pending"}),
        (
            replace(GOOD, asked_problem="Not permitted to get Secret x."),
            {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pass", TLS: "pending"},
        ),
        (replace(GOOD, asked=(), released=False), dict.fromkeys(EVERY, "pass")),
        (
            replace(POOLED, pooler_secret_problem="Secret y is not there."),
            {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pending", TLS: "pass"},
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_is_never_green(facts: PostgresFacts, wanted: dict[str, str]) -> None:
    assert states(facts) == wanted


def test_weaker_thresholds_are_told() -> None:
    found = verdicts(replace(GOOD, asked=(Asked("require", "X"),), wanted=PostgresWanted(12, "require")))
    assert (found[VERSION].state, found[VERSION].weaker) == ("pass", ("PostgreSQL 12 wanted, document 14",))
    assert found[TLS].state == "pass"
    assert "sslmode require wanted" in found[TLS].weaker[0]


small = st.integers(0, 30)


@given(st.lists(st.tuples(small, small), min_size=1, max_size=4), st.integers(0, 200), small, small)
def test_pools_are_green_exactly_where_they_fit(
    pools: list[tuple[int, int]], most: int, kept: int, reserve: int
) -> None:
    facts = replace(
        serving(max_connections=str(most), superuser_reserved_connections=str(kept)),
        pools=tuple(Pool(f"p{number}", size, replicas) for number, (size, replicas) in enumerate(pools)),
        wanted=PostgresWanted(reserve=reserve),
    )
    fits = sum(size * replicas for size, replicas in pools) + kept + reserve <= most
    assert states(facts)[POOLING] == ("pass" if fits else "fail")


@given(st.lists(st.tuples(small, small, st.integers(0, 3)), max_size=3))
def test_a_database_of_the_pooler_opens_no_more_than_its_limit(databases: list[tuple[int, int, int]]) -> None:
    rows = tuple(
        {"name": f"d{number}", "pool_size": str(size + 1), "reserve_pool": "0", "max_connections": str(limit)}
        for number, (size, limit, _users) in enumerate(databases)
    )
    pools = tuple(
        {"database": f"d{number}", "user": f"u{user}"}
        for number, (_size, _limit, users) in enumerate(databases)
        for user in range(users)
    )
    most = sum(min((size + 1) * max(users, 1), limit or 10**6) for size, limit, users in databases)
    assert server_connections(PoolerSeen(databases=rows, pools=pools)) == most
