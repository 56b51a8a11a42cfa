# When a sign is certain: its grace, flickers, and the patience that one may ask for.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Certainty, Signal
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import SHOP

SIGN = Signal("unschedulable", Identity("Pod", SHOP, "a"), "Unschedulable", "0/1 nodes")


def certain_at(certainty: Certainty, *looks: tuple[float, bool]) -> list[float]:
    """The moments at which the sign is certain, of looks at moments at which it is seen or not."""
    return [now for now, seen in looks if certainty.certain([SIGN] if seen else [], now)]


def test_a_sign_is_certain_after_its_grace() -> None:
    assert certain_at(Certainty(), (100, True), (130, True)) == []
    steady = [(float(second), True) for second in range(0, 70, 5)]
    assert certain_at(Certainty(), *steady) == [60.0, 65.0]


def test_grace_is_an_input() -> None:
    assert certain_at(Certainty({"unschedulable": 0}), (7, True)) == [7]
    steady = [(float(second), True) for second in range(0, 300, 5)]
    assert certain_at(Certainty({"unschedulable": 300}), *steady) == []


def test_a_sign_without_grace_is_certain_at_once() -> None:
    crash = Signal("crash_loop", Identity("Pod", SHOP, "a"), "CrashLoopBackOff", "exit code 1")
    assert Certainty().certain([crash], 0.0) == [crash]


def test_a_sign_that_flickers_keeps_its_age() -> None:
    """The kubelet alternates between ErrImagePull and ImagePullBackOff."""
    flickers = [(float(second), second % 4 < 2) for second in range(64)]
    assert certain_at(Certainty(), *flickers)[0] == 60.0


def test_a_sign_that_was_away_begins_anew() -> None:
    looks = [*((float(second), True) for second in range(50)), *((float(second), True) for second in range(60, 115))]
    assert certain_at(Certainty(), *looks) == []
    assert certain_at(Certainty(), *looks, *((float(second), True) for second in range(115, 122)))[0] == 120.0


def test_signs_of_two_pods_have_their_own_age() -> None:
    certainty = Certainty({"unschedulable": 3})
    other = Signal("unschedulable", Identity("Pod", SHOP, "b"), "Unschedulable", "0/1 nodes")
    certainty.certain([SIGN], 0.0)
    certainty.certain([SIGN, other], 2.0)
    assert certainty.certain([SIGN, other], 4.0) == [SIGN]


@pytest.mark.parametrize(
    ("grace", "sentence"),
    [
        ({"typo": 1}, "typo is no known cause"),
        ({"paused": "soon"}, "number of seconds"),
        ({"paused": None}, "number of seconds"),
        ({"paused": "nan"}, "0 seconds or more"),
        ({"paused": -1}, "0 seconds or more"),
    ],
)
def test_wrong_graces_are_refused(grace: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Patience.checked(10, 3, grace)


@pytest.mark.parametrize(("timeout", "restarts"), [(0, 3), (-1, 3), (10, 0)])
def test_wrong_patience_is_refused(timeout: int, restarts: int) -> None:
    with pytest.raises(InputError, match="above 0"):
        Patience.checked(timeout, restarts, {})


def test_patience_takes_texts_from_variables() -> None:
    assert Patience.checked(10, 3, {"paused": "2.5", "deadline": 0}).grace == {"paused": 2.5, "deadline": 0.0}
