# Judges what the application's health, metrics and public addresses answer: code and body, as the contract promises.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import json_object, quoted, scrape, table
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_facts import Facts, Probe, Problem
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_problems import (
    endpoint_problems,
    growth,
    live_problems,
    metrics_problems,
    movement_problem,
    ready_problems,
    shown_name,
    startup_problems,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, shown_url
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
)

CHECKS: Checks[Facts] = Checks()


@CHECKS.settles("deployment.health.live")
def live(facts: Facts) -> Verdict:
    """The live route answers 200 in time, and its body says ok with the promised fields and a time of now."""
    probe = facts.probes["live"]
    said = json_object(probe.answer)
    good = f"It says ok, version {quoted(said.get('version'))}, up for {quoted(said.get('uptime'))} s"
    return _verdict(probe, live_problems(probe.answer, facts.policy), good)


@CHECKS.settles("deployment.health.ready")
def ready(facts: Facts) -> Verdict:
    """The ready route answers 200 in time, says ok, and so does each dependency that must be named."""
    probe = facts.probes["ready"]
    good = f"It says ok, and so does each of {', '.join(map(shown_name, sorted(table(probe.answer, 'checks'))))}"
    return _verdict(probe, ready_problems(probe.answer, facts.policy), good)


@CHECKS.settles("deployment.health.startup")
def startup(facts: Facts) -> Verdict:
    """The startup route answers 200 in time, says ok, and every step of the initialization is finished."""
    probe = facts.probes["startup"]
    steps = sorted(table(probe.answer, "initialization").items())
    good = f"It says ok; {', '.join(f'{shown_name(name)} {quoted(value)}' for name, value in steps)}"
    return _verdict(probe, startup_problems(probe.answer, facts.policy), good)


@CHECKS.settles("deployment.health.metrics")
def metrics(facts: Facts) -> Verdict:
    """The metrics parse, are served as metrics, hold the wanted families, and move with the requests made here."""
    probe, policy, moved = facts.probes["metrics"], facts.policy, facts.movement
    page = scrape(probe.answer, policy.moving_metric)
    seen = Evidence(
        f"{policy.moving_metric} before and after {moved.made} requests",
        {"requests": moved.made, "before": dict(moved.before), "after": dict(moved.after)},
        _time(probe.answer),
    )
    problems = metrics_problems(probe.answer, page, policy)
    if problems:
        return failed(_whats(problems), _remedies(problems), _seen(probe))
    problem, certain = movement_problem(moved, policy.moving_metric)
    if problem and not certain:
        return inconclusive(problem.what, problem.remedy, _seen(probe), seen)
    good = (
        f"All {len(policy.families)} wanted metric families are there; "
        f"{policy.moving_metric} grew by {growth(moved):g} over {moved.made} requests"
    )
    return _verdict(probe, [problem] if problem else [], good, seen)


@CHECKS.settles("deployment.execution.endpoints")
def endpoints(facts: Facts) -> Verdict:
    """Each public address answers by name over verified TLS, and it is the expected application that answers."""
    problems = [item for one, probe in facts.endpoints for item in endpoint_problems(probe.answer, one, facts.policy)]
    evidence = [_seen(probe) for _one, probe in facts.endpoints]
    if problems:
        return failed(_whats(problems), _remedies(problems), *evidence)
    names = ", ".join(shown_url(one.url) for one, _probe in facts.endpoints)
    return passed(f"Answered by name over verified TLS with the expected application: {names}.", *evidence)


# ---------------------------------------------------------------------- words


def _verdict(probe: Probe, problems: list[Problem], good: str, *more: Evidence) -> Verdict:
    evidence = (_seen(probe), *more)
    if problems:
        return failed(_whats(problems), _remedies(problems), *evidence)
    answer, tries = probe.answer, sum(probe.attempts.values())
    after = f", right at attempt {tries} after {probe.settled_s:.1f} s" if tries > 1 else ""
    took = f"{shown_url(answer.url)} answered {answer.status} in {answer.elapsed_s * 1000:.0f} ms{after}."
    return passed(f"{took} {good}.", *evidence)


def _seen(probe: Probe) -> Evidence:
    answer = probe.answer
    observed = {
        "status": answer.status,
        "content_type": answer.headers.get("content-type", ""),
        "seconds": round(answer.elapsed_s, 3),
        "address": answer.address,
        "address_from": "input resolve" if answer.given_address else "DNS",
        "failure": answer.failure.sentence if answer.failure else "",
        "attempts": dict(probe.attempts),
        "body": probe.excerpt,
    }
    return Evidence(f"GET {shown_url(answer.url)}", observed, _time(answer))


def _time(answer: Answer) -> str:
    return datetime.fromtimestamp(answer.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whats(problems: Iterable[Problem]) -> str:
    return " ".join(problem.what for problem in problems)


def _remedies(problems: Iterable[Problem]) -> str:
    return " ".join(dict.fromkeys(problem.remedy for problem in problems))
