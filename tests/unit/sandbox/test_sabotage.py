# How faults are counted: bitten, missed, collateral; and what a broken-off call goes on with.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.faults import FAULTS
from sandbox.faults.fault import Fault
from tests.sabotage import __main__ as sabotage
from tests.sabotage import healthy, wanted
from tests.sabotage.healthy import Healthy
from tests.sabotage.judging import CORE, Judge, Judged, Unproven, longest_task
from tests.sabotage.keeping import Kept
from tests.sabotage.rounds import ALLOWED, ALONE, rounds
from tests.sabotage.telling import Bite, last_line, row
from tests.unit.sandbox.test_sabotage_kept import tree

FAULT = Fault(name="one", says="it is wrong", layer="cluster", turns_red=("a.b.c",))
ADVICE = Fault(name="two", says="it is not good", layer="cluster", turns_red=("a.b.c",), shuts=False)


@pytest.mark.parametrize(
    ("fault", "states", "gate", "bitten", "collateral"),
    [
        (FAULT, {"a.b.c": "fail", "d.e.f": "pass"}, "shut", True, 0),
        (FAULT, {"a.b.c": "error", "d.e.f": "pending"}, "shut", True, 0),
        (FAULT, {"a.b.c": "pass"}, "open", False, 0),
        (FAULT, {"a.b.c": "inconclusive"}, "shut", False, 0),
        (FAULT, {"a.b.c": "fail"}, "open", False, 0),
        (FAULT, {"a.b.c": "fail", "d.e.f": "fail"}, "shut", True, 1),
        (FAULT, {"a.b.c": "pass", "d.e.f": "fail"}, "shut", False, 1),
        (FAULT, {}, "not_assessed", False, 0),
        (ADVICE, {"a.b.c": "fail"}, "open", True, 0),
        (ADVICE, {"a.b.c": "fail"}, "shut", False, 0),
    ],
)
def test_what_counts(fault: Fault, states: dict[str, str], gate: str, bitten: bool, collateral: int) -> None:
    bite = Bite.of(fault, Judged(states, gate, 1.0))
    assert (bite.bitten, len(bite.collateral)) == (bitten, collateral)
    assert ("NOT BITTEN" in row(bite)) is not bitten
    assert ("COLLATERAL" in row(bite)) is bool(collateral)


def test_what_the_gate_does_not_look_at_yet_leaves_it_open() -> None:
    later = frozenset({"a.b.c"})
    assert Bite.of(FAULT, Judged({"a.b.c": "fail"}, "open", 1.0, later)).bitten
    assert not Bite.of(FAULT, Judged({"a.b.c": "fail"}, "shut", 1.0, later)).bitten


def test_one_of_several_shuts_the_gate_for_all() -> None:
    """Of two that are in at once, the gate tells of either: of one of a later stage it would say nothing alone."""
    later = dataclasses.replace(FAULT, name="later", turns_red=("x.y.later",))
    red = {"a.b.c": "fail", "x.y.later": "fail"}
    judged = Judged(red, "shut", 1.0, frozenset({"x.y.later"}))
    assert Bite.of(later, judged, [FAULT]).bitten
    assert not Bite.of(later, judged).bitten


@pytest.mark.parametrize(("gate", "bitten"), [("shut", True), ("not_assessed", True), ("open", False)])
def test_the_last_stages_alone_may_open_no_gate(gate: str, bitten: bool) -> None:
    fault = dataclasses.replace(FAULT, playbook="go_live")
    assert Bite.of(fault, Judged({"a.b.c": "fail"}, gate, 1.0)).bitten is bitten


def test_only_a_pass_is_green() -> None:
    said = {"a.b.c": "All is well.", "d.e.f": "The machine was busy with other things."}
    judged = Judged({"a.b.c": "pass", "d.e.f": "inconclusive"}, "shut", 1.0, said=said)
    assert judged.unproven(["a.b.c"]) == []
    assert [str(one) for one in judged.unproven(["g.h.i", "d.e.f", "a.b.c"])] == [
        "d.e.f inconclusive (The machine was busy with other things)",
        "g.h.i not recorded",
    ]


