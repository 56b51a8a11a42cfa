# The API judged from tables of answers: each way to be wrong is red, and what was not seen never green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.api import (
    CHECKS,
    CORS,
    ENDPOINTS,
    ERRORS,
    LIMIT,
    VALIDATION,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import (
    AS_DESCRIBED,
    ERROR,
    MISTAKE,
    ApiFacts,
    ErrorShape,
    Life,
    LimitSeen,
    Missing,
    Recovery,
    Seen,
    form_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import Burst, Counted
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

LIST, MAKE = "GET /tasks", "POST /tasks"
REFUSED = Counted(429, 100, 0, 5, "30")
BURST = Burst("/tasks", 108, {400: 100, 429: 1}, REFUSED, Counted(400, 100, 99, 5))
LIMITS = LimitSeen(BURST, 100, Recovery(30, 400))


def facts(**changes: Any) -> ApiFacts:
    """All in order."""
    seen = (
        Seen(LIST, AS_DESCRIBED, status=200, must=True),
        Seen(MAKE, AS_DESCRIBED, status=201, must=True),
        Seen(MAKE, MISTAKE, "no description", 400),
        Seen("GET /nothing", ERROR, "what is not there", 404),
    )
    life = Life("/tasks", removed=204, after=404)
    return replace(ApiFacts("https://api.shop.test", (LIST, MAKE), seen, (life,), LIMITS), **changes)


def judged(given: ApiFacts, control: str) -> Verdict:
    return CHECKS.judge(given, [control])[0].verdict


def with_seen(*more: Seen) -> ApiFacts:
    return facts(seen=(*facts().seen, *more))


@pytest.mark.parametrize("control", [ENDPOINTS, VALIDATION, ERRORS, LIMIT])
def test_all_in_order_is_green(control: str) -> None:
    assert judged(facts(), control).state == "pass"


@pytest.mark.parametrize("control", [ENDPOINTS, VALIDATION, ERRORS, LIMIT, CORS])
def test_what_was_not_asked_is_never_green(control: str) -> None:
    assert judged(ApiFacts("https://api.shop.test"), control).state in {"pending", "inconclusive"}
    assert judged(facts(unasked="Not now."), control).state == "pending"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (with_seen(Seen(LIST, AS_DESCRIBED, status=206, departures=("answers 206",))), "answers 206"),
        (with_seen(Seen(LIST, AS_DESCRIBED, status=500)), "fails with 500"),
        (with_seen(Seen(MAKE, AS_DESCRIBED, status=400, must=True)), "to a request that is as described"),
        (facts(lives=(Life("/tasks", lost=("description",), removed=204, after=404),)), "as it was made"),
        (facts(lives=(Life("/tasks", unchanged=("priority",), removed=204, after=404),)), "as it was changed"),
        (facts(lives=(Life("/tasks", removed=403),)), "is not removed"),
        (facts(lives=(Life("/tasks", removed=204, after=200),)), "answers 200"),
        (facts(lives=(Life("/tasks", removed=204, after=404, listed=True),)), "the list of /tasks"),
        (facts(left=("/tasks/1",)), "still there"),
    ],
)
def test_an_endpoint_that_departs_is_red(given: ApiFacts, told: str) -> None:
    verdict = judged(given, ENDPOINTS)
    assert verdict.state == "fail"
    assert told in verdict.summary


@pytest.mark.parametrize(
    "given",
    [
        with_seen(Seen(LIST, AS_DESCRIBED, status=403, must=True)),
        with_seen(Seen(LIST, AS_DESCRIBED, problem="It did not answer.")),
        facts(operations=(LIST, MAKE, "GET /users")),
        facts(lives=()),
        facts(lives=(Life("/tasks", "POST /tasks answers 400"),)),
    ],
)
def test_an_endpoint_that_was_not_seen_at_work_is_not_green(given: ApiFacts) -> None:
    assert judged(given, ENDPOINTS).state == "inconclusive"


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (Seen(MAKE, MISTAKE, "an unknown field", 201), "fail"),
        (Seen(MAKE, MISTAKE, "a wrong type", 500), "fail"),
        (Seen(MAKE, MISTAKE, "broken JSON", 422, departures=("answers 422, and only 400 is described",)), "fail"),
        (Seen(MAKE, MISTAKE, "broken JSON", 418), "fail"),
        (Seen(MAKE, MISTAKE, "broken JSON", 401), "inconclusive"),
        (Seen(MAKE, MISTAKE, "broken JSON", 429), "inconclusive"),
        (Seen(MAKE, MISTAKE, "too large", problem="It closed."), "inconclusive"),
        (Seen("PATCH /tasks", MISTAKE, "broken JSON", 404), "inconclusive"),
        (Seen(MAKE, MISTAKE, "another content type", 415), "pass"),
    ],
)
def test_a_mistake_must_be_seen_to_be_refused(seen: Seen, state: str) -> None:
    assert judged(with_seen(seen), VALIDATION).state == state


