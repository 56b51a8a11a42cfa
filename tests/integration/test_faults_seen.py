# Faults that can be seen by themselves: put in twice and seen, healed twice and no longer seen. One of each module;
# `make faults-seen` tries all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandbox.faults import Faults
from sandbox.settings import load
from tests import seen

NAMES = seen.ALL if os.environ.get("FAULTS_SEEN") == "all" else seen.FEW


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
    looked = seen.look(faults, name)
    assert looked.put
    assert looked.healed
