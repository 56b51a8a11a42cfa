# Users and roles, as administrators handle them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app.roles import ALL, PERMISSIONS, public_name, role_id, stored_name

from .memory import ROLES, MemoryStore

USERS, ROLE_PATH, ME = "/api/v1/users", "/api/v1/roles", "/api/v1/auth/permissions"
NEW = {"username": "jane@bytebot.test", "password": "Another-Horse-43"}
AsUser = Callable[..., dict[str, str]]


def add(client: TestClient, headers: dict[str, str], **more: Any) -> Any:
    return client.post(USERS, json={**NEW, **more}, headers=headers)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def sign_in_new(client: TestClient) -> dict[str, Any]:
    answer = client.post("/api/v1/auth/login", json=NEW)
    client.cookies.clear()
    return dict(answer.json())


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


def test_a_new_user_can_sign_in_and_be_removed(client: TestClient, as_user: AsUser) -> None:
    admin = as_user("admin")
    made = add(client, admin, roles=["viewer"], teamIds=["red", "red"], firstName="Jane")
    body = made.json()
    assert made.status_code == 201
    assert (body["username"], body["email"], body["firstName"], body["lastName"]) == (
        "jane@bytebot.test",
        "jane@bytebot.test",
        "Jane",
        None,
    )
    assert (body["roles"], body["teamIds"], body["isActive"]) == (["viewer"], ["red"], True)
    assert body["permissions"] == list(PERMISSIONS["VIEWER"])
    assert "password" not in made.text.lower()
    path = f"{USERS}/{body['id']}"
    assert client.get(path, headers=admin).json() == body
    pair = sign_in_new(client)
    assert client.get(ME, headers=bearer(pair)).status_code == 200
    removed = client.delete(path, headers=admin)
    assert (removed.status_code, removed.content) == (204, b"")
    assert code(client.get(ME, headers=bearer(pair))) == (401, "TOKEN_INVALID")
    assert code(client.get(path, headers=admin)) == (404, "NOT_FOUND")
    assert code(client.delete(path, headers=admin)) == (404, "NOT_FOUND")
    assert client.post("/api/v1/auth/login", json=NEW).json()["error"]["code"] == "INVALID_CREDENTIALS"


def test_the_default_role_is_operator(client: TestClient, as_user: AsUser) -> None:
    assert add(client, as_user("admin")).json()["roles"] == ["operator"]


def test_a_user_may_have_several_roles_or_none(client: TestClient, as_user: AsUser) -> None:
    admin = as_user("admin")
    several = add(client, admin, roles=["role_viewer", "api-consumer", "viewer"]).json()
    assert several["roles"] == ["viewer", "api-consumer"]
    assert several["permissions"] == list(PERMISSIONS["API_CONSUMER"])
    none = add(client, admin, username="nobody@bytebot.test", roles=[]).json()
    assert (none["roles"], none["permissions"]) == ([], [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "weak"}, "password"),
        ({"password": "Jane-Horse-4321"}, "password"),
        ({"roles": ["viewer", "king"]}, "roles.1"),
        ({"roles": "viewer"}, "roles"),
        ({"username": ""}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "a\0"}, "username"),
        ({"teamIds": ["a b"]}, "teamIds.0"),
        ({"isActive": True}, "isActive"),
        ({"role": "ADMIN"}, "role"),
        ({"permissions": ["system:admin"]}, "permissions"),
    ],
)
def test_a_wrong_user_is_a_400_that_names_the_field(
    client: TestClient, as_user: AsUser, change: dict[str, Any], field: str
) -> None:
    answer = add(client, as_user("admin"), **change)
    assert code(answer) == (400, "VALIDATION_FAILED")
    assert {problem["field"] for problem in answer.json()["error"]["details"]} == {field}


def test_a_name_is_taken_once(client: TestClient, as_user: AsUser) -> None:
    admin = as_user("admin")
    assert add(client, admin).status_code == 201
    assert code(add(client, admin)) == (409, "CONFLICT")
    assert code(add(client, admin, username="elsewhere", email="operator@bytebot.test")) == (409, "CONFLICT")


