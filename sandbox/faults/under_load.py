# Faults that show under load: too little memory, a limit on requests, and a database that is locked, full or unindexed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from sandbox.faults.app_visit import MARK
from sandbox.faults.database import ask_postgres
from sandbox.faults.fault import API, Act, Fault, Hands
from sandbox.faults.keeping import Object, changed, ready, restored, steps

LATENCY, CONCURRENCY, RESOURCES, LEAK, DATABASE = (
    f"performance_testing.load.{item}" for item in ("latency", "concurrency", "resources", "leak", "database")
)
# The API uses some 70 MiB when nobody asks: more than four fifths of the first, and the second is full soon.
TIGHT, SOON_FULL = "84Mi", "92Mi"
FEW = "50"  # requests of a user in a minute, where the document has 100
ROWS, HELD = 20_000, 33
NAME = "bytebot-fault"  # by which the sessions of these faults are known
LOCK = 20_261_130
MARKED = "made by a fault"
INDEXES = {
    "task_created_by": 'CREATE INDEX task_created_by ON "Task" ("createdBy", "createdAt")',
    "task_team": 'CREATE INDEX task_team ON "Task" ("teamId", "createdAt") WHERE "teamId" IS NOT NULL',
    "task_waiting": (
        "CREATE INDEX task_waiting ON \"Task\" (status, \"queuedAt\") WHERE status IN ('PENDING', 'RUNNING')"
    ),
}


# ---------------------------------------------------------------------------- the API's container


def _api(change: Callable[[Object], object]) -> Act:
    return changed(API, lambda found: change(found["spec"]["template"]["spec"]["containers"][0]), ready(API))


def _memory(limit: str, **env: str) -> Callable[[Object], None]:
    def change(container: Object) -> None:
        given = container["resources"]
        given["limits"] = {**given["limits"], "memory": limit}
        given["requests"] = {**given["requests"], "memory": limit}
        _env(**env)(container)

    return change


def _env(**env: str) -> Callable[[Object], None]:
    def change(container: Object) -> None:
        kept = [one for one in container.get("env") or [] if one["name"] not in env]
        container["env"] = kept + [{"name": name, "value": value} for name, value in env.items()]

    return change


def _limited_to(memory: str) -> Callable[[Hands], bool]:
    """As the kubelet tells of the containers that run."""

    def seen(hands: Hands) -> bool:
        found = hands.cluster.get(API)
        pods = hands.cluster.pods_of(found) if found else []
        told = [one for pod in pods for one in pod["status"].get("containerStatuses", [])]
        limits = [one.get("resources", {}).get("limits", {}).get("memory") for one in told]
        return bool(limits) and all(one == memory for one in limits)

    return seen


def _runs_with(name: str, value: str) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        found = hands.cluster.get(API)
        pods = hands.cluster.pods_of(found) if found else []
        given = [
            {one["name"]: one.get("value") for one in pod["spec"]["containers"][0].get("env") or []} for pod in pods
        ]
        return bool(given) and all(one.get(name) == value for one in given)

    return seen


def _only_memory_counts(_: Hands) -> Mapping[str, Any]:
    """What fails while a killed container starts anew depends on the moment, and is not what this is about."""
    return {"performance_testing_controls": [RESOURCES, LEAK]}


# ---------------------------------------------------------------------------- the database


def _psql(hands: Hands, *statements: str) -> None:
    command = ["psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-h", "/run/postgresql", "-U", "postgres"]
    words = [word for one in statements for word in ("-c", one)]
    hands.exec("database", "postgres-0", "postgres", [*command, "-d", hands.settings.database, *words])


def _sessions(hands: Hands, statement: str, number: int = 1) -> None:
    """Sessions in the server's pod that run a statement until they are ended."""
    one = f"PGAPPNAME={NAME} nohup psql --no-psqlrc -h /run/postgresql -U postgres -d {hands.settings.database}"
    script = f"for turn in $(seq {number}); do {one} -c '{statement}' >/dev/null 2>&1 & done"
    hands.exec("database", "postgres-0", "postgres", ["sh", "-c", script])


