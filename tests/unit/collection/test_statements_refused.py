# Whatever is wrong with a signed statement: it is refused in one sentence and counts for nothing, now or later.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Binding, rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import sealed
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import accept
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules
from tests.unit.collection.record_fixtures import ENVIRONMENT, KNOWN
from tests.unit.collection.statement_fixtures import (
    PODS,
    REVIEW,
    SIGN_OFF,
    TRAINING,
    Office,
    later,
    make_keys,
    rewritten,
    seen,
)


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


# ---------------------------------------------------------------------- what is refused when it is taken in

Wrong = Callable[[Office, Path], object]


def hours(number: int) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(hours=number))


def facts_prettier(told: dict[str, Any]) -> None:
    told["facts"][0] |= {"state": "pass", "summary": "All is well."}
    told["facts_digest"] = sha256_of(told["facts"])


REFUSED: dict[str, tuple[Wrong, str]] = {
    "changed after signing": (
        lambda o, p: rewritten(o, p, lambda t: t.update(valid_until="2999-01-01T00:00:00Z"), seal=False),
        "does not fit the text",
    ),
    "no signature": (lambda o, p: p.with_name(f"{p.name}.sig").unlink(), "cannot be read"),
    "half a signature": (
        lambda o, p: p.with_name(f"{p.name}.sig").write_text("-----BEGIN SSH SIGNATURE-----\nU1NI\n"),
        "no whole SSH signature",
    ),
    "half a file": (lambda o, p: p.write_bytes(p.read_bytes()[:700]), "no whole statement"),
    "a key twice": (
        lambda o, p: p.write_text(p.read_text().replace('"kind"', '"demo": true, "kind"', 1)),
        "a key stands twice",
    ),
    "another's key": (lambda o, p: o.seal(p, o.keys / "stranger"), "is none that allowed_signers gives ben"),
    "a colleague's key": (lambda o, p: o.seal(p, o.keys / "ada@acme.test"), "is none that allowed_signers gives ben"),
    "another namespace": (lambda o, p: o.seal(p, o.keys / "ben@acme.test", "git"), "not signed for bytebot.production"),
    "an unknown signer": (lambda o, p: rewritten(o, p, lambda t: t.update(signer="zoe"), seal=False), "not among"),
    "no signer": (lambda o, p: rewritten(o, p, lambda t: t.update(signer=""), seal=False), "does not say who signs"),
    "another role": (lambda o, p: rewritten(o, p, lambda t: t.update(role="security")), "it needs development"),
    "somebody of another team": (
        lambda o, p: rewritten(o, p, lambda t: t.update(signer="ada@acme.test")),
        "Ada has not the role development",
    ),
    "requested by the signer": (
        lambda o, p: rewritten(o, p, lambda t: t.update(requester="Ben")),
        "nobody signs what they requested",
    ),
    "requested by nobody": (lambda o, p: rewritten(o, p, lambda t: t.update(requester=" ")), "who requested it"),
    "prettier facts": (lambda o, p: rewritten(o, p, facts_prettier), "is not what run"),
    "facts of another digest": (
        lambda o, p: rewritten(o, p, lambda t: t["facts"][0].update(state="pass")),
        "not those of its digest",
    ),
    "fewer facts": (
        lambda o, p: rewritten(o, p, lambda t: t.update(facts=[], facts_digest=sha256_of([]))),
        "not those that stand beside",
    ),
    "another statement": (
        lambda o, p: rewritten(o, p, lambda t: t["statements"][0].update(text="Lunch was good")),
        "not what the catalogue asks",
    ),
    "a statement less": (
        lambda o, p: rewritten(o, p, lambda t: t.update(statements=t["statements"][1:])),
        "not what the catalogue asks",
    ),
    "not answered": (
        lambda o, p: rewritten(o, p, lambda t: t["statements"][1].update(answer="")),
        "development.features is not answered",
    ),
    "answered otherwise": (
        lambda o, p: rewritten(o, p, lambda t: t["statements"][1].update(answer="perhaps")),
        "answered 'perhaps'",
    ),
    "of another environment": (
        lambda o, p: rewritten(o, p, lambda t: t["environment"].update(name="staging")),
        "for the environment staging",
    ),
    "of another release": (
        lambda o, p: rewritten(o, p, lambda t: t["binding"].update(release="a" * 64)),
        "the release has changed since",
    ),
    "of another catalogue": (
        lambda o, p: rewritten(o, p, lambda t: t["binding"].update(catalogue="a" * 64)),
        "the catalogue has changed",
    ),
    "of another run": (
        lambda o, p: rewritten(o, p, lambda t: t.update(run="20200101T000000Z-0000")),
        "There is no run",
    ),
    "bound to less": (
        lambda o, p: rewritten(o, p, lambda t: t.update(binds_to="organization")),
        "it must to release",
    ),
    "valid for longer": (
        lambda o, p: rewritten(o, p, lambda t: t.update(valid_until="2999-01-01T00:00:00Z")),
        "longer than 90 days",
    ),
    "expired": (
        lambda o, p: rewritten(o, p, lambda t: t.update(valid_until=hours(-1))),
        "it was valid until",
    ),
    "of the future": (
        lambda o, p: rewritten(o, p, lambda t: t.update(requested_at=hours(1))),
        "a clock is wrong",
    ),
    "from before its run": (
        lambda o, p: rewritten(o, p, lambda t: t.update(requested_at=hours(-1), valid_until=hours(5))),
        "a clock is wrong",
    ),
    "of a newer schema": (lambda o, p: rewritten(o, p, lambda t: t.update(schema_version=2)), "schema version 2"),
    "with more than there is": (lambda o, p: rewritten(o, p, lambda t: t.update(x=1)), "x too much or too little"),
    "of another kind": (lambda o, p: rewritten(o, p, lambda t: t.update(kind="wish")), "the kind 'wish'"),
    "a demo that is none": (lambda o, p: rewritten(o, p, lambda t: t.update(demo=True)), "marked demo: true"),
}


