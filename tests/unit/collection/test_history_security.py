# A week of security, judged by tables of what was observed, and asked of recorded answers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.history import CHECKS, SECURITY
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    DAY_S,
    Action,
    Episode,
    EpisodesSeen,
    HistoryFacts,
    Period,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_security_facts import (
    SecurityAlerts,
    SecurityRule,
    SecurityRulesSeen,
    SignIns,
    SignInsSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import OK, SILENT, Service, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_history import History
from ansible_collections.bytebot.production.plugins.module_utils.observe_history_security import SecurityHistory
from ansible_collections.bytebot.production.plugins.module_utils.review_inputs import security_alerts_of, sign_ins_of

END = 1_796_000_000.0 // DAY_S * DAY_S
HOUR = 3600.0
WEEK = Period("week", END - 40 * DAY_S, "the inventory", 7 * DAY_S, END, END)
MUTE = Told(SILENT, None, "nothing answers")


def judged(item: str, facts: HistoryFacts) -> tuple[str, str]:
    (result,) = CHECKS.judge(facts, [f"{SECURITY}.{item}"])
    return result.verdict.state.value, result.verdict.summary


# ---------------------------------------------------------------------------- sign-ins

Change = Callable[[float, float], float]


def hours(weeks: float, change: Change | None = None, usual: float = 5.0) -> tuple[tuple[float, float], ...]:
    """Failures of each hour; ``change`` gets hours before the end and the value."""
    chance = random.Random(5)
    found = []
    for ago in range(int(weeks * 168)):
        value = usual * chance.uniform(0.2, 1.8)
        found.append((END - (ago + 1) * HOUR, change(ago, value) if change else value))
    return tuple(sorted(found))


def seen(change: Change | None = None, weeks: float = 4, **other: Any) -> SignInsSeen:
    found = SignInsSeen("u", Told(), "q", hours(weeks, change), HOUR, 9000.0, 800.0)
    return replace(found, **other)


def burst(most: float, ago: int = 50) -> Change:
    return lambda when, value: most if when == ago else value


SIGN_INS: dict[str, tuple[SignInsSeen, str]] = {
    "as before": (seen(), "pass"),
    "as before, in the first week": (seen(weeks=1), "pass"),
    "a burst below the limit": (seen(burst(200.0)), "fail"),
    "a burst in the first week": (seen(burst(200.0), weeks=1), "fail"),
    "a small burst": (seen(burst(40.0)), "pass"),
    "a burst long ago": (seen(burst(200.0, 400)), "pass"),
    "each night a burst": (seen(lambda ago, value: 400.0 if ago % 24 == 3 else value), "fail"),
    "many more than before": (seen(lambda ago, value: value + 150 * (ago < 168)), "fail"),
    "always many, and below the limit": (seen(lambda _ago, value: value + 150), "pass"),
    "always above the limit": (seen(lambda _ago, value: value + 400), "fail"),
    "fewer than before": (seen(lambda ago, value: value + 150 * (ago >= 168)), "pass"),
    "half of the week": (seen(points=hours(0.5)), "inconclusive"),
    "half of the week, with a burst": (seen(points=hours(0.5, burst(500.0))), "fail"),
    "hardly anybody signs in": (seen(attempts=12.0, failed=2.0), "inconclusive"),
    "no failure ever": (seen(lambda *_: 0.0, failed=None), "inconclusive"),
    "none failed this week": (seen(lambda *_: 0.0, failed=0.0), "pass"),
    "all are counted as failed": (seen(burst(500.0), failed=9000.0), "inconclusive"),
    "no counter": (seen(points=(), attempts=None, failed=None), "pending"),
    "few lock-outs": (seen(locked=hours(4, usual=0.5)), "pass"),
    "a burst of lock-outs": (seen(locked=hours(4, burst(30.0), 0.5)), "fail"),
    "no counter of lock-outs": (seen(locked=()), "inconclusive"),
    "no answer": (seen(told=MUTE), "error"),
}


@pytest.mark.parametrize("case", SIGN_INS)
def test_sign_ins_that_fail(case: str) -> None:
    found, state = SIGN_INS[case]
    assert judged("logs", HistoryFacts(WEEK, sign_ins=found))[0] == state


def test_a_counter_that_is_not_there_names_the_input() -> None:
    assert "post_go_live_sign_ins" in CHECKS.judge(
        HistoryFacts(WEEK, sign_ins=SIGN_INS["no counter"][0]), [f"{SECURITY}.logs"]
    )[0].verdict.remedy  # fmt: skip


def test_the_burst_is_told_with_its_hour() -> None:
    summary = judged("logs", HistoryFacts(WEEK, sign_ins=seen(burst(200.0))))[1]
    assert "a burst of failed sign-ins came to 200 an hour from 2026-11-27T21:00Z to 2026-11-27T22:00Z" in summary


def test_a_higher_limit_is_weaker_and_a_lower_one_is_not() -> None:
    for limit, count in ((1000.0, 1), (360.0, 0), (100.0, 0)):
        facts = HistoryFacts(WEEK, Wanted(sign_ins=SignIns(limit=limit)), sign_ins=seen())
        (result,) = CHECKS.judge(facts, [f"{SECURITY}.logs"])
        assert len(result.verdict.weaker) == count
    for wanted, count in (({"burst": 9e9}, 1), ({"locked": "l", "locked_burst": 11.0}, 1), ({"locked_burst": 11.0}, 0)):
        assert len(SignIns(**wanted).weaker) == count
    strict = Wanted(sign_ins=SignIns(limit=8.0))
    assert judged("logs", HistoryFacts(WEEK, strict, sign_ins=seen()))[0] == "fail"


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 2.0, 20.0]), st.sampled_from([1, 4]))
def test_people_who_mistype_are_never_red(seed: int, usual: float, weeks: int) -> None:
    chance = random.Random(seed)
    found = seen(lambda _ago, _value: float(sum(chance.random() < usual / 100 for _each in range(100))), weeks)
    assert judged("logs", HistoryFacts(WEEK, sign_ins=found))[0] == "pass"


