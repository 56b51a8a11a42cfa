# What the routes of users and roles take and answer with, in the documented shapes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: N815 - the fields are spelled as the documents spell them

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from bytebot_app.models import Given, Moment, Text, User

Name = Annotated[Text, Field(min_length=1, max_length=254, pattern=r"^\S+$")]
Secret = Annotated[Text, Field(min_length=1, max_length=1024)]
RoleName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
TeamId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
Words = Annotated[Text, Field(min_length=1, max_length=100)]


class NewUser(Given):
    """What a user is made from; without roles it gets the default one."""

    username: Name
    password: Secret
    roles: Annotated[list[RoleName], Field(max_length=20)] | None = None
    email: Name | None = None
    firstName: Words | None = None
    lastName: Words | None = None
    teamIds: list[TeamId] = Field(default=[], max_length=50)


class Account(User):
    """A user, as administrators see it."""

    email: str
    firstName: str | None
    lastName: str | None
    teamIds: list[str]
    isActive: bool
    lastLoginAt: Moment | None
    createdAt: Moment
    updatedAt: Moment


class AccountList(BaseModel):
    """A page of users."""

    users: list[Account]


class Assignment(Given):
    """The role that a user gets."""

    roleId: RoleName


class NewRole(Given):
    """What a role is made from."""

    name: Annotated[str, Field(min_length=2, max_length=40, pattern=r"^[a-z][a-z0-9-]*[a-z0-9]$")]
    description: Annotated[Text, Field(min_length=1, max_length=500)]
    permissions: Annotated[list[str], Field(max_length=50)]


class Role(BaseModel):
    """A role."""

    id: str = Field(examples=["role_admin"])
    name: str
    description: str
    permissions: list[str]
    userCount: int
    isDefault: bool


class RoleList(BaseModel):
    """All roles."""

    roles: list[Role]


class PasswordChange(Given):
    """Both passwords."""

    current_password: Secret
    new_password: Secret


class Question(Given):
    """A permission that is asked about."""

    permission: Annotated[Text, Field(min_length=1, max_length=100)]


class Answer(BaseModel):
    """Whether the caller has it, and why."""

    hasPermission: bool
    permission: str
    reason: str
