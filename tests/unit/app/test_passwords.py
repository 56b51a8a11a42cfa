# The password policy, and a user's own change of password.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from fastapi.testclient import TestClient

from bytebot_app import passwords
from bytebot_app.passwords import weaknesses
from bytebot_app.settings import Settings

from .memory import PASSWORD, MemoryStore

CHANGE = "/api/v1/auth/change-password"
ME = "/api/v1/auth/permissions"
NEW = "Another-Horse-43"
SignIn = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Short-Pass1", "fewer than 12 characters"),
        ("lower-horse-42", "no upper case letter"),
        ("UPPER-HORSE-42", "no lower case letter"),
        ("No-Digit-In-It", "no digit"),
        ("NoSpecialChar42", "no special character"),
        ("No Special Char 42", "no special character"),
        ("Password123!", "common"),
        ("P@ssw0rd2024!", "common"),
        ("Qwerty-123456", "common"),
        ("Welcome-2024!!", "common"),
        ("Jane-Smith-42x", "the user name"),
        ("x.jAnE_sMiTh.Horse42", "the user name"),
        ("Long-Horse-42" * 6, "more than 72 bytes"),
    ],
)
def test_a_weak_password_has_its_reason(password: str, reason: str) -> None:
    [found] = weaknesses(password, "jane.smith@bytebot.test", 12)
    assert reason in found


@pytest.mark.parametrize(
    "password",
    [PASSWORD, NEW, "Test-Password-Of-Mine-1", "Jane-Horse-4321", "Exactly-12-c", "Ünïcode-Pferd-7", "aA1!" * 18],
)
def test_a_good_password_has_none(password: str) -> None:
    assert weaknesses(password, "jane.smith@bytebot.test", 12) == []


def test_an_empty_password_has_every_class_missing() -> None:
    assert len(weaknesses("", "a", 12)) == 5


def test_hashes_have_the_documented_rounds() -> None:
    assert passwords.hashed(PASSWORD, Settings().bcrypt_rounds).startswith("$2b$12$")
    assert bcrypt.checkpw(PASSWORD.encode(), passwords.hashed(PASSWORD, 4).encode())


def change(client: TestClient, headers: dict[str, str], current: str, new: str) -> Any:
    return client.post(CHANGE, json={"current_password": current, "new_password": new}, headers=headers)


def login(client: TestClient, password: str, name: str = "operator") -> int:
    answer = client.post("/api/v1/auth/login", json={"username": f"{name}@bytebot.test", "password": password})
    client.cookies.clear()
    return answer.status_code


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


def test_a_changed_password_is_the_only_one_and_ends_the_other_sessions(client: TestClient, sign_in: SignIn) -> None:
    mine, other, foreign = sign_in(), sign_in(), sign_in("viewer")
    answer = change(client, bearer(mine), PASSWORD, NEW)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (login(client, PASSWORD), login(client, NEW)) == (401, 200)
    found = [client.get(ME, headers=bearer(pair)).status_code for pair in (mine, other, foreign)]
    assert found == [200, 401, 200]
    again = client.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert (again.status_code, again.json()["error"]["code"]) == (401, "TOKEN_INVALID")


def test_a_weak_new_password_is_a_400_that_names_the_field_and_not_the_password(
    client: TestClient, as_user: Callable[..., dict[str, str]]
) -> None:
    answer = change(client, as_user(), PASSWORD, "canary")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_FAILED")
    assert {problem["field"] for problem in error["details"]} == {"new_password"}
    assert len(error["details"]) == 4
    assert "canary" not in answer.text
    assert login(client, PASSWORD) == 200


def test_the_last_twelve_passwords_cannot_come_back_and_the_one_before_can(
    client: TestClient, as_user: Callable[..., dict[str, str]]
) -> None:
    me, known = as_user(), PASSWORD
    for number in range(12):
        assert change(client, me, known, f"Number-{number}-Horse!").status_code == 204
        known = f"Number-{number}-Horse!"
        refused = change(client, me, known, known).json()["error"]["details"]
        assert refused == [{"field": "new_password", "message": "it is one of the last 12"}]
    assert change(client, me, known, "Number-0-Horse!").status_code == 400
    assert change(client, me, known, PASSWORD).status_code == 204


def test_the_current_password_cannot_be_guessed_with_a_stolen_token(
    client: TestClient, as_user: Callable[..., dict[str, str]], store: MemoryStore
) -> None:
    me = as_user()
    codes = [change(client, me, "wrong", NEW).json()["error"]["code"] for _ in range(6)]
    assert codes == ["INVALID_CREDENTIALS"] * 5 + ["ACCOUNT_LOCKED"]
    assert change(client, me, PASSWORD, NEW).json()["error"]["code"] == "ACCOUNT_LOCKED"


def test_of_two_changes_at_once_one_wins(
    client: TestClient,
    as_user: Callable[..., dict[str, str]],
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def meanwhile(*_given: Any) -> bool:
        return False

    monkeypatch.setattr(store, "set_password", meanwhile)
    answer = change(client, as_user(), PASSWORD, NEW)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize("body", [{}, {"current_password": PASSWORD}, {"new_password": NEW}, [], {"extra": 1}])
def test_a_malformed_change_is_a_400(client: TestClient, as_user: Callable[..., dict[str, str]], body: Any) -> None:
    assert client.post(CHANGE, json=body, headers=as_user()).status_code == 400


def test_without_a_token_nobody_changes_anything(client: TestClient) -> None:
    assert change(client, {}, PASSWORD, NEW).status_code == 401
