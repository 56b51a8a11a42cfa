# Tasks: made, listed, changed and removed by who may.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: N815 - the fields are spelled as the documents spell them

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, Field, model_validator

from bytebot_app.auth import Auth, Caller, denied, needs
from bytebot_app.auth_routes import caller_of
from bytebot_app.errors import ApiError, documented, not_found
from bytebot_app.metrics import Metrics
from bytebot_app.models import Given, Kind, Priority, Status, Task, TaskDetail, Text
from bytebot_app.store import ENDED, Row, Store


class NewTask(Given):
    """What a task is made from."""

    description: Text = Field(min_length=1, max_length=10000, pattern=r"\S")
    priority: Priority = "MEDIUM"
    type: Kind = "IMMEDIATE"
    scheduledFor: AwareDatetime | None = None
    model: Annotated[Text, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _has_its_time(self) -> NewTask:
        if (self.type == "SCHEDULED") != (self.scheduledFor is not None):
            raise ValueError("scheduledFor belongs to the type SCHEDULED, and to no other")
        return self


class TaskChange(Given):
    """What can be changed in a task; one of them at least."""

    status: Status = Field(default="PENDING")
    priority: Priority = Field(default="MEDIUM")

    @model_validator(mode="after")
    def _changes_something(self) -> TaskChange:
        if not self.model_fields_set:
            raise ValueError("status or priority is needed")
        return self

    def of(self, name: str) -> str | None:
        """A field's value where it was given; null was refused before, since it is not a status."""
        return str(getattr(self, name)) if name in self.model_fields_set else None


def router(store: Store, auth: Auth, metrics: Metrics) -> APIRouter:
    """The routes of the contract's section 7 that this part has."""
    routes = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
    known = Depends(caller_of(auth))

    @routes.post("", status_code=201, responses=documented(400, 401, 403, 413, 415, 503))
    async def create(given: NewTask, caller: Caller = known) -> Task:
        needs(caller, "task:write")
        task = await store.add_task({**given.model_dump(), "createdBy": caller.id})
        metrics.tasks.labels(task["status"], task["type"], caller.id).inc()
        return Task(**task)

    @routes.get("", responses=documented(400, 401, 403, 503))
    async def listed(
        caller: Caller = known,
        page: Annotated[int, Query(ge=1, le=100000)] = 1,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        status: Annotated[Status | None, Query()] = None,
    ) -> list[Task]:
        needs(caller, "task:read")
        owner = None if caller.role == "ADMIN" else caller.id
        return [Task(**task) for task in await store.tasks(owner, page, limit, status)]

    @routes.get("/{task_id}", responses=documented(401, 403, 404, 503))
    async def one(task_id: str, caller: Caller = known) -> TaskDetail:
        needs(caller, "task:read")
        return TaskDetail(**await _own(store, caller, task_id, "task:read"))

    @routes.patch("/{task_id}", responses=documented(400, 401, 403, 404, 413, 415, 503))
    async def change(task_id: str, given: TaskChange, caller: Caller = known) -> Task:
        needs(caller, "task:write")
        before = await _own(store, caller, task_id, "task:write")
        task = await store.change_task(before["id"], given.of("status"), given.of("priority"))
        if task is None:
            raise not_found("Task")
        if task["status"] != before["status"]:
            _count(metrics, task)
        return Task(**task)

    @routes.delete("/{task_id}", status_code=204, responses=documented(401, 403, 404, 503))
    async def remove(task_id: str, caller: Caller = known) -> None:
        needs(caller, "task:write", "task:delete")
        if not await store.remove_task((await _own(store, caller, task_id, "task:delete"))["id"]):
            raise not_found("Task")

    return routes


def _count(metrics: Metrics, task: Row) -> None:
    metrics.tasks.labels(task["status"], task["type"], task["createdBy"]).inc()
    if task["status"] in ENDED:
        began: datetime = task["executedAt"] or task["createdAt"]
        metrics.task_seconds.labels(task["type"], task["status"]).observe((task["completedAt"] - began).total_seconds())


async def _own(store: Store, caller: Caller, task_id: str, permission: str) -> Row:
    try:
        wanted = str(uuid.UUID(task_id))
    except ValueError:
        raise not_found("Task") from None
    task = await store.task(wanted)
    if task is None:
        raise not_found("Task")
    if caller.role != "ADMIN" and task["createdBy"] != caller.id:
        denied(permission, "RESOURCE_ACCESS_DENIED")
        raise ApiError(403, "RESOURCE_ACCESS_DENIED", "This task belongs to somebody else")
    return task
