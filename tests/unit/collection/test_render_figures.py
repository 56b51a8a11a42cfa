# Figures, history, signatures and how to repeat: right where they are known, absent where they are not, never trusted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import report_fixtures as fixtures

from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier, earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.render import figures, html, view

READY = "deployment.health.ready"


def drawn(observed: Any) -> dict[str, list[tuple[str, str, float]]]:
    return {
        one.title: [(bar.name, bar.said, round(bar.length, 2)) for bar in one.bars] for one in figures.bars(observed)
    }


def test_percentiles_share_the_scale_of_the_greatest() -> None:
    found = drawn({"all": {"latency_ms": {"p50": 5.0, "p95": 20, "p100": 40.0}}})
    assert found == {figures.LATENCY: [("p50", "5 ms", 0.12), ("p95", "20 ms", 0.5), ("p100", "40 ms", 1.0)]}


def test_memory_and_alerts_are_shown_against_their_limits() -> None:
    containers = [{"container": "api", "memory": 64 * figures.MIB, "memory_limit": 256 * figures.MIB}]
    ways = [{"receiver": "critical", "by": "email", "alert_after_s": 40.0, "within_s": 20.0}]
    found = drawn({"containers": containers, "sent": [{"ways": ways}]})
    assert found[figures.MEMORY] == [("api", "64 of 256 MiB", 0.25)]
    assert found[figures.DELIVERY] == [("critical by email", "40 of 20 s", 1.0)]


def test_restarts_and_rules_are_counted() -> None:
    rules = [
        {"alert": "A", "state": "inactive"},
        {"alert": "B", "state": "inactive"},
        {"alert": "C", "state": "firing"},
    ]
    found = drawn({"restarts": {"a": 0, "b": 3}, "rules": rules})
    assert found[figures.RESTARTS] == [("b", "3", 1.0)]
    assert found[figures.ALERTS] == [("firing", "1", 0.5), ("inactive", "2", 1.0)]
    (none,) = figures.bars({"restarts": {"a": 0, "b": 0}})
    assert (none.note, none.bars) == ("none of 2 containers was restarted", ())


@pytest.mark.parametrize(
    "observed",
    [
        None,
        [],
        "text",
        {"all": "x", "restarts": [1], "containers": "abc", "rules": {"a": 1}, "sent": 3},
        {"all": {"latency_ms": {"p50": "5", "p95": float("inf"), "p99": True}}},
        {"containers": [{"memory": 1, "memory_limit": 0}, {"memory": None}, "x"], "sent": [{"ways": [1]}, {"ways": 2}]},
        {"restarts": {"a": "many"}, "rules": [{"alert": "A"}, {"state": "x"}]},
    ],
)
def test_whatever_is_of_another_shape_is_passed_over(observed: Any) -> None:
    assert figures.bars(observed) == []


def test_it_is_bounded() -> None:
    found = figures.bars({"restarts": {str(number): number + 1 for number in range(1000)}})
    assert len(found[0].bars) == figures.MOST_BARS


def test_the_timeline_shows_this_run_only() -> None:
    document = fixtures.document([fixtures.entry(READY), fixtures.entry(fixtures.IDS[0], started=None)])
    document["controls"][1]["evidence"][0]["observed_at"] = "2026-01-01T00:00:00Z"
    times = figures.timeline(document)
    assert times is not None
    assert [(one.name, one.said) for one in times.bars] == [("Deployment Process", "131 to 131 s")]
    document["run"]["updated"] = document["run"]["opened"]
    assert figures.timeline(document) is None
    document["run"]["opened"] = "yesterday"
    assert figures.timeline(document) is None


def test_the_top_has_the_first_figure_of_each_kind_and_leads_to_its_control() -> None:
    document = fixtures.mixed()
    for control in document["controls"][:2]:
        control["evidence"] = [fixtures.evidence("x", {"restarts": {"a": 1}})]
    found = [(one.drawn.title, one.control) for one in figures.overview(document)]
    assert found == [(figures.TIMES, ""), (figures.RESTARTS, fixtures.IDS[0])]


# ---------------------------------------------------------------------- history


RUNS = ["20260301T080000Z-0001", "20260302T080000Z-0002", "20260303T080000Z-0003", "20260304T080000Z-0004"]


