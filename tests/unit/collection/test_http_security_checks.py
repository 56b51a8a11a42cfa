# Headers, origins and limits judged from tables of answers: each trap is red, and what was not answered never green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks import cors, http_headers, rate_limit
from ansible_collections.bytebot.production.plugins.module_utils.checks.content_policy import policies_of, policy_flaws
from ansible_collections.bytebot.production.plugins.module_utils.checks.cors import PREFLIGHT, REAL, Asked, Origin
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_headers import KINDS, REDIRECT, Page
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_security import (
    CHECKS,
    CORS,
    HEADERS,
    HTTPS,
    LIMIT,
    TESTED_HEADERS,
    TESTED_LIMIT,
    HttpFacts,
    InClear,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.https_only import Plain, SideDoor
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import Burst, Counted, LimitFacts
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

APP = "https://app.shop.test"
GOOD_HEADERS = {
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; upgrade-insecure-requests",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "server": "uvicorn",
}
STATUS = {"success": 200, "not found": 404, "unauthorised": 401, "error": 400, "static": 404}


def page(kind: str = "success", **changes: Any) -> Page:
    if kind == REDIRECT:
        headers = {"location": "https://api.shop.test/x"}
        return replace(Page(kind, "GET http://api.shop.test/x", 308, headers), **changes)
    return replace(Page(kind, "GET https://api.shop.test/x", STATUS[kind], GOOD_HEADERS), **changes)


def answer(origin: Origin, how: str) -> Asked:
    """As a careful application answers."""
    if not origin.allowed:
        return Asked("/tasks", how, origin, 400 if how == PREFLIGHT else 401, {})
    headers = {
        "access-control-allow-origin": origin.text,
        "access-control-allow-credentials": "true",
        "vary": "Accept-Encoding, Origin",
    }
    return Asked("/tasks", how, origin, 200 if how == PREFLIGHT else 401, headers)


def asked(answers: Callable[[Origin, str], Asked] = answer) -> tuple[Asked, ...]:
    return tuple(answers(origin, how) for origin in cors.origins([APP]) for how in (PREFLIGHT, REAL))


def row(*left: int) -> tuple[Counted, ...]:
    return tuple(Counted(200, 100, number, 1) for number in left)


LIMITS = LimitFacts(
    row=row(*range(99, 87, -1)),
    mixed=row(87, 99, 86, 98, 85, 97),
    nobody=Counted(401, 100, 99, 1),
    login=Counted(401, 5, 4, 1),
    replicas=2,
    burst=Burst("/tasks", 108, {400: 100, 429: 8}, Counted(429, 100, 0, 1, "57"), Counted(400, 100, 50, 1)),
)
PLAIN = Plain("http://api.shop.test/x", 308, "https://api.shop.test/x")
CLEAR = InClear((PLAIN, Plain("http://api.shop.test/y", closed=True, problem="refused")), (page(),))
GOOD = HttpFacts("https://api.shop.test", Wanted(), tuple(page(kind) for kind in KINDS), (APP,), asked(), LIMITS, CLEAR)


def verdict(control: str, facts: HttpFacts) -> Verdict:
    return next(one.verdict for one in CHECKS.judge(facts, [control]))


def test_a_careful_application_is_green() -> None:
    assert {one.control: one.verdict.state for one in CHECKS.judge(GOOD)} == dict.fromkeys(CHECKS.controls, "pass")


def test_what_was_not_asked_is_pending() -> None:
    found = CHECKS.judge(replace(GOOD, unasked="check mode sends nothing."))
    assert {one.verdict.state for one in found} == {"pending"}


# ---------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("strict-transport-security", None, "no Strict-Transport-Security"),
        ("strict-transport-security", "max-age=0", "max-age 0, wanted 31536000"),
        ("strict-transport-security", "includeSubDomains", "without max-age"),
        ("content-security-policy", None, "no Content-Security-Policy"),
        ("content-security-policy", "default-src 'self' 'unsafe-inline'", "unsafe-inline in default-src"),
        ("content-security-policy", "default-src 'self'; script-src 'unsafe-eval'", "unsafe-eval in script-src"),
        ("content-security-policy", "default-src *", "lets script-src come from *"),
        ("content-security-policy", "img-src 'self'", "has no script-src and no default-src"),
        ("content-security-policy", "default-src 'self'; frame-ancestors *", "lets every page frame it"),
        ("x-content-type-options", None, "X-Content-Type-Options missing"),
        ("referrer-policy", None, "Referrer-Policy missing"),
        ("referrer-policy", "unsafe-url", "Referrer-Policy unsafe-url"),
        ("server", "nginx/1.25.3", "Server tells the version"),
        ("x-powered-by", "Express", "x-powered-by tells what runs"),
    ],
)
@pytest.mark.parametrize("kind", [one for one in KINDS if one != REDIRECT])
def test_a_header_that_is_wrong_on_one_kind_of_answer_is_red(
    kind: str, header: str, value: str | None, said: str
) -> None:
    headers = {name: text for name, text in {**GOOD_HEADERS, header: value}.items() if text is not None}
    pages = tuple(page(one, headers=headers) if one == kind else page(one) for one in KINDS)
    found = verdict(HEADERS, replace(GOOD, pages=pages))
    assert found.state == "fail"
    assert said in found.summary
    assert f"(on {kind})" in found.summary


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"x-content-type-options": "nosniff, nosniff"}, "pass"),
        ({"x-content-type-options": "sniff, nosniff"}, "fail"),
        ({"strict-transport-security": "max-age=31536000; includeSubDomains, max-age=0"}, "pass"),
        ({"strict-transport-security": "max-age=31536000, max-age=15724800; includeSubDomains"}, "pass"),
        ({"strict-transport-security": "max-age=0, max-age=31536000"}, "fail"),
        ({"x-frame-options": "SAMEORIGIN, SAMEORIGIN", "content-security-policy": "default-src 'self'"}, "pass"),
        ({"x-frame-options": "DENY, SAMEORIGIN", "content-security-policy": "default-src 'self'"}, "pass"),
        ({"x-frame-options": "SAMEORIGIN, ALLOWALL", "content-security-policy": "default-src 'self'"}, "pass"),
        ({"x-frame-options": "ALLOWALL, ALLOWALL", "content-security-policy": "default-src 'self'"}, "fail"),
    ],
)
def test_a_header_that_proxy_and_application_both_set_is_read_as_browsers_read_it(
    changes: dict[str, str], state: str
) -> None:
    pages = tuple(page(kind) if kind == REDIRECT else page(kind, headers=GOOD_HEADERS | changes) for kind in KINDS)
    found = verdict(HEADERS, replace(GOOD, pages=pages))
    assert found.state == state, found.summary


