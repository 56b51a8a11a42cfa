# The list of the application's faults: it has all of them, each once and with one line.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest

from bytebot_app import auth_faults, faults
from bytebot_app.__main__ import main
from bytebot_app.fault_list import ALL, listed
from bytebot_app.layers import WRONG
from sandbox.faults import FAULTS as SWITCHES


def test_all_that_can_be_switched_on_are_listed() -> None:
    assert set(ALL) == {*faults.FAULTS, *auth_faults.FAULTS, *WRONG}
    assert len(ALL) == len(faults.FAULTS) + len(auth_faults.FAULTS) + len(WRONG)


def test_each_has_one_line_of_its_own() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in ALL)
    assert all(re.fullmatch(r"[^\s.].{5,90}[^\s.]", says) for says in ALL.values())
    assert len(set(ALL.values())) == len(ALL)


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match=r"two faults have the name b$"):
        listed({"a": ("says", None), "b": ("says", None)}, {"b": ("says else", None)})


def test_the_command_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown == ALL


def test_the_sandbox_switches_on_no_other() -> None:
    switched = {fault.name for fault in SWITCHES.values() if fault.layer == "application"}
    assert switched - {"restart_loop"}  # which kills the processes from outside
    assert switched - {"restart_loop"} <= set(ALL)