def _end_sessions(hands: Hands) -> None:
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{NAME}'"
    _psql(hands, ended)


def _lock(hands: Hands) -> None:
    """One session has it, and the next ones wait for it."""
    _sessions(hands, f"SELECT pg_advisory_lock({LOCK}), pg_sleep(36000)", 3)


def _hold(hands: Hands) -> None:
    _sessions(hands, "SELECT pg_sleep(36000)", HELD)


def _fill(hands: Hands) -> None:
    _psql(
        hands,
        'INSERT INTO "Task" (id, description, status, "createdBy", "completedAt")'
        f" SELECT gen_random_uuid()::text, '{MARKED}', 'COMPLETED', (SELECT min(id) FROM users), now()"
        f" FROM generate_series(1, {ROWS})",
        *(f"DROP INDEX IF EXISTS {name}" for name in INDEXES),
        'ANALYZE "Task"',
    )


def _empty(hands: Hands) -> None:
    """The rows go first; an index is made by its owner, who owns the table."""
    _psql(hands, f"DELETE FROM \"Task\" WHERE description = '{MARKED}'")
    for name, statement in INDEXES.items():
        made = statement.replace(f"CREATE INDEX {name}", f"CREATE INDEX IF NOT EXISTS {name}")
        _psql(hands, f"SET ROLE {hands.settings.database_user}", made)
    _psql(hands, 'VACUUM (FULL, ANALYZE) "Task"')


def _counts(statement: str, holds: Callable[[int], bool]) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        try:
            return holds(int(ask_postgres(hands, statement)))
        except psycopg.Error:
            return False

    return seen


_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
_OURS = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}'"
_INDEXED = f"SELECT count(*) FROM pg_indexes WHERE indexname IN ({', '.join(repr(one) for one in INDEXES)})"

FAULTS = (
    Fault(
        name="memory_limit_tight", says="the API's memory limit is hardly more than its use", layer="values",
        turns_red=(RESOURCES,),
        put=_api(_memory(TIGHT)), heal=restored(API, then=ready(API)), seen=_limited_to(TIGHT),
    ),
    Fault(
        name="killed_for_memory_under_load", says="each request keeps 64 KiB, until the kernel ends the process",
        layer="values", turns_red=(RESOURCES, LEAK),
        put=_api(_memory(SOON_FULL, **{MARK: "memory_leak"})), heal=restored(API, then=ready(API)),
        seen=_limited_to(SOON_FULL), variables=_only_memory_counts,
    ),
    Fault(
        name="request_limit_lowered", says="a user may send half of the documented requests", layer="values",
        turns_red=(LATENCY, CONCURRENCY),
        put=_api(_env(API_RATE_LIMIT_MAX_REQUESTS=FEW)), heal=restored(API, then=ready(API)),
        seen=_runs_with("API_RATE_LIMIT_MAX_REQUESTS", FEW),
    ),
    Fault(
        name="index_missing", says="the table of tasks is large and has no index but its key", layer="database",
        turns_red=(DATABASE,), put=steps(_empty, _fill), heal=_empty, seen=_counts(_INDEXED, lambda found: not found),
    ),
    Fault(
        name="lock_held", says="a session holds a lock in the database that others wait for", layer="database",
        turns_red=(DATABASE,), put=steps(_end_sessions, _lock), heal=_end_sessions,
        seen=_counts(_WAITING, lambda found: found > 0),
    ),
    Fault(
        name="pool_exhausted", says="forgotten sessions hold most of the database's connections", layer="database",
        turns_red=(DATABASE,), put=steps(_end_sessions, _hold), heal=_end_sessions,
        seen=_counts(_OURS, lambda found: found >= HELD),
    ),
)  # fmt: skip
