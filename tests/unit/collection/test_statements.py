# Signed statements, with the real ssh-keygen: what counts, where it is shown, and what is wrong in the inputs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.bytebot.production.plugins.action import checklist_record
from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record import document, opening
from ansible_collections.bytebot.production.plugins.plugin_utils.render import html, markdown
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import content, ssh
from tests.unit.collection.record_cluster import RecordCluster
from tests.unit.collection.record_fixtures import ENVIRONMENT, KNOWN, act
from tests.unit.collection.statement_fixtures import (
    DEMO,
    HEADERS,
    NAMESPACE,
    PODS,
    REVIEW,
    SIGN_OFF,
    TRAINING,
    Office,
    make_keys,
    seen,
)

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "results.schema.json").read_text(encoding="utf-8"))
# Those where a check comes first, and a signature confirms what it found.
CONFIRMED = {
    "go_live.change.rollback_plan": "operations",
    "go_live.testing.penetration": "security",
    "go_live.t_plus_2h.feedback": "support",
    "post_go_live.day_support.feedback": "support",
    "post_go_live.day_support.issues": "support",
    "post_go_live.day_support.documentation": "support",
    "post_go_live.day_support.status": "project_manager",
    "post_go_live.month_optimization.documentation": "operations",
    "post_go_live.month_process.review": "project_manager",
    "post_go_live.month_process.lessons": "project_manager",
    "post_go_live.month_process.procedures": "operations",
    "post_go_live.month_process.training": "operations",
}
ATTESTED = [control.id for control in KNOWN.controls.values() if control.signed_by]


def valid(made: dict[str, Any]) -> None:
    """It is as the schema of results says."""
    check: Any = jsonschema.validate
    check(made, SCHEMA)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody's keys."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def office(tmp_path: Path, keys: Path) -> Office:
    """A production environment with one run."""
    made = Office(tmp_path, keys)
    made.again()
    return made


# ---------------------------------------------------------------------- what counts


def test_the_controls_that_a_signature_settles() -> None:
    assert {one: KNOWN.controls[one].signed_by for one in ATTESTED} == {
        "application_configuration.tuning.vpa": "architecture",
        "team.training.operations": "operations",
        "team.training.development": "development",
        "team.training.support": "support",
        "team.training.security": "security",
        "go_live.review.security": "security",
        "go_live.review.performance": "architecture",
        "go_live.review.monitoring": "operations",
        "go_live.testing.acceptance": "product_owner",
        "sign_off.technical.infrastructure": "infrastructure",
        "sign_off.technical.development": "development",
        "sign_off.technical.operations": "operations",
        "sign_off.technical.security": "security",
        "sign_off.business.product_owner": "product_owner",
        "sign_off.business.project_manager": "project_manager",
        **CONFIRMED,
        "go_live.t_minus_2h.team": "go_live",
    }
    assert sum(len(KNOWN.controls[one].statements) for one in ATTESTED) == 18
    assert {one for one in ATTESTED if KNOWN.controls[one].confirms} == CONFIRMED.keys()
    assert all(content.bearing(KNOWN, KNOWN.controls[one]) for one in ATTESTED)


def test_where_nothing_is_signed_it_is_pending_and_says_who_must_sign_what(office: Office) -> None:
    said = office.again()
    assert said[SIGN_OFF]["state"] == "pending"
    assert said[SIGN_OFF]["summary"].startswith("not signed: Ben (development) must sign 3 statements (Application")
    assert said[TRAINING]["summary"] == "not signed: Cleo (operations) must sign it"
    office.statements = {}
    missing = office.again()[SIGN_OFF]
    assert (missing["state"], missing["summary"]) == ("pending", "needs input bytebot_allowed_signers")


def test_what_is_signed_is_attested_in_the_next_runs_and_verified_each_time(office: Office) -> None:
    files = office.ask(SIGN_OFF, REVIEW, TRAINING)
    taken = office.take(*(office.sign(path) for path in files))
    assert (taken["changed"], len(taken["statements"]), taken["refused"]) == (True, 3, [])
    assert office.take(*files)["changed"] is False
    said = office.again()
    assert {said[one]["state"] for one in (SIGN_OFF, REVIEW, TRAINING)} == {"attested"}
    assert said[SIGN_OFF]["method"] == "attested"
    assert said[SIGN_OFF]["summary"].startswith("Signed by Ben (development): yes to 3 of 3 statements, until ")
    assert "key SHA256:" in said[SIGN_OFF]["summary"]
    facts = said[SIGN_OFF]["evidence"][0]["observed"]["facts"]
    assert {fact["control"]: fact["state"] for fact in facts}[PODS] == "pass"
    valid(office.document)
    assert document.read(office.run / "results.json") == office.document
    office.statements = {}
    assert office.again()[SIGN_OFF]["state"] == "pending"