def test_why_a_control_does_not_pass_is_read_from_the_record_and_a_slow_task_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    control = {"id": "a.b.c", "state": "inconclusive", "summary": "It was busy.", "stage": "validate"}
    gate = {"stage": "deploy", "policy": {"stages": ["deploy", "validate"]}, "decision": "open"}
    document = {"run": {"closed": "now"}, "controls": [control], "gate": gate}

    def play(judge: Judge, *_given: object) -> tuple[int, Path]:
        folder = judge.reports / "sandbox" / "latest"
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(document))
        log = tmp_path / "one.log"
        log.write_text("    1.0 TASK [a : One] ***\n    2.0 TASK [b : Two] ***\n  600.4 ok\n")
        return 0, log

    monkeypatch.setattr(Judge, "play", play)
    judged = Judge(tmp_path)("verify", {}, "one")
    assert (judged.beyond, str(judged.unproven(["a.b.c"])[0])) == ({"a.b.c"}, "a.b.c inconclusive (It was busy)")
    assert capsys.readouterr().err.startswith("one: 598 s in one task, b : Two; ")


def test_the_last_line_counts() -> None:
    good = Bite.of(FAULT, Judged({"a.b.c": "fail"}, "shut", 1.0))
    bad = Bite.of(FAULT, Judged({"d.e.f": "fail", "g.h.i": "fail"}, "shut", 1.0))
    assert last_line([good, good, bad]) == "bitten 2 of 3, collateral 2"
    assert last_line([good], 0, 1) == "bitten 1 of 1, collateral 0 (1 of them seen while the sources changed)"
    assert last_line([good], 1) == "bitten 1 of 1, collateral 0 (1 of them seen at an earlier commit)"


def marked(name: str, *controls: str, **more: Any) -> Fault:
    return Fault(name=name, says="x", layer="application", turns_red=controls, shuts=False, mark=name, **more)


@pytest.fixture(autouse=True)
def _no_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthy, "renewed", lambda _faults: None)


def test_pods_that_were_restarted_are_renewed_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    restarts = {"api": (0, 1), "worker": (0, 0), "scheduler": (3,)}

    def pods_of(deployment: dict[str, Any]) -> list[dict[str, Any]]:
        name = deployment["metadata"]["name"]
        return [
            {"metadata": {"name": f"{name}-{number}"}, "status": {"containerStatuses": [{"restartCount": count}]}}
            for number, count in enumerate(restarts[name])
        ]

    deleted: list[str] = []
    waited: list[str] = []
    cluster = SimpleNamespace(items=lambda _path: [{"metadata": {"name": name}} for name in restarts], pods_of=pods_of)
    hands = SimpleNamespace(
        cluster=cluster, delete=deleted.append, rolled_out=waited.append, until=lambda holds, _what: holds()
    )
    healthy.renewed(SimpleNamespace(hands=hands))  # type: ignore[arg-type]
    assert [path.rpartition("/")[2] for path in deleted] == ["api-1", "scheduler-0"]
    assert [path.rpartition("/")[2] for path in waited] == ["api", "scheduler"]


def test_those_meet_of_which_no_two_declare_the_same_and_whose_inputs_are_known() -> None:
    several = [marked("a", "x.y.1"), marked("b", "x.y.1"), marked("c", "x.y.2"), FAULT, marked("d", "x.y.3")]
    same: dict[str, dict[str, Any]] = {name: {} for name in "abcd"}
    assert names(rounds(several, 1, same)) == [["a"], ["b"], ["c"], ["one"], ["d"]]
    assert names(rounds(several, 2, same)) == [["a", "c"], ["b", "d"], ["one"]]
    assert names(rounds(several, 9, same)) == [["a", "c", "d"], ["b"], ["one"]]


