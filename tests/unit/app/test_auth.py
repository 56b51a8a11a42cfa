# Signing in, its tokens, their rotation and their end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings
from bytebot_app.tokens import Keys, Pair

from .memory import PASSWORD, MemoryMarks, MemoryStore

SignIn = Callable[..., dict[str, Any]]
ME = "/api/v1/auth/permissions"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def claims(keys: Keys, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    good: dict[str, Any] = {
        "iss": "bytebot-api", "aud": "bytebot-clients", "sub": "someone", "jti": "1", "iat": now,
        "exp": now + timedelta(minutes=5), "type": "access", "role": "ADMIN",
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def test_login_answers_in_the_documented_shape(client: TestClient, store: MemoryStore) -> None:
    answer = client.post("/api/v1/auth/login", json={"username": "admin@bytebot.test", "password": PASSWORD})
    body = answer.json()
    assert answer.status_code == 200
    assert body.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert (body["user"]["id"], body["user"]["roles"]) == (store.users["admin"]["id"], ["admin"])
    assert "system:admin" in body["user"]["permissions"]
    cookie = answer.headers["set-cookie"]
    for part in ("refresh_token=", "HttpOnly", "Secure", "SameSite=strict", "Path=/api/v1/auth", "Max-Age=604800"):
        assert part in cookie
    assert answer.headers["cache-control"] == "no-store"


def test_the_access_token_has_the_documented_claims(sign_in: SignIn, keys: Keys) -> None:
    body = sign_in()
    found = jwt.decode(
        body["access_token"], keys.access.public, ["RS256"], audience="bytebot-clients", issuer="bytebot-api"
    )
    assert found["exp"] - found["iat"] == 900
    assert found["sub"] == body["user"]["id"]
    assert found["jti"]
    assert jwt.get_unverified_header(body["access_token"])["alg"] == "RS256"


def test_wrong_password_unknown_user_and_inactive_user_get_the_same_answer(
    client: TestClient, store: MemoryStore
) -> None:
    store.users["viewer"]["isActive"] = False
    tries = [("operator@bytebot.test", "wrong"), ("nobody@bytebot.test", PASSWORD), ("viewer@bytebot.test", PASSWORD)]
    answers = [client.post("/api/v1/auth/login", json={"username": u, "password": p}) for u, p in tries]
    assert {code(answer) for answer in answers} == {(401, "INVALID_CREDENTIALS")}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"username": "a"}, {"username": "", "password": "b"}, {"username": 1, "password": "b"},
        {"username": "a", "password": "b", "role": "ADMIN"}, {"username": "a\0", "password": "b"},
        {"username": "a", "password": "b" * 2000}, [], "text", None,
    ],
)  # fmt: skip
def test_a_malformed_login_is_a_400(client: TestClient, body: Any) -> None:
    assert code(client.post("/api/v1/auth/login", json=body)) == (400, "VALIDATION_FAILED")


def test_a_long_password_is_compared_as_far_as_bcrypt_reads(client: TestClient) -> None:
    answer = client.post("/api/v1/auth/login", json={"username": "admin@bytebot.test", "password": "é" * 500})
    assert code(answer) == (401, "INVALID_CREDENTIALS")


def test_a_token_made_by_hand_is_accepted_where_all_is_right(client: TestClient, keys: Keys) -> None:
    token = jwt.encode(claims(keys), keys.access.private, "RS256")
    assert client.get(ME, headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, "TOKEN_EXPIRED"),
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC), "iss": "other", "aud": "other"}, "TOKEN_EXPIRED"),
        ({"iss": "other"}, "TOKEN_INVALID"),
        ({"iss": None}, "TOKEN_INVALID"),
        ({"aud": "other"}, "TOKEN_INVALID"),
        ({"aud": None}, "TOKEN_INVALID"),
        ({"exp": None}, "TOKEN_INVALID"),
        ({"sub": None}, "TOKEN_INVALID"),
        ({"jti": None}, "TOKEN_INVALID"),
        ({"nbf": time.time() + 600}, "TOKEN_INVALID"),
        ({"type": "refresh"}, "TOKEN_INVALID"),
        ({"type": None}, "TOKEN_INVALID"),
    ],
)
def test_wrong_claims_are_refused(client: TestClient, keys: Keys, changes: dict[str, Any], expected: str) -> None:
    token = jwt.encode(claims(keys, **changes), keys.access.private, "RS256")
    assert code(client.get(ME, headers=bearer(token))) == (401, expected)


