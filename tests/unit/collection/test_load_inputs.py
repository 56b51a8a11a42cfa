# The inputs of load_test: what is refused in one sentence, what is pending, and the plan that they make.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.argspec_load import LOAD_ARGS, LoadInputs
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import (
    Account,
    Door,
    Fields,
    Identity,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import LEVEL, STEADY, WARM_UP
from ansible_collections.bytebot.production.plugins.module_utils.observe_load import (
    LoadScope,
    _Sessions,
    end_of,
    observe,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

BASE = "https://api.shop.test"


def given(load: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The module's arguments as Ansible fills them."""
    whole = {name: spec.get("default") for name, spec in LOAD_ARGS.items()}
    options = {name: spec.get("default") for name, spec in LOAD_ARGS["load"]["options"].items()}
    whole |= {"base_url": BASE, "allowed_hosts": ["api.shop.test"], "namespace": "shop", "release": "shop", "only": []}
    whole |= {"allowed": True, "load": {**options, "users": 20, **(load or {})}}
    return {**whole, **changes}


def scope(arguments: dict[str, Any], check_mode: bool = False) -> LoadScope:
    http = Http(arguments["base_url"], arguments["allowed_hosts"])
    return LoadInputs(arguments, http, check_mode=check_mode).scope(None)  # type: ignore[arg-type]


def test_the_plan_by_default() -> None:
    made = scope(given())
    assert [one.kind for one in made.plan.phases] == [WARM_UP, STEADY, LEVEL, LEVEL, LEVEL, LEVEL]
    assert [round(one.rate, 3) for one in made.plan.phases] == [4, 4, 4, 4.667, 5.333, 6]
    assert made.plan.seconds == 750
    assert made.users == 20
    assert [one.name for one in made.endpoints] == ["readiness", "tasks", "permissions"]
    assert not made.unasked


def test_a_rate_of_its_own_and_one_level() -> None:
    made = scope(given({"rate": 10.0, "levels": 1, "warm_up": 0.0}))
    assert [(one.kind, one.rate) for one in made.plan.phases] == [(STEADY, 10.0), (LEVEL, 15.0)]


@pytest.mark.parametrize(
    ("arguments", "check_mode", "words"),
    [
        (given(allowed=False), False, "not permitted"),
        (given(load=None) | {"load": None}, False, "how many users"),
        (given({"users": None}), False, "how many users"),
        (given(), True, "check mode"),
    ],
)
def test_what_makes_it_pending(arguments: dict[str, Any], check_mode: bool, words: str) -> None:
    made = scope(arguments, check_mode)
    assert words in made.unasked
    facts = observe(None, made, Redactor(), lambda _text: None)
    assert facts.unasked == made.unasked
    assert facts.tally.done == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (given({"users": 5000, "think_time": 1.0}), "more than maximum_rate allows"),
        (given({"soak": 99999.0}), "more than maximum_seconds allows"),
        (given({"rate": 100.0, "soak": 2500.0}), "more than maximum_requests allows"),
        (given({"rate": float("inf")}), "load.rate"),
        (given({"rate": -1.0}), "load.rate"),
        (given({"think_time": 0.0}), "load.think_time"),
        (given({"warm_up": float("nan")}), "load.warm_up"),
        (given({"users": -3}), "load.users"),
        (given({"levels": 0}), "load.levels"),
        (given(workers=-1), "workers"),
        (given(error_share=2.0), "error_share"),
        (given(latency_ms=float("nan")), "latency_ms"),
        (given(head_room=0.5), "head_room"),
        (given(memory_budget="much"), "memory_budget"),
        (
            given({"endpoints": [{"name": "x", "path": "https://else.test/", "weight": 1.0, "signed_in": False}]}),
            "else.test",
        ),
        (given({"endpoints": [{"name": "x", "path": "/x", "weight": 0.0, "signed_in": False}]}), "weight of x"),
        (given({"endpoints": [{"name": "x", "path": "/x", "weight": 1.0, "signed_in": False}] * 2}), "same name"),
    ],
)
def test_bad_inputs_are_one_sentence(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace(".", r"\.")) as found:
        scope(arguments)
    assert "\n" not in found.value.sentence


class Signs(Door):
    """Signs in as often as it may."""

    def sign_in(self, account: Account, redactor: Redactor) -> Identity:
        return Identity(account.role, problem="the login of viewer answers 429")


def test_no_load_where_nobody_signs_in() -> None:
    arguments = given(accounts=[{"role": "viewer", "secret": "x", "username_key": "u", "password_key": "p"}])
    http = Http(BASE, ["api.shop.test"])
    made = LoadInputs(arguments, http, check_mode=False).scope(None)  # type: ignore[arg-type]
    made = replace(made, door=Signs(None, "shop", http, Fields()))  # type: ignore[arg-type]
    facts = observe(None, made, Redactor(), lambda _text: None)
    assert "answers 429" in facts.unasked
    facts = observe(None, replace(made, accounts=()), Redactor(), lambda _text: None)
    assert "no accounts" in facts.unasked


class Opens(Door):
    """Signs in and counts."""

    def sign_in(self, account: Account, redactor: Redactor) -> Identity:
        asked.append(account.role)
        return Identity(account.role, f"token-{len(asked)}")


asked: list[str] = []


def test_sessions_are_shared_by_accounts_and_renewed_in_time() -> None:
    asked.clear()
    roles = [{"role": role, "secret": "x", "username_key": "u", "password_key": "p"} for role in ("viewer", "operator")]
    http = Http(BASE, ["api.shop.test"])
    arguments = given({"users": 10, "think_time": 1.0, "sign_ins": 3}, accounts=roles)
    made = LoadInputs(arguments, http, check_mode=False).scope(None)  # type: ignore[arg-type]
    now = [1000.0]
    opens = Opens(None, "shop", http, Fields())  # type: ignore[arg-type]
    sessions = _Sessions(replace(made, door=opens), Redactor(), lambda: now[0])
    assert sessions.begin() == ""
    assert asked == ["viewer", "operator", "viewer"]
    assert sessions.most_each() == pytest.approx(15 * 60 * 7 / 10)  # seven of ten users are the first account
    assert sessions.renew() == []
    now[0] += 361
    assert sessions.renew() == ["token-4", "token-5", "token-6"]
    assert sessions.renew() == []


@pytest.mark.parametrize(
    ("token", "end"),
    [
        ("e30.eyJleHAiOiA5MDB9.c2ln", 900.0),
        ("e30.e30.c2ln", None),
        ("e30.W10.c2ln", None),
        ("opaque", None),
        ("a.%%.c", None),
        ("e30.eyJleHAiOiAibyJ9.c", None),
    ],
)
def test_the_end_of_a_token(token: str, end: float | None) -> None:
    assert end_of(token) == end