def test_what_browsers_ignore_beside_strict_dynamic_is_no_flaw() -> None:
    known = "script-src 'strict-dynamic' 'nonce-x' 'unsafe-inline' https: http:; object-src 'none'; base-uri 'none'"
    assert policy_flaws(policies_of({"content-security-policy": known})) == []
    for wide in (
        "script-src 'strict-dynamic' https:; object-src 'none'",  # nothing vouches for a script
        "script-src 'nonce-x' https:; object-src 'none'",
        "script-src 'strict-dynamic' 'nonce-x' data:; object-src https:",
        "script-src 'self'; script-src-elem *; object-src 'none'",
        "script-src 'strict-dynamic' 'nonce-x' 'unsafe-eval'; object-src 'none'",
    ):
        assert policy_flaws(policies_of({"content-security-policy": wide})), wide


def test_frames_are_kept_out_by_either_header() -> None:
    without = {name: text for name, text in GOOD_HEADERS.items() if name != "x-frame-options"}
    assert http_headers.flaws(page(headers=without)) == []
    old = {**GOOD_HEADERS, "content-security-policy": "default-src 'self'"}
    assert http_headers.flaws(page(headers=old)) == []
    neither = {**without, "content-security-policy": "default-src 'self'"}
    assert http_headers.flaws(page(headers=neither)) == ["X-Frame-Options missing, and no frame-ancestors"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": 200}, "leads nowhere"),
        ({"headers": {"location": "http://api.shop.test/y"}}, "does not lead to https"),
        ({"headers": {"location": "https://other.test/x"}}, "another host (other.test)"),
    ],
)
def test_a_redirect_that_leads_elsewhere_is_red(changes: dict[str, Any], said: str) -> None:
    pages = tuple(page(one, **changes) if one == REDIRECT else page(one) for one in KINDS)
    found = verdict(HEADERS, replace(GOOD, pages=pages))
    assert (found.state, said in found.summary) == ("fail", True), found.summary


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_answer_that_was_not_seen_is_doubted(kind: str) -> None:
    pages = tuple(page(one, status=0, headers={}, problem="no answer") if one == kind else page(one) for one in KINDS)
    found = verdict(HEADERS, replace(GOOD, pages=pages))
    assert (found.state, kind in found.summary) == ("inconclusive", True)


