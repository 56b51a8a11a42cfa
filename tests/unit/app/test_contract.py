# The reference application keeps the documented contract: health, sign-in, tasks, errors, headers, logs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

from bytebot_app.settings import ConfigurationError, Settings, load
from tests.unit.app.conftest import PASSWORD, Memory, sign_in

TASKS, LOGIN = "/api/v1/tasks", "/api/v1/auth/login"


def test_live_does_not_depend_on_anything(client: TestClient, memory: Memory) -> None:
    memory.down |= {"database", "redis", "migrations"}
    answer = client.get("/health/live")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert {"timestamp", "uptime", "version", "pid"} <= answer.json().keys()


@pytest.mark.parametrize("down", [set(), {"database"}, {"redis"}, {"database", "redis"}])
def test_ready_is_the_dependencies_own_answer(client: TestClient, memory: Memory, down: set[str]) -> None:
    memory.down |= down
    answer = client.get("/health/ready")
    assert answer.status_code == (503 if down else 200)
    assert answer.json()["status"] == ("error" if down else "ok")
    states = {name: check["status"] for name, check in answer.json()["checks"].items()}
    assert states == {name: "error" if name in down else "ok" for name in ("database", "redis")}


def test_startup_waits_for_migrations(client: TestClient, memory: Memory) -> None:
    memory.down.add("migrations")
    assert client.get("/health/startup").status_code == 503
    memory.down.clear()
    answer = client.get("/health/startup")
    assert (answer.status_code, answer.json()["initialization"]["database_migrations"]) == (200, "completed")


