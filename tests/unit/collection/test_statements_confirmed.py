# Signatures that confirm what a check found, and the roll-call, which everybody signs within its time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.collection.statement_fixtures import PODS, SIGN_OFF, Office, later, make_keys, rewritten, seen

PENETRATION = "go_live.testing.penetration"
ROLL_CALL = "go_live.t_minus_2h.team"
CREW = ("ada@acme.test", "cleo@acme.test")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody's keys."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def office(tmp_path: Path, keys: Path) -> Office:
    """A production environment with one run, which goes live in an hour, with two who take part."""
    made = Office(tmp_path, keys)
    for one in made.statements["signers"]:
        one["roles"] += ["go_live"] if one["signer"] in CREW else []
    made.statements["go_live"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made.again()
    return made


# ---------------------------------------------------------------------- beside a check


def test_a_signature_alone_settles_nothing_where_a_check_comes_first(office: Office) -> None:
    refused = office.act(state="requested", controls=[PENETRATION], requester="release-bot")
    assert "is signed once its check passes" in refused["msg"]
    assert f"{PENETRATION}.attestation.json" not in [path.name for path in office.ask()]
    office.judge(seen(PENETRATION))
    assert office.take(office.sign(office.ask(PENETRATION)[0]))["refused"] == []
    said = office.judge(seen(PODS))[PENETRATION]
    assert said["state"] == "pending"


def test_a_check_alone_settles_nothing_where_a_signature_confirms_it(office: Office) -> None:
    said = office.judge(seen(PENETRATION))[PENETRATION]
    assert said["state"] == "pending"
    assert said["summary"].startswith("not signed: Dora (security) must sign it; ")


def test_both_together_attest_and_show_both(office: Office) -> None:
    judged = office.judge(seen(PENETRATION))[PENETRATION]
    path = office.ask(PENETRATION)[0]
    facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
    assert {one["control"]: one["state"] for one in facts}[PENETRATION] == "pass"
    assert office.take(office.sign(path))["refused"] == []
    said = office.judge(seen(PENETRATION))[PENETRATION]
    assert said["state"] == "attested"
    assert said["summary"].startswith("Signed by Dora (security): yes, until ")
    assert len(said["evidence"]) == len(judged["evidence"]) + 1


@pytest.mark.parametrize("state", ["fail", "error", "inconclusive", "pending"])
def test_a_signature_covers_nothing_that_the_check_says(office: Office, state: str) -> None:
    office.judge(seen(PENETRATION))
    office.take(office.sign(office.ask(PENETRATION)[0]))
    assert office.judge(seen(PENETRATION, state))[PENETRATION]["state"] == state


def test_a_no_is_red_also_where_the_check_passes(office: Office) -> None:
    office.judge(seen(PENETRATION))
    office.take(office.sign(office.ask(PENETRATION)[0], answer="no"))
    assert office.judge(seen(PENETRATION))[PENETRATION]["state"] == "fail"


def test_what_was_weaker_is_waived_also_where_a_signature_confirms_it(office: Office) -> None:
    weak = seen(PENETRATION, weaker=["a test of at most 400 days ago wanted, usual: 365"])
    office.judge(weak)
    office.take(office.sign(office.ask(PENETRATION)[0]))
    assert office.judge(weak)[PENETRATION]["state"] == "attested"
    assert office.take(office.sign(office.waiver(PENETRATION)))["refused"] == []
    said = office.judge(weak)[PENETRATION]
    assert (said["state"], said["waiver"]["covers"], said["waiver"]["weaker"]) == (
        "attested", "weaker", weak["weaker"]
    )  # fmt: skip


# ---------------------------------------------------------------------- the roll-call


def call(office: Office) -> dict[str, Path]:
    return {json.loads(path.read_text(encoding="utf-8"))["signer"]: path for path in office.ask(ROLL_CALL)}


def test_everybody_signs_for_themselves_and_only_then_it_is_attested(office: Office) -> None:
    assert "namely Ada, Cleo" in office.again()[ROLL_CALL]["summary"]
    files = call(office)
    assert set(files) == set(CREW)
    assert office.take(office.sign(files[CREW[0]]))["refused"] == []
    said = office.again()[ROLL_CALL]
    assert (said["state"], said["summary"].partition(",")[0]) == ("pending", "1 of 2 have signed")
    assert set(call(office)) == {CREW[1]}  # who has signed is not asked again
    assert office.take(office.sign(files[CREW[1]]))["refused"] == []
    said = office.again()[ROLL_CALL]
    assert (said["state"], said["summary"]) == ("attested", "All 2 have signed: Ada, Cleo; each verified.")
    assert len(said["evidence"]) == 2


def test_who_has_the_name_of_another_signs_as_well(office: Office) -> None:
    for one in office.statements["signers"]:
        one["name"] = "Ada" if one["signer"] in CREW else one["name"]
    files = call(office)
    office.take(office.sign(files[CREW[1]]))
    said = office.again()[ROLL_CALL]
    assert (said["state"], "1 of 2 have signed, and not Ada" in said["summary"]) == ("pending", True)


def test_a_person_of_a_team_takes_part_as_well(office: Office) -> None:
    office.take(office.sign(call(office)[CREW[0]]))
    infrastructure = "sign_off.technical.infrastructure"
    assert office.take(office.sign(office.ask(infrastructure)[0]))["refused"] == []
    assert office.again()[infrastructure]["state"] == "attested"


def test_one_missing_when_it_goes_live_is_red(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = call(office)
    office.take(office.sign(missing[CREW[0]]))
    later(monkeypatch, timedelta(hours=2))
    said = office.again()[ROLL_CALL]
    assert (said["state"], "and not Cleo" in said["summary"]) == ("fail", True)
    assert "it is to be signed between" in office.take(office.sign(missing[CREW[1]]))["refused"][0]


def test_a_no_of_one_is_red(office: Office) -> None:
    office.take(office.sign(call(office)[CREW[0]], answer="no"))
    assert office.again()[ROLL_CALL]["state"] == "fail"


def test_it_is_signed_within_its_time_and_not_before(office: Office) -> None:
    path = office.sign(call(office)[CREW[0]])
    soon, office.statements["go_live"] = office.statements["go_live"], "2099-01-01T00:00:00Z"
    assert "and it is to be signed between" in office.take(path)["refused"][0]
    assert f"{ROLL_CALL}.{CREW[0]}.attestation.json" not in [one.name for one in office.ask()]
    office.statements["go_live"] = soon
    assert office.take(path)["refused"] == []
    office.statements["go_live"] = "2099-01-01T00:00:00Z"
    assert office.again()[ROLL_CALL]["state"] == "pending"  # of another go-live, so nobody has signed for this one


def test_without_the_time_it_is_pending_and_names_the_input(office: Office) -> None:
    del office.statements["go_live"]
    said = office.again()[ROLL_CALL]
    assert (said["state"], "needs input bytebot_go_live" in said["summary"]) == ("pending", True)


def test_nobody_signs_for_somebody_else(office: Office) -> None:
    path = call(office)[CREW[0]]
    rewritten(office, path, lambda told: told.update(signer="ben@acme.test", statements=[
        {**one, "answer": "yes"} for one in told["statements"]]))  # fmt: skip
    assert "has not the role go_live" in office.take(path)["refused"][0]


def test_a_time_that_is_none_costs_one_sentence(office: Office) -> None:
    office.statements["go_live"] = "next week"
    told = office.act(state="listed")
    assert (told["failed"], "which is no time" in told["msg"]) == (True, True)
    assert SIGN_OFF not in told["msg"]
