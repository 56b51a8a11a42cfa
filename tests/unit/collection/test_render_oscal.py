# The OSCAL assessment results: valid, the same each time, a finding per control, no green that is none.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import report_fixtures as fixtures
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.plugin_utils.render import oscal

SATISFIED = {"pass", "attested", "not_applicable"}


def written(document: dict[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = json.loads(oscal.render(document))["assessment-results"]
    return results


def result(document: dict[str, Any]) -> dict[str, Any]:
    (only,) = written(document)["results"]
    return dict(only)


def props(part: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in part.get("props", ())}


def every_id(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for one in part for found in every_id(one)]
    if isinstance(part, dict):
        own = [part["uuid"]] if "uuid" in part else []
        return own + [found for one in part.values() for found in every_id(one)]
    return []


EVERY = fixtures.every_state()
SIGNED = {
    "given": True,
    "said": "Approved by Ivo (Head of IT).",
    "name": "Ivo",
    "key": "SHA256:abc",
    "statement": "0" * 64,
    "demo": False,
}


def test_each_control_has_its_finding_and_each_evidence_its_hash() -> None:
    found = result(EVERY)
    assert [one["target"]["target-id"] for one in found["findings"]] == fixtures.IDS
    observed = {one["uuid"]: one for one in found["observations"]}
    for finding, control in zip(found["findings"], EVERY["controls"], strict=True):
        satisfied = finding["target"]["status"]["state"] == "satisfied"
        assert satisfied == (control["state"] in SATISFIED), control["state"]
        assert props(finding)["state"] == control["state"]
        seen = [observed[one["observation-uuid"]] for one in finding.get("related-observations", ())]
        hashes = [props(item)["sha256"] for one in seen for item in one["relevant-evidence"]]
        assert hashes == [item["sha256"] for item in control["evidence"]]


def test_what_was_never_seen_has_no_observation() -> None:
    assert "observations" not in result(fixtures.all_in("pending"))


def test_the_gate_is_a_property() -> None:
    about = props(result(fixtures.mixed()))
    assert (about["gate-decision"], about["gate-stage"]) == ("shut", "deploy")
    assert about["release-digest"] == EVERY["environment"]["release_digest"]


def test_what_was_signed_is_an_attestation() -> None:
    document = fixtures.mixed()
    document["run"]["approval"] = SIGNED
    parts = [part for one in result(document)["attestations"] for part in one["parts"]]
    assert [part["name"] for part in parts] == ["security_configuration.secrets.rotation", "approval"]
    assert props(parts[-1])["given"] == "yes"


@pytest.mark.parametrize("demo", [True, False])
def test_a_signature_for_trying_out_is_told_where_it_counts(demo: bool) -> None:
    document = fixtures.every_state()
    attested = next(one for one in document["controls"] if one["state"] == "attested")
    attested["demo"] = demo
    document["run"]["approval"] = {**SIGNED, "demo": demo}
    found, wanted = result(document), "yes" if demo else None
    (finding,) = [one for one in found["findings"] if one["target"]["target-id"] == attested["id"]]
    parts = {part["name"]: part for each in found["attestations"] for part in each["parts"]}
    for part in (finding, parts[attested["id"]], parts["approval"]):
        assert props(part).get("demo") == wanted


def test_the_same_record_gives_the_same_file_and_another_run_other_identifiers() -> None:
    again = json.loads(json.dumps(fixtures.mixed()))
    assert oscal.render(again) == oscal.render(fixtures.mixed())
    ids = every_id(written(fixtures.mixed()))
    assert len(ids) == len(set(ids))
    again["run"]["id"] = "another"
    assert not set(ids) & set(every_id(written(again)))


def test_markup_stays_text() -> None:
    hostile = "[x](javascript:alert(1)) <script>alert(1)</script> \x00\u202e `a`"
    (finding, *_others) = result(fixtures.all_in("fail", summary=hostile))["findings"]
    assert "<script>" not in finding["description"].replace("\\<", "")
    assert "[x]" not in finding["description"]
    assert all(letter.isprintable() for letter in finding["description"])


def read(document: dict[str, Any], folder: Path) -> Any:
    reason = "compliance-trestle is not installed; it is in requirements-dev.txt"
    oscal_models = pytest.importorskip("trestle.oscal.assessment_results", reason=reason)
    path = folder / "oscal.json"
    path.write_text(oscal.render(document), encoding="utf-8")
    return oscal_models.AssessmentResults.oscal_read(path)


@pytest.mark.parametrize(
    "document", [fixtures.mixed(), EVERY, fixtures.all_in("pending")], ids=["mixed", "every", "none"]
)
def test_trestle_finds_it_valid(document: dict[str, Any], tmp_path: Path) -> None:
    document["run"]["approval"] = SIGNED
    model = read(document, tmp_path)
    validators = pytest.importorskip("trestle.core.validator_factory").validator_factory
    for mode in ("duplicates", "refs", "links"):
        assert validators.get(SimpleNamespace(mode=mode)).model_is_valid(model, True), mode
    assert len(model.results[0].findings) == 204


@settings(max_examples=25)
@given(st.text())
@example("")
@example(" \n\t ")
@example("\x00\x1b[31m\ud800\u202e\u2028")
def test_trestle_takes_any_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    document = fixtures.document([fixtures.entry(fixtures.IDS[0], "fail", summary=text, remedy=text, weaker=[text])])
    document["environment"]["organization"] = document["run"]["requester"] = text
    document["controls"][0]["evidence"][0]["observed_at"] = text
    assert read(document, tmp_path_factory.mktemp("oscal")) is not None