@pytest.mark.parametrize(
    ("mine", "theirs", "meet"),
    [
        ({"x": 1}, {"x": 1}, True),
        ({"x": 1}, {"y": 1}, True),
        ({"x": 1}, {"x": 2}, False),
        ({ALLOWED: ["writes"]}, {ALLOWED: ["writes"]}, True),
        ({ALLOWED: ["writes"]}, {}, False),
        ({}, {ALLOWED: ["writes"]}, False),
        ({"sandbox_documents": "FOLDER/documents"}, {"sandbox_documents": "FOLDER/documents"}, True),
        ({"bytebot_chart": "FOLDER/chart"}, {"bytebot_chart": "FOLDER/chart"}, False),
    ],
)
def test_inputs_of_those_that_meet_agree(mine: dict[str, Any], theirs: dict[str, Any], meet: bool) -> None:
    several = [marked("a", "x.y.1"), marked("b", "x.y.2")]
    assert (len(rounds(several, 2, {"a": mine, "b": theirs})) == 1) is meet


def test_those_that_take_away_what_others_are_seen_by_are_alone() -> None:
    assert set(FAULTS) >= ALONE
    several = [marked("a", "x.y.1"), marked("helm_missing", "x.y.2")]
    assert len(rounds(several, 2, {"a": {}, "helm_missing": {}})) == 2


def test_those_that_one_act_heals_change_the_same_and_are_not_together() -> None:
    def heal(_hands: object) -> None: ...

    several = [marked("a", "x.y.1", heal=heal), marked("b", "x.y.2", heal=heal), marked("c", "x.y.3")]
    assert names(rounds(several, 3, {name: {} for name in "abc"})) == [["a", "c"], ["b"]]


def test_those_meet_first_that_are_judged_by_the_same_sections() -> None:
    several = [marked("a", "backup.y.1"), marked("b", "backup.y.1", "monitoring.y.1"), marked("c", "monitoring.y.2")]
    assert names(rounds(several, 3, {name: {} for name in "abc"})) == [["a"], ["b", "c"]]


def test_what_would_block_another_ones_control_is_not_with_it() -> None:
    login, tasks = "functional_testing.authentication.login", "monitoring.metrics.business"
    several = [marked("a", login), marked("b", tasks), marked("c", "security_testing.web.injection")]
    assert names(rounds(several, 3, {name: {} for name in "abc"})) in ([["a"], ["b", "c"]], [["a", "c"], ["b"]])


@pytest.mark.parametrize("more", [{"playbook": "window"}, {"before": ("a",)}, {"signed": True}, {"turns": "stale"}])
def test_those_that_are_judged_in_another_way_are_alone(more: dict[str, Any]) -> None:
    several = [marked("a", "x.y.1"), marked("b", "x.y.2", **more)]
    assert names(rounds(several, 2, {"a": {}, "b": {}})) == [["a"], ["b"]]


def test_a_seed_makes_others_meet_and_the_same_ones_again() -> None:
    several = [marked(f"n{number}", f"x.y.{number}") for number in range(12)]
    empty: dict[str, dict[str, Any]] = {fault.name: {} for fault in several}
    made = [names(rounds(several, 2, empty, seed)) for seed in (None, 1, 1, 2)]
    assert made[1] == made[2]
    assert len({str(one) for one in made}) == 3
    assert all(sorted(itertools.chain(*one)) == sorted(fault.name for fault in several) for one in made)


def names(found: list[list[Fault]]) -> list[list[str]]:
    return [[fault.name for fault in one] for one in found]


def test_what_another_one_declares_is_no_collateral() -> None:
    a, b = marked("a", "x.y.1"), marked("b", "x.y.2")
    judged = Judged({"x.y.1": "fail", "x.y.2": "pass", "x.y.3": "fail"}, "open", 1.0)
    assert Bite.of(a, judged, [b]) == Bite("a", ("x.y.1",), (), ("x.y.3",), "open", "open", 1.0, ("b",))
    assert Bite.of(b, judged, [a]).missed == ("x.y.2",)
    assert row(Bite.of(a, judged, [b])).endswith("COLLATERAL: x.y.3  with b")


class Sandbox:
    """Stands in for faults and judge: which controls are red while these are in."""

    reports = Path("reports")
    hands = None

    def __init__(self, red: Callable[[list[str]], set[str]]) -> None:
        self.red, self.names, self.rounds = red, list[str](), list[list[str]]()

    def put_together(self, given: list[str]) -> None:
        self.names = given
        self.rounds.append(given)

    def put(self, name: str) -> None:
        self.put_together([name])

    def inputs(self, _name: str) -> dict[str, Any]:
        return {}

    def heal(self) -> None:
        self.names = []

    def variables(self) -> dict[str, Any]:
        return {}

    def __call__(self, *_given: object) -> Judged:
        return Judged(dict.fromkeys(self.red(self.names), "fail"), "open", 1.0)