def test_nothing_need_lead_away_from_a_port_that_is_shut() -> None:
    shut = tuple(page(one, status=0, headers={}, closed=True) if one == REDIRECT else page(one) for one in KINDS)
    assert verdict(HEADERS, replace(GOOD, pages=shut)).state == "pass"


def test_a_nonce_overrides_unsafe_inline_and_two_policies_must_both_allow() -> None:
    def wrong(text: str) -> list[str]:
        return policy_flaws(policies_of({"content-security-policy": text}))

    assert wrong("default-src 'self'; script-src 'unsafe-inline' 'nonce-abc'") == []
    assert wrong("default-src *, default-src 'self'") == []
    assert wrong("default-src *, default-src *") != []


# Points of src/grader/charts.js, applied by hand.
@pytest.mark.parametrize(
    ("changes", "points", "grade"),
    [
        ({}, 115, "A+"),
        ({"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}, 120, "A+"),
        ({"content-security-policy": "default-src * 'unsafe-inline'"}, 80, "B+"),
        ({"strict-transport-security": "max-age=0"}, 105, "A+"),
        ({"content-security-policy": "", "x-frame-options": ""}, 55, "C"),
        ({"x-content-type-options": "", "referrer-policy": "unsafe-url"}, 100, "A+"),
    ],
)
def test_the_score_is_the_observatorys(changes: dict[str, str], points: int, grade: str) -> None:
    headers = {name: text for name, text in {**GOOD_HEADERS, **changes}.items() if text}
    found = http_headers.score(page(headers=headers), page(REDIRECT))
    assert (found.points, found.grade) == (points, grade)


def test_a_shorter_time_is_weaker() -> None:
    found = verdict(HEADERS, replace(GOOD, wanted=Wanted(max_age=100)))
    assert (found.state, len(found.weaker)) == ("pass", 1)


# ---------------------------------------------------------------------- origins


def _admits(admits: Callable[[str], bool], echo: str = "") -> Callable[[Origin, str], Asked]:
    def answers(origin: Origin, how: str) -> Asked:
        if origin.allowed or not admits(origin.text):
            return answer(origin, how)
        headers = {"access-control-allow-origin": echo or origin.text, "access-control-allow-credentials": "true"}
        return Asked("/tasks", how, origin, 200, headers)

    return answers


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (_admits(lambda _one: True, "*"), "every origin by * with credentials"),
        (_admits(lambda one: one != "null"), "lets in https://foreign.example"),
        (_admits(lambda one: one == "null"), "the origin null"),
        (_admits(lambda one: one.endswith("app.shop.test")), "another name with the same end"),
        (_admits(lambda one: one.endswith(".shop.test")), "another name of the same domain"),
        (_admits(lambda one: one.endswith("shop.test")), "same"),
        (_admits(lambda one: one.startswith(APP + ".")), "another name with the same beginning"),
        (_admits(lambda one: one == "https://appxshop.test"), "a dot taken for any letter"),
        (_admits(lambda one: one == "http://app.shop.test"), "another scheme"),
        (_admits(lambda one: one.startswith(APP + ":")), "another port"),
    ],
)
def test_each_careless_comparison_is_red(answers: Callable[[Origin, str], Asked], said: str) -> None:
    found = verdict(CORS, replace(GOOD, asked=asked(answers)))
    assert found.state == "fail"
    assert said in found.summary


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "does not let in"),
        ({"access-control-allow-origin": "*"}, "every origin by *"),
        ({"access-control-allow-origin": APP}, "no credentials"),
    ],
)
def test_an_allowed_origin_that_is_kept_out_is_red(headers: dict[str, str], said: str) -> None:
    answers = tuple(replace(one, headers=headers) if one.origin.allowed else one for one in asked())
    found = verdict(CORS, replace(GOOD, asked=answers))
    assert (found.state, said in found.summary) == ("fail", True), found.summary


