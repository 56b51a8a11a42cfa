# The message with the schedule: sent before the go-live, to those who must know, with its day.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.notification import (
    CHECKS,
    NotificationFacts,
    day_forms,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED, WRONG, Told
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
AT = "2026-12-01T09:00:00+00:00"
FOUND = {
    "sent": "2026-11-28T10:00:00Z",
    "to": ["Team@shop.test", "all@shop.test"],
    "text": ["Go-live", "On 1 December 2026."],
}
GOOD = NotificationFacts("mail 7", Told(data={}), FOUND, at=AT, wanted=("team@shop.test",), now=NOW)


def judged(facts: NotificationFacts) -> Verdict:
    (result,) = CHECKS.judge(facts)
    return result.verdict


def test_a_message_that_was_sent_passes() -> None:
    found = judged(GOOD)
    assert found.state == "pass"
    assert "was sent to 2 at 2026-11-28" in found.summary
    assert "Team@shop.test" not in str(found.evidence[0].observed), "who got it stays out of the evidence"


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({"sent": None}, "fail", "it was not sent"),
        ({"sent": "2026-12-02T10:00:00Z"}, "fail", "sent after the go-live"),
        ({"sent": "2026-11-30T12:00:00Z"}, "pending", "is to be sent at"),
        ({"to": []}, "fail", "it went to nobody"),
        ({"to": "all@shop.test"}, "fail", "it did not go to team@shop.test"),
        ({"text": "We go live soon."}, "fail", "does not name the day of the go-live (2026-12-01)"),
        ({"text": "On 2026-12-01 [name] goes live."}, "fail", "still has [name]"),
        ({"text": "On 2026-12-01."}, "pass", ""),
    ],
)
def test_what_a_message_must_be(changes: dict[str, Any], state: str, said: str) -> None:
    found = judged(replace(GOOD, found={**FOUND, **changes}))
    assert found.state == state
    assert said in found.summary


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"told": None}, "pending"),
        ({"told": Told(ABSENT, None, "there is no such file")}, "fail"),
        ({"told": Told(DENIED, None, "it answers 403")}, "pending"),
        ({"told": Told(WRONG, None, "it answers 500")}, "error"),
        ({"problem": "the query of to does not fit the record"}, "error"),
        ({"at": ""}, "pending"),
        ({"wanted": ()}, "pending"),
    ],
)
def test_what_is_not_known_does_not_pass(changes: dict[str, Any], state: str) -> None:
    assert judged(replace(GOOD, **changes)).state == state


def test_a_record_without_queries_for_its_fields_is_told_so() -> None:
    found = judged(NotificationFacts("mail 7", Told(data={})))
    assert found.state == "pending"
    assert "nothing says where" not in found.summary
    assert "nothing says how the fields of the record mail 7 are found" in found.summary


def test_days_as_people_write_them() -> None:
    forms = day_forms(datetime(2026, 12, 1, tzinfo=UTC))
    assert {"2026-12-01", "1.12.2026", "1 December 2026", "Dec 1, 2026"} <= set(forms)


@pytest.mark.parametrize("text", ["11.12.2026", "21 December 2026", "31 Dec 2026", "2026-12-010"])
def test_a_day_that_only_ends_or_begins_alike_is_another(text: str) -> None:
    found = judged(replace(GOOD, found={**FOUND, "text": f"On {text}."}))
    assert found.state == "fail"
    assert "does not name the day" in found.summary


@pytest.mark.parametrize(
    "text", ["01 December 2026", "Tue, 01 Dec 2026", "1.12.2026", "2026-12-01T09:00", "01/12/2026 (1 December 2026)"]
)
def test_a_day_with_or_without_its_zero_is_the_same(text: str) -> None:
    assert judged(replace(GOOD, found={**FOUND, "text": f"On {text}."})).state == "pass"


@pytest.mark.parametrize("text", ["03/04/2026", "04/03/2026", "3/4/2026", "4/3/2026", "03/04/2026 at 9"])
def test_a_day_that_may_be_another_is_not_known(text: str) -> None:
    facts = replace(GOOD, at="2026-04-03T09:00:00+00:00", now=datetime(2026, 4, 1, tzinfo=UTC))
    told = {**FOUND, "sent": "2026-03-28T10:00:00Z", "text": f"We go live on {text}."}
    found = judged(replace(facts, found=told))
    assert found.state == "inconclusive"
    assert f"the day as {text.split(maxsplit=1)[0]}, which is 2026-04-03 or 2026-03-04" in found.summary
    assert "2026-04-03" in found.remedy
    assert judged(replace(facts, found={**told, "text": f"On {text}, that is 2026-04-03."})).state == "pass"
    assert judged(replace(facts, found={**told, "to": []})).state == "fail", "what is wrong all the same"


@pytest.mark.parametrize(
    ("at", "text"), [("2026-12-13", "13/12/2026"), ("2026-12-13", "12/13/2026"), ("2026-12-12", "12/12/2026")]
)
def test_a_day_that_can_only_be_this_one_is_named(at: str, text: str) -> None:
    assert judged(replace(GOOD, at=f"{at}T09:00:00+00:00", found={**FOUND, "text": f"On {text}."})).state == "pass"
