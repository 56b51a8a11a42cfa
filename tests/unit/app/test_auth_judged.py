# The collection judges the reference application: signing in and rights are green in order, each fault red.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi.testclient import TestClient

from ansible_collections.bytebot.production.plugins.module_utils.checks import auth_facts as of
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import MATRIX, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import AuthApi, Dialect, Patience
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account
from ansible_collections.bytebot.production.plugins.module_utils.forge import Keys as Known
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth import Scope, Source, observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_auth_users import DefaultUser
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from bytebot_app import faults
from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings
from bytebot_app.tokens import Keys
from sandbox.faults import FAULTS, app_rights, app_sign_in
from tests.unit.collection.test_observe_secrets import Kubernetes, secret

from .memory import PASSWORD, MemoryStore

BASE = "https://api.bytebot.test"
SHORT, LONG = 4, 9  # rounds: of work that takes no time, and of work whose time is seen
BITING = [fault for module in (app_sign_in, app_rights) for fault in module.FAULTS if fault.turns_red]


class Asked:
    """The application as the collection's client asks it."""

    base_url = BASE

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None, data: Any = None
    ) -> Answer:
        del data
        self._client.cookies.clear()
        began = time.process_time()  # what the application worked, for the machine may be busy otherwise
        got = self._client.request(method, path, headers=dict(headers or {}), json=json)
        seconds = time.process_time() - began
        return Answer(BASE + path, got.status_code, dict(got.headers), got.text, seconds)


Judged = Callable[..., dict[str, str]]


@pytest.fixture
def judged(
    settings: Settings, parts: Parts, store: MemoryStore, keys: Keys, monkeypatch: pytest.MonkeyPatch, written: None
) -> Judged:
    """Lines are written as the application writes them: those for a person show whole stacks, which takes minutes."""
    del written

    @contextmanager
    def asked(fault: str, rounds: int) -> Iterator[Asked]:
        monkeypatch.setenv(faults.MARK, fault)
        app = create_app(settings.model_copy(update={"bcrypt_rounds": rounds, "auth_lockout_duration": 60}), parts)
        with TestClient(app, base_url=BASE, raise_server_exceptions=False) as client:
            yield Asked(client)

    def later(seconds: float) -> None:
        store.later += timedelta(seconds=seconds)

    private, public = keys.access.private, keys.access.public
    assert private
    known = Known(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    users = [secret(role, username=f"{role}@bytebot.test", password=PASSWORD) for role in MATRIX]

    def judge(fault: str = "", *only: str, rounds: int = SHORT, key_id_needed: bool = False) -> dict[str, str]:
        before = set(store.users_by_id)
        scope = Scope(
            Wanted(lockout_s=60),
            tuple(Account(role, role) for role in MATRIX),
            writes=True,
            wait_s=100,
            defaults=tuple(DefaultUser((role,), secret=role) for role in MATRIX),
            default_passwords=("admin",),
            key_id_needed=key_id_needed,
            only=only,
        )
        with asked(fault, rounds) as application:
            api = AuthApi(application, Dialect(), Redactor(), Patience(0, sleep=later))  # type: ignore[arg-type]
            source = Source(Kubernetes(*users), "shop")  # type: ignore[arg-type]
            facts = observe(api, scope, source, known, Redactor())
        assert (facts.left, set(store.users_by_id), store.rows) == ((), before, {})
        return {one.control: str(one.verdict.state) for one in CHECKS.judge(facts, only)}

    return judge


def test_in_order_it_is_green(judged: Judged) -> None:
    assert judged() == dict.fromkeys(CHECKS.controls, "pass")


@pytest.mark.parametrize("fault", [*BITING, FAULTS["session_fixation"]], ids=lambda fault: fault.name)
def test_a_fault_turns_red_what_it_declares(judged: Judged, fault: Any) -> None:
    own = [control for control in fault.turns_red if control in CHECKS.controls]
    states = judged(fault.name, *own, rounds=LONG if fault.name.endswith("by_time") else SHORT)
    assert states == dict.fromkeys(own, "fail")
    assert own


def test_a_token_that_names_no_key_is_red_where_one_is_wanted(judged: Judged) -> None:
    assert judged("", of.JWT, key_id_needed=True) == {of.JWT: "fail"}
