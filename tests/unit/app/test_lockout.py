# Failed sign-ins: counted by name, locked after five, and nothing tells whether there is such a user.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app import passwords
from bytebot_app.api import Parts, create_app
from bytebot_app.lockout import words
from bytebot_app.settings import Settings

from .memory import PASSWORD, MemoryStore

LOGIN = "/api/v1/auth/login"
KNOWN, UNKNOWN = "operator@bytebot.test", "nobody@bytebot.test"


def login(client: TestClient, name: str, password: str = "wrong") -> tuple[int, Any]:
    answer = client.post(LOGIN, json={"username": name, "password": password})
    return answer.status_code, answer.json()


def error(code: str, left: int) -> tuple[int, dict[str, Any]]:
    sentences = {
        "INVALID_CREDENTIALS": "The user name or the password is wrong",
        "ACCOUNT_LOCKED": "Too many sign-ins have failed; try again later",
    }
    details = {"attempts_remaining": left, "lockout_duration": "15 minutes"}
    return 401, {"error": {"code": code, "message": sentences[code], "details": details}}


@pytest.mark.parametrize("name", [KNOWN, UNKNOWN])
def test_five_failures_lock_a_name_even_for_the_right_password(client: TestClient, name: str) -> None:
    for left in (4, 3, 2, 1, 0):
        assert login(client, name) == error("INVALID_CREDENTIALS", left)
    assert login(client, name) == error("ACCOUNT_LOCKED", 0)
    assert login(client, name, PASSWORD) == error("ACCOUNT_LOCKED", 0)
    assert login(client, "viewer@bytebot.test", PASSWORD)[0] == 200


@pytest.mark.parametrize(("after", "status"), [(899, 401), (901, 200)])
def test_the_lock_ends_fifteen_minutes_after_the_last_failure_that_counted(
    client: TestClient, store: MemoryStore, after: int, status: int
) -> None:
    for _ in range(5):
        login(client, KNOWN)
    store.later = timedelta(seconds=600)
    login(client, KNOWN)
    store.later = timedelta(seconds=after)
    assert login(client, KNOWN, PASSWORD)[0] == status


def test_a_success_forgets_the_failures(client: TestClient) -> None:
    for _ in range(4):
        login(client, KNOWN)
    assert login(client, KNOWN, PASSWORD)[0] == 200
    assert login(client, KNOWN) == error("INVALID_CREDENTIALS", 4)


def test_replicas_share_the_count(client: TestClient, settings: Settings, parts: Parts) -> None:
    with TestClient(create_app(settings, parts), base_url="https://api.bytebot.test") as other:
        for position in range(5):
            login((client, other)[position % 2], KNOWN)
        assert login(client, KNOWN, PASSWORD) == login(other, KNOWN, PASSWORD) == error("ACCOUNT_LOCKED", 0)


def test_the_numbers_are_settings(settings: Settings, parts: Parts) -> None:
    changed = settings.model_copy(update={"auth_lockout_threshold": 2, "auth_lockout_duration": 7200})
    with TestClient(create_app(changed, parts), base_url="https://api.bytebot.test") as client:
        details = login(client, KNOWN)[1]["error"]["details"]
        assert details == {"attempts_remaining": 1, "lockout_duration": "2 hours"}
        login(client, KNOWN)
        assert login(client, KNOWN, PASSWORD)[1]["error"]["code"] == "ACCOUNT_LOCKED"


def test_without_a_threshold_nothing_is_locked(settings: Settings, parts: Parts) -> None:
    changed = settings.model_copy(update={"auth_lockout_threshold": 0})
    with TestClient(create_app(changed, parts), base_url="https://api.bytebot.test") as client:
        for _ in range(7):
            assert login(client, KNOWN)[1]["error"]["code"] == "INVALID_CREDENTIALS"
        assert login(client, KNOWN, PASSWORD)[0] == 200


def test_an_unknown_name_costs_a_comparison_of_the_same_rounds(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    real = passwords.matches

    def noted(password: str, known: str) -> bool:
        compared.append(known[:7])
        return real(password, known)

    monkeypatch.setattr(passwords, "matches", noted)
    login(client, KNOWN)
    login(client, UNKNOWN)
    assert compared == ["$2b$04$", "$2b$04$"]


def test_a_right_guess_that_ends_after_the_lock_wins_nothing(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passwords.matches

    def others_fail_meanwhile(password: str, known: str) -> bool:
        store.failed_names.clear()
        monkeypatch.setattr(passwords, "matches", real)
        for _ in range(5):
            login(client, KNOWN)
        return real(password, known)

    monkeypatch.setattr(passwords, "matches", others_fail_meanwhile)
    assert login(client, KNOWN, PASSWORD) == error("ACCOUNT_LOCKED", 0)
    assert store.sessions == {}


def test_a_wrong_guess_that_ends_after_the_lock_is_told_of_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passwords.matches

    def others_fail_meanwhile(password: str, known: str) -> bool:
        monkeypatch.setattr(passwords, "matches", real)
        for _ in range(5):
            login(client, KNOWN)
        return False

    monkeypatch.setattr(passwords, "matches", others_fail_meanwhile)
    assert login(client, KNOWN) == error("ACCOUNT_LOCKED", 0)


@pytest.mark.parametrize(
    ("seconds", "said"), [(900, "15 minutes"), (60, "1 minute"), (90, "90 seconds"), (3600, "1 hour"), (1, "1 second")]
)
def test_durations_in_words(seconds: int, said: str) -> None:
    assert words(seconds) == said
