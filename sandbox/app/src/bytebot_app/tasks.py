# Tasks: made, listed, changed and removed by who may.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from datetime import UTC
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from bytebot_app.auth import Auth, Caller, caller_of, needs
from bytebot_app.errors import ApiError, not_found
from bytebot_app.metrics import Metrics
from bytebot_app.store import Row, Store

Status = Literal["PENDING", "IN_PROGRESS", "NEEDS_HELP", "NEEDS_REVIEW", "COMPLETED", "CANCELLED", "FAILED"]
Priority = Literal["LOW", "MEDIUM", "HIGH", "URGENT"]


class NewTask(BaseModel):
    """What a task is made from."""

    model_config = ConfigDict(extra="forbid")
    description: str = Field(min_length=1, max_length=10000)
    priority: Priority = "MEDIUM"
    type: Literal["IMMEDIATE", "SCHEDULED"] = "IMMEDIATE"


class TaskChange(BaseModel):
    """What can be changed in a task."""

    model_config = ConfigDict(extra="forbid")
    status: Status | None = None
    priority: Priority | None = None


def router(store: Store, auth: Auth, metrics: Metrics) -> APIRouter:
    """The routes of the contract's section 7 that this part has."""
    routes = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
    known = Depends(caller_of(auth))

    @routes.post("", status_code=201)
    async def create(given: NewTask, caller: Caller = known) -> dict[str, Any]:
        needs(caller, "task:write")
        task = await store.add_task(caller.id, given.description, given.priority, given.type)
        metrics.tasks.labels("PENDING", given.type, caller.id).inc()
        return _shown(task)

    @routes.get("")
    async def listed(
        caller: Caller = known,
        page: Annotated[int, Query(ge=1, le=100000)] = 1,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        status: Status | None = None,
    ) -> list[dict[str, Any]]:
        needs(caller, "task:read")
        owner = None if caller.role == "ADMIN" else caller.id
        return [_shown(task) for task in await store.tasks(owner, page, limit, status)]

    @routes.get("/{task_id}")
    async def one(task_id: str, caller: Caller = known) -> dict[str, Any]:
        needs(caller, "task:read")
        return {**_shown(await _own(store, caller, task_id)), "messages": []}

    @routes.patch("/{task_id}")
    async def change(task_id: str, given: TaskChange, caller: Caller = known) -> dict[str, Any]:
        needs(caller, "task:write")
        await _own(store, caller, task_id)
        changed = await store.change_task(task_id, given.model_dump(exclude_none=True))
        if changed is None:
            raise not_found("Task")
        if given.status:
            metrics.tasks.labels(given.status, changed["type"], caller.id).inc()
        return _shown(changed)

    @routes.delete("/{task_id}", status_code=204)
    async def remove(task_id: str, caller: Caller = known) -> None:
        needs(caller, "task:write", "task:delete")
        await _own(store, caller, task_id)
        await store.remove_task(task_id)

    return routes


async def _own(store: Store, caller: Caller, task_id: str) -> Row:
    try:
        uuid.UUID(task_id)
    except ValueError:
        raise not_found("Task") from None
    task = await store.task(task_id)
    if task is None:
        raise not_found("Task")
    if caller.role != "ADMIN" and task["createdBy"] != caller.id:
        raise ApiError(403, "RESOURCE_ACCESS_DENIED", "This task belongs to somebody else")
    return task


def _shown(task: Row) -> dict[str, Any]:
    times = {
        name: task[name].replace(tzinfo=UTC).isoformat().replace("+00:00", "Z") for name in ("createdAt", "updatedAt")
    }
    return {**task, **times}