def test_the_list_is_cut_in_pages(client: TestClient, as_user: AsUser) -> None:
    admin = as_user("admin")
    pages = [client.get(USERS, params={"page": page, "limit": 3}, headers=admin).json()["users"] for page in (1, 2)]
    assert [len(page) for page in pages] == [3, 2]
    assert client.get(USERS, params={"limit": 0}, headers=admin).status_code == 400


@pytest.mark.parametrize("user_id", ["x", "%00", str(uuid.uuid4())])
def test_nobody_is_a_404(client: TestClient, as_user: AsUser, user_id: str) -> None:
    admin = as_user("admin")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/roles"), ("DELETE", "/roles/viewer")):
        body = {"roleId": "viewer"} if method == "POST" else None
        answer = client.request(method, f"{USERS}/{user_id}{path}", json=body, headers=admin)
        assert code(answer) == (404, "NOT_FOUND")


def test_an_administrator_is_always_left(client: TestClient, as_user: AsUser, store: MemoryStore) -> None:
    admin, me = as_user("admin"), store.users["admin"]["id"]
    assert code(client.delete(f"{USERS}/{me}", headers=admin)) == (409, "CONFLICT")
    assert code(client.delete(f"{USERS}/{me}/roles/admin", headers=admin)) == (409, "CONFLICT")


def test_a_new_role_of_a_user_counts_from_the_next_sign_in_on(client: TestClient, as_user: AsUser) -> None:
    admin = as_user("admin")
    user = add(client, admin, roles=["viewer"]).json()
    before = sign_in_new(client)
    answer = client.post(f"{USERS}/{user['id']}/roles", json={"roleId": "role_operator"}, headers=admin)
    assert (answer.status_code, answer.json()["roles"]) == (200, ["viewer", "operator"])
    assert answer.json()["id"] == user["id"]
    assert code(client.get(ME, headers=bearer(before))) == (401, "TOKEN_INVALID")
    after = sign_in_new(client)
    assert client.post("/api/v1/tasks", json={"description": "a"}, headers=bearer(after)).status_code == 201
    again = client.post(f"{USERS}/{user['id']}/roles", json={"roleId": "operator"}, headers=admin)
    assert again.json()["roles"] == ["viewer", "operator"]
    assert client.get(ME, headers=bearer(after)).status_code == 200, "nothing changed, so the session stays"
    taken = client.delete(f"{USERS}/{user['id']}/roles/role_operator", headers=admin)
    assert (taken.status_code, taken.json()["roles"]) == (200, ["viewer"])
    assert code(client.get(ME, headers=bearer(after))) == (401, "TOKEN_INVALID")
    assert code(client.delete(f"{USERS}/{user['id']}/roles/operator", headers=admin)) == (404, "NOT_FOUND")


@pytest.mark.parametrize("body", [{}, {"roleId": "king"}, {"roleId": 1}, {"role": "admin"}])
def test_a_role_that_is_none_is_a_400(client: TestClient, as_user: AsUser, store: MemoryStore, body: Any) -> None:
    path = f"{USERS}/{store.users['viewer']['id']}/roles"
    assert code(client.post(path, json=body, headers=as_user("admin"))) == (400, "VALIDATION_FAILED")


def test_roles_in_the_documented_shape(client: TestClient, as_user: AsUser) -> None:
    roles = client.get(ROLE_PATH, headers=as_user("admin")).json()["roles"]
    assert [role["id"] for role in roles] == ["role_admin", "role_operator", "role_viewer", "role_api_consumer"]
    assert roles[0].keys() == {"id", "name", "description", "permissions", "userCount", "isDefault"}
    assert [role["userCount"] for role in roles] == [1, 2, 1, 1]
    assert [role["name"] for role in roles if role["isDefault"]] == ["operator"]
    assert {role["name"]: tuple(role["permissions"]) for role in roles} == {
        public_name(role): permissions for role, permissions in PERMISSIONS.items()
    }


