# Each fault that can be seen by itself: put in twice and seen, healed twice and no longer seen.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.faults import FAULTS, Faults
from sandbox.faults.fault import unseen
from sandbox.settings import load

NAMES = [name for name, fault in FAULTS.items() if fault.seen is not unseen]


@pytest.fixture
def faults() -> Iterator[Faults]:
    made = Faults(load())
    assert made.active() == []
    yield made
    made.heal()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_there_when_it_is_in_and_gone_when_it_is_healed(faults: Faults, name: str) -> None:
    if lacking := faults.lacks(name):
        pytest.skip(f"this sandbox is without {lacking}, which is a part of the profile full")
    assert faults.seen(name) is False
    for _ in range(2):
        faults.put(name)
        assert faults.seen(name) is True
    assert faults.heal() == [name]
    assert faults.seen(name) is False
    # As after a kill in the middle of healing: the mark is there, and the fault is not.
    FAULTS[name].heal(faults.hands)
    assert faults.heal() == []
    assert faults.seen(name) is False
