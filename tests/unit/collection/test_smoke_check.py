# A visit as a user: each part that does not work is red and named, and what was not tried is not green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import Missing
from ansible_collections.bytebot.production.plugins.module_utils.checks.computer import Shot, Worked
from ansible_collections.bytebot.production.plugins.module_utils.checks.smoke import CHECKS, SmokeFacts
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

TASK = Worked("COMPLETED", "task 1", "task 1\n", 3.0)
SHOT = Shot((1920, 1080), bits="0110")
GOOD = SmokeFacts("https://api.shop.test", user="operator", task=TASK, wanted=(1920, 1080), shot=SHOT, drawn="0110")


def judged(facts: SmokeFacts) -> Verdict:
    (result,) = CHECKS.judge(facts)
    return result.verdict


def test_a_visit_that_works_passes() -> None:
    found = judged(GOOD)
    assert found.state == "pass"
    assert "The operator signs in, a task is completed after 3 s" in found.summary


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"refused": "login answers 503", "task": None}, "nobody can sign in (login answers 503)"),
        ({"task": None}, "a task cannot be made"),
        ({"task": Worked(problem="POST /api/v1/tasks answers 500")}, "a task cannot be made (POST"),
        ({"task": replace(TASK, status="RUNNING", got=None)}, "a task is RUNNING after 3 s"),
        ({"task": replace(TASK, status="FAILED", problem="no model")}, "a task is FAILED after 3 s (no model)"),
        ({"task": replace(TASK, got=None)}, "has not done what it was asked for"),
        ({"task": replace(TASK, stays="answers 500")}, "the task cannot be removed (answers 500)"),
        ({"shot": Shot(problem="answers 500")}, "a screenshot fails (answers 500)"),
        ({"shot": replace(SHOT, size=(960, 540))}, "has 960x540 pixels and not 1920x1080"),
        ({"shot": replace(SHOT, blank=True, bits="")}, "a screenshot is blank"),
        ({"shot": replace(SHOT, bits="", same=True)}, "is the one from before something was drawn"),
        ({"drawn": "", "unstarted": "answers 500"}, "no program can be used on the desktop (answers 500)"),
    ],
)
def test_each_part_that_does_not_work_is_red(changes: dict[str, Any], said: str) -> None:
    found = judged(replace(GOOD, **changes))
    assert found.state == "fail"
    assert said in found.summary


def test_what_was_not_tried_is_pending() -> None:
    assert judged(SmokeFacts("x", unasked="It needs a probe, and check mode sends none.")).state == "pending"
    assert judged(SmokeFacts("x", missing=Missing("No desktop is given.", "Give one."))).state == "pending"