def test_a_role_of_ones_own(client: TestClient, as_user: AsUser) -> None:
    admin = as_user("admin")
    role = {"name": "task-auditor", "description": "Reads tasks", "permissions": ["task:read", "api:access"]}
    made = client.post(ROLE_PATH, json=role, headers=admin)
    expected = {**role, "id": "role_task_auditor", "permissions": ["api:access", "task:read"]}
    assert (made.status_code, made.json()) == (201, {**expected, "userCount": 0, "isDefault": False})
    assert code(client.post(ROLE_PATH, json=role, headers=admin)) == (409, "CONFLICT")
    add(client, admin, roles=["task-auditor"])
    pair = sign_in_new(client)
    assert pair["user"]["permissions"] == ["api:access", "task:read"]
    assert client.get("/api/v1/tasks", headers=bearer(pair)).status_code == 200
    assert client.post("/api/v1/tasks", json={"description": "a"}, headers=bearer(pair)).status_code == 403
    listed = client.get(ROLE_PATH, headers=admin).json()["roles"]
    assert listed[-1] == {**expected, "userCount": 1, "isDefault": False}
    assert client.delete(f"{ROLE_PATH}/role_task_auditor", headers=admin).status_code == 204
    assert code(client.get("/api/v1/tasks", headers=bearer(pair))) == (401, "TOKEN_INVALID")
    assert code(client.delete(f"{ROLE_PATH}/role_task_auditor", headers=admin)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "x"}, "name"), ({"name": "Bad Name"}, "name"), ({"name": "role_a"}, "name"), ({"name": "a-"}, "name"),
        ({"description": ""}, "description"), ({"permissions": ["task:fly"]}, "permissions.0"),
        ({"permissions": "task:read"}, "permissions"), ({"isDefault": True}, "isDefault"),
    ],
)  # fmt: skip
def test_a_wrong_role_is_a_400(client: TestClient, as_user: AsUser, change: dict[str, Any], field: str) -> None:
    role = {"name": "good-name", "description": "d", "permissions": [], **change}
    answer = client.post(ROLE_PATH, json=role, headers=as_user("admin"))
    assert code(answer) == (400, "VALIDATION_FAILED")
    assert [problem["field"] for problem in answer.json()["error"]["details"]] == [field]


@pytest.mark.parametrize("role", [*(role_id(role) for role in ROLES), "admin"])
def test_the_applications_own_roles_stay(client: TestClient, as_user: AsUser, role: str) -> None:
    assert code(client.delete(f"{ROLE_PATH}/{role}", headers=as_user("admin"))) == (409, "CONFLICT")
    name = public_name(stored_name(role))
    body = {"name": name, "description": "d", "permissions": []}
    assert code(client.post(ROLE_PATH, json=body, headers=as_user("admin"))) == (409, "CONFLICT")


def test_what_the_table_grants_to_one_user_counts_for_this_one(
    client: TestClient, as_user: AsUser, store: MemoryStore
) -> None:
    grant = {"role": "VIEWER", "permission": "task:write", "userId": store.users["viewer"]["id"]}
    store.grants.append(grant)
    assert client.post("/api/v1/tasks", json={"description": "a"}, headers=as_user("viewer")).status_code == 201


@pytest.mark.parametrize("permission", [*ALL, "task:fly"])
def test_a_permission_is_asked_about(client: TestClient, as_user: AsUser, permission: str) -> None:
    path = "/api/v1/auth/check-permission"
    answer = client.post(path, json={"permission": permission}, headers=as_user("operator")).json()
    assert answer.keys() == {"hasPermission", "permission", "reason"}
    assert answer["permission"] == permission
    assert answer["hasPermission"] == (permission in PERMISSIONS["OPERATOR"])
    assert answer["reason"]


@pytest.mark.parametrize("body", [{}, {"permission": ""}, {"permission": 1}, {"permission": "a", "user": "b"}])
def test_a_malformed_question_is_a_400(client: TestClient, as_user: AsUser, body: Any) -> None:
    assert client.post("/api/v1/auth/check-permission", json=body, headers=as_user()).status_code == 400


def test_the_password_is_checked_before_anybody_is_made(
    client: TestClient, store: MemoryStore, as_user: AsUser
) -> None:
    before = dict(store.users)
    add(client, as_user("admin"), password="weak")
    assert store.users == before
