# Limits: who is counted, what an answer says of them, and what is done where nobody can count.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from redis.exceptions import ConnectionError as CacheDown

from bytebot_app.addresses import limited_as
from bytebot_app.api import Parts, create_app
from bytebot_app.limits import LocalWindows
from bytebot_app.settings import Settings

from .memory import LIMITS, PASSWORD, Clock, MemoryMarks, MemoryStore
from .test_metrics import scraped, value

TASKS, LOGIN = "/api/v1/tasks", "/api/v1/auth/login"
Made = Callable[..., TestClient]


class Windows(LocalWindows):
    """What Redis keeps, seen by all replicas of a test; it can be down."""

    down = False

    async def count(self, windows: Mapping[str, int]) -> list[tuple[int, int]]:
        if self.down:
            raise CacheDown("down")
        return await super().count(windows)


@pytest.fixture
def windows(clock: Clock) -> Windows:
    return Windows(clock)


@pytest.fixture
def replica(settings: Settings, parts: Parts, windows: Windows, written: None) -> Made:
    def made(address: str = "203.0.113.7", **changes: Any) -> TestClient:
        wanted = settings.model_copy(update={**LIMITS, **changes})
        app = create_app(wanted, replace(parts, windows=windows))
        return TestClient(app, base_url="https://api.bytebot.test", client=(address, 50000))

    return made


def login(client: TestClient, name: str = "operator", password: str = PASSWORD, **headers: str) -> Any:
    body = {"username": f"{name}@bytebot.test", "password": password}
    answer = client.post(LOGIN, json=body, headers=headers)
    client.cookies.clear()
    return answer


def bearer(client: TestClient, name: str = "operator") -> dict[str, str]:
    return {"Authorization": f"Bearer {login(client, name).json()['access_token']}"}


def statuses(ask: Callable[[], Any], times: int) -> list[int]:
    return [ask().status_code for _ in range(times)]


def test_the_documented_numbers_are_the_defaults() -> None:
    settings = Settings()
    assert (settings.api_rate_limit_max_requests, settings.api_rate_limit_window) == (100, 60000)
    assert (settings.auth_rate_limit_max_requests, settings.auth_rate_limit_window) == (5, 60000)
    assert (settings.task_rate_limit_max_requests, settings.task_rate_limit_window) == (10, 60000)
    assert (settings.enable_rate_limiting, settings.rate_limit_order) == (True, "before_auth")


def test_every_limited_answer_says_where_it_stands_and_the_last_one_when_to_come_back(
    replica: Made, clock: Clock
) -> None:
    client = replica()
    signed_in = bearer(client)
    for left in range(5, -1, -1):
        answer = client.get(TASKS, headers=signed_in)
        assert answer.status_code == 200
        assert answer.headers["X-RateLimit-Limit"] == "6"
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
        assert 0 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
    clock.now += 20.5
    refused = client.get(TASKS, headers=signed_in)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["Retry-After"] == "40"
    assert refused.headers["X-Frame-Options"] == "DENY"
    clock.now += 39
    assert client.get(TASKS, headers=signed_in).status_code == 429
    clock.now += 1
    assert client.get(TASKS, headers=signed_in).status_code == 200


def test_replicas_share_their_counts(replica: Made) -> None:
    one, two = replica(), replica()
    signed_in = bearer(one)
    found = [client.get(TASKS, headers=signed_in).status_code for _ in range(4) for client in (one, two)]
    assert found == [200] * 6 + [429] * 2


def test_a_user_is_counted_and_not_the_address(replica: Made) -> None:
    client, elsewhere = replica(), replica("198.51.100.9")
    mine, other = bearer(client), bearer(client, "other")
    assert statuses(lambda: client.get(TASKS, headers=mine), 7)[-1] == 429
    assert elsewhere.get(TASKS, headers=mine).status_code == 429
    assert client.get(TASKS, headers=other).status_code == 200


def test_sign_ins_are_counted_by_address_whatever_they_say(replica: Made) -> None:
    client = replica()
    assert statuses(lambda: login(client, "viewer", "wrong"), 5) == [401] * 5
    assert login(client).status_code == 429
    assert login(replica("198.51.100.9")).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"])
def test_nobody_evades_by_a_header(replica: Made, name: str) -> None:
    client = replica()
    found = [login(client, "viewer", "wrong", **{name: f"192.0.2.{number}"}).status_code for number in range(6)]
    assert found == [401] * 5 + [429]