# ---------------------------------------------------------------------------- alerts

RULE = SecurityRule("Guessing", "bytebot-security", "warning")
RULES = SecurityRulesSeen("u", Told(), (RULE, replace(RULE, name="Foreign")), 1.0)


def fired(*acted_after: float | None, hours_ago: float = 60.0, rules: SecurityRulesSeen = RULES, **other: Any) -> Any:
    """One firing for each, with the seconds until somebody acted."""
    begins = [END - hours_ago * HOUR + number * 4 * HOUR for number in range(len(acted_after))]
    episodes = tuple(
        Episode("Guessing" if number % 2 == 0 else "Foreign", "warning", begin, begin + 900)
        for number, begin in enumerate(begins)
    )
    actions = tuple(
        Action(episode.alert, episode.begin + after, "acknowledged")
        for episode, after in zip(episodes, acted_after, strict=True)
        if after is not None
    )
    alerts = replace(EpisodesSeen("u", Told(), episodes, actions, "actions.yml"), **other)
    return HistoryFacts(WEEK, security=rules, alerts=alerts)


def with_rule(**other: Any) -> SecurityRulesSeen:
    return replace(RULES, rules=(RULE, replace(RULE, name="Foreign", **other)))


ALERTS: dict[str, tuple[HistoryFacts, str]] = {
    "none fired": (fired(), "pass"),
    "none fired, and there is no record": (fired(actions=None), "pass"),
    "each was acted on": (fired(60.0, 3 * HOUR), "pass"),
    "one was not": (fired(60.0, None), "fail"),
    "one was too late": (fired(60.0, 30 * HOUR), "fail"),
    "acted on before it fired": (fired(-60.0), "fail"),
    "there is time to act": (fired(None, hours_ago=5), "inconclusive"),
    "one fires now": (fired(rules=with_rule(firing=True)), "fail"),
    "one fires now, and there is no record": (fired(60.0, rules=with_rule(firing=True), actions=None), "fail"),
    "fired, and there is no record": (fired(60.0, actions=None), "pending"),
    "the record is broken": (fired(60.0, problem="it is no list"), "error"),
    "another alert was left alone": (
        fired(episodes=(Episode("Disk", "warning", END - DAY_S, END - DAY_S + 900),)), "pass",
    ),
    "a rule ends in an error": (fired(rules=with_rule(health="err", trouble="many-to-many")), "fail"),
    "a rule was never evaluated": (fired(rules=with_rule(health="unknown")), "inconclusive"),
    "no rule": (fired(rules=replace(RULES, rules=())), "pending"),
    "a store of two days": (fired(rules=replace(RULES, covered=0.3)), "inconclusive"),
    "a store without alerts": (fired(rules=replace(RULES, kept=False)), "inconclusive"),
    "no rules told": (fired(rules=replace(RULES, told=MUTE)), "error"),
    "no history told": (fired(told=MUTE), "error"),
}  # fmt: skip


