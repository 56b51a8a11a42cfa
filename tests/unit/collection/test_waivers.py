# Signed waivers and the approval: what they cover, where they are shown, and when they end.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.bytebot.production.plugins.action import checklist_gate
from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record.derived import LATENCY
from ansible_collections.bytebot.production.plugins.plugin_utils.render import html, markdown, terminal, write
from tests.unit.collection.record_fixtures import KNOWN, act, result
from tests.unit.collection.statement_fixtures import (
    HEADERS,
    PODS,
    REVIEW,
    Office,
    later,
    make_keys,
    rewritten,
    seen,
)

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "results.schema.json").read_text(encoding="utf-8"))


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


# ---------------------------------------------------------------------- waivers


def test_a_waiver_covers_what_is_red_while_it_is_as_it_was_and_is_shown(office: Office) -> None:
    office.again(seen(HEADERS, "fail"))
    office.take(office.sign(office.waiver(HEADERS)))
    said = office.again(seen(HEADERS, "fail"))[HEADERS]
    assert said["state"] == "waived"
    assert said["waiver"]["owner"] == "R. Okafor"
    assert "waived until" in said["summary"]
    assert "it is fail: It is fail." in said["summary"]
    valid(office.document)
    shown = {"terminal": terminal.table(KNOWN, [HEADERS.partition(".")[0]], [{**said, "control": HEADERS}], 400)}
    files = {**write.render(office.document), **shown}
    for name, text in files.items():
        assert "R. Okafor answers for it" in text.replace("\n", " "), name
    assert office.again(seen(HEADERS, "error"))[HEADERS]["state"] == "error"
    assert office.again(seen(HEADERS))[HEADERS]["state"] == "pass"


def test_a_gate_that_a_waiver_lets_open_tells_of_it(office: Office) -> None:
    office.again(seen(PODS), seen(HEADERS, "fail"))
    office.take(office.sign(office.waiver(HEADERS)))
    office.again(seen(PODS), seen(HEADERS, "fail"))
    asked = {**office.common(), "stage": "validate", "run": office.run.name, "environment": "shop", "fail": False}
    told = act(checklist_gate.ActionModule, asked)
    assert not [line for line in told["reasons"] if line.startswith(HEADERS)]
    assert [line for line in told["notes"] if line.startswith(f"{HEADERS} waived: waived until")]


def test_a_waiver_ends(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.again(seen(HEADERS, "fail"))
    office.take(office.sign(office.waiver(HEADERS)))
    later(monkeypatch, timedelta(days=31))
    said = office.again(seen(HEADERS, "fail"))[HEADERS]
    assert (said["state"], "it was valid until" in said["summary"]) == ("fail", True)


def test_a_waiver_for_a_release_ends_with_it(office: Office) -> None:
    office.again(seen(HEADERS, "fail"))
    office.take(office.sign(office.waiver(HEADERS, scope="release")))
    office.facts = {**office.facts, "values_digest": "values-2"}
    assert office.again(seen(HEADERS, "fail"))[HEADERS]["state"] == "fail"


def test_a_waived_control_blocks_nothing_that_rests_on_it(office: Office) -> None:
    office.again(seen(PODS, "fail"))
    office.take(office.sign(office.waiver(PODS)))
    assert office.again(seen(PODS, "fail"), seen("deployment.execution.services"))["deployment.execution.services"][
        "state"
    ] == "pass"  # fmt: skip


def test_a_weaker_threshold_outside_a_sandbox_needs_a_waiver(office: Office) -> None:
    def decided(*weaker: str) -> str:
        office.again(seen(PODS, weaker=list(weaker)))
        asked = {**office.common(), "stage": "deploy", "run": office.run.name, "fail": False}
        told = act(checklist_gate.ActionModule, asked | {"environment": "shop"})
        return next((line for line in told["reasons"] if line.startswith(PODS)), "")

    assert "which needs a signed waiver" in decided("2 wanted, document 16")
    office.take(office.sign(office.waiver(PODS)))
    assert decided("2 wanted, document 16") == ""
    assert "which needs a signed waiver" in decided("1 wanted, document 16")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"controls": ["sign_off.technical.security"]}, "never waived"),
        ({"controls": [HEADERS]}, "never waived"),
        ({"controls": [PODS]}, "which no waiver covers"),
        ({"controls": ["a.b.c"]}, "no control a.b.c"),
        ({"controls": [REVIEW], "until": "soon"}, "neither a duration"),
        ({"controls": [REVIEW], "until": "P2Y"}, "not within the 365 days"),
        ({"controls": [REVIEW], "reason": " "}, "reason: it is needed"),
        ({"controls": [REVIEW], "owner": " "}, "owner: it is needed"),
        ({"controls": [REVIEW], "until": "2020-01-01T00:00:00Z"}, "not within the 365 days"),
        ({"controls": [REVIEW], "scope": "everything"}, "scope"),
        ({"controls": []}, "name what is to be waived"),
    ],
)
def test_what_cannot_be_waived(office: Office, more: dict[str, Any], said: str) -> None:
    office.statements["policy"] = {"unwaivable": ["security_configuration.network"]}
    office.again(seen(PODS), seen(HEADERS, "fail"))
    given = {"owner": "R", "reason": "Because", "until": "P30D", "requester": "bot", **more}
    told = office.act(state="requested", kind="waiver", **given)
    assert told["failed"] is True
    assert said in told["msg"]


