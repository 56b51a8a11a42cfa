# Tasks: made, read, changed, removed; refused by role, by owner, by form.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

TASKS = "/api/v1/tasks"
AsUser = Callable[..., dict[str, str]]


def make(client: TestClient, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = client.post(TASKS, json={"description": "Book a flight", **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_way_of_a_task(client: TestClient, as_user: AsUser) -> None:
    me = as_user()
    task = make(client, me)
    path = f"{TASKS}/{task['id']}"
    assert (task["status"], task["priority"], task["type"]) == ("PENDING", "MEDIUM", "IMMEDIATE")
    assert task["createdAt"].endswith("Z")
    assert client.get(path, headers=me).json() == {**task, "messages": []}
    changed = client.patch(path, json={"status": "IN_PROGRESS", "priority": "URGENT"}, headers=me)
    assert (changed.status_code, changed.json()["status"], changed.json()["priority"]) == (200, "IN_PROGRESS", "URGENT")
    assert [found["id"] for found in client.get(TASKS, headers=me).json()] == [task["id"]]
    removed = client.delete(path, headers=me)
    assert (removed.status_code, removed.content) == (204, b"")
    assert client.get(path, headers=me).status_code == 404
    assert client.get(TASKS, headers=me).json() == []


def test_lists_are_cut_and_filtered(client: TestClient, as_user: AsUser) -> None:
    me = as_user()
    ids = [make(client, me)["id"] for _ in range(3)]
    client.patch(f"{TASKS}/{ids[0]}", json={"status": "CANCELLED"}, headers=me)
    page = client.get(TASKS, params={"page": 2, "limit": 2}, headers=me).json()
    assert [task["id"] for task in page] == [ids[0]]
    assert len(client.get(TASKS, params={"status": "PENDING"}, headers=me).json()) == 2


@pytest.mark.parametrize("query", ["page=0", "limit=101", "limit=x", "status=DONE", "status="])
def test_a_wrong_query_is_a_400(client: TestClient, as_user: AsUser, query: str) -> None:
    answer = client.get(f"{TASKS}?{query}", headers=as_user())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


def test_a_scheduled_task_has_its_time(client: TestClient, as_user: AsUser) -> None:
    task = make(client, as_user(), type="SCHEDULED", scheduledFor="2030-01-01T12:00:00+02:00", model="a-model")
    assert (task["scheduledFor"], task["model"]) == ("2030-01-01T10:00:00.000Z", "a-model")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "description"),
        ({"description": ""}, "description"),
        ({"description": "   "}, "description"),
        ({"description": None}, "description"),
        ({"description": 5}, "description"),
        ({"description": "a\0b"}, "description"),
        ({"description": "x" * 10001}, ""),
        ({"description": "a", "priority": "ASAP"}, "priority"),
        ({"description": "a", "priority": None}, "priority"),
        ({"description": "a", "type": "automation"}, "type"),
        ({"description": "a", "type": "SCHEDULED"}, "body"),
        ({"description": "a", "scheduledFor": "2030-01-01T12:00:00Z"}, "body"),
        ({"description": "a", "type": "SCHEDULED", "scheduledFor": "2030-01-01T12:00:00"}, "scheduledFor"),
        ({"description": "a", "type": "SCHEDULED", "scheduledFor": 1}, "scheduledFor"),
        ({"description": "a", "type": "SCHEDULED", "scheduledFor": "1.5"}, "scheduledFor"),
        ({"description": "a", "createdBy": "someone"}, "createdBy"),
        ({"description": "a", "status": "COMPLETED"}, "status"),
        ([], "body"),
    ],
)
def test_a_wrong_task_is_refused_and_named(client: TestClient, as_user: AsUser, body: Any, field: str) -> None:
    answer = client.post(TASKS, json=body, headers=as_user())
    if not field:
        assert answer.status_code == 413  # the test's body limit is lower still
        return
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_FAILED")
    assert field in [detail["field"] for detail in error["details"]]
    assert all(detail.keys() == {"field", "message"} for detail in error["details"])


