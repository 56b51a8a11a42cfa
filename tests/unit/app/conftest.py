# The reference application on memory in place of PostgreSQL and Redis.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.health import Health
from bytebot_app.logs import configure
from bytebot_app.metrics import Metrics
from bytebot_app.settings import Settings

PASSWORD = "Canary-Passw0rd!"
Row = dict[str, Any]


@dataclass
class Memory:
    """Users, sessions, tasks and revocations in dictionaries; dependencies that can be made to fail."""

    users: dict[str, Row] = field(default_factory=dict)
    sessions: dict[str, Row] = field(default_factory=dict)
    kept: dict[str, Row] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)

    def add_user(self, name: str, role: str) -> None:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        row = {"id": str(uuid.uuid4()), "username": name, "passwordHash": hashed, "role": role, "isActive": True}
        self.users[row["id"]] = row

    def asks(self, name: str) -> Any:
        async def ask() -> None:
            if name in self.down:
                raise ConnectionError(name)

        return ask

    async def revoke(self, token_id: str, seconds: int) -> None:
        self.gone.add(token_id)

    async def revoked(self, token_id: str) -> bool:
        return token_id in self.gone

    async def user_by_name(self, username: str) -> Row | None:
        return next((row for row in self.users.values() if row["username"] == username), None)

    async def user(self, user_id: str) -> Row | None:
        return self.users.get(user_id)

    async def signed_in(self, user_id: str) -> None:
        self.users[user_id]["lastLoginAt"] = datetime.now(UTC)

    async def add_session(self, user_id: str, token_id: str, expires_at: datetime) -> None:
        self.sessions[token_id] = {"userId": user_id, "isRevoked": False}

    async def take_session(self, token_id: str) -> Row | None:
        found = self.sessions.get(token_id)
        if found is None or found["isRevoked"]:
            return None
        found["isRevoked"] = True
        return found

    async def revoke_sessions(self, user_id: str) -> None:
        for row in self.sessions.values():
            row["isRevoked"] = row["isRevoked"] or row["userId"] == user_id

    async def add_task(self, user_id: str, description: str, priority: str, kind: str) -> Row:
        now = datetime.now(UTC).replace(tzinfo=None)
        row = {"id": str(uuid.uuid4()), "description": description, "priority": priority, "type": kind}
        row |= {"status": "PENDING", "control": "ASSISTANT", "createdBy": user_id, "createdAt": now, "updatedAt": now}
        self.kept[row["id"]] = row
        return row

    async def tasks(self, user_id: str | None, page: int, limit: int, status: str | None) -> list[Row]:
        rows = [row for row in self.kept.values() if user_id in (None, row["createdBy"])]
        return [row for row in rows if status in (None, row["status"])][(page - 1) * limit : page * limit]

    async def task(self, task_id: str) -> Row | None:
        if "store" in self.down:
            raise RuntimeError("SELECT secret FROM broken")
        return self.kept.get(task_id)

    async def change_task(self, task_id: str, changes: Row) -> Row | None:
        self.kept[task_id].update(changes)
        return self.kept[task_id]

    async def remove_task(self, task_id: str) -> bool:
        return self.kept.pop(task_id, None) is not None


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jwt")
    for kind in ("access", "refresh"):
        key = rsa.generate_private_key(65537, 2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (folder / f"{kind}-token-private-key").write_bytes(private)
        (folder / f"{kind}-token-public-key").write_bytes(public)
    return folder


@pytest.fixture
def settings(keys: Path) -> Settings:
    return Settings(jwt_keys_dir=keys, bcrypt_rounds=4, body_parser_limit=2048, enable_swagger=True)


@pytest.fixture
def memory() -> Memory:
    made = Memory()
    for name, role in (("admin", "ADMIN"), ("operator", "OPERATOR"), ("viewer", "VIEWER"), ("other", "API_CONSUMER")):
        made.add_user(name, role)
    return made


@pytest.fixture
def client(settings: Settings, memory: Memory) -> Iterator[TestClient]:
    configure("debug", "1.0.0", "test")
    dependencies = {"database": memory.asks("database"), "redis": memory.asks("redis")}
    health = Health("1.0.0", dependencies, memory.asks("migrations"))
    app = create_app(settings, Parts(memory, memory, health, Metrics(), lambda: None))
    with TestClient(app, base_url="https://testserver", raise_server_exceptions=False) as made:
        yield made


def sign_in(client: TestClient, name: str) -> dict[str, str]:
    """Headers of a signed-in user."""
    answer = client.post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
