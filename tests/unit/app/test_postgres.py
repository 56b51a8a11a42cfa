# What the stores ask of PostgreSQL, asked of a real one: migrations, accounts, sessions, lock-out, the daily clean-up.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bytebot_app import migrate as migrations
from bytebot_app import passwords
from bytebot_app.accounts import KEPT_PASSWORDS, Row
from bytebot_app.database import Database
from bytebot_app.migrate import migrate, missing
from bytebot_app.sessions import Client, Lease, digest
from bytebot_app.settings import Settings
from bytebot_app.store import PostgresStore
from tests.unit.real_servers import postgres

PASSWORD = "Correct-Horse-42"
Ask = Callable[[Callable[[PostgresStore], Awaitable[Any]]], Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("ca")) as started:
        yield started.url


@pytest.fixture
def settings(server: str) -> Iterator[Settings]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    made = {f"bootstrap_{role}_username": f"{role}@bytebot.test" for role in ("admin", "viewer")}
    made |= {f"bootstrap_{role}_password": PASSWORD for role in ("admin", "viewer")}
    yield Settings(
        node_env="test",
        database_url=server.replace("/postgres?", f"/{name}?"),
        bcrypt_rounds=4,
        **made,
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def ask(settings: Settings) -> Ask:
    """Run a question against the migrated database."""
    migrate(settings)

    def asked(question: Callable[[PostgresStore], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            database = Database(settings)
            await database.open()
            try:
                return await question(PostgresStore(database))
            finally:
                await database.close()

        return asyncio.run(run())

    return asked


def sql(settings: Settings, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def user(name: str, **more: Any) -> Row:
    made = {"username": name, "email": name, "firstName": None, "lastName": None, "passwordHash": "hash"}
    return {**made, "roles": ["OPERATOR"], "teamIds": [], **more}


def lease(token: str = "token", days: float = 1) -> Lease:
    return Lease(token, datetime.now(UTC) + timedelta(days=days), Client("10.0.0.1", "a browser"))


def test_migrations_are_complete_and_can_be_run_again(settings: Settings, ask: Ask) -> None:
    migrate(settings)
    assert ask(lambda store: missing(store._db)) == set()


def test_what_an_older_version_left_is_taken_over(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = migrations.available()
    monkeypatch.setattr(migrations, "available", lambda: everything[:2])
    monkeypatch.setattr(migrations, "bootstrap", lambda *_given: None)
    migrate(settings)
    sql(
        settings,
        "INSERT INTO users (id, email, username, \"passwordHash\", role) VALUES ('1', 'a', 'a', 'h', 'VIEWER')",
    )
    sql(
        settings,
        'INSERT INTO user_sessions (id, "userId", "refreshToken", "expiresAt")'
        " VALUES ('s', '1', 'token', now() + interval '1 day')",
    )
    monkeypatch.setattr(migrations, "available", lambda: everything)
    migrate(settings)
    assert sql(settings, "SELECT roles FROM users") == [(["VIEWER"],)]
    assert sql(settings, 'SELECT "passwordHash" FROM password_history') == [("h",)]
    assert sql(settings, 'SELECT "refreshToken" FROM user_sessions') == [(digest("token"),)]


def test_the_bootstrap_accounts_share_a_team_and_are_made_once(settings: Settings, ask: Ask) -> None:
    viewer = ask(lambda store: store.user_by_name("viewer@bytebot.test"))
    assert (viewer["role"], viewer["roles"], viewer["teamIds"]) == ("VIEWER", ["VIEWER"], ["bytebot"])
    assert passwords.matches(PASSWORD, viewer["passwordHash"])
    changed = settings.model_copy(update={"bootstrap_admin_username": "another-admin@bytebot.test"})
    migrate(changed)
    found = sql(settings, "SELECT username FROM users ORDER BY 1")
    assert found == [("admin@bytebot.test",), ("viewer@bytebot.test",)]


def test_a_name_is_taken_once(ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a@bytebot.test", teamIds=["red"])))
    assert (made["roles"], made["role"], made["teamIds"]) == (["OPERATOR"], "OPERATOR", ["red"])
    assert ask(lambda store: store.add_user(user("a@bytebot.test"))) is None
    assert ask(lambda store: store.add_user(user("b@bytebot.test", email="a@bytebot.test"))) is None


def test_removing_a_user_removes_what_is_the_users(settings: Settings, ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a@bytebot.test")))
    ask(lambda store: store.add_session("s", made["id"], lease()))
    assert ask(lambda store: store.remove_user(made["id"]))
    assert not ask(lambda store: store.remove_user(made["id"]))
    assert sql(settings, "SELECT 1 FROM user_sessions") == []
    assert sql(settings, 'SELECT 1 FROM password_history WHERE "userId" = %s', made["id"]) == []


def test_the_last_passwords_are_kept_and_older_ones_go(settings: Settings, ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a@bytebot.test")))["id"]
    known = "hash"
    for number in range(KEPT_PASSWORDS + 3):
        assert ask(lambda store, known=known, number=number: store.set_password(made, known, f"hash-{number}"))
        known = f"hash-{number}"
    assert not ask(lambda store: store.set_password(made, "hash", "lost"))
    last = [f"hash-{number}" for number in reversed(range(KEPT_PASSWORDS + 3))]
    assert ask(lambda store: store.passwords_before(made, 12)) == last[:12]
    [(kept,)] = sql(settings, 'SELECT count(*) FROM password_history WHERE "userId" = %s', made)
    assert kept == KEPT_PASSWORDS


def test_roles_of_ones_own(ask: Ask) -> None:
    assert ask(lambda store: store.add_role("AUDITOR", "reads", ["task:read"]))
    assert not ask(lambda store: store.add_role("AUDITOR", "again", []))
    made = ask(lambda store: store.add_user(user("a@bytebot.test", roles=["AUDITOR", "VIEWER"])))["id"]
    assert ask(lambda store: store.members()) == {"ADMIN": 1, "VIEWER": 2, "AUDITOR": 1}
    assert ask(lambda store: store.granted(["AUDITOR"], made)) == [{"role": "AUDITOR", "permission": "task:read"}]
    assert ask(lambda store: store.remove_role("AUDITOR")) == [made]
    assert ask(lambda store: store.remove_role("AUDITOR")) is None
    left = ask(lambda store: store.user(made))
    assert (left["role"], left["roles"]) == ("VIEWER", ["VIEWER"])
    assert ask(lambda store: store.granted(["AUDITOR"], made)) == []
    assert ask(lambda store: store.set_roles(made, []))["role"] is None


def test_a_grant_can_be_one_users_alone(settings: Settings, ask: Ask) -> None:
    made = [ask(lambda store, name=name: store.add_user(user(name)))["id"] for name in ("a", "b")]
    sql(settings, "INSERT INTO role_permissions VALUES ('1', %s, 'OPERATOR', 'system:monitor')", made[0])
    assert ask(lambda store: store.granted(["OPERATOR"], made[0])) != []
    assert ask(lambda store: store.granted(["OPERATOR"], made[1])) == []


def test_a_session_keeps_a_hash_and_where_it_came_from(settings: Settings, ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a")))["id"]
    ask(lambda store: store.add_session("s", made, lease("first")))
    columns = 'SELECT "refreshToken", "ipAddress", "userAgent" FROM user_sessions'
    assert sql(settings, columns) == [(digest("first"), "10.0.0.1", "a browser")]


def test_of_two_uses_of_a_refresh_token_one_wins(ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a")))["id"]
    ask(lambda store: store.add_session("s", made, lease("first")))

    async def both(store: PostgresStore) -> list[bool]:
        return await asyncio.gather(*(store.rotate_session("s", "first", lease(f"next-{n}")) for n in range(4)))

    assert sorted(ask(both)) == [False, False, False, True]


def test_all_sessions_of_a_user_end_but_one(ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a")))["id"]
    for name in ("here", "there", "elsewhere"):
        ask(lambda store, name=name: store.add_session(name, made, lease(name)))
    assert set(ask(lambda store: store.end_sessions(made, "here"))) == {"there", "elsewhere"}
    assert ask(lambda store: store.session_lives("here"))
    assert not ask(lambda store: store.session_lives("there"))
    assert ask(lambda store: store.live_sessions()) == 1


def test_the_oldest_sessions_above_a_number_end(settings: Settings, ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a")))["id"]
    for age, name in enumerate(("newest", "newer", "older", "oldest")):
        ask(lambda store, name=name: store.add_session(name, made, lease(name)))
        moved = 'UPDATE user_sessions SET "createdAt" = now() - make_interval(hours => %s) WHERE id = %s'
        sql(settings, moved, age, name)
    assert set(ask(lambda store: store.end_surplus(made, 2))) == {"older", "oldest"}
    assert ask(lambda store: store.end_surplus(made, 2)) == []
    assert ask(lambda store: store.live_sessions()) == 2


def test_failures_are_counted_until_they_are_too_old(settings: Settings, ask: Ask) -> None:
    counted = [ask(lambda store: store.failed("a", 5, 900)) for _ in range(5)]
    assert counted == [1, 2, 3, 4, 5]
    assert ask(lambda store: store.failures("a", 900)) == 5
    assert ask(lambda store: store.failures("b", 900)) == 0
    sql(settings, "UPDATE login_failures SET \"lastAt\" = now() - interval '899 seconds'")
    assert ask(lambda store: store.failed("a", 5, 900)) == 6
    sql(settings, 'UPDATE login_failures SET "lastAt" = "lastAt" - interval \'2 seconds\'')
    assert ask(lambda store: store.failures("a", 900)) == 0, "a try while it was locked has made the lock longer"
    assert ask(lambda store: store.failed("a", 5, 900)) == 1
    ask(lambda store: store.forgive("a"))
    assert ask(lambda store: store.failures("a", 900)) == 0


def test_no_failure_at_the_same_time_is_lost(ask: Ask) -> None:
    async def many(store: PostgresStore) -> list[int]:
        return await asyncio.gather(*(store.failed("a", 100, 900) for _ in range(20)))

    assert sorted(ask(many)) == list(range(1, 21))


def test_the_clean_up_is_done_once_whoever_asks(settings: Settings, ask: Ask) -> None:
    made = ask(lambda store: store.add_user(user("a")))["id"]
    for name, days in (("old", -1), ("older", -2), ("new", 1)):
        ask(lambda store, name=name, days=days: store.add_session(name, made, lease(name, days)))
    for name in ("forgotten", "locked"):
        ask(lambda store, name=name: store.failed(name, 5, 900))
    sql(
        settings,
        'UPDATE login_failures SET "lastAt" = now() - interval \'1 hour\' WHERE "nameHash" = %s',
        digest("forgotten"),
    )

    async def replicas(store: PostgresStore) -> list[int | None]:
        return await asyncio.gather(*(store.clean(86400, 900) for _ in range(4)))

    assert sorted(ask(replicas), key=str) == [2, None, None, None]
    assert sql(settings, "SELECT id FROM user_sessions") == [("new",)]
    assert sql(settings, 'SELECT "nameHash" FROM login_failures') == [(digest("locked"),)]
    sql(settings, "UPDATE daily_jobs SET \"lastRunAt\" = now() - interval '1 day'")
    assert ask(lambda store: store.clean(86400, 900)) == 0


def test_lists_have_ones_own_and_the_teams_tasks(ask: Ask) -> None:
    people = [ask(lambda store, name=name: store.add_user(user(name)))["id"] for name in ("a", "b")]
    empty = {"description": "d", "priority": "LOW", "type": "IMMEDIATE", "model": None, "scheduledFor": None}
    for person, team in ((0, None), (1, None), (1, "red"), (1, "blue")):
        task = {**empty, "createdBy": people[person], "teamId": team}
        ask(lambda store, task=task: store.add_task(task))

    def teams(user_id: str | None, *mine: str) -> list[str | None]:
        found = ask(lambda store: store.tasks(user_id, 1, 50, None, mine))
        return sorted((task["teamId"] for task in found), key=str)

    assert teams(people[0]) == [None]
    assert teams(people[0], "red") == [None, "red"]
    assert teams(people[1]) == [None, "blue", "red"]
    assert len(teams(None)) == 4
