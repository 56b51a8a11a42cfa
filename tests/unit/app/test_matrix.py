# Roles against endpoints and methods: each cell of the contract's matrix is tried, and no route is outside of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.computer import VIEWS
from bytebot_app.roles import PERMISSIONS, SOURCES
from bytebot_app.settings import Settings

from .memory import PASSWORD, MemoryStore
from .test_openapi import PUBLIC

AUTH, TASKS, USERS, ROLES = "/api/v1/auth", "/api/v1/tasks", "/api/v1/users", "/api/v1/roles"
COMPUTER = "/api/v1/computer-use"
CALLERS = ("admin", "operator", "viewer", "api-consumer")
NEW_PASSWORD = "Another-Horse-43"
ALLOWED = {
    ("get", TASKS): (200, 200, 200, 200),
    ("post", TASKS): (201, 201, 403, 201),
    ("get", f"{TASKS}/{{task_id}}"): (200, 200, 200, 200),
    ("patch", f"{TASKS}/{{task_id}}"): (200, 200, 403, 200),
    ("delete", f"{TASKS}/{{task_id}}"): (204, 204, 403, 403),
    ("get", f"{TASKS}/in-progress"): (200, 200, 200, 200),
    ("get", f"{TASKS}/models"): (200, 200, 200, 200),
    ("post", f"{TASKS}/{{task_id}}/execute"): (200, 200, 403, 200),
    ("get", f"{TASKS}/{{task_id}}/messages"): (200, 200, 200, 200),
    ("post", f"{TASKS}/{{task_id}}/messages"): (201, 201, 403, 201),
    ("post", COMPUTER): (200, 200, 403, 200),
    ("get", ROLES): (200, 403, 403, 403),
    ("post", ROLES): (201, 403, 403, 403),
    ("delete", f"{ROLES}/{{role_id}}"): (204, 403, 403, 403),
    ("get", USERS): (200, 403, 403, 403),
    ("post", USERS): (201, 403, 403, 403),
    ("get", f"{USERS}/{{user_id}}"): (200, 403, 403, 403),
    ("delete", f"{USERS}/{{user_id}}"): (204, 403, 403, 403),
    ("post", f"{USERS}/{{user_id}}/roles"): (200, 403, 403, 403),
    ("delete", f"{USERS}/{{user_id}}/roles/{{role_id}}"): (200, 403, 403, 403),
    ("get", f"{AUTH}/permissions"): (200, 200, 200, 200),
    ("post", f"{AUTH}/check-permission"): (200, 200, 200, 200),
    ("post", f"{AUTH}/change-password"): (204, 204, 204, 204),
    ("post", f"{AUTH}/logout"): (204, 204, 204, 204),
}
BODIES: dict[tuple[str, str], Any] = {
    ("post", TASKS): {"description": "a"},
    ("patch", f"{TASKS}/{{task_id}}"): {"priority": "LOW"},
    ("post", f"{TASKS}/{{task_id}}/messages"): {"content": "a"},
    ("post", COMPUTER): {"action": "move_mouse", "coordinates": {"x": 1, "y": 2}},
    ("post", ROLES): {"name": "made-here", "description": "d", "permissions": ["task:read"]},
    ("post", USERS): {"username": "made@bytebot.test", "password": NEW_PASSWORD, "roles": ["viewer"]},
    ("post", f"{USERS}/{{user_id}}/roles"): {"roleId": "role_viewer"},
    ("post", f"{AUTH}/check-permission"): {"permission": "task:read"},
    ("post", f"{AUTH}/change-password"): {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
}
CELLS = [(*cell, caller, status) for cell, row in ALLOWED.items() for caller, status in zip(CALLERS, row, strict=True)]
AsUser = Callable[..., dict[str, str]]
Send = Callable[[str, str, dict[str, str]], Any]


@pytest.fixture
def send(client: TestClient, store: MemoryStore, as_user: AsUser) -> Send:
    """A request whose role alone decides: the task is the team's, the body is right, what it names is there."""
    for user in store.users.values():
        user["teamIds"] = ["team"]
    task = client.post(TASKS, json={"description": "a"}, headers=as_user("operator")).json()
    role = {"name": "other-role", "description": "d", "permissions": []}
    client.post(ROLES, json=role, headers=as_user("admin"))
    names = {"task_id": task["id"], "role_id": "role_other_role", "user_id": store.users["other"]["id"]}
    store.users["other"]["roles"] = ["OPERATOR", "OTHER_ROLE"]

    def sent(method: str, path: str, headers: dict[str, str]) -> Any:
        return client.request(method, path.format(**names), json=BODIES.get((method, path)), headers=headers)

    return sent


def served(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, item in app.openapi()["paths"].items():
        yield from ((method, path) for method in item if path not in PUBLIC)


def test_the_matrix_has_every_route_that_wants_a_token(app: FastAPI) -> None:
    assert set(served(app)) == set(ALLOWED)


@pytest.mark.parametrize(("method", "path", "caller", "status"), CELLS)
def test_each_cell(send: Send, as_user: AsUser, method: str, path: str, caller: str, status: int) -> None:
    answer = send(method, path, as_user(caller))
    assert answer.status_code == status, answer.text
    if status == 403:
        error = answer.json()["error"]
        details = error["details"]
        assert error["code"] == "INSUFFICIENT_PERMISSIONS"
        assert details["user_permissions"] == list(PERMISSIONS[caller.upper().replace("-", "_")])
        assert details["missing_permissions"]
        assert set(details["missing_permissions"]) == set(details["required_permissions"]) - set(
            details["user_permissions"]
        )


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("action", sorted(VIEWS))
def test_every_role_may_look_at_the_desktop(client: TestClient, as_user: AsUser, caller: str, action: str) -> None:
    more = {"text": "a"} if action == "find_text" else {}
    assert client.post(COMPUTER, json={"action": action, **more}, headers=as_user(caller)).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer a.b.c", "Basic YTpi"])
def test_without_a_good_token_each_route_is_a_401(send: Send, header: str | None) -> None:
    for method, path in ALLOWED:
        answer = send(method, path, {"Authorization": header} if header else {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "TOKEN_INVALID"), (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["details"] == {}


def test_a_user_without_a_role_is_told_so(send: Send, as_user: AsUser, store: MemoryStore) -> None:
    store.users["viewer"].update(role=None, roles=[])
    nobody = as_user("viewer")
    for method, path in ALLOWED:
        if not path.startswith(AUTH):
            answer = send(method, path, nobody)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ROLE_NOT_ASSIGNED"), (method, path)
    assert send("get", f"{AUTH}/permissions", nobody).json()["permissions"] == []


@pytest.mark.parametrize("path", [USERS, ROLES, f"{USERS}/6e1a4c5e-7d0b-4f0e-9a55-0f8b2b1a7f3c/roles"])
@pytest.mark.parametrize("caller", CALLERS[1:])
def test_who_is_no_administrator_is_refused_before_the_request_is_judged(
    client: TestClient, as_user: AsUser, path: str, caller: str
) -> None:
    assert client.post(path, json={"nonsense": 1}, headers=as_user(caller)).status_code == 403


def test_the_lists_give_less_than_the_matrix(settings: Settings, parts: Parts, store: MemoryStore) -> None:
    for user in store.users.values():
        user["teamIds"] = ["team"]
    changed = settings.model_copy(update={"rbac_source": "lists"})
    with TestClient(create_app(changed, parts), base_url="https://api.bytebot.test") as client:

        def headers(name: str) -> dict[str, str]:
            given = {"username": f"{name}@bytebot.test", "password": PASSWORD}
            return {"Authorization": f"Bearer {client.post(f'{AUTH}/login', json=given).json()['access_token']}"}

        task = client.post(TASKS, json={"description": "a"}, headers=headers("operator")).json()["id"]
        assert client.delete(f"{TASKS}/{task}", headers=headers("operator")).status_code == 403
        assert client.get(TASKS, headers=headers("api-consumer")).status_code == 403
        assert client.get(TASKS, headers=headers("viewer")).status_code == 200
        assert client.delete(f"{TASKS}/{task}", headers=headers("admin")).status_code == 204


@pytest.mark.parametrize("source", SOURCES)
def test_no_role_inherits_what_it_should_not(source: str) -> None:
    roles = SOURCES[source]
    for role, permissions in roles.items():
        assert ("system:admin" in permissions) == (role == "ADMIN")
        assert set(permissions) <= set(roles["ADMIN"])
    assert not {"task:write", "task:execute", "task:delete", "computer:control"} & set(roles["VIEWER"])
