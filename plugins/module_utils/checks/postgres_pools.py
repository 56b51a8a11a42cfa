# Judges whether all pools at their largest fit into the connections that a PostgreSQL server has.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    Pool,
    PostgresFacts,
    PostgresSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    passed,
    pending,
)

_FEWER = (
    "Lower the pool of each replica or the HPA's maximum, put a pooler (PgBouncer) between, or raise max_connections "
    "with the memory that it takes."
)
_NAME = "Set pools (name, size, replicas) or pool_size_variable, or pooler where there is one."


def largest(pools: Iterable[Pool]) -> int:
    """The connections of all pools at their largest."""
    return sum((pool.size or 0) * pool.replicas for pool in pools)


def spare(seen: PostgresSeen, reserve: int) -> int:
    """The connections that applications may have: what the server has, less what it and people keep."""
    kept = seen.number("superuser_reserved_connections") + seen.number("reserved_connections")
    return seen.number("max_connections") - kept - reserve


def judged(facts: PostgresFacts) -> Verdict:
    """The application's own pools against the server's connections."""
    seen = facts.seen or PostgresSeen()
    pools = facts.pools or ()
    evidence = facts.evidence({**told(facts, seen), "pools": [_words(one) for one in pools]})
    if gap := _gap(facts, seen):
        return pending(gap[0], gap[1], evidence)
    others = seen.number("connections_of_others")  # of other users, as where several applications share a server
    wanted, room = largest(pools), spare(seen, max(facts.wanted.reserve, others))
    sums = " + ".join(f"{one.name} {one.size} x {one.replicas}" for one in pools)
    if wanted > room:
        summary = (
            f"The pools may open {wanted} connections ({sums}), and the server at {facts.where} has {room} for "
            f"them (max_connections {seen.number('max_connections')}, less reserves"
            f"{f' and {others} of other users now' if others > facts.wanted.reserve else ''})."
        )
        return failed(summary, _FEWER, evidence)
    if limit := _role_limit(seen, wanted):
        return failed(
            f"The pools may open {wanted} connections ({sums}), and the role may have {limit}.",
            "Raise it: ALTER ROLE NAME CONNECTION LIMIT; or lower the pools.",
            evidence,
        )
    return passed(
        f"The pools open at most {wanted} connections ({sums}) of the {room} that {facts.where} has for them.", evidence
    )


def _gap(facts: PostgresFacts, seen: PostgresSeen) -> tuple[str, str] | None:
    """What is not known, and what to do."""
    unknown = [one.name for one in facts.pools or () if one.size is None]
    if not facts.pools:
        nothing = "neither the release nor an input says one"
        why = facts.pools_problem or (nothing if facts.released else "no release is deployed, and no input says one")
        return f"No pool of connections is known: {why.rstrip('.')}.", _NAME
    if unknown:
        return f"The size of the pool of {', '.join(unknown)} is not known.", _NAME
    if facts.pools_problem:
        return f"Not all pools are known: {facts.pools_problem.rstrip('.')}.", _NAME
    if seen.cause:
        return f"The server tells nothing to who is not signed in ({seen.cause}).", "Let the credentials work first."
    return None


def _role_limit(seen: PostgresSeen, wanted: int) -> int:
    limit = int(str(seen.role.get("rolconnlimit", -1)))
    return limit if 0 <= limit < wanted else 0


def _words(pool: Pool) -> str:
    size = "?" if pool.size is None else pool.size
    return f"{pool.name}: {size} of each of {pool.replicas} replicas ({pool.source or 'input'})"


def told(facts: PostgresFacts, seen: PostgresSeen) -> dict[str, object]:
    """The server's connections, for the evidence."""
    names = ("max_connections", "superuser_reserved_connections", "reserved_connections", "connections_of_others")
    return {
        **{name: seen.number(name) for name in names},
        "reserve": facts.wanted.reserve,
        "connections_now": [f"{name}: {count}" for name, count in seen.connections.items()],
    }
