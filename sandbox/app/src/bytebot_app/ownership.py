# Whose a task is: its maker's and the maker's team's; administrators reach all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Protocol

from bytebot_app import audit
from bytebot_app.errors import ApiError
from bytebot_app.roles import ADMIN


class Member(Protocol):
    """Who asks, as far as ownership goes."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def teams(self) -> tuple[str, ...]: ...


class Ownership:
    """The one place that decides it."""

    def scope(self, member: Member) -> tuple[str | None, tuple[str, ...]]:
        """Whose tasks a list has: this user's and these teams'; no user means everybody's."""
        return (None, ()) if member.role == ADMIN else (member.id, member.teams)

    def reaches(self, member: Member, task: dict[str, Any]) -> bool:
        """Whether a task is the member's own or of one of the member's teams."""
        return member.role == ADMIN or task["createdBy"] == member.id or task.get("teamId") in member.teams

    def demand(self, member: Member, task: dict[str, Any], permission: str) -> None:
        """Refuse who does not reach the task."""
        if not self.reaches(member, task):
            raise refused(permission, "This task belongs to somebody else")

    def team(self, member: Member, wanted: str | None) -> str | None:
        """The team of a new task: the one that is wanted, where it is the member's, or else the member's first."""
        if wanted is None:
            return next(iter(member.teams), None)
        if member.role != ADMIN and wanted not in member.teams:
            raise refused("task:write", "This team is not yours")
        return wanted


def refused(permission: str, why: str) -> ApiError:
    """The error for what belongs to others, with its audit line."""
    audit.authorization(permission, "RESOURCE_ACCESS_DENIED", granted=False)
    return ApiError(403, "RESOURCE_ACCESS_DENIED", why)