def bites(
    sandbox: Sandbox, faults: list[Fault], root: Path, monkeypatch: pytest.MonkeyPatch, together: int = 2
) -> list[Bite]:
    monkeypatch.setattr(sabotage, "FAULTS", {fault.name: fault for fault in faults})
    given = argparse.Namespace(together=together, seed=None)
    return sabotage._bites(faults, sandbox, sandbox, Kept(tree(root), fresh=True), given)  # type: ignore[arg-type]


def test_a_round_that_is_right_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [marked("a", "x.y.a"), marked("b", "x.y.b"), marked("c", "x.y.c")]
    sandbox = Sandbox(lambda given: {f"x.y.{name}" for name in given})
    found = bites(sandbox, faults, tmp_path, monkeypatch)
    assert sandbox.rounds == [["a", "b"], ["c"]]
    assert [(bite.bitten, bite.together) for bite in found] == [(True, ("b",)), (True, ("a",)), (True, ())]


def test_those_that_did_not_bite_in_a_round_are_judged_apart_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of them hides another: that one ends alone, and those that nothing hides stay together."""
    faults = [marked(name, f"x.y.{name}") for name in "abcd"]
    sandbox = Sandbox(lambda given: {f"x.y.{name}" for name in given if name != "b" or "a" not in given})
    found = bites(sandbox, faults, tmp_path, monkeypatch, together=4)
    assert sandbox.rounds == [["a", "b", "c", "d"], ["a", "c", "d"], ["b"]]
    assert all(bite.bitten for bite in found)
    assert [bite.together for bite in found] == [("c", "d"), (), ("a", "d"), ("a", "c")]
    assert "judged in parts" in capsys.readouterr().err


def test_a_round_of_which_all_bite_and_another_turns_red_is_judged_in_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is known to be the cause."""
    faults = [marked(name, f"x.y.{name}") for name in "abcd"]
    sandbox = Sandbox(
        lambda given: {f"x.y.{name}" for name in given} | ({"x.y.z"} if {"a", "c"} <= {*given} else set())
    )
    found = bites(sandbox, faults, tmp_path, monkeypatch, together=4)
    assert sandbox.rounds == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"]]
    assert not any(bite.collateral for bite in found)


def test_a_call_under_which_the_sources_changed_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = [marked("a", "x.y.a")]
    monkeypatch.setattr(sabotage, "FAULTS", {fault.name: fault for fault in left})
    given = argparse.Namespace(together=1, seed=None)
    kept = Kept(tree(tmp_path), fresh=False)
    assert sabotage._judged(left, Ended(left, []), kept, given) == 0  # type: ignore[arg-type]
    kept = Kept(tmp_path, fresh=True)
    tree(tmp_path, "y")
    assert sabotage._judged(left, Ended(left, []), kept, given) == 1  # type: ignore[arg-type]
    assert "1 of them seen while the sources changed" in capsys.readouterr().out


@pytest.mark.parametrize("error", [KeyError("error"), ValueError("no JSON"), SandboxError("fault", "it is not there")])
def test_where_a_look_is_confused_by_others_each_is_judged_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Confused(Sandbox):
        def put_together(self, given: list[str]) -> None:
            super().put_together(given)
            if len(given) > 1:
                raise error

    sandbox = Confused(lambda given: {f"x.y.{name}" for name in given})
    found = bites(sandbox, [marked("a", "x.y.a"), marked("b", "x.y.b")], tmp_path, monkeypatch)
    assert sandbox.rounds == [["a", "b"], ["a"], ["b"]]
    assert all(bite.bitten and not bite.together for bite in found)


PERFORMANCE = marked("slow", "performance_testing.latency.p95")
LOGIN = marked("login", "functional_testing.authentication.login")
BESIDE = dataclasses.replace(LOGIN, name="beside", beside=("performance_testing",))


