# What sums up other controls: red by one red, by another release or too little load, and green by proof alone.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.record import derived, opening
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Binding, rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import Known, build
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import unproven
from tests.unit.collection.record_fixtures import BINDING, KNOWN, NOW, entries, header, kept, result

END, LOAD, HEALTH, ENDPOINTS = derived.END_TO_END, derived.LOAD, derived.HEALTH, derived.ENDPOINTS
AGAIN, POSTURE = derived.AGAIN, derived.POSTURE
OTHER = replace(BINDING, release="f" * 64)
SINCE = rfc3339(NOW - timedelta(minutes=10))
EARLY = "go_live_early_s"


def summed(control: str) -> list[str]:
    return [id_ for id_ in KNOWN.controls if derived.is_of(id_, derived.SUMS[control])]


def evidence(**observed: Any) -> list[dict[str, Any]]:
    return [{"source": "x", "observed_at": SINCE, "observed": observed, "sha256": sha256_of(observed)}]


def latency(rate: float, wanted: float) -> dict[str, Any]:
    told = evidence(wanted_rate=rate, production_rate=wanted, seconds=10, all={"requests": int(rate * 10)})
    return result(derived.LATENCY, evidence=told)


def all_of(control: str, binding: Binding = BINDING, **others: Any) -> dict[str, Any]:
    """All that it sums up has passed, but for what is said otherwise, by id with dots as underscores."""
    found = kept(*[result(id_) for id_ in summed(control)], binding=binding)
    return found | {one["control"]: one for one in kept(*others.get("instead", ()), binding=binding).values()}