def test_an_answer_that_does_not_vary_is_advice() -> None:
    headers = {"access-control-allow-origin": APP, "access-control-allow-credentials": "true"}
    answers = tuple(replace(one, headers=headers) if one.origin.allowed else one for one in asked())
    found = verdict(CORS, replace(GOOD, asked=answers))
    assert (found.state, found.level) == ("fail", "should")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_answer_by_a_limit_or_of_a_proxy_alone_says_nothing_of_origins(status: int) -> None:
    answers = asked(lambda origin, how: answer(origin, how) if origin.allowed else Asked("/x", how, origin, status))
    found = verdict(CORS, replace(GOOD, asked=answers))
    assert found.state == "inconclusive", found.summary
    assert str(status) in found.summary
    mine = asked(lambda origin, how: Asked("/x", how, origin, status) if origin.allowed else answer(origin, how))
    assert verdict(CORS, replace(GOOD, asked=mine)).state == "inconclusive"
    echoed = asked(lambda origin, how: replace(answer(Origin(origin.text), how), origin=origin, status=status))
    assert verdict(CORS, replace(GOOD, asked=echoed)).state == "fail"


def test_origins_that_are_not_known_or_not_answered() -> None:
    assert verdict(CORS, replace(GOOD, origins=None)).state == "pending"
    lost = tuple(replace(one, headers={}, problem="no answer.") for one in asked())
    assert verdict(CORS, replace(GOOD, asked=lost)).state == "inconclusive"
    assert verdict(CORS, replace(GOOD, asked=())).state == "inconclusive"


@given(st.lists(st.sampled_from(["https://a.b.test", "http://localhost:3000", "https://shop.test:8443"]), unique=True))
def test_no_trick_is_an_allowed_origin(allowed: list[str]) -> None:
    made = cors.origins(allowed)
    assert [one.text for one in made if one.allowed] == allowed
    assert not {one.text for one in made if not one.allowed} & set(allowed)
    assert {"null", "https://foreign.example"} <= {one.text for one in made}


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"row": tuple(Counted(200) for _number in range(12))}, "signed-in answers tell of no limit"),
        ({"nobody": Counted(401)}, "nobody signed in"),
        ({"login": Counted(401)}, "answers to a login"),
        ({"login": Counted(401, 600, 599, 1)}, "the limit for logins is 600, and at most 5"),
        ({"row": row(*[99] * 12)}, "leave as many as before"),
        ({"row": row(99, 99, 98, 98, 97, 97, 96, 96)}, "replicas count for themselves"),
        ({"row": row(50, 99, 49, 98, 48, 97, 47, 96)}, "replicas count for themselves"),
        ({"mixed": row(87, 86, 85, 84, 83, 82)}, "taken from another's count"),
        ({"burst": Burst("/tasks", 108, {400: 108})}, "met no 429 (108 times 400)"),
        ({"burst": replace(LIMITS.burst, first=Counted(429, 100, 0, 1))}, "when to come back"),
        ({"burst": replace(LIMITS.burst, other=Counted(429, 100, 0, 1, "9"))}, "another user was refused"),
    ],
)
def test_each_wrong_limit_is_red(changes: dict[str, Any], said: str) -> None:
    found = verdict(LIMIT, replace(GOOD, limits=replace(LIMITS, **changes)))
    assert (found.state, said in found.summary) == ("fail", True), found.summary


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({"replicas": 1}, "inconclusive", "only one replica answered"),
        ({"replicas": 0}, "inconclusive", "could not be told apart"),
        ({"row": row(99, 98)}, "inconclusive", "only 2 requests"),
        ({"row": (*LIMITS.row, Counted(problem="timeout"))}, "inconclusive", "timeout"),
        ({"burst": None, "no_burst": "a burst is not permitted."}, "pending", "a burst is not permitted"),
        ({"problem": "Two users must sign in."}, "pending", "Two users"),
    ],
)
def test_limits_that_were_not_seen_are_never_green(changes: dict[str, Any], state: str, said: str) -> None:
    found = verdict(LIMIT, replace(GOOD, limits=replace(LIMITS, **changes)))
    assert (found.state, said in found.summary) == (state, True), found.summary