@pytest.mark.parametrize("case", ALERTS)
def test_security_alerts(case: str) -> None:
    facts, state = ALERTS[case]
    assert judged("alerts", facts)[0] == state


def test_how_soon_is_an_input_and_more_than_a_day_is_weaker() -> None:
    for within, state, count in ((2 * HOUR, "fail", 0), (DAY_S, "pass", 0), (3 * DAY_S, "pass", 1)):
        wanted = Wanted(security_alerts=SecurityAlerts(within_s=within))
        (result,) = CHECKS.judge(replace(fired(3 * HOUR), wanted=wanted), [f"{SECURITY}.alerts"])
        assert (result.verdict.state, len(result.verdict.weaker)) == (state, count)


@pytest.mark.parametrize(
    ("group", "name", "labels", "is_one"),
    [
        ("bytebot-security", "HighFailedAuthRate", {}, True),
        ("Security", "A", {}, True),
        ("bytebot.rules", "A", {"category": "security"}, True),
        ("bytebot.rules", "A", {"category": "insecurity"}, False),
        ("bytebot.rules", "Named", {}, True),
        ("bytebot.rules", "A", {"severity": "critical"}, False),
    ],
)
def test_which_rules_watch_over_security(group: str, name: str, labels: dict[str, str], is_one: bool) -> None:
    assert SecurityAlerts(alerts=("Named",)).marks(group, name, labels) is is_one


# ---------------------------------------------------------------------------- asked


class Said:
    """A service in memory: each question is answered by a function."""

    def __init__(self, answer: Callable[[str, str], Any], url: str = "http://p") -> None:
        self.answer, self.url = answer, url
        self.asked: list[Mapping[str, str]] = []

    def json(self, path: str, query: Mapping[str, str] | None = None) -> Told:
        self.asked.append(query or {})
        found = self.answer(path, (query or {}).get("query", ""))
        return found if isinstance(found, Told) else Told(OK, {"status": "success", "data": found}, "", 200)


def matrix(*rows: tuple[dict[str, str], list[float]]) -> dict[str, Any]:
    found = [{"metric": labels, "values": [[at, "1"] for at in times]} for labels, times in rows]
    return {"resultType": "matrix", "result": found}


def secure(said: Said) -> SecurityHistory:
    return SecurityHistory(History(Prometheus(cast(Service, said)), "prod", {"cluster": "one"}))


def test_sign_ins_are_asked_by_the_hour_with_their_matchers() -> None:
    said = Said(lambda _path, _query: matrix(({}, [END - HOUR, END])))
    wanted = SignIns("logins_total", 'result="bad"', locked="locks_total{$selector}")
    found = secure(said).sign_ins(wanted, WEEK)
    assert found.told.ok
    assert (found.points, found.attempts, found.failed) == (((END - 2 * HOUR, 1.0), (END - HOUR, 1.0)), 1.0, 1.0)
    assert found.locked == found.points
    own = 'namespace="prod",cluster="one"'
    assert found.query == (
        f'3600 * (sum(rate(logins_total{{{own},result="bad"}}[3600s])) or 0 * sum(rate(logins_total{{{own}}}[3600s])))'
    )
    assert found.locked_query == f"3600 * sum(rate(locks_total{{{own}}}[3600s]))"
    begin, end = float(said.asked[0]["start"]), float(said.asked[0]["end"])
    assert (end - begin) % HOUR == 0
    assert (begin, end) == (WEEK.earliest + HOUR, END)
    assert said.asked[1]["query"] == f"sum(increase(logins_total{{{own}}}[604800s]))"


def test_what_is_nowhere_is_told_as_such() -> None:
    found = secure(Said(lambda _path, _query: matrix())).sign_ins(SignIns(), WEEK)
    assert (found.told.ok, found.points, found.attempts, found.locked) == (True, (), None, None)


