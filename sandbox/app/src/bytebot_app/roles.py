# Roles and their permissions, as the contract lists them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

_ALL = (
    "system:admin", "system:monitor", "api:manage", "api:access", "task:read", "task:write", "task:execute",
    "task:delete", "computer:control", "computer:view",
)  # fmt: skip

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "ADMIN": _ALL,
    "OPERATOR": tuple(name for name in _ALL if not name.startswith(("system:", "api:manage"))),
    "VIEWER": ("api:access", "task:read", "computer:view"),
    "API_CONSUMER": ("api:access", "task:read", "task:write", "task:execute", "computer:control", "computer:view"),
}


def public_name(role: str) -> str:
    """The role as the API spells it."""
    return role.lower().replace("_", "-")
