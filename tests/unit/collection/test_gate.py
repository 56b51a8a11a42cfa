# The gate: which states open it, at which level and stage, and that its decision can be had again from the document.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.action import checklist_gate, checklist_record
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import STAGES
from ansible_collections.bytebot.production.plugins.plugin_utils.gate import Policy, decide, replay, told
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import build
from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import write_json
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import STATES
from tests.unit.collection.record_fixtures import ENVIRONMENT, FACTS, KNOWN, NOW, PODS, act, asked, header, kept, result

GATE = Path(__file__).resolve().parents[3] / "scripts" / "gate"
OPENS = {"pass", "attested"}


def entry(state: str = "pass", stage: str = "deploy", level: str = "must", **fields: Any) -> dict[str, Any]:
    id_ = fields.pop("id", f"a.{stage}.{state}")
    return {"id": id_, "stage": stage, "level": level, "state": state, "summary": "Said.", "remedy": "Do.", **fields}


def document(*controls: Mapping[str, Any], kind: str = "production") -> dict[str, Any]:
    return {"environment": {"kind": kind}, "run": {"updated": rfc3339(NOW)}, "controls": list(controls)}


def decided(*controls: Mapping[str, Any], kind: str = "production") -> str:
    return decide(document(*controls, kind=kind), "deploy", Policy()).decision


@pytest.mark.parametrize("state", [*STATES, "of_another_version"])
@pytest.mark.parametrize("level", ["must", "should"])
@pytest.mark.parametrize("stage", ["preflight", "deploy", "validate"])
def test_which_states_open_it(state: str, level: str, stage: str) -> None:
    opens = state in OPENS or level == "should" or stage == "validate"
    decision = decide(document(entry(), entry(state, stage, level, id="x.y.z")), "deploy", Policy())
    assert decision.decision == ("open" if opens else "shut")
    if opens:
        assert decision.reasons == ()
    else:
        assert len(decision.reasons) == 1
        assert decision.reasons[0].startswith(f"x.y.z {state}: ")
        assert decision.reasons[0].endswith("Said. → Do.")


@pytest.mark.parametrize("state", ["fail", "error", "pending", "inconclusive"])
def test_a_red_should_is_noted(state: str) -> None:
    decision = decide(document(entry(), entry(state, level="should", id="x.y.z")), "deploy", Policy())
    assert decision.notes == (f"x.y.z {state}: Said. → Do.",)


def test_a_waiver_holds_until_it_runs_out() -> None:
    assert decided(entry("waived", expires=rfc3339(NOW + timedelta(seconds=1)))) == "open"
    assert decided(entry("waived", expires=rfc3339(NOW))) == "shut"
    assert decided(entry("waived", expires=None)) == "shut"
    assert decided(entry("waived", expires="soon")) == "shut"


def test_not_applicable_needs_the_catalogue_s_permission() -> None:
    assert decided(entry("not_applicable", may_not_apply=True)) == "open"
    assert decided(entry("not_applicable", may_not_apply=False)) == "shut"


def test_a_weaker_threshold_shuts_outside_a_sandbox_unless_waived() -> None:
    weaker = entry(weaker=["2 wanted, document 16"])
    assert decided(weaker) == "shut"
    assert decided(weaker, kind="preview") == "shut"
    assert "2 wanted, document 16" in decide(document(weaker), "deploy", Policy()).reasons[0]
    waived = entry("waived", weaker=["2 wanted, document 16"], expires=rfc3339(NOW + timedelta(days=1)))
    assert decided(waived) == "open"


def test_a_weaker_threshold_is_noted_in_a_sandbox() -> None:
    decision = decide(document(entry(weaker=["2 wanted, document 16"]), kind="sandbox"), "deploy", Policy())
    assert decision.decision == "open"
    assert "2 wanted, document 16" in decision.notes[0]


def test_it_is_not_assessed_where_nothing_of_the_stage_was_judged() -> None:
    controls = [entry("fail", "preflight", id="x.y.z"), entry("pending"), entry("pass", "validate")]
    decision = decide(document(*controls), "deploy", Policy())
    assert decision.decision == "not_assessed"
    assert len(decision.reasons) == 2
    assert "x.y.z" in decision.reasons[1]
    assert decided() == "not_assessed"


def test_what_is_broken_stands_before_what_is_not_known() -> None:
    decision = decide(document(entry("pending"), entry("stale"), entry("error"), entry("fail")), "deploy", Policy())
    assert [line.split()[1] for line in decision.reasons] == ["fail:", "error:", "stale:", "pending:"]


def test_every_reason_is_one_line() -> None:
    decision = decide(document(entry("fail", summary="One\ntwo\n", remedy="Do\nit.")), "deploy", Policy())
    assert decision.reasons == ("a.deploy.fail fail: One two → Do it.",)
    assert told(decision) == "The gate deploy is shut.\n  a.deploy.fail fail: One two → Do it."