class Kept:
    """A keeper of which only what is asked here is there."""

    def headers(self) -> dict[str, Any]:
        return {run: {} for run in RUNS}

    def outcome(self, run: str) -> dict[str, Any] | None:
        if run == RUNS[1]:
            raise files.Unusable("damaged")
        if run == RUNS[2]:
            return None
        return {"run": {"id": run}, "controls": [{"id": READY, "state": "fail"}]}


def test_earlier_runs_are_the_newest_first_without_what_cannot_be_used() -> None:
    keeper: Any = Kept()
    assert [one.run for one in earlier(keeper, "20260305T080000Z-0005")] == [RUNS[3], RUNS[0]]
    assert [one.run for one in earlier(keeper, RUNS[3])] == [RUNS[0]]
    assert [one.run for one in earlier(keeper, "9", most=1)] == [RUNS[3]]


def test_equal_states_one_after_the_other_are_one_spell() -> None:
    states = ["pass", "pass", "fail", "unheard of", "pass"]
    history = [Earlier(f"2026030{9 - number}T080000Z-0001", {READY: state}) for number, state in enumerate(states)]
    assert view.spells(READY, history) == [
        view.Spell("pass", 2, "2026-03-08 08:00"),
        view.Spell("fail", 1, "2026-03-07 08:00"),
        view.Spell("pass", 1, "2026-03-05 08:00"),
    ]
    assert view.spells("deployment.health.live", history) == []
    assert view.run_moment("a run") == "a run"


def test_the_page_tells_them() -> None:
    page = html.render(fixtures.mixed(), [Earlier(RUNS[3], {READY: "pass"})])
    assert "on 2026-03-04 08:00" in page
    assert "was pass" in page


# ---------------------------------------------------------------------- how to repeat, signatures


@pytest.mark.parametrize(
    ("id_", "fields", "command"),
    [
        (READY, {}, "bytebot.production.verify --limit 'a b' --tags deployment"),
        (
            "security_testing.web.https",
            {},
            "bytebot.production.verify --limit 'a b' --tags deployment,security_testing",
        ),
        (READY, {"method": "attested"}, "bytebot.production.attest --limit 'a b'"),
        (
            "own.config.level",
            {"own": True, "section": "own"},
            "bytebot.production.verify --limit 'a b' --tags deployment",
        ),
    ],
)
def test_a_command_judges_it_again(id_: str, fields: dict[str, Any], command: str) -> None:
    entry = {**fixtures.entry(READY if id_.startswith("own.") else id_), "id": id_, **fields}
    assert view.about(entry, "a b")["repeat"] == f"ansible-playbook {command}"


def test_only_playbooks_that_are_there_are_named() -> None:
    there = {path.stem for path in view.PLAYBOOKS.glob("*.yml")}
    for id_ in fixtures.IDS:
        command = view.about(fixtures.entry(id_), "shop")["repeat"]
        assert not command or command.split()[1].rpartition(".")[2] in there


def test_every_automated_control_tells_how_to_repeat_it_by_a_tag_that_is_there() -> None:
    text = (Path(view.PLAYBOOKS) / "verify.yml").read_text(encoding="utf-8")
    for id_, control in fixtures.KNOWN.controls.items():
        if control.stage in fixtures.JUDGED:
            command = view.about(fixtures.entry(id_), "shop")["repeat"]
            assert all(f"tags: {tag}\n" in text for tag in command.rpartition(" ")[2].split(",")), id_


def test_only_what_was_verified_is_a_signature() -> None:
    seen = {"name": "Kim", "role": "head_of_it", "key": "SHA256:x", "kind": "waiver", "statement": "ab", "demo": False}
    good = {**fixtures.evidence("x", seen), "source": f"{view.VERIFIED}ab"}
    false = {**fixtures.evidence("x", seen), "source": "GET https://api.test, which says it is signed"}
    control = {**fixtures.entry(READY), "evidence": [false, good]}
    (only,) = view.signatures([control])
    assert (only.by, only.control, only.kind) == ("Kim (head of it)", READY, "waiver")
    document = fixtures.document([control])
    document["run"]["defects"] = ["Statement 12ab does not count: it was changed.", "A file cannot be used."]
    page = html.render(document)
    assert "1 was verified" in page
    places = [page.index(words) for words in ('id="signatures"', "Statement 12ab", 'id="controls"', "A file cannot be")]
    assert places == sorted(places)
