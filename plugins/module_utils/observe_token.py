# Asks the running application for an access token, as a user would: by its public login.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Token
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http, shown_url
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of


@dataclass(frozen=True, slots=True)
class Login:
    """How a token is asked for: where, and in which Secret the user's name and password stand."""

    http: Http
    path: str
    secret: str
    username_key: str = "username"
    password_key: str = "password"
    token_field: str = "access_token"


def token_of(cluster: Cluster, login: Login, namespace: str, redactor: Redactor) -> Token:
    """Sign in to the application and take the access token."""
    url = shown_url(login.http.url_of(login.path))
    try:
        data = data_of(cluster.get("v1", "Secret", login.secret, namespace) or {})
    except NotPermitted as exc:
        return Token(problem=exc.sentence, url=url)
    redactor.learn(data.get(login.password_key))
    user, password = (data.get(key, b"").decode("utf-8", "replace") for key in (login.username_key, login.password_key))
    if not user or not password:
        keys = f"{login.username_key} and {login.password_key}"
        return Token(problem=f"Secret {login.secret} of the login lacks {keys}", url=url)
    answer = login.http.request("POST", login.path, json={"username": user, "password": password})
    if answer.failure:
        return Token(problem=answer.failure.sentence, url=url)
    if answer.status != HTTPStatus.OK:
        return Token(problem=f"the login answers HTTP {answer.status}", url=url)
    try:
        token = json.loads(answer.body).get(login.token_field)
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not token:
        return Token(problem=f"the login's answer has no {login.token_field}", url=url)
    redactor.learn(token)
    return Token(token=token, url=url)