@pytest.mark.parametrize(
    "given_policy",
    ["x", {"judged_only": True}, {"stages": "deploy"}, {"stages": ["deploy"]}, {"stages": [*STAGES, "deploy"]}],
)
def test_a_policy_that_is_none_is_refused(given_policy: Any) -> None:
    with pytest.raises(InputError, match="policy: "):
        Policy.of(given_policy)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(InputError, match="there is no 'soon'"):
        decide(document(entry()), "soon", Policy())
    with pytest.raises(InputError, match="there is no 'soon'"):
        decide(document(entry(stage="soon")), "deploy", Policy())


CONTROLS = st.lists(
    st.builds(
        entry,
        st.sampled_from(STATES),
        st.sampled_from(STAGES[:4]),
        st.sampled_from(["must", "should"]),
        may_not_apply=st.booleans(),
        weaker=st.sampled_from([[], ["2 wanted, document 16"]]),
        expires=st.sampled_from([None, rfc3339(NOW), rfc3339(NOW + timedelta(days=1))]),
    ),
    max_size=8,
)


@given(CONTROLS, st.sampled_from(["fail", "error"]), st.sampled_from(STAGES[:4]), st.sampled_from(STAGES[:4]))
def test_a_red_must_never_opens_a_gate(controls: list[Any], state: str, stage: str, asked_for: str) -> None:
    before = decide(document(*controls), asked_for, Policy()).decision
    after = decide(document(*controls, entry(state, stage)), asked_for, Policy()).decision
    assert before == "open" or after != "open"
    if STAGES.index(stage) <= STAGES.index(asked_for):
        assert after != "open"


@given(CONTROLS, st.integers(0, 7), st.sampled_from(["fail", "error", "inconclusive", "stale", "pending"]))
def test_making_a_control_worse_never_opens_a_gate(controls: list[Any], index: int, state: str) -> None:
    worse = copy.deepcopy(controls)
    due = Policy().until("operations")
    must = index < len(worse) and worse[index]["level"] == "must" and worse[index]["stage"] in due
    if index < len(worse):
        worse[index]["state"] = state
    before, after = (decide(document(*each), "operations", Policy()).decision for each in (controls, worse))
    # Where nothing of the stage was judged, a red piece of advice is the first thing known, and shuts nothing.
    assert before != "shut" or after != "open"
    assert not must or after != "open"


@given(st.sampled_from(STAGES), st.dictionaries(st.sampled_from(list(KNOWN.controls)), st.sampled_from(STATES[:6])))
def test_the_document_alone_gives_the_same_decision(stage: str, states: Mapping[str, str]) -> None:
    results = kept(*(result(id_, state) for id_, state in states.items()))
    built = build(asked(stage), results, KNOWN, NOW)
    again = json.loads(json.dumps(built))
    decision = decide(built, stage, Policy())
    assert replay(again) == decision
    assert built["gate"] == {**decision.to_dict(), "policy": Policy().to_dict()}


def test_a_gate_that_was_not_asked_is_not_assessed() -> None:
    assert replay(build(header(), {}, KNOWN, NOW)).decision == "not_assessed"


def run_gate(*args: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, str(GATE), *args], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def write(folder: Path, results: Mapping[str, Any]) -> None:
    (folder / "shop" / "latest").mkdir(parents=True)
    write_json(folder / "shop" / "latest" / "results.json", build(asked("deploy"), results, KNOWN, NOW))


@pytest.mark.parametrize(
    ("states", "status", "said"),
    [
        ({id_: "pass" for id_, control in KNOWN.controls.items() if control.stage in STAGES[:2]}, 0, "is open"),
        ({PODS: "fail"}, 2, f"{PODS} fail: It is fail."),
        ({}, 3, "not assessed"),
    ],
)
def test_the_command_s_exit_status(states: Mapping[str, str], status: int, said: str, tmp_path: Path) -> None:
    write(tmp_path, kept(*(result(id_, state) for id_, state in states.items())))
    assert run_gate("shop", "--reports-dir", str(tmp_path))[0] == status
    found, output = run_gate(str(tmp_path / "shop" / "latest" / "results.json"))
    assert found == status
    assert said in output


