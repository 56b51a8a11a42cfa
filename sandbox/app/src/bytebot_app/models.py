# What the API answers with, in the documented shapes; the OpenAPI document is made from these.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: N815 - the fields are spelled as the documents spell them

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

Status = Literal["PENDING", "IN_PROGRESS", "NEEDS_HELP", "NEEDS_REVIEW", "COMPLETED", "CANCELLED", "FAILED"]
Priority = Literal["LOW", "MEDIUM", "HIGH", "URGENT"]
Kind = Literal["IMMEDIATE", "SCHEDULED"]
Role = Literal["USER", "ASSISTANT"]
State = Literal["ok", "error"]


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("the character U+0000 is not allowed")  # PostgreSQL has no place for it
    return text


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moment_text(moment: datetime) -> str:
    """A time as every answer and log line writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Text = Annotated[str, AfterValidator(_storable)]
Moment = Annotated[
    datetime,
    AfterValidator(_utc),
    PlainSerializer(moment_text, when_used="json"),
    Field(examples=["2026-01-31T12:00:00.000Z"]),
]


class Given(BaseModel):
    """A request's body: a field that nobody knows is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: dict[str, Any] | list[dict[str, str]]


class Failure(BaseModel):
    """The one shape of all errors."""

    error: Problem


class User(BaseModel):
    """Who is signed in."""

    id: str
    username: str
    roles: list[str]
    permissions: list[str]


class SignedIn(BaseModel):
    """A new pair of tokens."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    user: User


class TaskAbilities(BaseModel):
    """What the caller can do with tasks."""

    canRead: bool
    canWrite: bool
    canExecute: bool
    canDelete: bool


class ComputerAbilities(BaseModel):
    """What the caller can do with the desktop."""

    canView: bool
    canControl: bool


class SystemAbilities(BaseModel):
    """What the caller can do with the system."""

    canMonitor: bool
    canAdmin: bool


class Abilities(BaseModel):
    """Permissions, grouped as a user interface needs them."""

    tasks: TaskAbilities
    computer: ComputerAbilities
    system: SystemAbilities


class Permissions(BaseModel):
    """What the caller may do."""

    userId: str
    username: str
    roles: list[str]
    permissions: list[str]
    effectivePermissions: Abilities


class Task(BaseModel):
    """A task."""

    id: str
    description: str
    type: Kind
    status: Status
    priority: Priority
    control: Role
    model: str | None
    scheduledFor: Moment | None
    queuedAt: Moment | None
    executedAt: Moment | None
    completedAt: Moment | None
    error: str | None
    result: dict[str, Any] | None = None
    createdBy: str
    teamId: str | None
    createdAt: Moment
    updatedAt: Moment


class Message(BaseModel):
    """One turn of a task's conversation, in blocks: text, image, tool use, tool result."""

    id: str
    content: list[dict[str, Any]]
    role: Role
    taskId: str
    createdAt: Moment
    updatedAt: Moment


class TaskDetail(Task):
    """A task with its conversation, which stays empty until something works on the task."""

    messages: list[Message] = []


class Model(BaseModel):
    """What can work on tasks."""

    provider: str
    name: str
    title: str


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    timestamp: Moment
    uptime: float
    version: str
    pid: int


class Check(BaseModel):
    """One dependency's answer."""

    status: State
    responseTime: str = Field(examples=["12ms"])


class Checks(BaseModel):
    """What a request needs to be served."""

    database: Check
    redis: Check


class Ready(BaseModel):
    """Whether requests can be served now."""

    status: State
    timestamp: Moment
    checks: Checks


class Initialization(BaseModel):
    """What must be done once."""

    database_migrations: Literal["completed", "pending"]
    websocket_server: Literal["listening"] | None = None
    job_queue: Literal["connected", "disconnected"]


class Startup(BaseModel):
    """Whether the process began well."""

    status: State
    timestamp: Moment
    initialization: Initialization
