# Who signs in for a check: accounts that the inventory names by Secret, each with its role.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of


@dataclass(frozen=True, slots=True)
class Account:
    """Where the name and password of a user stand."""

    role: str
    secret: str
    username_key: str = "username"
    password_key: str = "password"


@dataclass(frozen=True, slots=True)
class Fields:
    """How the application's sign-in is spoken to; the documents differ."""

    login_path: str = "/api/v1/auth/login"
    username: str = "username"
    password: str = "password"
    token: str = "access_token"


@dataclass(frozen=True, slots=True)
class Identity:
    """A signed-in user; ``problem`` says why it is not."""

    role: str
    token: str = field(default="", repr=False)
    problem: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Door:
    """Where users sign in, and where the Secrets are that hold their passwords."""

    cluster: Cluster
    namespace: str
    http: Http
    fields: Fields = field(default_factory=Fields)

    def sign_in(self, account: Account, redactor: Redactor) -> Identity:
        """Sign in as an account does; neither its password nor its token is ever shown."""
        try:
            data = data_of(self.cluster.get("v1", "Secret", account.secret, self.namespace) or {})
        except NotPermitted as exc:
            return Identity(account.role, problem=exc.sentence.rstrip("."))
        redactor.learn(data.get(account.password_key))
        name, password = (
            data.get(key, b"").decode("utf-8", "replace") for key in (account.username_key, account.password_key)
        )
        if not name or not password:
            keys = f"{account.username_key} and {account.password_key}"
            return Identity(account.role, problem=f"Secret {account.secret} lacks {keys}")
        fields = self.fields
        answer = self.http.request("POST", fields.login_path, json={fields.username: name, fields.password: password})
        return _identity(account.role, answer, fields, redactor)


def _identity(role: str, answer: Answer, fields: Fields, redactor: Redactor) -> Identity:
    if answer.failure:
        return Identity(role, problem=answer.failure.sentence.rstrip("."))
    if answer.status != HTTPStatus.OK:
        return Identity(role, problem=f"the login of {role} answers {answer.status}")
    token = body_of(answer).get(fields.token)
    if not isinstance(token, str) or not token:
        return Identity(role, problem=f"the login's answer has no {fields.token}")
    redactor.learn(token)
    return Identity(role, token)


def body_of(answer: Answer) -> Mapping[str, Any]:
    """An answer's JSON object; empty where it has none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