def test_only_the_core_and_the_sections_of_what_is_judged_now_must_be_green() -> None:
    section = {control.partition(".")[0] for control in wanted.green([BESIDE])}
    assert section == {*CORE, "functional_testing"}
    assert "performance_testing" in {control.partition(".")[0] for control in wanted.green([BESIDE, PERFORMANCE])}


def healthy_with(sandbox: Sandbox, left: list[Fault], name: str = "") -> list[str]:
    """What is wrong before the first fault, where the control of that name could not be judged."""
    green = dict.fromkeys(wanted.ALL, "pass") | ({name: "inconclusive"} if name else {})
    busy = Judged(green, "open", 1.0, said={name: "It was busy."})
    healthy = Healthy(None, sandbox, lambda *_: busy, left)  # type: ignore[arg-type]
    return [str(one) for one in healthy.before()]


def test_a_busy_machine_keeps_only_those_faults_back_that_it_disturbs() -> None:
    name = next(iter(sorted(one for one in wanted.ALL if one.startswith("performance_testing."))))
    sandbox = Sandbox(lambda _: set())
    assert healthy_with(sandbox, [BESIDE, LOGIN], name) == []
    assert healthy_with(sandbox, [LOGIN, PERFORMANCE]) == []
    assert healthy_with(sandbox, [LOGIN, PERFORMANCE], name) == [f"{name} inconclusive (It was busy)"]


class Ended:
    """Stands in for a sandbox that shows this after the last fault."""

    def __init__(self, left: list[Fault], wrong: list[Unproven]) -> None:
        self.faults = self.judge = Sandbox(lambda given: {f"x.y.{name}" for name in given})
        self.left, self.wrong = left, wrong

    def before(self) -> list[Unproven]:
        return []

    def after(self) -> list[Unproven]:
        return self.wrong


@pytest.mark.parametrize(("state", "counts"), [("fail", False), ("inconclusive", True)])
def test_what_declares_a_control_that_stays_red_is_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str, counts: bool
) -> None:
    left = [marked("a", "x.y.a"), marked("b", "x.y.b")]
    monkeypatch.setattr(sabotage, "FAULTS", {fault.name: fault for fault in left})
    given = argparse.Namespace(together=1, seed=None)
    ended = Ended(left, [Unproven("x.y.a", state, "It is so.")])
    assert sabotage._judged(left, ended, Kept(tree(tmp_path), fresh=False), given) == 1  # type: ignore[arg-type]
    kept = Kept(tmp_path, fresh=False)
    assert [kept.bite(fault) is not None for fault in left] == [counts, True]
    assert f"x.y.a {state} (It is so)" in capsys.readouterr().err


def test_a_call_that_is_ended_from_outside_heals_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    healed: list[bool] = []

    class Healing:
        def __init__(self, *_given: object) -> None: ...
        def heal(self) -> None:
            healed.append(True)

    class Judging:
        reports = Path("reports")

        def __init__(self, *_given: object) -> None: ...
        def __call__(self, *_given: object) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(sabotage, "Faults", Healing)
    monkeypatch.setattr(sabotage, "Judge", Judging)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert sabotage.main(["--smoke"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert healed == [True, True], "before the first one, and at the end"
    assert "interrupted" in capsys.readouterr().err


def test_a_fault_that_does_not_heal_is_told_and_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    healed: list[bool] = []

    class Healing:
        def __init__(self, *_given: object) -> None: ...
        def heal(self) -> None:
            healed.append(True)
            if len(healed) > 1:
                raise SandboxError("fault", "after 180 s it is not so that one is gone", remedy="make heal")

    monkeypatch.setattr(sabotage, "Faults", Healing)
    monkeypatch.setattr(sabotage, "_judged", lambda *_: 0)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert sabotage.main(["--smoke"]) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "A fault is still in" in capsys.readouterr().err


def test_a_log_tells_which_task_took_the_longest() -> None:
    log = "    0.4 PLAY [x] ***\n    1.0 TASK [a : One] ***\n    2.0 ok\n    3.0 TASK [b : Two] ***\n    9.0 ok\n"
    assert longest_task(log) == ("b : Two", 6.0)
    assert longest_task("    0.4 ERROR! no play\n") == ("", 0.0)
