# Tasks: made, listed, changed and removed by who may.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, model_validator

from bytebot_app.auth import Auth, Caller, needs
from bytebot_app.auth_routes import caller_of
from bytebot_app.errors import documented, not_found
from bytebot_app.metrics import Metrics
from bytebot_app.models import (
    Given,
    Message,
    Model,
    Priority,
    Role,
    Status,
    Task,
    TaskDetail,
    Text,
)
from bytebot_app.runner import MODEL, PROVIDER, TITLE
from bytebot_app.store import Row, Store
from bytebot_app.task_forms import FORM, FormRoute, NewTask, from_form
from bytebot_app.workplace import Desk, Workplace


class TaskChange(Given):
    """What can be changed in a task; one of them at least."""

    status: Status = Field(default="PENDING")
    priority: Priority = Field(default="MEDIUM")
    # Who acts: USER takes the task over, ASSISTANT gives it back.
    control: Role = Field(default="ASSISTANT")

    @model_validator(mode="after")
    def _changes_something(self) -> TaskChange:
        if not self.model_fields_set:
            raise ValueError("status, priority or control is needed")
        return self

    def of(self, name: str) -> str | None:
        """A field's value where it was given; null was refused before, since it is not a status."""
        return str(getattr(self, name)) if name in self.model_fields_set else None


class NewMessage(Given):
    """What the user says to a task."""

    content: Text = Field(min_length=1, max_length=10000, pattern=r"\S")


def router(store: Store, auth: Auth, metrics: Metrics, place: Workplace) -> APIRouter:
    """The routes of the contract's section 7."""
    routes = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
    known = Depends(caller_of(auth))
    desk = Desk(store, metrics, place)

    async def create_with_files(request: Request, caller: Caller = known) -> Task:
        needs(caller, "task:write")
        given, files = await from_form(request)
        team = caller.ownership.team(caller, given["teamId"])
        return Task(**await desk.create({**given, "teamId": team}, caller.id, files))

    # The same path and method, told apart by the content type; the document has both at the route below.
    routes.add_api_route(
        "",
        create_with_files,
        methods=["POST"],
        status_code=201,
        include_in_schema=False,
        route_class_override=FormRoute,
    )

    @routes.post(
        "", status_code=201, responses=documented(400, 401, 403, 413, 415, 503), openapi_extra={"requestBody": FORM}
    )
    async def create(given: NewTask, caller: Caller = known) -> Task:
        needs(caller, "task:write")
        team = caller.ownership.team(caller, given.teamId)
        return Task(**await desk.create({**given.model_dump(), "teamId": team}, caller.id, []))

    @routes.get("", responses=documented(400, 401, 403, 503))
    async def listed(
        caller: Caller = known,
        page: Annotated[int, Query(ge=1, le=100000)] = 1,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        status: Annotated[Status | None, Query()] = None,
    ) -> list[Task]:
        needs(caller, "task:read")
        owner, teams = caller.ownership.scope(caller)
        return [Task(**task) for task in await store.tasks(owner, page, limit, status, teams)]

    @routes.get("/in-progress", responses=documented(401, 403, 503))
    async def in_progress(caller: Caller = known) -> Task | None:
        needs(caller, "task:read")
        owner, teams = caller.ownership.scope(caller)
        found = await store.tasks(owner, 1, 1, "IN_PROGRESS", teams)
        return Task(**found[0]) if found else None

    @routes.get("/models", responses=documented(401, 403, 503))
    async def models(caller: Caller = known) -> list[Model]:
        needs(caller, "task:read")
        return [Model(provider=PROVIDER, name=MODEL, title=TITLE)]

    @routes.get("/{task_id}", responses=documented(401, 403, 404, 503))
    async def one(task_id: str, caller: Caller = known) -> TaskDetail:
        needs(caller, "task:read")
        task = await _own(store, caller, task_id, "task:read")
        return TaskDetail(**task, messages=[Message(**row) for row in await place.work.messages(task["id"])])

    @routes.patch("/{task_id}", responses=documented(400, 401, 403, 404, 413, 415, 503))
    async def change(task_id: str, given: TaskChange, caller: Caller = known) -> Task:
        needs(caller, "task:write")
        before = await _own(store, caller, task_id, "task:write")
        return Task(**await desk.change(before, given.of("status"), given.of("priority"), given.of("control")))

    @routes.delete("/{task_id}", status_code=204, responses=documented(401, 403, 404, 503))
    async def remove(task_id: str, caller: Caller = known) -> None:
        needs(caller, "task:write", "task:delete")
        await desk.remove(await _own(store, caller, task_id, "task:delete"))

    @routes.post("/{task_id}/execute", responses=documented(401, 403, 404, 503))
    async def execute(task_id: str, caller: Caller = known) -> Task:
        needs(caller, "task:execute")
        return Task(**await desk.execute(await _own(store, caller, task_id, "task:execute")))

    @routes.get("/{task_id}/messages", responses=documented(401, 403, 404, 503))
    async def messages(task_id: str, caller: Caller = known) -> list[Message]:
        needs(caller, "task:read")
        task = await _own(store, caller, task_id, "task:read")
        return [Message(**row) for row in await place.work.messages(task["id"])]

    @routes.post("/{task_id}/messages", status_code=201, responses=documented(400, 401, 403, 404, 413, 415, 503))
    async def say(task_id: str, given: NewMessage, caller: Caller = known) -> Message:
        needs(caller, "task:write")
        task = await _own(store, caller, task_id, "task:write")
        return Message(**await desk.say(task, given.content))

    return routes


async def _own(store: Store, caller: Caller, task_id: str, permission: str) -> Row:
    try:
        wanted = str(uuid.UUID(task_id))
    except ValueError:
        raise not_found("Task") from None
    task = await store.task(wanted)
    if task is None:
        raise not_found("Task")
    caller.ownership.demand(caller, task, permission)
    return task
