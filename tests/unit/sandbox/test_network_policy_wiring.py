# The enforcer as a component of the sandbox behind its switch, and the faults prepared for it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import xmlrpc.client
from typing import Any

import pytest

from sandbox import catalog, cli
from sandbox.component import Process
from sandbox.errors import SandboxError
from sandbox.faults import network
from sandbox.faults.fault import Hands
from sandbox.host import packages
from sandbox.settings import FULL, NETWORK_POLICY, PROFILE, SMALL, Settings, load
from sandbox.supervisor import State

NAME = "network-policy"
Object = dict[str, Any]


@pytest.mark.parametrize(
    ("profile", "given", "there"),
    [
        (SMALL, None, False),
        (SMALL, "0", False),
        (SMALL, "1", True),
        (FULL, None, True),
        (FULL, "0", False),
        (FULL, "1", True),
    ],
)
def test_the_switch_decides_whether_it_is_a_part_and_else_the_profile(
    monkeypatch: pytest.MonkeyPatch, profile: str, given: str | None, there: bool
) -> None:
    monkeypatch.setenv(PROFILE, profile)
    monkeypatch.delenv(NETWORK_POLICY, raising=False)
    if given is not None:
        monkeypatch.setenv(NETWORK_POLICY, given)
    found = catalog.discover()
    chosen = catalog.wanted(found, load())
    assert (NAME in chosen) is there
    catalog.sequence({name: one.needs for name, one in chosen.items()})


def test_a_switch_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(NETWORK_POLICY, "maybe")
    assert cli.main(["status"]) == cli.PREFLIGHT
    assert f"{NETWORK_POLICY} is 'maybe': set it to 1" in capsys.readouterr().err


def test_its_package_is_one_that_the_sandbox_installs() -> None:
    assert catalog.discover()[NAME].package in packages.NEEDED


def test_its_command_finds_the_sandbox_from_anywhere() -> None:
    """As the supervisor starts it: in / and with a bare environment."""
    component = catalog.discover()[NAME]
    assert isinstance(component, Process)
    settings = dataclasses.replace(load(), state=load().checkout / "no-such-state")
    command = component.command(settings)
    path = {"PATH": os.environ["PATH"]}
    code = f"import {command[-1]}.__main__; from sandbox.settings import load; print(load().state)"
    told = subprocess.run([*command[:-2], "-c", code], cwd="/", env=path, text=True, capture_output=True, check=True)
    assert told.stdout.strip() == str(settings.state)


# ------------------------------------------------------------------ faults


class Supervised:
    """Plays the supervisor."""

    states: dict[str, str]

    def __init__(self, _: Settings) -> None: ...

    def state(self, name: str) -> State:
        if name not in self.states:
            raise xmlrpc.client.Fault(10, "BAD_NAME")
        return State(name, self.states[name], 1, 1, "")

    def stop(self, names: list[str]) -> None:
        self.states.update(dict.fromkeys(names, "STOPPED"))

    def start(self, name: str) -> None:
        self.states[name] = "RUNNING"


class Stored:
    """Plays the API server with one object at most."""

    def __init__(self, found: Object | None) -> None:
        self.found = found

    def get(self, _: str) -> Object | None:
        return self.found

    def call(self, method: str, path: str, body: str = "", kind: str = "") -> str:
        self.found = None if method == "DELETE" else json.loads(body)
        return ""


def hands(settings: Settings, found: Object | None = None) -> Hands:
    return Hands(settings, Stored(found), None)  # type: ignore[arg-type]


def test_the_enforcer_is_stopped_and_started(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "Supervisor", Supervised)
    monkeypatch.setattr(network, "unenforced", lambda _: Supervised.states[NAME] != "RUNNING")
    monkeypatch.setattr(Supervised, "states", {NAME: "RUNNING", "kubelet": "RUNNING"}, raising=False)
    network.stop(hands(settings))
    assert Supervised.states == {NAME: "STOPPED", "kubelet": "RUNNING"}
    network.start(hands(settings))
    assert Supervised.states == {NAME: "RUNNING", "kubelet": "RUNNING"}


def test_where_there_is_no_enforcer_it_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "Supervisor", Supervised)
    monkeypatch.setattr(Supervised, "states", {}, raising=False)
    with pytest.raises(SandboxError, match="does not enforce"):
        network.stop(hands(settings))


def test_the_policy_comes_back_as_it_was(settings: Settings) -> None:
    meta = {"name": "bytebot-network-policy", "labels": {"app": "bytebot"}, "annotations": {"a": "b"}}
    shipped = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta,
        "spec": {"podSelector": {}},
    }
    made = hands(settings, {**shipped, "metadata": {**meta, "uid": "1", "resourceVersion": "7", "managedFields": []}})
    network.take_away(made)
    assert made.cluster.get("") is None
    network.take_away(made)
    network.give_back(made)
    assert made.cluster.get("") == shipped


def test_what_was_not_taken_is_not_given_back(settings: Settings) -> None:
    made = hands(settings)
    with pytest.raises(SandboxError, match="is not there"):
        network.take_away(made)
    network.give_back(made)
    assert made.cluster.get("") is None