def test_the_reports_show_who_signed(office: Office) -> None:
    office.take(office.sign(office.ask(REVIEW)[0]))
    office.again()
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
    line = next(
        line for line in markdown.render(office.document, KNOWN, text).splitlines() if "reviewed by security" in line
    )
    assert line.startswith("  - [x] Production configuration reviewed by security team — **attested**: Signed by Dora")
    assert "verified" in line
    page = html.render(office.document)
    assert "Signed by Dora (security)" in page
    assert "DEMO" not in page


def test_a_file_says_itself_how_it_is_signed(office: Office) -> None:
    path = office.ask(SIGN_OFF)[0]
    told = json.loads(path.read_text(encoding="utf-8"))
    assert any(f"ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n {NAMESPACE} FILE" in line for line in told["how_to_sign"])
    assert [one["text"] for one in told["statements"]] == [one.title for one in KNOWN.controls[SIGN_OFF].statements]
    assert told["facts_digest"] == sha256_of(told["facts"])
    assert not {"started", "duration_s", "observed_at"} & told["facts"][0].keys()


def test_a_no_is_red_and_tells_the_comment(office: Office) -> None:
    path = office.ask(REVIEW)[0]
    told = json.loads(path.read_text(encoding="utf-8"))
    told["statements"][0]["comment"] = "Two ports\n are \x1b[31mopen"
    path.write_text(json.dumps(told), encoding="utf-8")
    office.take(office.sign(path, answer="no"))
    said = office.again()[REVIEW]
    assert (said["state"], said["summary"]) == (
        "fail",
        "Dora (security) answers no: Production configuration reviewed by security team (Two ports are [31mopen).",
    )


def test_an_attestation_never_covers_what_a_check_found_red(office: Office) -> None:
    vpa = "application_configuration.tuning.vpa"
    office.take(office.sign(office.ask(vpa)[0], "gus@acme.test"))
    assert office.again()[vpa]["state"] == "attested"
    assert office.again(seen(vpa, "pending"))[vpa]["state"] == "attested"
    for state in ("fail", "error", "inconclusive"):
        assert office.again(seen(vpa, state))[vpa]["state"] == state


def test_a_red_control_beside_a_sign_off_blocks_it_unless_it_is_waived(office: Office) -> None:
    red = [seen(PODS), seen(HEADERS, "fail")]
    office.again(*red)
    security = "sign_off.technical.security"
    office.take(office.sign(office.ask(security)[0]))
    said = office.again(*red)[security]
    assert (said["state"], said["summary"].partition(",")[0]) == ("pending", f"blocked by {HEADERS}")
    office.take(office.sign(office.waiver(HEADERS)))
    assert office.again(*red)[security]["state"] == "attested"


def test_check_mode_verifies_and_writes_nothing(office: Office) -> None:
    said = office.act(check_mode=True, state="requested", controls=[REVIEW], requester="bot")
    assert not Path(said["files"][0]).exists()
    path = office.sign(office.ask(REVIEW)[0])
    assert office.act(check_mode=True, state="present", src=[str(path)])["changed"] is True
    assert office.stored() == []


# ---------------------------------------------------------------------- demo signers


def demo(office: Office) -> Office:
    office.statements["signers"] = [{"signer": DEMO, "name": "Ann", "roles": ["operations"]}]
    return office


def test_a_demo_signer_counts_in_a_sandbox_and_every_page_says_demo(tmp_path: Path, keys: Path) -> None:
    office = demo(Office(tmp_path, keys, replace(ENVIRONMENT, kind="sandbox")))
    office.judge(seen(PODS))
    path = office.ask(TRAINING)[0]
    assert json.loads(path.read_text(encoding="utf-8"))["how_to_sign"][0].startswith("DEMO")
    assert "not signed for" in office.take(office.sign(path))["refused"][0]
    assert office.take(office.sign(path, namespace=f"{NAMESPACE}-demo"))["refused"] == []
    said = office.again()[TRAINING]
    assert (said["state"], said["demo"], said["summary"].startswith("DEMO: ")) == ("attested", True, True)
    assert office.document["run"]["demo"] is True
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
    assert "**DEMO**" in markdown.render(office.document, KNOWN, text).splitlines()[0]
    assert "<strong>DEMO</strong>" in html.render(office.document)
    valid(office.document)


@pytest.mark.parametrize("namespace", [NAMESPACE, f"{NAMESPACE}-demo"])
@pytest.mark.parametrize("mark", [True, False])
def test_another_environment_refuses_a_demo_signer(office: Office, namespace: str, *, mark: bool) -> None:
    path = demo(office).sign(office.ask(TRAINING)[0], namespace=namespace, demo=mark)
    assert "counts in a sandbox only" in office.take(path)["refused"][0]