GROUPS = {
    "groups": [
        {"name": "bytebot-security", "rules": [
            {"type": "alerting", "name": "Guessing", "query": 'sum(rate(tries_total{status=~"fail.*"}[5m])) > 0.1',
             "health": "ok", "state": "firing", "labels": {"severity": "warning"}},
            {"type": "recording", "name": "r", "query": "x"},
        ]},
        {"name": "bytebot.rules", "rules": [{"type": "alerting", "name": "Down", "query": "up == 0"}]},
    ],
}  # fmt: skip


def asked_rules(url: str, kept: bool) -> tuple[SecurityRulesSeen, Said]:
    def answer(path: str, query: str) -> Any:
        if path.startswith("/api/v1/rules"):
            return GROUPS
        if "ALERTS" in query:
            return matrix(({}, [END])) if kept else matrix()
        return matrix(({}, [END - number * HOUR for number in range(84)]))

    live, stored = Said(answer), Said(answer, url)
    return secure(stored).rules(Prometheus(cast(Service, live)), SecurityAlerts(), WEEK), stored


@pytest.mark.parametrize(("url", "kept"), [("http://p", True), ("http://other", True), ("http://other", False)])
def test_rules_that_watch_over_security_are_read_with_their_time(url: str, kept: bool) -> None:
    found, stored = asked_rules(url, kept)
    assert found.rules == (SecurityRule("Guessing", "bytebot-security", "warning", "ok", "", True),)
    assert (found.covered, found.kept) == (0.5, kept)
    asked = [one["query"] for one in stored.asked]
    assert asked[0] == 'count({__name__=~"tries_total",cluster="one"})'
    assert len(asked) == (1 if url == "http://p" else 2)


def test_each_rule_that_watches_is_looked_at() -> None:
    quiet = {"type": "alerting", "name": "Quiet", "query": "tries_total > 1", "health": "ok", "state": "inactive"}
    rules = [*[quiet] * 300, {**quiet, "name": "Last", "state": "firing"}]

    def answer(path: str, _query: str) -> Any:
        if path.startswith("/api/v1/rules"):
            return {"groups": [{"name": "security", "rules": rules}]}
        return matrix(({}, [END]))

    found = secure(Said(answer)).rules(Prometheus(cast(Service, Said(answer))), SecurityAlerts(), WEEK)
    assert found.rules[-1].firing


def test_a_firing_that_lasts_into_the_week_has_its_true_begin() -> None:
    old = [WEEK.begin - 40 * HOUR, WEEK.begin - 39.9 * HOUR]
    times = [WEEK.begin + 300.0 * number for number in range(-10, 5)]
    labels = {"alertname": "Guessing", "severity": "warning"}
    told, found = secure(Said(lambda _path, _query: matrix((labels, [*old, *times])))).episodes(WEEK)
    assert told.ok
    assert [(one.begin, one.end) for one in found] == [(WEEK.begin - 3300, WEEK.begin + 1200)]


def test_no_answer_is_told() -> None:
    silent = Said(lambda _path, _query: MUTE)
    assert secure(silent).sign_ins(SignIns(), WEEK).told.kind == SILENT
    assert secure(silent).rules(Prometheus(cast(Service, silent)), SecurityAlerts(), WEEK).told.kind == SILENT
    assert secure(silent).episodes(WEEK)[0].kind == SILENT


# ---------------------------------------------------------------------------- inputs

GIVEN = {"groups": ["sec"], "labels": {"team": "sec.*"}, "alerts": ["A"], "within": "8h"}


def test_inputs_are_read() -> None:
    assert sign_ins_of(None) == SignIns()
    assert security_alerts_of(None) == SecurityAlerts()
    assert security_alerts_of(GIVEN) == SecurityAlerts(("sec",), {"team": "sec.*"}, ("A",), 8 * HOUR)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"metric": "a b"}, "no name of a metric"),
        ({"failed": " "}, "name matchers"),
        ({"limit": 0.0}, "sign_ins.limit: 0 is no finite number above 0"),
        ({"burst": -1.0}, "sign_ins.burst"),
        ({"limit": float("nan")}, "sign_ins.limit: nan is no finite number above 0"),
        ({"locked_burst": float("inf")}, "sign_ins.locked_burst"),
    ],
)
def test_what_cannot_be_counted_is_one_clear_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sign_ins_of(given)


@pytest.mark.parametrize("change", [{"groups": ["("]}, {"labels": {"a": "("}}, {"within": "soon"}])
def test_what_marks_nothing_is_one_clear_sentence(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="security_alerts"):
        security_alerts_of({**GIVEN, **change})