def entry(control: str, results: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return entries(build(header(**changes), results, KNOWN, NOW))[control]


def test_what_is_derived_is_in_the_catalogue_and_settled() -> None:
    assert KNOWN.controls.keys() >= derived.CONTROLS
    assert all(KNOWN.controls[control].checked for control in derived.CONTROLS)
    assert derived.DEPLOY in KNOWN.controls
    assert {control: len(summed(control)) for control in derived.SUMS} == {
        END: 41,
        LOAD: 5,
        HEALTH: 5,
        ENDPOINTS: 2,
        AGAIN: 22,
        POSTURE: 22,
    }


def test_all_that_passed_makes_a_pass_with_proof() -> None:
    found = entry(END, all_of(END))
    assert found["state"] == "pass"
    assert not unproven("pass", found["evidence"])
    assert found["evidence"][0]["observed"]["release_digest"] == BINDING.release


def test_nothing_judged_leaves_it_pending_as_ever() -> None:
    for control in derived.CONTROLS:
        assert entry(control, {})["state"] == "pending"


@pytest.mark.parametrize(
    ("instead", "state", "said"),
    [
        (result("functional_testing.api.errors", "fail"), "fail", "functional_testing.api.errors"),
        (result("monitoring.logging.flow", "error"), "fail", "1 of 41 are red"),
        (result("monitoring.logging.flow", "fail", level="should"), "pass", "exactly the release"),
        (result("functional_testing.api.errors", "pending"), "pending", "not proven"),
        (result("functional_testing.api.errors", "inconclusive"), "pending", "(inconclusive)"),
    ],
)
def test_one_that_does_not_hold_tells(instead: dict[str, Any], state: str, said: str) -> None:
    found = entry(END, all_of(END, instead=[instead]))
    assert found["state"] == state
    assert said in found["summary"]


def test_one_that_was_not_judged_leaves_it_pending() -> None:
    found = all_of(END)
    del found["security_testing.web.https"]
    assert entry(END, found)["state"] == "pending"


def test_tests_of_another_release_are_red() -> None:
    found = entry(END, all_of(END, OTHER))
    assert found["state"] == "fail"
    assert "41 of 41 were judged for another release" in found["summary"]


def test_what_is_too_old_is_not_proven() -> None:
    late = entries(build(header(), all_of(END), KNOWN, NOW + timedelta(days=8)))[END]
    assert late["state"] == "pending"
    assert "(stale)" in late["summary"]


def test_an_unknown_release_proves_nothing() -> None:
    none = replace(BINDING, release="", plan="")
    assert entry(END, all_of(END, none), binding=none)["state"] == "pending"


@pytest.mark.parametrize(
    ("rate", "wanted", "state", "said"),
    [
        (20.0, 20.0, "pass", "at 20 requests a second"),
        (25.0, 20.0, "pass", "production brings 20"),
        (19.9, 20.0, "pass", ""),
        (10.0, 20.0, "fail", "sent 10 requests a second, and production brings 20"),
        (20.0, 0.0, "pending", "production_rate"),
    ],
)
def test_load_is_held_against_production(rate: float, wanted: float, state: str, said: str) -> None:
    found = entry(LOAD, all_of(LOAD, instead=[latency(rate, wanted)]))
    assert found["state"] == state
    assert said in found["summary"]


def test_load_without_its_evidence_or_with_a_red_part_is_no_pass() -> None:
    assert entry(LOAD, all_of(LOAD))["state"] == "pending"
    red = entry(LOAD, all_of(LOAD, instead=[latency(20, 20), result("performance_testing.load.leak", "fail")]))
    assert red["state"] == "fail"


def deployed(**observed: Any) -> dict[str, Any]:
    return kept(result(derived.DEPLOY, evidence=evidence(**observed)))


@pytest.mark.parametrize("control", [HEALTH, ENDPOINTS])
def test_at_zero_only_what_was_judged_since_it_began_counts(control: str) -> None:
    found = all_of(control)
    assert entry(control, found)["state"] == "pending", "the stage has not been run"
    assert entry(control, found | deployed(since="nonsense"))["state"] == "pending"
    assert entry(control, found | deployed(since=SINCE))["state"] == "pass"
    later = rfc3339(NOW + timedelta(minutes=1))
    before = entry(control, found | deployed(since=later))
    assert before["state"] == "pending"
    assert f"judged before {later}" in before["summary"]
    (first, *_rest) = summed(control)
    assert entry(control, found | kept(result(first, "fail")) | deployed(since=SINCE))["state"] == "fail"


def test_it_cannot_be_recorded() -> None:
    found = all_of(END, instead=[result("functional_testing.api.errors", "fail")]) | kept(result(END))
    assert entry(END, found)["state"] == "fail"
    assert entry(END, kept(result(END)))["state"] == "pending"


def test_the_same_twice() -> None:
    assert entry(END, all_of(END)) == entry(END, all_of(END))


# ---------------------------------------------------------------------------- a week after

WEEK = timedelta(days=7)


def week(results: dict[str, Any], after: timedelta | None, **changes: Any) -> dict[str, Any]:
    """As it is where the go-live was some time ago; all was judged now."""
    known = Known(go_live=None if after is None else NOW - after)
    return entries(build(header(**changes), results, KNOWN, NOW, known=known))[AGAIN]


@pytest.mark.parametrize(
    ("after", "instead", "state", "said"),
    [
        (WEEK, [], "pass", "All 22 controls of security hold, judged since 2026-11-24T16:01:02Z."),
        (WEEK, [result("security_testing.web.https", "fail")], "fail", "1 of 22 are red: security_testing.web.https"),
        (WEEK, [result("security_testing.web.https", "fail", level="should")], "pass", ""),
        (WEEK, [result("security_testing.web.https", "inconclusive")], "pending", "(inconclusive)"),
        (WEEK, [result("security_testing.web.https", started=SINCE)], "pending", "1 of 22 were judged before"),
        (WEEK - timedelta(seconds=1), [], "pending", "Not due before 2026-11-24T16:01:03Z"),
        (timedelta(), [result("security_testing.web.https", "fail")], "pending", "Not due before 2026-12-01T16:01:02Z"),
        (-WEEK, [], "pending", "Not due before"),
        (None, [], "pending", "Needs input bytebot_go_live"),
    ],
)
def test_a_week_after_security_is_judged_again(
    after: timedelta | None, instead: list[dict[str, Any]], state: str, said: str
) -> None:
    found = week(all_of(AGAIN, instead=instead), after)
    assert found["state"] == state
    assert said in found["summary"]


def test_security_of_another_release_or_of_one_section_alone_is_no_pass() -> None:
    assert week(all_of(AGAIN, OTHER), WEEK)["state"] == "fail"
    one = {id_: found for id_, found in all_of(AGAIN).items() if id_.startswith("security_testing.")}
    assert week(one, WEEK)["state"] == "pending"
    assert week({}, WEEK)["state"] == "pending"


@pytest.mark.parametrize(
    ("variables", "known"),
    [
        ({"run_record": {"statements": {"go_live": "2026-11-24T16:01:02+00:00"}}}, True),
        ({"run_record": {"statements": {"go_live": "soon"}}}, False),
        ({"run_record": {"statements": {"go_live": ""}}}, False),
        ({"run_record": {"statements": None}}, False),
        ({}, False),
    ],
)
def test_when_it_went_live_is_what_the_run_was_told(variables: dict[str, Any], known: bool) -> None:
    assert opening.go_live(variables) == (NOW if known else None)


@pytest.mark.parametrize(
    ("more", "early_s"),
    [({}, 8100), ({EARLY: "15300"}, 15300), ({EARLY: 15300}, 15300), ({EARLY: 60}, 8100), ({EARLY: "soon"}, 8100)],
)
def test_what_counts_for_a_go_live_is_judged_since_its_stage_may_begin(more: dict[str, Any], early_s: int) -> None:
    told = {"run_record": {"statements": {"go_live": "2026-11-24T16:01:02+00:00"}}, **more}
    assert opening.counts_from(told) == NOW - timedelta(seconds=early_s)
    assert opening.counts_from({"run_record": {"statements": {}}, **more}) is None


@pytest.mark.parametrize(
    ("more", "early_s"),
    [
        ({"go_live_minutes": {"t_minus_2h": -240}}, 15_300),
        ({"go_live_minutes": {"t_minus_2h": "-240"}, "go_live_wait": "60"}, 14_460),
        ({"go_live_wait": 3600}, 10_800),
        ({"go_live_minutes": {"t_minus_2h": 0}, "go_live_wait": 0}, 8100),
        ({"go_live_minutes": {"t_minus_2h": -240}, EARLY: 9000}, 9000),
        ({"go_live_minutes": "soon", "go_live_wait": "{{ x }}"}, 8100),
        ({"go_live_minutes": {"t_minus_2h": None}, "go_live_wait": "9" * 40}, 8100),
    ],
)
def test_a_playbook_outside_of_the_stages_reckons_by_the_inventory(more: dict[str, Any], early_s: int) -> None:
    told = {"run_record": {"statements": {"go_live": "2026-11-24T16:01:02+00:00"}}, **more}
    assert opening.counts_from(told) == NOW - timedelta(seconds=early_s)


WEB, HEADERS = "security_testing.web.https", "security_testing.web.headers"


def states(**others: str) -> dict[str, str]:
    """All of security passed in an earlier run, but for what is said otherwise."""
    return dict.fromkeys(summed(POSTURE), "pass") | others


def posture(earlier: list[dict[str, str]], *instead: dict[str, Any]) -> dict[str, Any]:
    runs = [Earlier(f"run-{number}", found) for number, found in enumerate(earlier)]
    known = Known(go_live=NOW - WEEK, earlier=lambda: runs)
    return entries(build(header(), all_of(POSTURE, instead=list(instead)), KNOWN, NOW, known=known))[POSTURE]


def red(control: str, **fields: Any) -> dict[str, Any]:
    return result(control, "fail", **fields)


@pytest.mark.parametrize(
    ("earlier", "instead", "state", "said"),
    [
        ([], [], "pass", "none can have been lost"),
        ([states()], [red(WEB)], "fail", f"95.5% of security hold, and 100.0% did in run run-0. Lost: {WEB}."),
        ([states(**{WEB: "fail"})], [red(WEB)], "pass", "95.5% of security hold; 95.5% did in run run-0."),
        ([states(**{WEB: "fail"}), states()], [red(WEB)], "fail", "did in run run-1"),
        ([states(**{WEB: "fail", HEADERS: "fail"})], [red(WEB)], "pass", "90.9% did"),
        ([states(**{WEB: "waived"})], [red(HEADERS)], "pass", ""),
        ([states()], [red(WEB, level="should")], "fail", "97.7% of security hold"),
        ([], [red(WEB)], "inconclusive", "no earlier run"),
        ([{WEB: "pass"}, states(**{HEADERS: "pending"})], [red(WEB)], "inconclusive", "no earlier run"),
        ([states()], [result(WEB, "error")], "pending", "1 of 22 are not judged"),
        ([states()], [result(WEB, "pending")], "pending", "(pending)"),
        ([states()], [result(WEB, started=SINCE)], "pending", "judged before"),
    ],
)
def test_a_week_after_no_smaller_share_of_security_holds(
    earlier: list[dict[str, str]], instead: list[dict[str, Any]], state: str, said: str
) -> None:
    found = posture(earlier, *instead)
    assert (found["state"], said in found["summary"]) == (state, True), found["summary"]


def test_what_was_lost_is_named_in_the_evidence() -> None:
    observed = posture([states()], red(WEB))["evidence"][0]["observed"]
    assert (observed["lost"], observed["run_before"], observed["score_before"]) == ([WEB], "run-0", 1.0)


def test_earlier_runs_are_read_only_where_something_does_not_hold() -> None:
    def asked() -> list[Earlier]:
        raise AssertionError

    known = Known(go_live=NOW - WEEK, earlier=asked)
    assert entries(build(header(), all_of(POSTURE), KNOWN, NOW, known=known))[POSTURE]["state"] == "pass"
    assert posture([], red(WEB, started=SINCE))["state"] == "pending"


def test_what_was_judged_of_no_known_release_is_no_test_of_this_one() -> None:
    unbound = kept(result("monitoring.logging.retention"), binding=replace(BINDING, release="", plan=""))
    found = entry(END, all_of(END) | unbound)
    assert found["state"] == "pending"
    assert "monitoring.logging.retention" in found["summary"]
    planned = kept(result("monitoring.logging.retention"), binding=replace(BINDING, release=""))
    assert entry(END, all_of(END) | planned)["state"] == "pass", "the same chart and values, before they ran"


def test_what_is_red_as_advice_is_named_where_the_others_hold() -> None:
    red = result("monitoring.logging.flow", "fail", level="should")
    assert "red as advice: monitoring.logging.flow" in entry(END, all_of(END, instead=[red]))["summary"]


def test_both_are_so_of_the_security_of_the_week() -> None:
    unbound = kept(result("security_configuration.secrets.rotation"), binding=replace(BINDING, release="", plan=""))
    known = Known(go_live=NOW - timedelta(days=8))
    for control in (AGAIN, POSTURE):
        found = entries(build(header(), all_of(AGAIN) | unbound, KNOWN, NOW, known=known))[control]
        assert found["state"] == "pending"