def test_metrics_move_with_requests(client: TestClient) -> None:
    def count() -> float:
        page = client.get("/metrics")
        assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = [line for line in page.text.splitlines() if line.startswith("http_requests_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    before = count()
    for _turn in range(5):
        client.get("/health/live")
    assert count() - before == 6  # five, and the first scrape itself


def test_login_gives_the_documented_shape(client: TestClient) -> None:
    answer = client.post(LOGIN, json={"username": "admin", "password": PASSWORD})
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["user"]["roles"]) == ("Bearer", 900, ["admin"])
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("bytebot-api", "bytebot-clients", 900)
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/api/v1/auth"))


def test_unknown_user_and_wrong_password_get_the_same_answer(client: TestClient) -> None:
    wrong = client.post(LOGIN, json={"username": "admin", "password": "wrong"})
    unknown = client.post(LOGIN, json={"username": "nobody", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["error"]["code"] == "INVALID_CREDENTIALS"


def test_refresh_rotates_and_a_second_use_ends_all_sessions(client: TestClient) -> None:
    first = client.post(LOGIN, json={"username": "admin", "password": PASSWORD}).json()
    client.cookies.clear()
    second = client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    client.cookies.clear()
    for token in (first["refresh_token"], second.json()["refresh_token"]):  # re-use is theft: both are dead now
        again = client.post("/api/v1/auth/refresh", json={"refresh_token": token})
        assert (again.status_code, again.json()["error"]["code"]) == (401, "TOKEN_INVALID")


def test_logout_ends_access_and_refresh(client: TestClient) -> None:
    pair = client.post(LOGIN, json={"username": "admin", "password": PASSWORD}).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert client.post("/api/v1/auth/logout", headers=headers).status_code == 204
    assert client.get("/api/v1/auth/permissions", headers=headers).json()["error"]["code"] == "TOKEN_INVALID"
    client.cookies.clear()
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 401


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _forged(keys: Path, how: str) -> tuple[str, str]:
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"iss": "bytebot-api", "aud": "bytebot-clients", "sub": "1", "jti": str(uuid.uuid4())}
    claims |= {"iat": now, "exp": now + timedelta(minutes=5), "type": "access", "role": "ADMIN"}
    private = (keys / "access-token-private-key").read_text()
    public = (keys / "access-token-public-key").read_text()
    if how == "expired":
        return jwt.encode({**claims, "exp": now - timedelta(minutes=1)}, private, "RS256"), "TOKEN_EXPIRED"
    if how in ("iss", "aud"):
        return jwt.encode({**claims, how: "other"}, private, "RS256"), "TOKEN_INVALID"
    if how == "refresh":
        return jwt.encode({**claims, "type": "refresh"}, (keys / "refresh-token-private-key").read_text(), "RS256"), (
            "TOKEN_INVALID"
        )
    times = {"iat": int(now.timestamp()), "exp": int(now.timestamp()) + 300}
    head = {"alg": "none" if how == "none" else "HS256", "typ": "JWT"}
    text = f"{_part(head)}.{_part({**claims, **times})}"
    signature = b"" if how == "none" else hmac.new(public.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}", "TOKEN_INVALID"


@pytest.mark.parametrize("how", ["expired", "iss", "aud", "refresh", "none", "HS256 over the public key"])
def test_forged_tokens_are_refused(client: TestClient, keys: Path, how: str) -> None:
    token, code = _forged(keys, how)
    answer = client.get(TASKS, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


def test_a_task_from_making_to_removal(client: TestClient) -> None:
    mine = sign_in(client, "operator")
    made = client.post(TASKS, json={"description": "x"}, headers=mine)
    assert (made.status_code, made.json()["status"], made.json()["priority"]) == (201, "PENDING", "MEDIUM")
    path = f"{TASKS}/{made.json()['id']}"
    assert client.get(path, headers=mine).json()["messages"] == []
    assert client.patch(path, json={"priority": "HIGH"}, headers=mine).json()["priority"] == "HIGH"
    assert client.get(path, headers=sign_in(client, "other")).json()["error"]["code"] == "RESOURCE_ACCESS_DENIED"
    assert client.get(TASKS, headers=sign_in(client, "other")).json() == []
    assert client.get(path, headers=sign_in(client, "admin")).status_code == 200
    assert client.delete(path, headers=mine).status_code == 204
    assert client.get(path, headers=mine).status_code == 404


@pytest.mark.parametrize(
    ("name", "method", "status"),
    [("viewer", "POST", 403), ("other", "POST", 201), ("operator", "POST", 201), ("viewer", "GET", 200)],
)
def test_roles(client: TestClient, name: str, method: str, status: int) -> None:
    body = {"description": "x"} if method == "POST" else None
    answer = client.request(method, TASKS, json=body, headers=sign_in(client, name))
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["details"]["missing_permissions"] == ["task:write"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"description": ""},
        {"description": 5},
        {"description": "x", "more": 1},
        {"description": "x", "priority": "?"},
    ],
)
def test_invalid_bodies(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post(TASKS, json=body, headers=sign_in(client, "admin"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("PUT", "/health/live", 405, "METHOD_NOT_ALLOWED"),
        ("GET", TASKS, 401, "TOKEN_INVALID"),
        ("POST", LOGIN, 413, "PAYLOAD_TOO_LARGE"),
    ],
)
def test_errors_have_one_shape(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    content = b"{" + b" " * 4096 if status == 413 else None
    answer = client.request(method, path, content=content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == code


def test_an_inner_error_tells_nothing(client: TestClient, memory: Memory) -> None:
    headers = sign_in(client, "admin")
    memory.down.add("store")
    answer = client.get(f"{TASKS}/{uuid.uuid4()}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "SELECT" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", TASKS, "/metrics"])
def test_every_answer_has_the_security_headers_and_an_id(client: TestClient, path: str) -> None:
    given = client.get(path, headers={"x-correlation-id": "mine-1"})
    assert given.headers["x-correlation-id"] == "mine-1"
    made = client.get(path, headers={"x-correlation-id": "not fit\t!"})
    assert uuid.UUID(made.headers["x-correlation-id"])
    for name in ("strict-transport-security", "content-security-policy", "x-content-type-options", "referrer-policy"):
        assert given.headers[name]
    assert "server" not in given.headers
    assert "x-powered-by" not in given.headers


def test_log_lines_are_json_with_the_id_and_without_secrets(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    from bytebot_app.logs import configure

    configure("debug", "1.0.0", "test")  # onto the captured output
    answer = client.post(LOGIN, json={"username": "admin", "password": PASSWORD}, headers={"x-correlation-id": "seen"})
    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    mine = [line for line in lines if line["correlationId"] == "seen" and line["message"] == "request"]
    assert len(mine) == 1
    assert {"timestamp", "level", "service", "version", "environment", "userId"} <= mine[0].keys()
    assert PASSWORD not in written
    assert answer.json()["access_token"] not in written


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("NODE_ENV", "prod"),
        ("DATABASE_SSL_MODE", "disable"),
        ("LOG_LEVEL", "loud"),
        ("API_CORS_ORIGINS", "*"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load()


def test_openapi_is_what_is_served(client: TestClient, settings: Settings) -> None:
    described = client.get(f"{settings.swagger_path}.json").json()["paths"]
    assert {"/health/live", "/metrics", LOGIN, TASKS, TASKS + "/{task_id}"} <= described.keys()
    for path, methods in described.items():
        for method in methods:
            answer = client.request(method, path.replace("{task_id}", str(uuid.uuid4())))
            assert answer.status_code not in (404, 405), (method, path)