def test_without_permission_to_write_only_what_is_wrong_is_told() -> None:
    missing = Missing("Tests may not write here.", "Permit it.")
    assert judged(facts(missing=missing), ENDPOINTS).state == "pending"
    assert judged(facts(missing=missing), VALIDATION).state == "pending"
    broken = facts(missing=missing, seen=(Seen(LIST, AS_DESCRIBED, status=500),))
    assert judged(broken, ENDPOINTS).state == "fail"


GOOD = {"content-type": "application/json", "x-correlation-id": "one"}
BODY = '{"error":{"code":"NOT_FOUND","message":"Not found","details":{}}}'


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        (GOOD, BODY, ""),
        ({**GOOD, "content-type": "text/html"}, "<h1>404</h1>", "not JSON"),
        (GOOD, "{", "says JSON and is none"),
        (GOOD, '{"error":{"message":"x"}}', "lacks error.code"),
        (GOOD, '{"error":"x"}', "lacks error.code, error.message"),
        ({**GOOD, "x-correlation-id": "two"}, BODY, "another x-correlation-id"),
        ({"content-type": "application/json"}, BODY, "no x-correlation-id"),
        (GOOD, BODY.replace("{}", '{"stack":"Traceback (most recent call last)"}'), "a stack trace"),
        (GOOD, BODY.replace("{}", '{"stack":"at load (/srv/app/x.js:1:2)"}'), "a stack trace"),
        (GOOD, BODY.replace("Not found", "SELECT id FROM users"), "a statement of the database"),
        (GOOD, BODY.replace("Not found", "syntax error at or near x"), "an error of the database"),
        (GOOD, BODY.replace("Not found", "no file /app/main.js"), "a path of the server"),
    ],
)
def test_the_form_of_an_error(headers: dict[str, str], body: str, told: str) -> None:
    flaws = form_of(404, headers, body, "one", ErrorShape())
    assert (told in "; ".join(flaws)) if told else flaws == ()
    assert form_of(200, headers, body, "one", ErrorShape()) == ()


def test_an_error_of_another_form_is_red_and_one_that_did_not_come_is_no_proof() -> None:
    assert judged(with_seen(Seen(MAKE, MISTAKE, "x", 400, form=("is text/html",))), ERRORS).state == "fail"
    assert judged(with_seen(Seen("GET /x", ERROR, "what is not there", 200)), ERRORS).state == "inconclusive"


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        (replace(LIMITS, burst=replace(BURST, first=None)), "fail"),
        (replace(LIMITS, burst=replace(BURST, first=None, statuses={401: 108})), "fail"),
        (replace(LIMITS, burst=replace(BURST, first=replace(REFUSED, retry_after=""))), "fail"),
        (replace(LIMITS, burst=replace(BURST, other=REFUSED)), "fail"),
        (replace(LIMITS, recovery=Recovery(30, 429)), "fail"),
        (replace(LIMITS, told=5000), "fail"),
        (replace(LIMITS, recovery=None), "inconclusive"),
        (replace(LIMITS, burst=replace(BURST, first=None, late=True), recovery=None), "inconclusive"),
        (replace(LIMITS, recovery=Recovery(9000, problem="its 9000 s are too many")), "inconclusive"),
        (replace(LIMITS, burst=replace(BURST, other=None)), "inconclusive"),
        (LimitSeen(no_burst="A burst is not permitted.", remedy="Permit it."), "pending"),
    ],
)
def test_a_limit_must_be_met_alone_and_end_when_it_says(limits: LimitSeen, state: str) -> None:
    assert judged(facts(limits=limits), LIMIT).state == state


def test_a_wider_limit_is_told() -> None:
    assert judged(facts(limit=600), LIMIT).weaker
    assert not judged(facts(), LIMIT).weaker