@pytest.mark.parametrize(("wrong", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused_in_one_sentence_and_counts_for_nothing(
    office: Office, wrong: Wrong, said: str
) -> None:
    path = office.sign(office.ask(SIGN_OFF)[0])
    wrong(office, path)
    told = office.take(path)
    assert told["failed"] is True
    assert said in told["refused"][0]
    assert told["refused"][0].endswith(".")
    assert len(told["refused"][0].splitlines()) == 1
    assert "Traceback" not in json.dumps(told)
    assert office.stored() == []
    assert office.again()[SIGN_OFF]["state"] == "pending"


def test_what_is_right_is_taken_in_beside_what_is_wrong(office: Office) -> None:
    good, bad = (office.sign(path) for path in office.ask(REVIEW, SIGN_OFF))
    rewritten(office, bad, lambda told: told.update(requester="Ben"))
    told = office.take(good, bad)
    assert (told["failed"], list(told["statements"]), len(told["refused"])) == (True, [good.name], 1)
    assert office.again()[REVIEW]["state"] == "attested"


def test_a_result_that_was_tampered_with_is_not_signed_over(office: Office) -> None:
    path = office.sign(office.ask(SIGN_OFF)[0])
    section = office.run / "results" / "deployment.json"
    told = json.loads(section.read_text(encoding="utf-8"))
    told["results"][PODS]["summary"] = "All is well."
    section.write_text(json.dumps(told), encoding="utf-8")
    assert "is not what run" in office.take(path)["refused"][0]
    section.write_text(json.dumps(sealed(told)), encoding="utf-8")  # with a seal that fits again
    assert "is not what run" in office.take(path)["refused"][0]


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_refused(data: st.DataObject, verified: tuple[accept.Item, accept.Scene]) -> None:
    item, scene = verified
    at = data.draw(st.integers(0, len(item.text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != item.text[at]))
    with pytest.raises(accept.NotCounted):
        accept.accepted(replace(item, text=item.text[:at] + bytes([byte]) + item.text[at + 1 :]), scene)


@pytest.fixture(scope="module")
def verified(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[accept.Item, accept.Scene]:
    """A statement that counts, and where it does."""
    office = Office(tmp_path_factory.mktemp("verified"), keys)
    office.judge(seen(PODS))
    path = office.sign(office.ask(TRAINING)[0])
    signature = path.with_name(f"{path.name}.sig").read_text(encoding="utf-8")
    now = datetime.now(UTC)
    rules = Rules.of(office.statements)
    assert rules
    binding = Binding.of(json.loads(path.read_text(encoding="utf-8"))["binding"])
    item = accept.Item(path.read_bytes(), signature, rfc3339(now))
    scene = accept.Scene(ENVIRONMENT, binding, KNOWN, rules, now)
    assert accept.accepted(item, scene).signer.name == "Cleo"
    return item, scene


# ---------------------------------------------------------------------- what counts no more


@pytest.fixture
def signed(office: Office) -> Office:
    """A sign-off and a training that count."""
    office.take(*(office.sign(path) for path in office.ask(SIGN_OFF, TRAINING)))
    return office


def test_after_another_deployment_a_sign_off_is_stale_and_a_training_is_not(signed: Office) -> None:
    signed.facts = {**signed.facts, "values_digest": "values-2"}
    said = signed.again()
    assert said[SIGN_OFF]["state"] == "stale"
    assert said[SIGN_OFF]["summary"].startswith("stale: the release has changed since")
    assert said[TRAINING]["state"] == "attested"


def test_what_has_expired_is_stale(signed: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, timedelta(days=91))
    said = signed.again()
    assert (said[SIGN_OFF]["state"], said[TRAINING]["state"]) == ("stale", "attested")
    assert "it was valid until" in said[SIGN_OFF]["summary"]


def test_a_clock_that_jumps_back_lets_nothing_count(signed: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, -timedelta(days=1))
    said = signed.again()[TRAINING]
    assert said["state"] == "fail"
    assert "a clock is wrong" in said["summary"]


def test_what_is_revoked_counts_no_more_and_cannot_come_back(signed: Office) -> None:
    digest = next(one["statement"] for one in signed.act(state="listed")["statements"] if one["control"] == TRAINING)
    said = signed.act(state="absent", statement=digest[:12], requester="Dora", reason="The course was another one.")
    assert (said["changed"], said["statement"]) == (True, digest)
    assert signed.act(state="absent", statement=digest, requester="Dora", reason="Again")["changed"] is False
    told = signed.again()[TRAINING]
    assert (told["state"], "Dora revoked it at" in told["summary"]) == ("stale", True)
    path = signed.reports / "shop" / "requests" / f"{TRAINING}.attestation.json"
    assert "Dora revoked it at" in signed.take(path)["refused"][0]


def test_what_the_policy_revokes_counts_no_more(signed: Office) -> None:
    digest = next(one["statement"] for one in signed.act(state="listed")["statements"] if one["control"] == TRAINING)
    signed.statements["policy"] = {"revoked": [digest[:12]]}
    said = signed.again()
    assert (said[TRAINING]["state"], said[SIGN_OFF]["state"]) == ("stale", "attested")


def test_a_revoked_key_counts_no_more(signed: Office, keys: Path, tmp_path: Path) -> None:
    shutil.copy(keys / "cleo@acme.test.pub", tmp_path / "revoked")
    signed.statements = {**signed.statements, "revoked_keys": str(tmp_path / "revoked")}
    said = signed.again()
    assert (said[TRAINING]["state"], said[SIGN_OFF]["state"]) == ("fail", "attested")
    assert "is revoked" in said[TRAINING]["summary"]
    assert any("is revoked" in one for one in signed.document["run"]["defects"])


def test_whoever_lost_the_role_counts_no_more(signed: Office) -> None:
    signed.statements["signers"] = [one | {"roles": ["security"]} for one in signed.statements["signers"]]
    said = signed.again()[TRAINING]
    assert (said["state"], "has not the role operations" in said["summary"]) == ("fail", True)


@pytest.mark.parametrize("seal", [False, True], ids=["edited", "edited and sealed anew"])
def test_what_was_tampered_with_in_the_store_is_red_or_gone_and_always_told(signed: Office, *, seal: bool) -> None:
    for path in signed.stored():
        told = json.loads(path.read_text(encoding="utf-8"))
        told["statement"] = told["statement"].replace('"valid_until": "20', '"valid_until": "21')
        path.write_text(json.dumps(sealed(told) if seal else told), encoding="utf-8")
    said = signed.again()
    assert {said[SIGN_OFF]["state"], said[TRAINING]["state"]} <= {"pending", "fail"}
    assert len(signed.document["run"]["defects"]) == 2


def test_a_statement_of_another_environment_laid_into_the_store_does_not_count(signed: Office, keys: Path) -> None:
    other = Office(signed.folder, keys, replace(ENVIRONMENT, name="staging"))
    other.judge(seen(PODS))
    folder = other.reports / "staging" / "statements"
    folder.mkdir()
    for path in signed.stored():
        told = json.loads(path.read_text(encoding="utf-8")) | {"environment": "staging"}
        (folder / path.name).write_text(json.dumps(sealed(told)), encoding="utf-8")
    said = other.again()[TRAINING]
    assert (said["state"], "made for the environment shop" in said["summary"]) == ("fail", True)


def test_nobody_signs_for_two_teams_unless_they_may(office: Office) -> None:
    office.statements["signers"] = [
        one | {"roles": ["operations", "development"]} if one["name"] == "Ben" else one
        for one in office.statements["signers"]
        if one["name"] != "Cleo"
    ]
    first, second = (office.sign(path) for path in office.ask(SIGN_OFF, TRAINING))
    assert office.take(first)["refused"] == []
    assert "signed for the team development too" in office.take(second)["refused"][0]
    office.statements["signers"] = [one | {"several_teams": True} for one in office.statements["signers"]]
    assert office.take(second)["refused"] == []
    assert office.again()[TRAINING]["state"] == "attested"


def test_one_key_under_two_names_is_one_person(office: Office, keys: Path, tmp_path: Path) -> None:
    ben = (keys / "ben@acme.test.pub").read_text(encoding="utf-8")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ben@acme.test {ben}cleo@acme.test {ben}", encoding="utf-8")
    office.statements["allowed_signers"] = str(allowed)
    first, second = office.ask(SIGN_OFF, TRAINING)
    assert office.take(office.sign(first))["refused"] == []
    assert "signed for the team" in office.take(office.sign(second, key="ben@acme.test"))["refused"][0]


# ---------------------------------------------------------------------- what the catalogue names

BITES = {
    "signature_wrong_key": ("another's key", "a colleague's key"),
    "signature_wrong_role": ("another role", "somebody of another team"),
    "signature_expired": ("expired",),
    "signature_stale": ("of another release", "of another catalogue"),
    "statement_unanswered": ("not answered",),
    "results_tampered": ("prettier facts", "facts of another digest"),
    "changed_after_signing": ("of another release",),
    "signature_text_changed": ("changed after signing",),
    "signature_by_requester": ("requested by the signer",),
}
# These are of the store and of the persons, and have tests of their own here and in test_statements_confirmed.py.
ELSEWHERE = {"signature_revoked", "signing_key_revoked", "signed_for_two_teams", "roll_call_one_missing"}


def test_every_fault_that_the_catalogue_names_for_what_is_signed_has_its_case() -> None:
    signed = [one for one in KNOWN.controls.values() if one.signed_by and one.methods[0] == "attested"]
    assert {fault for one in signed if not one.confirms for fault in one.faults} == BITES.keys() | ELSEWHERE
    assert {case for cases in BITES.values() for case in cases} <= REFUSED.keys()
