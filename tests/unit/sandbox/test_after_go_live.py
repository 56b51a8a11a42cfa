# What goes wrong after a go-live: users ask around it, and the fault comes in at its moment.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from sandbox import catalog
from sandbox.faults import FAULTS, after_go_live
from sandbox.faults.fault import Hands
from sandbox.settings import Settings
from tests.sabotage import wanted

NOW = 1_796_000_000.0


class World:
    """A clock that moves when it is looked at, and users that are seen."""

    def __init__(self) -> None:
        self.now, self.asking = NOW, False
        self.told: list[tuple[str, float, bool]] = []

    def time(self) -> float:
        self.now += 1
        return self.now

    def __enter__(self) -> World:
        self.asking = True
        return self

    def __exit__(self, *_given: object) -> None:
        self.asking = False

    def act(self, _hands: Hands) -> None:
        self.told.append(("act", self.now, self.asking))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(after_go_live.traffic, "Traffic", lambda _hands: made)
    monkeypatch.setattr(after_go_live.time, "time", made.time)

    def until(_hands: Hands, holds: Callable[[], bool], _what: str) -> None:
        while not holds():
            pass
        made.told.append(("reached", made.now, made.asking))

    monkeypatch.setattr(Hands, "until", until)
    return made


@pytest.mark.parametrize(("asked", "asking"), [(True, [True, True, True, False]), (False, [True, True, False])])
def test_a_fault_comes_at_the_go_live_and_users_ask_before_it(
    world: World, settings: Settings, asked: bool, asking: list[bool]
) -> None:
    at = NOW + 30
    variables = {"bytebot_go_live": {"at": datetime.fromtimestamp(at, UTC).isoformat()}}
    hands = Hands(settings, None, None)  # type: ignore[arg-type]
    after_go_live.watched(hands, variables, world.act, asked=asked)
    assert [told[2] for told in world.told] == asking
    assert world.told[0][1] >= at
    assert [told[0] for told in world.told].index("act") == 1
    assert world.told[-1][1] >= at + after_go_live.WINDOW_S + after_go_live.SCRAPED_S


def test_the_moment_is_that_of_the_inputs_that_go_with_the_fault(world: World, settings: Settings) -> None:
    hands = Hands(settings, None, None)  # type: ignore[arg-type]
    hands.folder.mkdir(parents=True)
    given = after_go_live.soon(hands)
    (hands.folder / after_go_live.VARIABLES).write_text(json.dumps(given))
    world.now = datetime.fromisoformat(given["bytebot_go_live"]["at"]).timestamp() - 5
    FAULTS["no_traffic"].put(hands)
    assert [told[0] for told in world.told] == ["reached", "reached"]


def test_windows_are_as_long_as_the_inventory_says() -> None:
    text = (catalog.FOLDER.parents[1] / "inventories/sandbox/group_vars/all.yml").read_text()
    found = yaml.safe_load(text)
    assert {found["go_live_early_window"], found["go_live_late_window"]} == {"1m"}
    assert after_go_live.WINDOW_S == 60
    assert after_go_live.BEFORE_S > after_go_live.WINDOW_S


def test_the_alert_fires_at_once() -> None:
    files = sorted((catalog.FOLDER / "prometheus" / "rules").glob("*.yml"))
    rules: dict[str, Any] = {"data": {path.name: path.read_text() for path in files}}
    after_go_live._fires(rules)
    groups = [group for one in rules["data"].values() for group in yaml.safe_load(one)["groups"]]
    (rule,) = [one for group in groups for one in group["rules"] if one["alert"] == after_go_live.RULE]
    assert (rule["expr"].endswith("== 1"), "for" in rule) == (True, False)


def test_what_is_judged_after_a_go_live_is_not_asked_of_a_deployment() -> None:
    assert len(wanted.WINDOWS) == 7
    assert not wanted.WINDOWS & wanted.ALL
    for name in ("login_fails_after_go_live", "task_stuck_after_go_live"):
        fault = FAULTS[name]
        assert fault.variables(None)["go_live_window_controls"] == list(fault.turns_red)  # type: ignore[arg-type]
