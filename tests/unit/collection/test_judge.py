# Checks and their results: one broken check hides no other, nothing passes without evidence, evidence is redacted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks, known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    State,
    Verdict,
    errored,
    failed,
    inconclusive,
    not_applicable,
    passed,
    pending,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor

SEEN = Evidence("GET /", {"answer": 42})


def checks() -> Checks[int]:
    subject: Checks[int] = Checks()

    @subject.settles("a.b.even")
    def even(number: int) -> Verdict:
        return passed("It is even.", SEEN) if number % 2 == 0 else failed("It is odd.", "Add one.", SEEN)

    @subject.settles("a.b.inverse")
    def inverse(number: int) -> Verdict:
        return passed(f"It is {1 / number}.", SEEN)

    @subject.settles("a.b.unproven")
    def unproven(_number: int) -> Verdict:
        return passed("It is as it is.")

    return subject


def states(subject: Checks[int], number: int, *only: str) -> dict[str, str]:
    return {result.control: str(result.verdict.state) for result in subject.judge(number, only)}


def test_every_check_judges_the_same_facts() -> None:
    assert states(checks(), 3) == {"a.b.even": "fail", "a.b.inverse": "pass", "a.b.unproven": "error"}


def test_a_broken_check_is_an_error_of_its_control_alone() -> None:
    subject = checks()
    assert states(subject, 0)["a.b.even"] == "pass"
    broken = subject.judge(0, ["a.b.inverse"])[0].verdict
    assert broken.state == State.ERROR
    assert "ZeroDivisionError at inverse:" in broken.summary


def test_only_narrows() -> None:
    assert states(checks(), 3, "a.b.even") == {"a.b.even": "fail"}
    assert [result.control for result in checks().pending("Not yet.", "", ["a.b.even"])] == ["a.b.even"]


def test_pending_gives_all_controls_and_the_reason() -> None:
    results = checks().pending("Not deployed yet.", "Deploy it.")
    assert [(one.control, str(one.verdict.state), one.verdict.summary) for one in results] == [
        (control, "pending", "Not deployed yet.") for control in ("a.b.even", "a.b.inverse", "a.b.unproven")
    ]


def test_two_checks_for_one_control_are_refused() -> None:
    subject = checks()
    with pytest.raises(ValueError, match=r"two checks settle a\.b\.even"):
        subject.settles("a.b.even")(lambda _number: pending("x"))


def test_unknown_ids_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"only: a\.b\.typo is not settled by thing_check\. It settles: a\.b\.even"):
        known_only(["a.b.typo", "a.b.even"], ["a.b.even"], "thing_check")
    known_only([], ["a.b.even"], "thing_check")


@pytest.mark.parametrize("state", [State.PASS, State.NOT_APPLICABLE])
def test_nothing_is_proven_without_evidence(state: State) -> None:
    with pytest.raises(ValueError, match="needs evidence"):
        Verdict(state, "Surely.")
    assert Verdict(state, "Seen.", "", (SEEN,)).evidence == (SEEN,)
    with pytest.raises(ValueError, match="needs evidence"):
        passed("Surely.") if state == State.PASS else not_applicable("Surely.")


def test_results_as_they_leave_a_module() -> None:
    redactor = Redactor()
    redactor.learn("hunter22")
    secret = Evidence("GET /?q=hunter22", {"hunter22": ["hunter22"], "number": 1})
    subject: Checks[Verdict] = Checks()
    subject.settles("a.b.c")(lambda verdict: verdict)
    out = results_of(subject.judge(failed("It said hunter22.", "Change hunter22.", secret)), redactor)
    result = out["results"][0]
    assert "hunter22" not in json.dumps(out)
    assert out["failed_controls"] == ["a.b.c"]
    assert set(result) == {
        "control",
        "state",
        "summary",
        "remedy",
        "evidence",
        "started",
        "duration_s",
        "level",
        "weaker",
    }
    evidence = result["evidence"][0]
    assert evidence["observed"] == {MASK: [MASK], "number": 1}
    canonical = json.dumps(evidence["observed"], sort_keys=True, separators=(",", ":"))
    assert evidence["sha256"] == sha256(canonical.encode()).hexdigest()
    for moment in (result["started"], evidence["observed_at"]):
        assert moment.endswith("Z")
        assert datetime.fromisoformat(moment).utcoffset() is not None


@pytest.mark.parametrize(
    ("verdict", "red"),
    [
        (failed("x", "y", SEEN), True),
        (errored("x", "y"), True),
        (inconclusive("x", "y", SEEN), False),
        (pending("x"), False),
        (passed("x", SEEN), False),
        (not_applicable("x", SEEN), False),
    ],
)
def test_what_counts_as_failed(verdict: Verdict, red: bool) -> None:
    subject: Checks[None] = Checks()
    subject.settles("a.b.c")(lambda _facts: verdict)
    assert results_of(subject.judge(None), Redactor())["failed_controls"] == (["a.b.c"] if red else [])