@pytest.mark.parametrize("args", [["nowhere"], [], ["--other"]])
def test_the_command_refuses_in_one_sentence(args: list[str], tmp_path: Path) -> None:
    status, output = run_gate(*args, "--reports-dir", str(tmp_path))
    assert status == 1
    assert output.count("\n") == 1


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with one red control, judged now."""
    red = result(PODS, "fail", started=rfc3339(datetime.now(UTC)))
    args = {"reports_dir": str(tmp_path), "environment": asdict(ENVIRONMENT), "binding": asdict(FACTS)}
    return Path(act(checklist_record.ActionModule, {**args, "results": [red]})["path"])


def ask(**args: Any) -> dict[str, Any]:
    check_mode = args.pop("check_mode", False)
    return act(checklist_gate.ActionModule, args.pop("args", args), check_mode)


def test_the_action_fails_where_the_gate_is_shut_and_writes_why(run: Path) -> None:
    said = ask(path=str(run), stage="deploy")
    assert (said["failed"], said["decision"]) == (True, "shut")
    assert said["reasons"][0].startswith(f"{PODS} fail")
    written = json.loads((run / "results.json").read_text())["gate"]
    assert (written["decision"], written["reasons"]) == ("shut", said["reasons"])
    assert run_gate(str(run))[0] == 2


def test_the_action_may_only_tell(run: Path) -> None:
    assert ask(path=str(run), stage="deploy", fail="no")["failed"] is False


def test_a_gate_that_is_not_assessed_is_not_open(run: Path) -> None:
    said = ask(path=str(run), stage="week")
    assert (said["failed"], said["decision"]) == (True, "not_assessed")


def test_a_run_is_found_by_name_or_as_the_latest(run: Path) -> None:
    for name in (run.name, "latest"):
        said = ask(run=name, environment="shop", reports_dir=str(run.parents[1]), stage="deploy")
        assert said["path"] == str(run / "results.json")


def test_a_document_is_only_read(run: Path) -> None:
    before = (run / "results.json").read_bytes()
    assert ask(path=str(run / "results.json"), stage="deploy")["decision"] == "shut"
    assert (run / "results.json").read_bytes() == before


def test_check_mode_writes_nothing(run: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*.json")}
    args = {"stage": "deploy", "path": str(run)}
    assert ask(args=args, check_mode=True)["decision"] == "shut"
    assert {path: path.read_bytes() for path in run.rglob("*.json")} == before
    said = ask(args={**args, "path": str(tmp_path / "none")}, check_mode=True)
    assert (said["failed"], said["decision"]) == (False, "not_assessed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"stage": None},
        {"stage": "soon"},
        {"policy": {"judged_only": True}},
        {"path": None},
        {"path": ""},
        {"path": "/nowhere/at/all"},
        {"run": "latest"},
        {"path": None, "run": "latest"},
        {"path": None, "run": "../x", "environment": "shop"},
        {"fail": "perhaps"},
    ],
)
def test_a_wrong_argument_costs_one_sentence(wrong: dict[str, Any], run: Path) -> None:
    said = ask(**{"path": str(run), "stage": "deploy", **wrong})
    assert said["failed"] is True
    assert said["msg"].endswith(".")
    assert "\n" not in said["msg"]
    assert "decision" not in said


LEFT = Policy(leave_out={"a.validate": "not automated yet", "c": "later"})


def left_out(state: str, kind: str = "sandbox") -> Any:
    controls = (entry(id="a.b.c"), entry(state, id="a.validate.x"))
    controls = (*controls, entry("pending", id="c.d.e"), entry("pending", id="c.d.f"))
    return decide(document(*controls, kind=kind), "deploy", LEFT)


def test_what_is_left_out_may_be_pending_and_is_told() -> None:
    decision = left_out("pending")
    assert decision.decision == "open"
    assert decision.notes == (
        "left out by the policy, 1 pending, not automated yet: a.validate",
        "left out by the policy, 2 pending, later: c (2)",
    )


@pytest.mark.parametrize("state", sorted({*STATES} - {"pending", *OPENS}))
def test_what_is_left_out_is_never_red(state: str) -> None:
    decision = left_out(state)
    assert decision.decision == "shut"
    assert [line.split()[0] for line in decision.reasons] == ["a.validate.x"]


def test_what_is_left_out_counts_outside_a_sandbox() -> None:
    decision = left_out("pending", "production")
    assert [line.split()[0] for line in decision.reasons] == ["a.validate.x", "c.d.e", "c.d.f"]


@pytest.mark.parametrize(
    ("leave_out", "said"),
    [({"a.b": ""}, "no reason"), (["a.b"], "no mapping"), ({"a.b": 1}, "no reason")],
)
def test_a_policy_that_leaves_out_without_a_reason_is_refused(leave_out: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Policy.of({"leave_out": leave_out})


def test_what_is_left_out_must_be_there() -> None:
    with pytest.raises(InputError, match="which is no control, group or section"):
        decide(document(entry(id="a.b.c"), kind="sandbox"), "deploy", Policy(leave_out={"a.typo": "later"}))


def test_the_sandbox_leaves_out_only_what_its_smaller_profile_lacks() -> None:
    variables = yaml.safe_load((GATE.parents[1] / "inventories" / "sandbox" / "group_vars" / "all.yml").read_text())
    assert variables["bytebot_gate_policy"]["leave_out"] == "{{ {} if sandbox_watched else sandbox_unwatched }}"
    Policy.of({"leave_out": variables["sandbox_unwatched"]}).known_only(KNOWN.controls)
