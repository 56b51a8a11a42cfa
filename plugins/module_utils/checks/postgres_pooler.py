# Judges PgBouncer: it answers, opens no more connections than the server has, and makes no client wait.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    PoolerSeen,
    PostgresFacts,
    PostgresSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_pools import largest, spare, told
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import SignIn, some
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_login import unsaid
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

ADMIN = "pgbouncer"  # the console's own database, which leads to no server
_FEWER = (
    "Lower the pool of each replica or the HPA's maximum, put a pooler (PgBouncer) between, or raise max_connections "
    "with the memory that it takes."
)
_POOLER = "Start the pooler, and let its user be among admin_users or stats_users."
_WAITING = "Look for transactions that stay open, and raise default_pool_size where the server has connections left."


def judged(facts: PostgresFacts) -> Verdict | None:
    """What the pooler says; None where none is named."""
    target = facts.pooler_target
    if facts.pooler_secret_problem:
        return pending(
            facts.pooler_secret_problem,
            "Name the Secret of the pooler's console in pooler.secret, and let this account get it.",
            facts.evidence({"pooler": facts.pooler_secret_problem}),
        )
    if target and target.problems:
        problems = list(target.problems)
        return failed(f"The pooler's Secret: {some(problems)}.", _POOLER, facts.evidence({"wrong": problems}))
    if facts.pooler_no_way:
        return _no_way(facts, facts.pooler_no_way)
    return _by_console(facts, facts.pooler) if facts.pooler else None


def _no_way(facts: PostgresFacts, found: SignIn) -> Verdict:
    evidence, where = facts.evidence({"pooler": found.cause}), f"The pooler at {_where(facts)}"
    if found.state == "refused":
        return failed(f"{where} was not reached: {found.cause}.", _POOLER, evidence)
    if found.state == "unseen":
        return pending(f"{where} was not reached: {found.cause}.", found.remedy, evidence)
    return unsaid(found, where, evidence)


def _where(facts: PostgresFacts) -> str:
    return f"{facts.pooler_target.host}:{facts.pooler_target.port}" if facts.pooler_target else "(nowhere)"


def _by_console(facts: PostgresFacts, pooler: PoolerSeen) -> Verdict:
    seen = facts.seen or PostgresSeen(cause=facts.no_way.cause if facts.no_way else "the server was not asked")
    evidence = facts.evidence(
        {
            **told(facts, seen),
            "pooler": _where(facts),
            "databases": [_database_words(one) for one in pooler.databases if one.get("name") != ADMIN],
            "pools": [_pool_words(one) for one in pooler.pools if one.get("database") != ADMIN],
            "settings": {name: pooler.settings.get(name, "") for name in _SETTINGS},
            "instances": facts.wanted.instances,
        }
    )
    if pooler.cause:
        say = inconclusive if pooler.passing else failed
        return say(f"The pooler's console at {_where(facts)} is not to be had: {pooler.cause}.", _POOLER, evidence)
    problems = [(text, _FEWER) for text in _clients(facts, pooler)] + [(text, _WAITING) for text in _stuck(pooler)]
    most = server_connections(pooler) * facts.wanted.instances
    room = spare(seen, facts.wanted.reserve)
    if not seen.cause and most > room:
        problems.insert(0, (f"it may open {most} connections, and the server has {room} for it", _FEWER))
    if problems:
        remedies = " ".join(dict.fromkeys(remedy for _text, remedy in problems))
        return failed(
            f"The pooler at {_where(facts)}: {some([text for text, _remedy in problems])}.", remedies, evidence
        )
    if seen.cause:
        return pending(
            f"The pooler answers; how many connections the server has is not known: {seen.cause}.",
            "Let the credentials of the server work first.",
            evidence,
        )
    return passed(
        f"The pooler at {_where(facts)} opens at most {most} connections of the {room} that the server has "
        "for it, and no client waits.",
        evidence,
    )


_SETTINGS = ("pool_mode", "max_client_conn", "default_pool_size", "reserve_pool_size", "max_db_connections",
             "max_user_connections")  # fmt: skip


def _number(row: Mapping[str, str], name: str) -> int:
    text = row.get(name, "")
    return int(text) if text.isdigit() else 0


def server_connections(pooler: PoolerSeen) -> int:
    """The most connections to servers: of each database its pools (one of each user) and reserve, or its own limit."""
    whole = 0
    for database in pooler.databases:
        name = database.get("name", "")
        if name == ADMIN:
            continue
        users = len({row.get("user") for row in pooler.pools if row.get("database") == name}) or 1
        size = _number(database, "pool_size") or _number(pooler.settings, "default_pool_size")
        reserve = _number(database, "reserve_pool") or _number(database, "reserve_pool_size")
        limit = _number(database, "max_connections") or _number(pooler.settings, "max_db_connections")
        most = users * (size + (reserve or _number(pooler.settings, "reserve_pool_size")))
        whole += min(most, limit) if limit else most
    return whole


def _clients(facts: PostgresFacts, pooler: PoolerSeen) -> list[str]:
    """Where the application's own pools hold more connections than the pooler takes."""
    most = _number(pooler.settings, "max_client_conn") * facts.wanted.instances
    wanted = largest(facts.pools or ())
    return [f"it takes {most} clients, and the application may be {wanted}"] if most and wanted > most else []


def _stuck(pooler: PoolerSeen) -> list[str]:
    """Pools in which clients wait since all of their connections are taken."""
    return [
        f"{_number(row, 'cl_waiting')} clients of {row.get('database')} wait, the first for {_number(row, 'maxwait')} s"
        for row in pooler.pools
        if _number(row, "cl_waiting") and _number(row, "maxwait")
    ]


def _database_words(row: Mapping[str, str]) -> str:
    told = ("pool_size", "reserve_pool", "reserve_pool_size", "max_connections", "current_connections")
    return f"{row.get('name')}: " + ", ".join(f"{name} {row[name]}" for name in told if name in row)


def _pool_words(row: Mapping[str, str]) -> str:
    told = ("cl_active", "cl_waiting", "sv_active", "sv_idle", "maxwait", "pool_mode")
    head = f"{row.get('database')}/{row.get('user')}: "
    return head + ", ".join(f"{name} {row[name]}" for name in told if name in row)