# ---------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"allowed_signers": "/nowhere/file"}, "cannot be read"),
        ({"signers": "ben"}, "no list"),
        ({"signers": [{"signer": "ben"}]}, "has signer, name and roles"),
        ({"signers": [{"signer": "*", "name": "B", "roles": ["x"]}]}, "no name of a person"),
        ({"signers": [{"signer": "b", "name": "B", "roles": []}]}, "has no role"),
        ({"signers": [{"signer": "b", "name": "", "roles": ["x"]}]}, "give a text"),
        ({"signers": [{"signer": "b", "name": "B", "roles": ["x"], "several_teams": "y"}]}, "neither true nor"),
        ({"signers": [{"signer": "b", "name": "B", "roles": ["x"]}] * 2}, "stands twice"),
        ({"policy": {"x": 1}}, "policy knows only"),
        ({"policy": {"waiver_longest": "long"}}, "waiver_longest is 'long'"),
        ({"x": 1}, "give only"),
    ],
)
def test_wrong_inputs_cost_one_sentence(office: Office, wrong: dict[str, Any], said: str) -> None:
    office.statements = {**office.statements, **wrong}
    told = office.act(state="listed")
    assert told["failed"] is True
    assert said in told["msg"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"state": "gone"}, "none of requested"),
        ({"state": "requested", "kind": "x", "requester": "bot"}, "none of attestation"),
        ({"state": "requested"}, "requester: it is needed"),
        ({"state": "requested", "requester": "bot", "controls": [PODS]}, "not settled by a signature"),
        ({"state": "requested", "requester": "bot", "run": "x"}, "There is no run 'x'"),
        ({"state": "present"}, "name the signed files"),
        ({"state": "present", "src": 3}, "give a list of texts"),
        ({"state": "absent", "statement": "0000", "requester": "a", "reason": "b"}, "no statement here"),
        ({"state": "listed", "environment": {}}, "environment: give exactly"),
        ({"state": "listed", "statements": {}}, "nobody's signature counts"),
    ],
)
def test_wrong_arguments_cost_one_sentence(office: Office, args: dict[str, Any], said: str) -> None:
    told = office.act(**args)
    assert told["failed"] is True
    assert said in told["msg"]


def test_keys_that_do_not_parse_count_for_nobody(office: Office, tmp_path: Path) -> None:
    path = office.sign(office.ask(TRAINING)[0])
    (tmp_path / "allowed").write_text("cleo@acme.test ssh-ed25519 AAAAnonsense\n", encoding="utf-8")
    office.statements["allowed_signers"] = str(tmp_path / "allowed")
    assert "is none that allowed gives cleo@acme.test" in office.take(path)["refused"][0]


def test_without_ssh_keygen_it_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    path = office.sign(office.ask(TRAINING)[0])
    monkeypatch.setattr(ssh, "PROGRAM", "no-such-program")
    assert "no-such-program is not on this machine" in office.take(path)["refused"][0]


def test_where_nothing_was_judged_nothing_is_listed(tmp_path: Path, keys: Path) -> None:
    office = Office(tmp_path, keys)
    assert office.act(state="listed")["statements"] == []
    assert "There is no closed run" in office.act(state="requested", requester="bot")["msg"]


# ---------------------------------------------------------------------- in the cluster


def test_what_is_signed_is_kept_in_the_cluster_and_counts_on_any_machine(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = RecordCluster()
    monkeypatch.setattr(opening, "Cluster", lambda connection, cache: cluster)
    place: dict[str, Any] = {"record": {"store": "cluster", "namespace": "record"}}
    office = Office(tmp_path / "first", keys)
    office.judge(seen(PODS), **place)
    path = office.sign(office.ask(TRAINING, **place)[0])
    assert office.act(state="present", src=[str(path)], **place)["refused"] == []
    assert office.stored() == []
    elsewhere = Office(tmp_path / "second", keys)
    assert elsewhere.judge(seen(PODS), **place)[TRAINING]["state"] == "attested"
    digest = elsewhere.act(state="listed", **place)["statements"][0]["statement"]
    assert elsewhere.act(state="absent", statement=digest, requester="Dora", reason="Wrong", **place)["changed"]
    assert office.judge(seen(PODS), **place)[TRAINING]["state"] == "stale"


def test_the_lock_of_a_run_that_is_open_stays(office: Office) -> None:
    path = office.sign(office.ask(TRAINING)[0])
    given = {**office.common(), "binding": office.facts}
    opened = act(checklist_record.ActionModule, {**given, "results": [seen(PODS)], "open": True})
    assert office.take(path)["refused"] == []
    again = act(checklist_record.ActionModule, {**given, "results": [seen(HEADERS)], "close": True})
    assert again["run"] == opened["run"]
    assert again["counts"]["attested"] == 1
