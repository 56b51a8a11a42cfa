# Whose tasks one reaches: one's own, those of one's teams, and all for administrators.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from bytebot_app.auth import Caller
from bytebot_app.ownership import Ownership

from .memory import MemoryStore

TASKS = "/api/v1/tasks"
AsUser = Callable[..., dict[str, str]]
_names = st.sampled_from(["a", "b", "c"])
_teams = st.lists(st.sampled_from(["red", "blue", "green"]), unique=True).map(tuple)


def make(client: TestClient, headers: dict[str, str], **more: Any) -> Any:
    return client.post(TASKS, json={"description": "a", **more}, headers=headers)


def listed(client: TestClient, headers: dict[str, str]) -> set[str]:
    return {task["id"] for task in client.get(TASKS, headers=headers).json()}


@given(
    caller=_names,
    roles=st.sampled_from([("ADMIN",), ("OPERATOR",), ("VIEWER", "ADMIN"), ()]),
    teams=_teams,
    maker=_names,
    team=st.sampled_from([None, "red", "blue", "green"]),
)
def test_who_reaches_a_task_sees_it_in_the_list_and_nobody_else(
    caller: str, roles: tuple[str, ...], teams: tuple[str, ...], maker: str, team: str | None
) -> None:
    member = Caller(caller, caller, roles, (), teams, {})
    task, rules = {"createdBy": maker, "teamId": team}, Ownership()
    owner, shared = rules.scope(member)
    in_list = owner is None or maker == owner or team in shared
    assert rules.reaches(member, task) == in_list
    assert in_list == ("ADMIN" in roles or maker == caller or team in teams)


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_another_teams_task_is_out_of_reach(
    client: TestClient, as_user: AsUser, store: MemoryStore, method: str
) -> None:
    store.users["operator"]["teamIds"], store.users["other"]["teamIds"] = ["red"], ["blue"]
    task = make(client, as_user("operator")).json()
    body = {"json": {"priority": "LOW"}} if method == "patch" else {}
    answer = client.request(method, f"{TASKS}/{task['id']}", headers=as_user("other"), **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "RESOURCE_ACCESS_DENIED")
    assert task["id"] not in answer.text
    assert listed(client, as_user("other")) == set()
    assert listed(client, as_user("operator")) == listed(client, as_user("admin")) == {task["id"]}


def test_a_teams_task_is_everybodys_in_the_team(client: TestClient, as_user: AsUser, store: MemoryStore) -> None:
    store.users["operator"]["teamIds"], store.users["other"]["teamIds"] = ["red"], ["blue", "red"]
    task = make(client, as_user("operator")).json()
    assert task["teamId"] == "red"
    other = as_user("other")
    assert listed(client, other) == {task["id"]}
    assert client.patch(f"{TASKS}/{task['id']}", json={"priority": "LOW"}, headers=other).status_code == 200
    assert client.delete(f"{TASKS}/{task['id']}", headers=other).status_code == 204


def test_a_task_goes_to_a_team_of_ones_own_only(client: TestClient, as_user: AsUser, store: MemoryStore) -> None:
    store.users["operator"]["teamIds"] = ["red", "blue"]
    me = as_user()
    assert make(client, me, teamId="blue").json()["teamId"] == "blue"
    refused = make(client, me, teamId="green")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "RESOURCE_ACCESS_DENIED")
    assert make(client, as_user("admin"), teamId="green").json()["teamId"] == "green"
    assert make(client, as_user("other")).json()["teamId"] is None


@pytest.mark.parametrize("field", ["createdBy", "id", "status", "role"])
def test_nobody_makes_a_task_in_anothers_name(client: TestClient, as_user: AsUser, field: str) -> None:
    assert make(client, as_user(), **{field: "someone"}).status_code == 400
