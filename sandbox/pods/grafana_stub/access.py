# Who may do what: service accounts' tokens with the documented actions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hmac
from collections.abc import Mapping, Set
from dataclasses import dataclass

from sandbox.pods.web import Answer, as_json

READ_DASHBOARDS, READ_SOURCES, QUERY = "dashboards:read", "datasources:read", "datasources:query"
UNAUTHORIZED = as_json({"message": "Unauthorized"}, 401)


@dataclass(frozen=True)
class Access:
    """Actions by token."""

    actions: Mapping[str, Set[str]]

    def refusal(self, header: str, action: str) -> Answer | None:
        """None where the token in this Authorization header may do it."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return UNAUTHORIZED
        given = [allowed for known, allowed in self.actions.items() if hmac.compare_digest(known, token)]
        if not given:
            return UNAUTHORIZED
        return None if action in given[0] else forbidden(action)


def forbidden(action: str) -> Answer:
    said = f"You'll need additional permissions to perform this action. Permissions needed: {action}"
    return as_json({"title": "Access denied", "message": said}, 403)
