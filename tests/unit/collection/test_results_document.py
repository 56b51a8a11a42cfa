# The results document: every control, why it is pending, what blocks it, what is stale, what has changed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.plugin_utils.record import assess
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import Document, Known, build, read
from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import Unusable, write_json
from tests.unit import judged
from tests.unit.collection.record_fixtures import (
    BINDING,
    ENDPOINTS,
    HEALTH,
    KNOWN,
    NOW,
    PODS,
    RUN,
    SERVICES,
    asked,
    entries,
    header,
    kept,
    result,
)

FIELDS = [
    *("id", "section", "group", "item", "title", "section_title", "group_title", "level", "stage", "state", "method"),
    *("summary", "remedy", "evidence", "started", "duration_s", "binds_to"),
]


def built(*results: dict[str, Any], **more: Any) -> Document:
    return build(more.pop("header", header()), kept(*results), KNOWN, more.pop("now", NOW), **more)


def test_every_control_has_an_entry_in_order_with_all_fields() -> None:
    document = built(result(PODS))
    assert [entry["id"] for entry in document["controls"]] == list(KNOWN.controls)
    assert len(document["controls"]) == 204
    assert all(entry.keys() >= set(FIELDS) for entry in document["controls"])
    assert sum(document["counts"].values()) == 204
    assert document["counts"]["pass"] == 1
    assert document["schema_version"] == 1
    assert json.loads(json.dumps(document)) == document


def test_a_result_is_joined_with_its_control() -> None:
    entry = entries(built(result(PODS, "fail", remedy="")))[PODS]
    assert (entry["state"], entry["summary"], entry["duration_s"]) == ("fail", "It is fail.", 0.5)
    assert entry["remedy"] == KNOWN.controls[PODS].remedy
    assert entry["evidence"][0]["observed"] == {"asked": PODS}


def test_the_same_input_gives_the_same_document() -> None:
    assert built(result(PODS), result(HEALTH)) == built(result(HEALTH), result(PODS))


def test_what_no_check_settles_says_so() -> None:
    entry = entries(built())[PODS]
    assert (entry["state"], entry["summary"]) == ("pending", "not judged yet: no check settles it in this version")
    assert (entry["evidence"], entry["started"]) == ([], None)


def test_what_has_a_check_that_has_not_run_says_so() -> None:
    entry = entries(built(known=Known(settled={PODS})))[PODS]
    assert entry["summary"] == "not judged yet: its check has not run in this run"


def test_a_missing_input_is_named() -> None:
    name = KNOWN.controls[PODS].inputs[0]
    entry = entries(built(known=Known(settled={PODS}, missing={name})))[PODS]
    assert entry["summary"] == f"needs input {name}"
    assert name in entry["remedy"]


def test_what_comes_after_the_gate_is_not_due() -> None:
    later = next(control for control in KNOWN.controls.values() if control.stage == "week")
    document = entries(built(header=asked("deploy")))
    assert document[later.id]["summary"] == "not due before stage week"
    assert "not due" not in document[PODS]["summary"]


def test_results_that_cannot_be_used_are_the_reason() -> None:
    document = built(known=Known(defects={"deployment": "It is damaged."}))
    assert "It is damaged." in entries(document)[PODS]["summary"]
    assert document["run"]["defects"] == ["It is damaged."]


def test_a_red_need_blocks_what_rests_on_it_and_keeps_its_evidence() -> None:
    document = entries(built(result(PODS, "fail"), result(SERVICES, "fail"), result(HEALTH)))
    assert document[PODS]["state"] == "fail"
    for id_ in (SERVICES, HEALTH, ENDPOINTS):
        assert document[id_]["state"] == "pending"
        assert document[id_]["summary"].startswith(f"blocked by {PODS}")
        assert PODS in document[id_]["remedy"]
    assert document[SERVICES]["evidence"]
    assert "It is fail." in document[SERVICES]["summary"]
    assert document[ENDPOINTS]["evidence"] == []


@pytest.mark.parametrize("state", ["pass", "inconclusive", "pending"])
def test_what_is_not_red_blocks_nothing(state: str) -> None:
    assert entries(built(result(PODS, state), result(HEALTH)))[HEALTH]["state"] == "pass"


def test_what_it_binds_to_has_moved_on() -> None:
    document = entries(built(result(PODS), header=header(binding=replace(BINDING, release="another"))))
    assert document[PODS]["state"] == "stale"
    assert "the release has changed since" in document[PODS]["summary"]
    assert document[PODS]["evidence"]


def test_time_has_moved_on_and_an_old_red_blocks_nothing() -> None:
    later = NOW + KNOWN.controls[PODS].age_limit + timedelta(minutes=1)
    document = entries(built(result(PODS, "fail"), now=later))
    assert document[PODS]["state"] == "stale"
    assert "blocked" not in document[HEALTH]["summary"]


def test_a_pending_result_is_never_stale() -> None:
    assert entries(built(result(PODS, "pending"), now=NOW + timedelta(days=999)))[PODS]["state"] == "pending"


def test_stale_is_not_stored() -> None:
    assert "stale" not in json.dumps(kept(result(PODS)))


def test_the_difference_to_the_run_before() -> None:
    before = built(result(PODS, "fail"), header=header(id="20261123T000000Z-0000"))
    document = built(result(PODS), result(HEALTH, "fail"), previous=before)
    assert document["previous"]["run"] == "20261123T000000Z-0000"
    assert document["previous"]["changed"] == [
        {"id": PODS, "from": "fail", "to": "pass"},
        {"id": HEALTH, "from": "pending", "to": "fail"},
    ]
    assert built()["previous"] == {"run": None, "changed": []}


def test_a_document_is_read_back(tmp_path: Path) -> None:
    document = built(result(PODS, "fail"), header=asked("deploy"))
    write_json(tmp_path / "results.json", document)
    assert read(tmp_path / "results.json") == document
    assert document["run"]["id"] == RUN


def _open_it(document: Document) -> None:
    document["gate"]["decision"] = "open"


def _pass_it(document: Document) -> None:
    entries(document)[PODS]["state"] = "pass"


def _drop_it(document: Document) -> None:
    document["controls"].remove(entries(document)[PODS])


def _change_evidence(document: Document) -> None:
    entries(document)[PODS]["evidence"][0]["observed"] = {}


def _other_schema(document: Document) -> None:
    document["schema_version"] = 2


def _no_gate(document: Document) -> None:
    del document["gate"]


@pytest.mark.parametrize("edit", [_open_it, _pass_it, _drop_it, _change_evidence, _other_schema, _no_gate])
def test_an_edited_document_is_refused_in_one_sentence(edit: Callable[[Document], None], tmp_path: Path) -> None:
    document = built(result(PODS, "fail"), header=asked("deploy"))
    edit(document)
    write_json(tmp_path / "results.json", document)
    with pytest.raises(Unusable) as caught:
        read(tmp_path / "results.json")
    assert str(tmp_path) in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_what_the_catalogue_says_that_a_check_settles_is_what_the_checks_do() -> None:
    """The record goes by the catalogue, for it would take most of a second to load all checks."""
    assert judged.settled() == {control.id for control in KNOWN.controls.values() if control.checked}


def test_inputs_that_are_not_set_are_known() -> None:
    assert "bytebot_namespace" in assess.missing_inputs(KNOWN, {})
    assert "bytebot_namespace" not in assess.missing_inputs(KNOWN, {"bytebot_namespace": "x"})