@pytest.mark.parametrize("text", [b'{"description": ', b"\xff\xfe", b'{"description": "\\ud800"}', b"[" * 3000, b""])
def test_a_broken_body_is_a_400(client: TestClient, as_user: AsUser, text: bytes) -> None:
    answer = client.post(TASKS, content=text, headers={**as_user(), "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_a_415(client: TestClient, as_user: AsUser, kind: str) -> None:
    answer = client.post(TASKS, content=b'{"description":"a"}', headers={**as_user(), "Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_over_the_limit_is_a_413_declared_or_not(client: TestClient, as_user: AsUser) -> None:
    def chunks() -> Any:
        yield b'{"description": "'
        for _ in range(6):
            yield b"x" * 1000
        yield b'"}'

    headers = {**as_user(), "Content-Type": "application/json"}
    for content in (b"x" * 5000, chunks()):
        answer = client.post(TASKS, content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("text", ['\'; DROP TABLE "Task"; --', "<script>alert(1)</script>", "日本語 🎉", "%s %(a)s"])
def test_hostile_text_comes_back_as_it_was(client: TestClient, as_user: AsUser, text: str) -> None:
    me = as_user()
    task = make(client, me, description=text)
    answer = client.get(f"{TASKS}/{task['id']}", headers=me)
    assert answer.json()["description"] == text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [{}, {"status": "RUNNING"}, {"status": None}, {"priority": 1}, {"description": "b"}])
def test_a_wrong_change_is_a_400(client: TestClient, as_user: AsUser, body: Any) -> None:
    me = as_user()
    task = make(client, me)
    assert client.patch(f"{TASKS}/{task['id']}", json=body, headers=me).status_code == 400


@pytest.mark.parametrize("unknown", [str(uuid.uuid4()), "not-an-id", "%00", "1' OR '1'='1"])
def test_an_unknown_task_is_a_404(client: TestClient, as_user: AsUser, unknown: str) -> None:
    me = as_user()
    for call in (
        client.get,
        client.delete,
        lambda path, headers: client.patch(path, json={"status": "FAILED"}, headers=headers),
    ):
        answer = call(f"{TASKS}/{unknown}", headers=me)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


MATRIX = {
    "admin": {"GET": 200, "POST": 201, "PATCH": 200, "DELETE": 204},
    "operator": {"GET": 200, "POST": 201, "PATCH": 200, "DELETE": 204},
    "viewer": {"GET": 200, "POST": 403, "PATCH": 403, "DELETE": 403},
    "api-consumer": {"GET": 200, "POST": 201, "PATCH": 200, "DELETE": 403},
}


@pytest.mark.parametrize("role", MATRIX)
def test_the_matrix_of_roles(client: TestClient, as_user: AsUser, store: Any, role: str) -> None:
    me, owner = as_user(role), store.users[role]["id"]
    task = make(client, as_user("admin"))
    store.rows[task["id"]]["createdBy"] = owner
    path = f"{TASKS}/{task['id']}"
    found = {
        "GET": client.get(path, headers=me).status_code,
        "POST": client.post(TASKS, json={"description": "a"}, headers=me).status_code,
        "PATCH": client.patch(path, json={"priority": "LOW"}, headers=me).status_code,
        "DELETE": client.delete(path, headers=me).status_code,
    }
    assert found == MATRIX[role]


def test_a_refusal_says_what_is_missing(client: TestClient, as_user: AsUser) -> None:
    answer = client.post(TASKS, json={"description": "a"}, headers=as_user("viewer"))
    error = answer.json()["error"]
    assert error["code"] == "INSUFFICIENT_PERMISSIONS"
    assert error["details"]["required_permissions"] == ["task:write"]
    assert error["details"]["missing_permissions"] == ["task:write"]
    assert "task:read" in error["details"]["user_permissions"]


def test_another_ones_task_is_out_of_reach_except_for_admins(client: TestClient, as_user: AsUser) -> None:
    task = make(client, as_user("operator"))
    path, other = f"{TASKS}/{task['id']}", as_user("other")
    answers = [
        client.get(path, headers=other),
        client.patch(path, json={"status": "CANCELLED"}, headers=other),
        client.delete(path, headers=other),
    ]
    assert {(a.status_code, a.json()["error"]["code"]) for a in answers} == {(403, "RESOURCE_ACCESS_DENIED")}
    assert client.get(TASKS, headers=other).json() == []
    assert client.get(path, headers=as_user("admin")).status_code == 200
    assert client.get(path, headers=as_user("operator")).json()["status"] == "PENDING"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_nothing_is_served(client: TestClient, method: str) -> None:
    answer = client.request(method, TASKS, json={"description": "a"} if method == "POST" else None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "TOKEN_INVALID")
