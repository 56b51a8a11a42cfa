# Roles and their permissions, as the contract lists them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable

ALL = (
    "system:admin", "system:monitor", "api:manage", "api:access", "task:read", "task:write", "task:execute",
    "task:delete", "computer:control", "computer:view",
)  # fmt: skip
ADMIN, DEFAULT = "ADMIN", "OPERATOR"

# The matrix of roles and endpoints, said as permissions.
PERMISSIONS: dict[str, tuple[str, ...]] = {
    ADMIN: ALL,
    "OPERATOR": tuple(name for name in ALL if not name.startswith(("system:", "api:manage"))),
    "VIEWER": ("api:access", "task:read", "computer:view"),
    "API_CONSUMER": ("api:access", "task:read", "task:write", "task:execute", "computer:control", "computer:view"),
}
# The documents' lists, which give two roles less than their matrix does.
_LISTS = PERMISSIONS | {
    "OPERATOR": tuple(name for name in PERMISSIONS["OPERATOR"] if name != "task:delete"),
    "API_CONSUMER": ("api:access",),
}
SOURCES = {"matrix": PERMISSIONS, "lists": _LISTS}
DESCRIPTIONS = {
    ADMIN: "Everything, the system's settings and its users too",
    "OPERATOR": "Tasks and the desktop",
    "VIEWER": "Looks on",
    "API_CONSUMER": "A program that makes tasks and runs them",
}


def public_name(role: str) -> str:
    """The role as the API spells it."""
    return role.lower().replace("_", "-")


def role_id(role: str) -> str:
    """The role's id in the API."""
    return f"role_{role.lower()}"


def stored_name(given: str) -> str:
    """The role as the database spells it, from its name or its id in the API."""
    return given.removeprefix("role_").replace("-", "_").upper()


def ordered(permissions: Iterable[str]) -> tuple[str, ...]:
    """Each permission once, in the contract's order."""
    known = set(permissions)
    return tuple(name for name in ALL if name in known)
