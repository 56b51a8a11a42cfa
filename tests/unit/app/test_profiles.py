# Both documented token profiles, what each refuses, and the secret that the second one needs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.settings import ConfigurationError, Settings, load
from bytebot_app.tokens import Keys, Shared, key_ring

from .memory import PASSWORD

ME, REFRESH = "/api/v1/auth/permissions", "/api/v1/auth/refresh"
SECRET = "8b2f" * 16
DOCUMENTED = {"sub", "username", "email", "role", "type", "sessionId", "iat", "exp", "aud", "iss"}


@pytest.fixture
def shared(settings: Settings, parts: Parts) -> Iterator[TestClient]:
    changed = settings.model_copy(update={"jwt_profile": "B"})
    with TestClient(create_app(changed, replace(parts, keys=Shared(SECRET))), base_url="https://b.test") as client:
        yield client


def login(client: TestClient) -> dict[str, Any]:
    given = {"username": "operator@bytebot.test", "password": PASSWORD}
    answer = client.post("/api/v1/auth/login", json=given)
    client.cookies.clear()
    return dict(answer.json())


def status(client: TestClient, token: str) -> tuple[int, str]:
    answer = client.get(ME, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    good = {
        "iss": "bytebot-auth-service", "aud": "bytebot-api", "sub": "1", "username": "a", "email": "a",
        "role": "VIEWER", "type": "access", "sessionId": "s", "iat": now, "exp": now + timedelta(minutes=5),
    }  # fmt: skip
    return {**good, **changes}


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_profile_b_has_the_documented_claims(shared: TestClient, kind: str) -> None:
    token = login(shared)[f"{kind}_token"]
    found = jwt.decode(token, SECRET, ["HS256"], issuer="bytebot-auth-service", audience="bytebot-api")
    assert found.keys() >= DOCUMENTED
    assert (found["type"], found["role"], found["username"]) == (kind, "OPERATOR", "operator@bytebot.test")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_profile_b_refreshes_and_logs_out(shared: TestClient) -> None:
    first = login(shared)
    second = shared.post(REFRESH, json={"refresh_token": first["refresh_token"]}).json()
    assert status(shared, second["access_token"])[0] == 200
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert shared.post("/api/v1/auth/logout", headers=headers).status_code == 204
    assert status(shared, second["access_token"]) == (401, "TOKEN_INVALID")
    assert shared.post(REFRESH, json={"refresh_token": second["refresh_token"]}).status_code == 401


def test_a_token_with_the_documented_claims_alone_is_good(shared: TestClient) -> None:
    assert status(shared, jwt.encode(claims(), SECRET, "HS256")) == (200, "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": 1}, "TOKEN_EXPIRED"),
        ({"iss": "bytebot-api"}, "TOKEN_INVALID"),
        ({"aud": "bytebot-clients"}, "TOKEN_INVALID"),
        ({"type": "refresh"}, "TOKEN_INVALID"),
    ],
)
def test_profile_b_refuses(shared: TestClient, changes: dict[str, Any], code: str) -> None:
    assert status(shared, jwt.encode(claims(**changes), SECRET, "HS256")) == (401, code)


def test_the_profiles_do_not_pass_for_each_other(client: TestClient, shared: TestClient, keys: Keys) -> None:
    tokens = {
        "another secret": jwt.encode(claims(), SECRET[::-1], "HS256"),
        "no signature": jwt.encode(claims(), None, "none"),
        "HS512": jwt.encode(claims(), SECRET, "HS512"),
        "RS256": jwt.encode(claims(), keys.access.private, "RS256"),
        "a key's name": jwt.encode(claims(), SECRET, "HS256", headers={"kid": "../../dev/null"}),
        "profile A": login(client)["access_token"],
    }
    for name, token in tokens.items():
        assert status(shared, token) == (401, "TOKEN_INVALID"), name
    assert status(client, login(shared)["access_token"]) == (401, "TOKEN_INVALID")


def test_an_unknown_key_is_refused_and_a_missing_one_is_not(client: TestClient, keys: Keys) -> None:
    good = claims(iss="bytebot-api", aud="bytebot-clients", jti="1")
    own = jwt.get_unverified_header(login(client)["access_token"])["kid"]
    expected = {own: (200, ""), "unknown": (401, "TOKEN_INVALID"), None: (200, "")}
    for key_id, said in expected.items():
        headers = {"kid": key_id} if key_id else None
        assert status(client, jwt.encode(good, keys.access.private, "RS256", headers=headers)) == said, key_id


def test_each_kind_of_token_names_its_own_key(client: TestClient) -> None:
    pair = login(client)
    names = {jwt.get_unverified_header(pair[f"{kind}_token"])["kid"] for kind in ("access", "refresh")}
    assert len(names) == 2


def test_names_that_are_set_win_over_the_profiles() -> None:
    assert (Settings().issuer, Settings().audience) == ("bytebot-api", "bytebot-clients")
    other = Settings(jwt_profile="B", jwt_issuer="me", jwt_audience="you")
    assert (other.issuer, other.audience) == ("me", "you")


@pytest.mark.parametrize(
    ("environment", "secret", "problem"),
    [
        ("production", "", "it has 0 characters, 64 are the least"),
        ("production", SECRET[:63], "it has 63 characters, 64 are the least"),
        ("production", SECRET, ""),
        ("staging", SECRET[:32], "64 are the least"),
        ("development", SECRET[:32], ""),
        ("test", SECRET[:31], "it has 31 characters, 32 are the least"),
        ("production", "change-this-" + SECRET, "it is a placeholder"),
        ("test", "REPLACE_WITH_" + SECRET, "it is a placeholder"),
    ],
)
def test_the_secret_is_long_and_real(environment: Any, secret: str, problem: str) -> None:
    settings = Settings(jwt_profile="B", jwt_secret=secret, node_env=environment)
    if not problem:
        assert key_ring(settings) == Shared(secret)
        return
    with pytest.raises(ConfigurationError, match=f"^JWT_SECRET: .*{problem}") as caught:
        key_ring(settings)
    assert not secret or secret not in str(caught.value)


def test_the_secret_does_not_show() -> None:
    assert SECRET not in f"{Shared(SECRET)} {Settings(jwt_secret=SECRET)!r}"


@pytest.mark.parametrize("role", ["ADMIN", "OPERATOR", "VIEWER", "API_CONSUMER"])
@pytest.mark.parametrize(("given", "lacking"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
def test_half_an_account_is_an_error(monkeypatch: pytest.MonkeyPatch, role: str, given: str, lacking: str) -> None:
    for name in ("DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD", "REDIS_HOST"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv(f"BOOTSTRAP_{role}_{given}", "canary")
    with pytest.raises(ConfigurationError, match=f"^BOOTSTRAP_{role}_{lacking}: it is not set") as caught:
        load()
    assert "canary" not in str(caught.value)


def test_one_replica_believes_what_the_other_has_signed(settings: Settings, parts: Parts, client: TestClient) -> None:
    with TestClient(create_app(settings, parts), base_url="https://a.test") as other:
        assert status(other, login(client)["access_token"])[0] == 200
