# The list of the application's faults: it has all of them, each once and with one line.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from bytebot_app import auth_faults, faults, faults_work
from bytebot_app.__main__ import main
from bytebot_app.fault_list import ALL, check_mark, listed
from bytebot_app.layers import WRONG
from bytebot_app.settings import ConfigurationError
from sandbox.faults import FAULTS as SWITCHES


def test_all_that_can_be_switched_on_are_listed() -> None:
    assert set(ALL) == {*faults.FAULTS, *auth_faults.FAULTS, *faults_work.FAULTS, *WRONG}
    assert len(ALL) == sum(map(len, (faults.FAULTS, auth_faults.FAULTS, faults_work.FAULTS, WRONG)))


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


@pytest.mark.parametrize("command", ["serve", "worker", "scheduler", "migrate", "smoke", "openapi"])
def test_an_unknown_name_in_the_environment_is_refused_in_one_sentence(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(faults.MARK, "rate_limiter_of")
    assert main([command]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert told.err == (
        "The configuration is not valid: SANDBOX_FAULT: no fault has the name 'rate_limiter_of'; "
        "the command faults lists them all.\n"
    )


@pytest.mark.parametrize(
    "name", ["", "rate_limiter_off", "login_fails", "alg_none_accepted", "metrics_stale", "login_fails,metrics_stale"]
)
def test_a_name_of_the_list_or_none_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faults.MARK, name)
    check_mark()


def test_each_of_several_names_has_to_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faults.MARK, "login_fails,rate_limiter_of,metrics_stale")
    with pytest.raises(ConfigurationError, match="'rate_limiter_of'"):
        check_mark()


def test_several_are_in_at_once(made: Callable[..., TestClient]) -> None:
    names = ("server_banner", "cors_any_origin", "rate_limiter_off", "metrics_wrong_content_type")
    with made(",".join(names), limited=True) as client:
        answers = [client.get("/health/live", headers={"Origin": "https://else.test"}) for _request in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        assert answers[0].headers["Access-Control-Allow-Origin"] in ("*", "https://else.test")
        assert answers[0].headers["Server"]
        assert client.get("/metrics").headers["Content-Type"].startswith("text/html")


def test_the_list_is_shown_whatever_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faults.MARK, "rate_limiter_of")
    assert main(["faults"]) == 0


def test_the_sandbox_switches_on_no_other() -> None:
    first: dict[object, str] = {}  # a fault of another stage is put in by another one's switch
    for fault in SWITCHES.values():
        first.setdefault(fault.put, fault.name)
    own = [fault for fault in SWITCHES.values() if first[fault.put] == fault.name and fault.playbook != "window"]
    switched = {fault.name for fault in own if fault.layer == "application" and not fault.component}
    assert switched - {"restart_loop"}  # which kills the processes from outside
    assert switched - {"restart_loop"} <= set(ALL)
