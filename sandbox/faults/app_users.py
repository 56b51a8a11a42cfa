# Faults in who is there: an administrator whom nobody named. And what an environment may want of tokens.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from sandbox.errors import SandboxError
from sandbox.faults.app_visit import USERS, Visitor, seen_by, wrong
from sandbox.faults.fault import Fault, Hands

SURPLUS = "surplus-admin@bytebot.test"
PAGE = 100


def _found(visitor: Visitor, token: str) -> list[dict[str, Any]]:
    """The accounts of that name: one or none."""
    page, found = 0, []
    while True:
        page += 1
        listed = visitor.ask("GET", f"{USERS}?page={page}&limit={PAGE}", token=token).json["users"]
        found += [one for one in listed if one["username"] == SURPLUS]
        if len(listed) < PAGE:
            return found


def _made(hands: Hands) -> None:
    visitor = Visitor(hands)
    token = visitor.token("admin")
    if _found(visitor, token):
        return
    body = {"username": SURPLUS, "password": wrong(), "roles": ["admin"]}
    made = visitor.ask("POST", USERS, body, token=token)
    if made.status != HTTPStatus.CREATED:
        raise SandboxError("fault", f"no account is made: status {made.status}")


def _removed(hands: Hands) -> None:
    visitor = Visitor(hands)
    token = visitor.token("admin")
    for one in _found(visitor, token):
        visitor.ask("DELETE", f"{USERS}/{one['id']}", token=token)


FAULTS = (
    Fault(
        name="extra_admin", says="somebody whom nobody named has the role admin", layer="database",
        turns_red=("security_configuration.auth.default_users",), shuts=False, put=_made, heal=_removed,
        seen=seen_by(lambda visitor: bool(_found(visitor, visitor.token("admin")))),
    ),
    Fault(
        name="key_id_wanted", says="tokens must name their key, and one that names none is believed", layer="inputs",
        turns_red=("functional_testing.authentication.jwt",), shuts=False,
        variables=lambda _hands: {"functional_testing_kid_required": True},
    ),
)  # fmt: skip