def test_a_trusted_proxy_tells_the_client_and_the_client_adds_nothing(replica: Made) -> None:
    proxy = replica("10.1.2.3")
    chain = [f"192.0.2.{number}, 203.0.113.7" for number in range(6)]
    found = [login(proxy, "viewer", "wrong", **{"X-Forwarded-For": said}).status_code for said in chain]
    assert found == [401] * 5 + [429]
    assert login(proxy, **{"X-Forwarded-For": "203.0.113.8"}).status_code == 200
    assert login(replica("203.0.113.7")).status_code == 429  # the same client without the proxy


def test_making_tasks_has_a_limit_of_its_own(replica: Made) -> None:
    client = replica()
    signed_in = bearer(client)
    answers = [client.post(TASKS, json={"description": "a"}, headers=signed_in) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429]
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert client.get(TASKS, headers=signed_in).status_code == 200


def test_anonymous_requests_count_before_authentication(replica: Made) -> None:
    client = replica()
    assert statuses(lambda: client.get(TASKS), 8) == [401] * 6 + [429] * 2
    assert client.get(TASKS, headers=bearer(client)).status_code == 200  # a user has a count of their own


def test_and_not_after_it(replica: Made, marks: MemoryMarks) -> None:
    client = replica(rate_limit_order="after_auth")
    assert set(statuses(lambda: client.get(TASKS), 8)) == {401}
    ended = bearer(client)
    client.post("/api/v1/auth/logout", headers=ended)
    assert set(statuses(lambda: client.get(TASKS, headers=ended), 8)) == {401}
    signed_in = bearer(client)
    assert statuses(lambda: client.get(TASKS, headers=signed_in), 7) == [200] * 5 + [429] * 2  # signing out was one
    refresh = statuses(lambda: client.post("/api/v1/auth/refresh", json={"refresh_token": "x"}), 7)
    assert refresh == [401] * 6 + [429]


def test_an_ended_token_is_no_way_around_where_both_stores_are_down(
    replica: Made, marks: MemoryMarks, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_session: str) -> bool:
        raise psycopg.OperationalError("down")

    client = replica(rate_limit_order="after_auth")
    signed_in = bearer(client)
    monkeypatch.setattr(store, "session_lives", broken)
    with marks.outage():
        assert client.get(TASKS, headers=signed_in).status_code == 503


def test_probes_are_exempt_unless_it_is_wanted_otherwise(replica: Made) -> None:
    client = replica()
    for path in ("/health/live", "/health/ready", "/metrics"):
        answers = [client.get(path) for _ in range(8)]
        assert {answer.status_code for answer in answers} == {200}
        assert "X-RateLimit-Limit" not in answers[0].headers
    strict = replica(rate_limit_exempt="/metrics")
    assert statuses(lambda: strict.get("/health/live"), 7) == [200] * 6 + [429]
    assert statuses(lambda: client.get("/healthy"), 1) == [429]  # the name's beginning alone exempts nothing


def test_a_switched_off_limiter_counts_nothing(replica: Made) -> None:
    client = replica(enable_rate_limiting=False)
    answers = [login(client, "viewer", "wrong") for _ in range(7)]
    assert {answer.status_code for answer in answers} == {401}
    assert "X-RateLimit-Limit" not in answers[0].headers


def test_without_redis_nobody_signs_in_and_the_others_pass(replica: Made, windows: Windows) -> None:
    client = replica()
    signed_in = bearer(client)
    windows.down = True
    refused = login(client)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert refused.headers["Retry-After"] == "5"
    assert set(statuses(lambda: client.get(TASKS, headers=signed_in), 8)) == {200}
    windows.down = False
    assert login(client).status_code == 503  # the breaker is open
    assert client.get(TASKS, headers=signed_in).status_code == 200


def test_what_is_refused_is_counted(replica: Made) -> None:
    client = replica()
    signed_in = bearer(client)
    statuses(lambda: client.get(f"{TASKS}/6e1a4c5e-7d0b-4f0e-9a55-0f8b2b1a7f3c", headers=signed_in), 8)
    statuses(lambda: client.get("/api/curious", headers=signed_in), 1)
    series = scraped(client)
    assert value(series, "rate_limit_exceeded_total", endpoint=f"{TASKS}/{{task_id}}") == 2
    assert value(series, "rate_limit_exceeded_total", endpoint="unmatched") == 1
    assert value(series, "security_events_total", type="RATE_LIMIT_EXCEEDED") == 3


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "unknown"),
        ("", "unknown"),
    ],
)
def test_how_an_address_is_counted(address: str, name: str) -> None:
    assert limited_as(address) == name


def test_windows_that_are_over_are_forgotten(clock: Clock, windows: Windows) -> None:
    async def fill() -> None:
        await windows.count({str(number): 1000 for number in range(10_000)})
        clock.now += 2
        await windows.count({"another": 1000})

    asyncio.run(fill())
    assert set(windows._kept) == {"another"}
