# The registry has every fault that the application has by itself, and puts each in and out as before.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from email.message import Message
from typing import Any

import pytest

from bytebot_app import fault_list
from sandbox.errors import SandboxError
from sandbox.faults import FAULTS, MODULES, app_flow, app_http, app_rights, app_sign_in, app_visit
from sandbox.faults.fault import API, Fault, Hands
from sandbox.settings import Settings

OWN = [fault for module in (app_sign_in, app_rights, app_http, app_flow) for fault in module.FAULTS]
BEFORE = {"maxUnavailable": 0, "maxSurge": 1}


class Deployed:
    """A cluster with the one Deployment, which is rolled out as soon as it is patched."""

    def __init__(self) -> None:
        self.strategy: dict[str, Any] = dict(BEFORE)
        self.environment = {"POD_NAME": "kept"}
        self.there = True

    def get(self, path: str) -> dict[str, Any] | None:
        assert path == API
        return {"spec": {"replicas": 0, "strategy": {"rollingUpdate": self.strategy}}} if self.there else None

    def items(self, _path: str) -> list[Any]:
        return []

    def call(self, method: str, path: str, body: str, _kind: str) -> str:
        assert (method, path) == ("PATCH", API)
        spec = json.loads(body)["spec"]
        self.strategy = spec["strategy"]["rollingUpdate"]
        for one in spec.get("template", {}).get("spec", {}).get("containers", [{}])[0].get("env", []):
            if one.get("$patch") == "delete":
                self.environment.pop(one["name"], None)
            else:
                self.environment[one["name"]] = one["value"]
        return "{}"


@pytest.fixture
def deployed() -> Deployed:
    return Deployed()


@pytest.fixture
def hands(settings: Settings, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Hands:
    monkeypatch.setattr(Hands, "rolled_out", lambda _self: True)
    monkeypatch.setattr(app_visit, "_steady", lambda _hands: True)
    return Hands(settings, deployed, None)  # type: ignore[arg-type]


def test_every_fault_of_the_application_is_in_the_registry() -> None:
    assert sorted(fault_list.ALL.keys() - FAULTS.keys()) == []


def test_no_two_faults_have_one_name() -> None:
    names = [fault.name for module in MODULES for fault in module.FAULTS]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("fault", OWN, ids=lambda fault: fault.name)
def test_each_is_seen_by_itself_and_is_the_applications_or_a_variable(
    fault: Fault, hands: Hands, deployed: Deployed
) -> None:
    assert fault.seen is not None
    fault.put(hands)
    marked = deployed.environment.get(app_visit.MARK)
    assert (marked == fault.name and fault.name in fault_list.ALL) or (
        marked is None and len(deployed.environment) == 2
    )


def limited(status: int, after: str | None) -> app_visit.Answer:
    headers = Message()
    if after is not None:
        headers["Retry-After"] = after
    return app_visit.Answer(status, headers, "")


@pytest.mark.parametrize(
    ("first", "waited", "status"),
    [
        (limited(429, "20"), [20.0], 201),
        (limited(429, "3600"), [], 429),
        (limited(429, None), [], 429),
        (limited(429, "soon"), [], 429),
        (limited(500, "20"), [], 500),
        (limited(201, None), [], 201),
    ],
)
def test_a_visitor_waits_for_a_limit_that_is_soon_over(
    first: app_visit.Answer, waited: list[float], status: int
) -> None:
    answers, slept = iter([first, limited(201, None)]), list[float]()
    assert app_visit.patiently(lambda: next(answers), slept.append).status == status
    assert slept == waited


def test_what_was_put_in_twice_and_healed_twice_leaves_all_as_before(hands: Hands, deployed: Deployed) -> None:
    fault = OWN[0]
    for act in (fault.put, fault.put):
        act(hands)
        assert deployed.environment == {"POD_NAME": "kept", app_visit.MARK: fault.name}
        assert deployed.strategy == BEFORE
    for act in (fault.heal, fault.heal):
        act(hands)
        assert deployed.environment == {"POD_NAME": "kept"}
        assert deployed.strategy == BEFORE


def test_the_strategy_comes_back_after_a_kill_in_the_middle(
    hands: Hands, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_self: Hands, _holds: object, _what: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Hands, "until", killed)
        with pytest.raises(KeyboardInterrupt):
            OWN[0].put(hands)
    assert deployed.strategy == app_visit.AT_ONCE
    OWN[0].heal(hands)
    assert deployed.strategy == BEFORE
    assert deployed.environment == {"POD_NAME": "kept"}


def test_without_a_deployment_it_says_so(hands: Hands, deployed: Deployed) -> None:
    deployed.there = False
    with pytest.raises(SandboxError, match="not deployed"):
        OWN[0].put(hands)
