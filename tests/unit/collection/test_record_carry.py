# A run that goes on from earlier ones: the newest result counts, what nobody looked at hides nothing, nor does damage.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import Known, build
from tests.unit.collection.record_fixtures import BINDING, HEALTH, KNOWN, NOW, PODS, asked, entries, result
from tests.unit.collection.test_record_store import TLS, add, path_of, store

OTHER = replace(BINDING, release="f" * 64)
UNASKED = result(PODS, "pending", evidence=[])
LIMITS = "application_configuration.tuning.limits"  # disturbs, so that not every run may try it


def test_a_new_run_goes_on_from_the_newest_results(tmp_path: Path) -> None:
    there = store(tmp_path)
    first = there.close(add(there, there.open_run(BINDING), result(PODS), result(HEALTH), result(TLS)))
    second = there.close(add(there, there.open_run(BINDING), result(HEALTH, "fail"), UNASKED))
    run = there.carry(there.open_run(BINDING))
    found = run.content().results
    assert {id_: one["state"] for id_, one in found.items()} == {PODS: "pass", HEALTH: "fail", TLS: "pass"}
    origin = {id_: one["carried_from"] for id_, one in found.items()}
    assert origin == {PODS: first.header.id, HEALTH: second.header.id, TLS: first.header.id}
    built = entries(build(run.header, found, KNOWN, NOW))
    assert built[TLS]["judged_in"] == first.header.id
    third = there.carry(add(there, run, result(HEALTH)))
    assert third.content().results[HEALTH]["state"] == "pass", "what is newer stays"
    assert "carried_from" not in third.content().results[HEALTH]


def test_without_it_a_new_run_begins_with_nothing(tmp_path: Path) -> None:
    there = store(tmp_path)
    there.close(add(there, there.open_run(BINDING), result(PODS)))
    assert there.open_run(BINDING).content().results == {}


def test_where_it_came_from_first_is_told_and_another_release_is_stale(tmp_path: Path) -> None:
    there = store(tmp_path)
    first = there.close(add(there, there.open_run(BINDING), result(PODS)))
    there.close(there.carry(there.open_run(BINDING)))
    run = there.carry(there.open_run(OTHER))
    found = run.content().results
    assert found[PODS]["carried_from"] == first.header.id
    assert entries(build(run.header, found, KNOWN, NOW))[PODS]["state"] == "stale"


def test_an_older_result_never_takes_the_place_of_one_that_was_damaged(tmp_path: Path) -> None:
    there = store(tmp_path)
    there.close(add(there, there.open_run(BINDING), result(PODS), result(TLS)))
    second = there.close(add(there, there.open_run(BINDING), result(PODS, "fail")))
    path_of(second, "deployment").write_text("{}")
    assert set(there.earlier("z")) == {TLS}


def test_a_damaged_section_of_the_run_itself_is_not_filled_with_older_results(tmp_path: Path) -> None:
    there = store(tmp_path)
    there.close(add(there, there.open_run(BINDING), result(PODS), result(TLS)))
    run = add(there, there.open_run(BINDING), result(PODS, "fail"))
    path_of(run, "deployment").write_text("{}")
    for _launched in range(2):
        run = there.carry(there.open_run(BINDING))
        assert set(run.content().results) == {TLS}
        assert "deployment" in run.content().defects
    assert there.carry(add(there, run, result(PODS))).content().results[PODS]["state"] == "pass", "what is judged again"


def test_what_was_looked_at_and_is_not_known_any_more_takes_the_place_of_a_pass(tmp_path: Path) -> None:
    there = store(tmp_path)
    there.close(add(there, there.open_run(BINDING), result(PODS), result(LIMITS)))
    second = there.close(add(there, there.open_run(BINDING), result(PODS, "pending"), result(LIMITS, "pending")))
    there.close(add(there, there.open_run(BINDING), UNASKED))
    found = there.carry(there.open_run(BINDING)).content().results
    assert (found[PODS]["state"], found[PODS]["carried_from"]) == ("pending", second.header.id)
    assert found[LIMITS]["state"] == "pass", "what was not permitted in that run"


def test_no_stage_gets_around_what_was_pending_at_the_gate_of_the_one_before(tmp_path: Path) -> None:
    there = store(tmp_path)
    there.close(add(there, there.open_run(BINDING), result(PODS), result(TLS)))
    stage = there.close(add(there, there.carry(there.open_run(BINDING)), UNASKED))
    for _launched in range(2):
        run = there.carry(there.open_run(BINDING))
        found = run.content().results
        assert (found[PODS]["state"], found[PODS]["carried_from"]) == ("pending", stage.header.id)
        assert found[TLS]["state"] == "pass"
        there.close(run)
    there.close(add(there, there.open_run(BINDING), result(PODS)))
    assert there.carry(there.open_run(BINDING)).content().results[PODS]["state"] == "pass", "what is judged again"


def test_a_go_live_that_was_postponed_asks_for_its_last_backup_again(tmp_path: Path) -> None:
    there, backup = store(tmp_path), "go_live.t_minus_2h.backup"
    there.close(add(there, there.open_run(BINDING), result(backup)))
    found = there.carry(there.open_run(BINDING)).content().results
    for after, state in ((timedelta(0), "pass"), (timedelta(days=1), "stale")):
        known = Known(counts_from=NOW + after)
        entry = entries(build(asked("t_minus_2h"), found, KNOWN, NOW + after, known=known))[backup]
        assert entry["state"] == state, entry["summary"]
    assert "for this go-live counts what is judged since 2026-11-25T16:01:02Z" in entry["summary"]