def test_a_window_may_begin_anew_once() -> None:
    rolled = row(3, 2, 1, 99, 98, 97, 96, 95)
    assert verdict(LIMIT, replace(GOOD, limits=replace(LIMITS, row=rolled))).state == "pass"


@pytest.mark.parametrize(
    ("headers", "limit", "remaining", "reset"),
    [
        ({"x-ratelimit-limit": "100", "x-ratelimit-remaining": "99", "x-ratelimit-reset": "30"}, 100, 99, 30),
        ({"x-ratelimit-limit": "100, 100;w=60", "x-ratelimit-remaining": "99", "x-ratelimit-reset": "30"}, 100, 99, 30),
        ({"x-ratelimit-limit": '50, 50;name="a b";w=30', "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1"},
         100, 9, 1),
        ({"x-ratelimit-limit": "10, 10;w=1, 200;w=60", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1"},
         200, 9, 1),
        ({"x-ratelimit-limit": "1000;w=3600", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1"}, 1000, 9, 1),
        ({"x-ratelimit-limit": "\u00b2", "x-ratelimit-remaining": "many", "x-ratelimit-reset": "0.5"}, None, None, 0),
        ({}, None, None, None),
    ],
)  # fmt: skip
def test_limits_are_read_in_the_forms_of_gateways(
    headers: dict[str, str], limit: int | None, remaining: int | None, reset: int | None
) -> None:
    found = rate_limit.counted(200, headers, rate_limit.Names())
    assert (found.a_minute, found.remaining, found.reset) == (limit, remaining, reset)


def test_a_limit_for_each_second_is_one_for_a_minute_that_is_sixty_times_as_large() -> None:
    headers = {"x-ratelimit-limit": "100, 100;w=1", "x-ratelimit-remaining": "99", "x-ratelimit-reset": "1"}
    each = rate_limit.counted(200, headers, rate_limit.Names())
    wide = verdict(LIMIT, replace(GOOD, limits=replace(LIMITS, nobody=replace(each, status=401))))
    assert (wide.state, "is 6000" in wide.summary) == ("fail", True), wide.summary


@pytest.mark.parametrize(
    ("said", "state"), [("57", "pass"), ("Mon, 30 Nov 2026 18:00:00 GMT", "pass"), ("soon", "fail"), ("", "fail")]
)
def test_when_to_come_back_may_be_told_by_a_date(said: str, state: str) -> None:
    burst = replace(LIMITS.burst or Burst("/x", 0), first=Counted(429, 100, 0, 1, said))
    assert verdict(LIMIT, replace(GOOD, limits=replace(LIMITS, burst=burst))).state == state


def test_a_date_is_held_against_the_answers_own() -> None:
    headers = {"retry-after": "Mon, 30 Nov 2026 18:00:30 GMT", "date": "Mon, 30 Nov 2026 18:00:00 GMT"}
    assert rate_limit.counted(429, headers, rate_limit.Names()).retry_after == "30"


def test_larger_limits_are_weaker() -> None:
    found = verdict(LIMIT, replace(GOOD, wanted=Wanted(api_limit=6000, login_limit=600)))
    assert (found.state, len(found.weaker)) == ("pass", 2)


@given(st.integers(2, 4), st.integers(10, 30), st.integers(0, 50))
def test_replicas_that_count_for_themselves_are_always_found(replicas: int, requests: int, used: int) -> None:
    left = [100 - used * (number % replicas) // replicas - number // replicas for number in range(requests)]
    assert list(rate_limit.flaws(replace(LIMITS, row=row(*left)), api_limit=100, login_limit=5))


# ---------------------------------------------------------------------- https, and what evades a limit


def in_clear(**changes: Any) -> Verdict:
    return verdict(HTTPS, replace(GOOD, clear=replace(CLEAR, **changes)))


DOOR = SideDoor("Service api (nodePort 30080)", "http://192.0.2.7:30080/x")
OPEN = Plain("http://192.0.2.7:30080/x", 200)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"plain": (replace(PLAIN, status=200, location=""),)}, "answers 200 in clear"),
        ({"plain": (replace(PLAIN, status=404, location=""),)}, "answers 404 in clear"),
        ({"plain": (replace(PLAIN, status=302),)}, "not for good"),
        ({"plain": (replace(PLAIN, location="https://www.shop.test/x"),)}, "not to https on the same host"),
        ({"plain": (replace(PLAIN, location="http://api.shop.test/x"),)}, "not to https on the same host"),
        ({"plain": (replace(PLAIN, location="https://api.shop.test:8443/x"),)}, "not to https on the same host"),
        ({"plain": (replace(PLAIN, location="https://[broken/x"),)}, "not to https on the same host"),
        ({"plain": (replace(PLAIN, location=""),)}, "answers 308 in clear"),
        ({"doors": (replace(DOOR, answer=OPEN),)}, "nodePort 30080) is a side door"),
        ({"doors": (replace(DOOR, answer=replace(OPEN, status=401)),)}, "answers 401 in clear"),
        ({"secure": (page(headers={}),)}, "does not keep browsers to https"),
        ({"secure": (page(headers={"strict-transport-security": "max-age=0"}),)}, "does not keep browsers"),
    ],
)
def test_what_is_answered_in_clear_is_red(changes: dict[str, Any], said: str) -> None:
    told = in_clear(**changes)
    assert (told.state, said in told.summary) == ("fail", True), told.summary


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "pass"),
        ({"plain": (replace(PLAIN, location="https://api.shop.test:443/x"),)}, "pass"),
        ({"plain": (replace(PLAIN, status=301, location="https://API.shop.test/x"),)}, "pass"),
        ({"doors": (replace(DOOR, answer=Plain(DOOR.url, closed=True)),)}, "pass"),
        ({"doors": (replace(DOOR, answer=Plain(DOOR.url, 308, "https://192.0.2.7/x")),)}, "pass"),
        ({"doors": (replace(DOOR, unasked="192.0.2.7 is not in allowed_hosts"),)}, "inconclusive"),
        ({"plain": (replace(PLAIN, status=0, problem="timeout"),)}, "inconclusive"),
        ({"plain": ()}, "inconclusive"),
        ({"secure": (page(status=0, problem="timeout"),)}, "inconclusive"),
        ({"unseen": "namespace is not given"}, "pending"),
    ],
)
def test_what_is_not_seen_in_clear_is_never_green(changes: dict[str, Any], state: str) -> None:
    assert in_clear(**changes).state == state


