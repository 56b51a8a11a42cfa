# The deployed application as its clients meet it, through the ingress, with accounts that are gone afterwards.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from sandbox.settings import load
from tests.integration.called import HANDOVER, kube

S = load()
HOST = "api.bytebot.test"
BASE = f"https://{S.node_address}"
API = f"{BASE}/api/v1"
TEAM = "conformance"
ROLES = ("admin", "operator", "viewer", "api-consumer")


class _ByName(HTTPAdapter):
    """Asks the ingress by its address for the host's name, and wants the certificate of that name."""

    def init_poolmanager(self, *given: Any, **options: Any) -> None:
        super().init_poolmanager(*given, **options, server_hostname=HOST, assert_hostname=HOST)

    def send(self, request: requests.PreparedRequest, *given: Any, **options: Any) -> requests.Response:
        """Whoever asks with a session of this kind may say `verify` of a request anew: the authority stays."""
        return super().send(request, *given, **options | {"verify": str(HANDOVER / "ingress-ca.crt")})


def session() -> requests.Session:
    """A client that trusts the sandbox's authority and no other."""
    made = requests.Session()
    made.trust_env = False
    made.verify = str(HANDOVER / "ingress-ca.crt")
    made.headers["Host"] = HOST
    made.mount("https://", _ByName())
    return made


def sign_in(client: requests.Session, username: str, password: str) -> dict[str, str]:
    """The headers of a session of its own."""
    given = {"username": username, "password": password}
    answer = client.post(f"{API}/auth/login", json=given, timeout=30)
    client.cookies.clear()
    assert answer.status_code == 200, f"{username} is not signed in: {answer.status_code}"
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@dataclass
class World:
    """One account for each role, whose names and passwords are this run's own."""

    client: requests.Session
    administrator: dict[str, str]
    passwords: dict[str, str] = field(default_factory=dict, repr=False)

    def as_role(self, role: str) -> dict[str, str]:
        return sign_in(self.client, *self.credentials(role))

    def credentials(self, role: str) -> tuple[str, str]:
        return next((name, word) for name, word in self.passwords.items() if name.startswith(f"{role}-"))

    def ids(self, kind: str) -> set[str]:
        """The ids of all users, or of all roles."""
        found: set[str] = set()
        for page in range(1, 100):
            query = {"page": page, "limit": 100} if kind == "users" else {}
            answer = self.client.get(f"{API}/{kind}", params=query, headers=self.administrator, timeout=30)
            listed = {str(one["id"]) for one in answer.json()[kind]}
            if listed <= found:
                break
            found |= listed
        return found

    def _add(self, role: str) -> None:
        name, word = f"{role}-{secrets.token_hex(6)}@conformance.test", f"Aa1!{secrets.token_urlsafe(24)}"
        given = {"username": name, "password": word, "roles": [role], "teamIds": [TEAM]}
        answer = self.client.post(f"{API}/users", json=given, headers=self.administrator, timeout=30)
        assert answer.status_code == 201, answer.status_code
        self.passwords[name] = word

    def remove(self, kind: str, before: set[str]) -> None:
        """Take out what was not there before, generated requests' things too; tasks go with their users."""
        for one in self.ids(kind) - before:
            answer = self.client.delete(f"{API}/{kind}/{one}", headers=self.administrator, timeout=30)
            assert answer.status_code == 204, f"{kind} {one} is still there: {answer.status_code}"
        assert self.ids(kind) == before


@contextmanager
def world() -> Iterator[World]:
    """Accounts of each role, and afterwards no user, role or task more than before."""
    secret = json.loads(
        kube("get", "secret", "bytebot-bootstrap-admin", f"--namespace={S.app_namespace}", "-o", "json")
    )
    name, word = (b64decode(secret["data"][key]).decode() for key in ("username", "password"))
    client = session()
    made = World(client, sign_in(client, name, word))
    before = {kind: made.ids(kind) for kind in ("users", "roles")}
    try:
        for role in ROLES:
            made._add(role)
        yield made
    finally:
        made.administrator = sign_in(client, name, word)
        for kind, known in before.items():
            made.remove(kind, known)
