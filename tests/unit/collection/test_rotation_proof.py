# What a drill of rotation proves: whether the key of before is refused, or only the sessions of before have ended.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ansible_collections.bytebot.production.plugins.module_utils import rotation_drill
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import Drill
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.forge import Keys, parts_of, signed
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

NAME = "access-token-private-key"


@cache
def key(_name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(name: str) -> bytes:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key(name).private_bytes(serialization.Encoding.PEM, form, plain)


@dataclass
class App:
    """An application with sessions in memory, which its start empties, and keys that it trusts."""

    signs: str = "old"
    trusts: tuple[str, ...] = ("old",)
    sessions: set[str] = field(default_factory=set)
    next_trusts: tuple[str, ...] = ("new",)
    once: bool = False  # whether a token is taken as it was given only
    given: set[str] = field(default_factory=set)
    readable: bool = True
    left: float = 3600.0
    status: int = 401

    def sign_in(self) -> str:
        session = f"s{len(self.given)}"
        self.sessions.add(session)
        claims = {"sid": session, "exp": time.time() + self.left}
        token = signed({"alg": "RS256", "kid": self.signs}, claims, Keys(private=pem(self.signs)))
        self.given.add(token)
        return token

    def takes(self, token: str) -> bool:
        text, _dot, signature = token.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        found = parts_of(token)
        assert found is not None
        good = any(self._verifies(name, raw, text) for name in self.trusts if name == found[0].get("kid"))
        return good and found[1]["sid"] in self.sessions and (token in self.given or not self.once)

    @staticmethod
    def _verifies(name: str, raw: bytes, text: str) -> bool:
        try:
            key(name).public_key().verify(raw, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def restart(self) -> None:
        self.signs, self.trusts, self.sessions = "new", self.next_trusts, set()


def drilled(monkeypatch: pytest.MonkeyPatch, app: App) -> Drill:
    class Keeper:
        now = None

        def __init__(self, *_given: Any) -> None: ...

        def brought(self, *, with_diff: bool) -> tuple[dict[str, Any], Any]:
            assert not with_diff
            app.restart()
            return {"rotated": [NAME]}, SimpleNamespace()

    def get(*_given: Any) -> dict[str, Any]:
        if not app.readable:
            raise NotPermitted("Secrets may not be read.")
        return {"data": {NAME: base64.b64encode(pem(app.signs)).decode(), "other": "eA=="}}

    def asked(_path: str, headers: Mapping[str, str]) -> SimpleNamespace:
        return SimpleNamespace(
            status=200 if app.takes(headers["Authorization"].removeprefix("Bearer ")) else app.status
        )

    follow = SimpleNamespace(follow=lambda _changed: {"followers": []})
    monkeypatch.setattr(rotation_drill, "Keeper", Keeper)
    monkeypatch.setattr(rotation_drill, "Restarter", lambda *_given: follow)
    monkeypatch.setattr(rotation_drill, "replace", lambda changed, **_more: changed)
    monkeypatch.setattr(rotation_drill, "token_of", lambda *_given: SimpleNamespace(token=app.sign_in(), problem=""))
    monkeypatch.setattr(rotation_drill, "WITHIN_S", 0.0)
    monkeypatch.setattr(rotation_drill, "POLL_S", 0.0)
    spec: Any = SimpleNamespace(name="keys", namespace="shop", replace=frozenset({"other", NAME}))
    login: Any = SimpleNamespace(http=SimpleNamespace(get=asked))
    patience: Any = None
    cluster: Any = SimpleNamespace(get=get)
    return rotation_drill.drill(cluster, rotation_drill.Plan(spec, login, "/tasks", patience), Redactor())


def test_a_key_that_was_replaced_is_told_from_sessions_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    done = drilled(monkeypatch, App())
    assert (done.passed, done.by_key, done.why) == (True, True, "")
    assert done.steps[-1] == "a token of a new session that the old key signed is answered by 401"


def test_a_key_that_is_still_trusted_is_red_though_all_sessions_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    done = drilled(monkeypatch, App(next_trusts=("old", "new")))
    assert (done.passed, done.by_key) == (False, False)
    assert done.why == "a token of a new session that the old key signed after the rotation is taken (200)"


@pytest.mark.parametrize("app", [App(once=True), App(readable=False)], ids=["once", "unreadable"])
def test_where_nothing_can_be_signed_it_is_not_told_apart(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    done = drilled(monkeypatch, app)
    assert (done.passed, done.by_key, done.why) == (True, False, "")
    assert "not told apart" in done.steps[-1]


def test_a_refused_key_is_a_proof_where_the_token_of_before_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drilled(monkeypatch, App(left=1.0)).by_key