def spoofed(*left: int) -> tuple[Counted, ...]:
    return tuple(Counted(401 if number else 429, 100, number, 1) for number in left)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "pass"),
        ({"spoofed": spoofed(9, 8, 7, 6, 5, 4)}, "pass"),
        ({"spoofed": spoofed(2, 1, 0, 0, 0, 0)}, "pass"),
        ({"spoofed": spoofed(2, 1, 99, 98, 97, 96)}, "pass"),
        ({"spoofed": spoofed(99, 99, 99, 99, 99, 99)}, "fail"),
        ({"spoofed": spoofed(99, 99, 98, 99, 98, 99)}, "fail"),
        ({"spoofed_logins": spoofed(4, 4, 4, 4, 4, 4)}, "fail"),
        ({"spoofed_logins": spoofed(1, 0, 0, 0, 0, 0)}, "pass"),
        ({"row": row(*(99 for _number in range(12)))}, "fail"),
        ({"burst": None, "no_burst": "a burst is not permitted."}, "pending"),
    ],
)
def test_another_address_in_a_header_begins_no_new_count(changes: dict[str, Any], state: str) -> None:
    assert verdict(TESTED_LIMIT, replace(GOOD, limits=replace(LIMITS, **changes))).state == state


def test_headers_are_tested_as_they_are_configured() -> None:
    bare = replace(GOOD, pages=(replace(GOOD.pages[0], headers={}), *GOOD.pages[1:]))
    assert [verdict(TESTED_HEADERS, facts).state for facts in (GOOD, bare)] == ["pass", "fail"]