@pytest.mark.parametrize(
    ("changes", "permitted"),
    [
        ({"role": ["ADMIN"]}, False), ({"role": {}}, False), ({"role": None}, False), ({"role": "KING"}, False),
        ({"permissions": "task:read"}, True), ({"permissions": {"task:read": 1}}, True), ({"permissions": [1]}, False),
        ({"role": None, "permissions": ["task:read"]}, True), ({"roles": 5, "permissions": ["task:fly"]}, False),
        ({"teamIds": 5}, True), ({"sessionId": 5}, True), ({"username": ["a"]}, True),
        ({"aud": ["bytebot-clients"]}, True),
    ],
)  # fmt: skip
def test_strange_claims_that_are_signed_right_give_no_more_than_they_say(
    client: TestClient, keys: Keys, changes: dict[str, Any], permitted: bool
) -> None:
    headers = bearer(jwt.encode(claims(keys, **changes), keys.access.private, "RS256"))
    assert client.get(ME, headers=headers).status_code == 200
    assert client.get("/api/v1/tasks", headers=headers).status_code == (200 if permitted else 403)


@pytest.mark.parametrize(
    "header", [{"kid": 1}, {"kid": ["a"]}, {"alg": None}, {"crit": ["a"]}, {"alg": ["RS256"]}, [], "a"]
)
def test_strange_headers_are_refused(client: TestClient, header: Any) -> None:
    def part(what: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(what).encode()).decode().rstrip("=")

    first = {"alg": "RS256", **header} if isinstance(header, dict) else header
    assert code(client.get(ME, headers=bearer(f"{part(first)}.{part({})}.AAAA"))) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize("text", [r'{"username":"a","password":"\ud800"}', r'{"username":"\ud800","password":"a"}'])
def test_half_a_character_is_a_400(client: TestClient, text: str) -> None:
    answer = client.post("/api/v1/auth/login", content=text, headers={"Content-Type": "application/json"})
    assert code(answer) == (400, "VALIDATION_FAILED")


def forged(keys: Keys) -> dict[str, str]:
    good = jwt.encode(claims(keys), keys.access.private, "RS256")
    head, body, signature = good.split(".")
    public = keys.access.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hs256 = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    signed = f"{hs256}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    foreign = Pair.throwaway()
    jwk = {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "kid": "../../dev/null", "jku": "https://evil.test/keys"}
    return {
        "alg none": jwt.encode(claims(keys), None, "none"),
        "HS256 over the public key": f"{signed}.{mac}",
        "another key": jwt.encode(claims(keys), foreign.private, "RS256"),
        "another key that the header names": jwt.encode(claims(keys), foreign.private, "RS256", headers=jwk),
        "the refresh key": jwt.encode(claims(keys), keys.refresh.private, "RS256"),
        "tampered": f"{head}.{body[:-4]}AAAA.{signature}",
        "no signature": f"{head}.{body}.",
        "another algorithm of the key": jwt.encode(claims(keys), keys.access.private, "RS512"),
        "rubbish": "a.b.c",
        "empty": "",
    }


def test_forged_tokens_are_refused(client: TestClient, keys: Keys) -> None:
    for name, token in forged(keys).items():
        assert code(client.get(ME, headers=bearer(token))) == (401, "TOKEN_INVALID"), name


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", "token"])
def test_without_a_bearer_token_it_is_401(client: TestClient, header: str | None) -> None:
    answer = client.get(ME, headers={"Authorization": header} if header else {})
    assert code(answer) == (401, "TOKEN_INVALID")


def test_permissions_in_the_documented_shape(client: TestClient, sign_in: SignIn) -> None:
    body = client.get(ME, headers=bearer(sign_in("api-consumer")["access_token"])).json()
    assert body["roles"] == ["api-consumer"]
    assert body["effectivePermissions"] == {
        "tasks": {"canRead": True, "canWrite": True, "canExecute": True, "canDelete": False},
        "computer": {"canView": True, "canControl": True},
        "system": {"canMonitor": False, "canAdmin": False},
    }


def refresh(client: TestClient, token: str) -> Any:
    answer = client.post("/api/v1/auth/refresh", json={"refresh_token": token})
    client.cookies.clear()
    return answer