def test_what_became_unwaivable_is_waived_no_more(office: Office) -> None:
    office.again(seen(HEADERS, "fail"))
    office.take(office.sign(office.waiver(HEADERS)))
    office.statements["policy"] = {"unwaivable": [HEADERS]}
    assert office.again(seen(HEADERS, "fail"))[HEADERS]["state"] == "fail"


def test_only_whoever_may_signs_a_waiver(office: Office) -> None:
    office.again(seen(HEADERS, "fail"))
    path = office.sign(office.waiver(HEADERS), "ben@acme.test")
    assert "Ben has not the role risk_owner" in office.take(path)["refused"][0]


def test_a_waiver_with_another_reason_than_was_signed_does_not_count(office: Office) -> None:
    office.again(seen(HEADERS, "fail"))
    path = office.sign(office.waiver(HEADERS))
    rewritten(office, path, lambda told: told["waiver"].update(reason="None"))
    assert "not what the catalogue asks" in office.take(path)["refused"][0]


# ---------------------------------------------------------------------- approval


def every(state: str = "pass") -> list[dict[str, Any]]:
    due = ("preflight", "deploy", "validate", "operations", "sign_off")
    # What the load test saw, which a control of the go-live compares with what production brings.
    observed = {"wanted_rate": 20, "production_rate": 20, "seconds": 36, "all": {"requests": 720}}
    item = result(LATENCY)["evidence"][0] | {"observed": observed, "sha256": sha256_of(observed)}
    return [
        seen(one.id, state, **({"evidence": [item]} if one.id == LATENCY else {}))
        for one in KNOWN.controls.values()
        if one.stage in due and (one.confirms or not one.signed_by)
    ]


def test_the_approval_is_given_only_while_the_gate_is_open(office: Office) -> None:
    asked: dict[str, Any] = {"state": "requested", "kind": "approval", "requester": "release-bot"}
    assert "only while the gate sign_off is open" in office.act(**asked)["msg"]
    office.again(*every())
    office.statements["signers"] = [one | {"several_teams": True} for one in office.statements["signers"]]
    waiting = [(path, json.loads(path.read_text(encoding="utf-8"))["signer"]) for path in office.ask()]
    assert office.take(*(office.sign(path, signer) for path, signer in waiting))["refused"] == []
    office.again(*every())
    assert approval(office) == {}
    path = office.ask(kind="approval")[0]
    assert "needs the title" in office.take(office.sign(path))["refused"][0]
    assert office.take(office.sign(path, signer_title="Head of IT"))["refused"] == []
    office.again(*every())
    given = approval(office)
    assert (given["given"], given["name"], given["title"]) == (True, "Ivo", "Head of IT")
    valid(office.document)
    assert "Approved by Ivo (Head of IT, approver)" in html.render(office.document)
    text = (catalogue.FOLDER / catalogue.DOCUMENT).read_text(encoding="utf-8")
    line = next(
        line for line in markdown.render(office.document, KNOWN, text).splitlines() if "Deployment Approved" in line
    )
    assert "Approved by Ivo (Head of IT, approver), key SHA256:" in line
    office.again(*every()[1:])
    taken_back = approval(office)
    assert (taken_back["given"], "is not open" in taken_back["said"]) == (False, True)
    assert "name" not in taken_back


def approval(office: Office) -> dict[str, Any]:
    found: dict[str, Any] = office.document["run"]["approval"] or {}
    return found
