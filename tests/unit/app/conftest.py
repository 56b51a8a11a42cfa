# An application in memory and a client for it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bytebot_app import faults
from bytebot_app.api import Parts, create_app
from bytebot_app.health import Health
from bytebot_app.limits import LocalWindows
from bytebot_app.logs import configure
from bytebot_app.settings import Settings
from bytebot_app.tokens import Keys, Pair
from bytebot_app.workplace import Workplace

from .memory import LIMITS, ORIGIN, PASSWORD, Clock, Dependencies, FixedPool, MemoryMarks, MemoryStore
from .work_memory import MemoryComputer, MemoryJobs, MemoryWork

Headers = dict[str, str]
RATES = ("api_rate_limit_max_requests", "auth_rate_limit_max_requests", "task_rate_limit_max_requests")


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(Pair.throwaway(), Pair.throwaway())


@pytest.fixture
def settings() -> Settings:
    return Settings(
        bcrypt_rounds=4,
        api_cors_origins=ORIGIN,
        body_parser_limit=4096,
        enable_swagger=True,
        **dict.fromkeys(RATES, 10000),  # tests of the limits set their own
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def marks() -> MemoryMarks:
    return MemoryMarks()


@pytest.fixture
def dependencies() -> Dependencies:
    return Dependencies()


@pytest.fixture
def place(store: MemoryStore) -> Workplace:
    return Workplace(MemoryWork(store), MemoryJobs(), MemoryComputer())


@pytest.fixture
def parts(store: MemoryStore, marks: MemoryMarks, dependencies: Dependencies, keys: Keys, place: Workplace) -> Parts:
    ask = dependencies.ask
    health = Health("1.2.3", ask("database"), ask("redis"), ask("migrated"), patience=0.2)
    return Parts(store, marks, FixedPool(), health, keys, workplace=place)


@pytest.fixture
def app(settings: Settings, parts: Parts) -> FastAPI:
    made = create_app(settings, parts)

    @made.get("/api/broken", include_in_schema=False)
    async def broken() -> None:
        raise RuntimeError("SELECT secret FROM inside")

    return made


@pytest.fixture
def plain_logging() -> Iterator[None]:
    """What is done to the root logger is undone."""
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before


@pytest.fixture
def written(plain_logging: None) -> None:
    """Lines are written as the application writes them."""
    configure("debug", "1.2.3", "test")
    for name in ("httpx", "asyncio"):  # the client's own lines are not the application's
        logging.getLogger(name).setLevel(logging.WARNING)


@pytest.fixture
def client(app: FastAPI, written: None) -> Iterator[TestClient]:
    with TestClient(app, base_url="https://api.bytebot.test") as made:
        yield made


@pytest.fixture
def sign_in(client: TestClient) -> Callable[..., dict[str, Any]]:
    def signed_in(name: str = "operator") -> dict[str, Any]:
        answer = client.post("/api/v1/auth/login", json={"username": f"{name}@bytebot.test", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.cookies.clear()
        body: dict[str, Any] = answer.json()
        return body

    return signed_in


@pytest.fixture
def as_user(sign_in: Callable[..., dict[str, Any]]) -> Callable[..., Headers]:
    return lambda name="operator": {"Authorization": f"Bearer {sign_in(name)['access_token']}"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(
    settings: Settings, parts: Parts, clock: Clock, written: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TestClient]:
    """Applications with a fault in them, which share their counts."""
    shared = LocalWindows(clock)

    def client(fault: str, address: str = "203.0.113.7", limited: bool = False, **changes: Any) -> TestClient:
        monkeypatch.setenv(faults.MARK, fault)
        wanted = settings.model_copy(update={**(LIMITS if limited else {}), "enable_swagger": False, **changes})
        app = create_app(wanted, replace(parts, windows=shared))

        @app.get("/api/broken")
        async def broken() -> None:
            raise RuntimeError

        return TestClient(app, base_url="https://api.bytebot.test", client=(address, 50000))

    return client