def test_refresh_gives_a_new_pair_and_kills_the_used_token(client: TestClient, sign_in: SignIn) -> None:
    first = sign_in()
    second = refresh(client, first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert client.get(ME, headers=bearer(second.json()["access_token"])).status_code == 200
    third = refresh(client, second.json()["refresh_token"])
    assert third.status_code == 200
    assert code(refresh(client, first["refresh_token"])) == (401, "TOKEN_INVALID")


def test_a_used_refresh_token_that_comes_back_ends_its_session_and_no_other(
    client: TestClient, sign_in: SignIn
) -> None:
    first, other = sign_in(), sign_in()
    second = refresh(client, first["refresh_token"]).json()
    refresh(client, first["refresh_token"])
    assert code(refresh(client, second["refresh_token"])) == (401, "TOKEN_INVALID")
    assert code(client.get(ME, headers=bearer(second["access_token"]))) == (401, "TOKEN_INVALID")
    assert client.get(ME, headers=bearer(other["access_token"])).status_code == 200


def test_refresh_by_cookie(client: TestClient, sign_in: SignIn) -> None:
    token = sign_in()["refresh_token"]
    answer = client.post("/api/v1/auth/refresh", headers={"Cookie": f"refresh_token={token}"})
    assert answer.status_code == 200


def test_the_kinds_do_not_pass_for_each_other(client: TestClient, sign_in: SignIn) -> None:
    pair = sign_in()
    assert code(client.get(ME, headers=bearer(pair["refresh_token"]))) == (401, "TOKEN_INVALID")
    assert code(refresh(client, pair["access_token"])) == (401, "TOKEN_INVALID")
    assert code(client.post("/api/v1/auth/refresh")) == (401, "TOKEN_INVALID")


def test_an_inactive_user_cannot_refresh(client: TestClient, sign_in: SignIn, store: MemoryStore) -> None:
    token = sign_in()["refresh_token"]
    store.users["operator"]["isActive"] = False
    assert code(refresh(client, token)) == (401, "TOKEN_INVALID")


def test_logout_ends_both_tokens_and_only_this_session(client: TestClient, sign_in: SignIn) -> None:
    mine, other = sign_in(), sign_in()
    answer = client.post("/api/v1/auth/logout", headers=bearer(mine["access_token"]))
    assert (answer.status_code, answer.content) == (204, b"")
    assert 'refresh_token=""' in answer.headers["set-cookie"]
    assert code(client.get(ME, headers=bearer(mine["access_token"]))) == (401, "TOKEN_INVALID")
    assert code(refresh(client, mine["refresh_token"])) == (401, "TOKEN_INVALID")
    assert client.get(ME, headers=bearer(other["access_token"])).status_code == 200


def test_without_the_cache_the_database_knows_what_was_revoked(
    client: TestClient, sign_in: SignIn, marks: MemoryMarks
) -> None:
    gone, here = sign_in(), sign_in()
    client.post("/api/v1/auth/logout", headers=bearer(gone["access_token"]))
    with marks.outage():
        assert code(client.get(ME, headers=bearer(gone["access_token"]))) == (401, "TOKEN_INVALID")
        assert client.get(ME, headers=bearer(here["access_token"])).status_code == 200
        assert code(client.post("/api/v1/auth/logout", headers=bearer(here["access_token"]))) == (
            503,
            "SERVICE_UNAVAILABLE",
        )


def test_a_session_ends_when_it_is_idle_and_that_is_no_reuse(
    settings: Settings, parts: Parts, store: MemoryStore, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = settings.model_copy(update={"auth_session_idle_timeout": 600})
    with TestClient(create_app(changed, parts), base_url="https://api.bytebot.test") as client:
        given = {"username": "operator@bytebot.test", "password": PASSWORD}
        token = client.post("/api/v1/auth/login", json=given).json()["refresh_token"]
        store.later = timedelta(seconds=599)
        assert refresh(client, token).status_code == 200
        token = client.post("/api/v1/auth/login", json=given).json()["refresh_token"]
        store.later = timedelta(seconds=601)
        assert code(refresh(client, token)) == (401, "TOKEN_INVALID")
    assert "TOKEN_REUSE" not in capsys.readouterr().out


def test_the_oldest_session_ends_where_a_user_has_too_many(settings: Settings, parts: Parts) -> None:
    changed = settings.model_copy(update={"auth_sessions_per_user": 2})
    with TestClient(create_app(changed, parts), base_url="https://api.bytebot.test") as client:

        def login(name: str) -> dict[str, str]:
            given = {"username": f"{name}@bytebot.test", "password": PASSWORD}
            return bearer(client.post("/api/v1/auth/login", json=given).json()["access_token"])

        viewer, sessions = login("viewer"), [login("operator") for _ in range(3)]
        found = [client.get(ME, headers=headers).status_code for headers in (viewer, *sessions)]
        assert found == [200, 401, 200, 200]
