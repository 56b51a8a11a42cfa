# Judges what users saw while the load ran: how long answers took, and how many users it goes well with.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import load_database, load_usage
from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import (
    CONCURRENCY,
    DATABASE,
    DOCUMENT_LATENCY_MS,
    LATENCY,
    LEAK,
    RESOURCES,
    LoadFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.load.histogram import Histogram, least_number
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import LEVEL, STEADY
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Cell
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

CHECKS: Checks[LoadFacts] = Checks()
P95, RARE = 0.95, 0.99
USUAL_ERRORS, USUAL_HEAD_ROOM, USUAL_KNEE_MS = 0.01, 1.5, 1000.0
THOUSAND = 1000
TOO_LATE, FAR = 0.1, 5  # this share late by that many times lag_ms: then it is another load than the wanted one
REFUSED = "HTTP 429"
_QUIET = "Run it on a machine with nothing else to do, or lower the rate; the system itself may be well."
_USERS = "Name the Secrets of users of the application (in the inventory: bytebot_test_accounts)."


def _of(judge: Callable[[LoadFacts], Verdict]) -> Callable[[LoadFacts], Verdict]:
    """Judge only where load was sent."""

    def judged(facts: LoadFacts) -> Verdict:
        if facts.unasked:
            return pending(facts.unasked, facts.remedy)
        if facts.broken:
            why = f"Not all of the load was sent: {facts.broken}."
            return inconclusive(why, "Run it again; where it repeats, report it with the module's inputs.")
        return judge(facts)

    return judged


# ---------------------------------------------------------------------------- the sender itself


def _lag(facts: LoadFacts, phases: list[int]) -> tuple[float, dict[str, Any]]:
    """The share of what the sender did late in these phases, the worse of leaving and of noticing.

    It only adds to what is measured: a red by time cannot be told from it where it is more than a little, and a green
    stays one unless the sender was so far behind that it sent another load (``far_share``).
    """
    leaving, noticing = Histogram(), Histogram()
    for phase in phases:
        leaving.merge(facts.tally.lag.get(phase, Histogram()))
        noticing.merge(facts.tally.beats.get(phase, Histogram()))
    limit = facts.wanted.lag_ms / 1e3
    late = max((one.over(limit) / one.count for one in (leaving, noticing) if one.count), default=0.0)
    far = leaving.over(FAR * limit) / leaving.count if leaving.count else 0.0
    told = {"sender_left_late_ms": leaving.told(), "sender_timer_late_ms": noticing.told()}
    return late, {**told, "late_share": round(late, 4), "far_share": round(far, 4)}


def _surely_slow(facts: LoadFacts, phases: list[int], limit_ms: float) -> bool:
    """Whether answers are too slow even where all that the sender was late is taken off.

    Leaving and noticing are each later than their 99th percentile in one case of a hundred. So where 7 % are later than
    the limit and both of these together, at least 5 % are later than the limit by the system's own doing.
    """
    leaving, noticing = Histogram(), Histogram()
    for phase in phases:
        leaving.merge(facts.tally.lag.get(phase, Histogram()))
        noticing.merge(facts.tally.beats.get(phase, Histogram()))
    own = (leaving.quantile(RARE) or 0.0) + (noticing.quantile(RARE) or 0.0)
    cell = facts.cell(phases)
    low, _high = cell.answered.interval(P95 - 2 * (1 - RARE), cell.failures)
    return cell.sent > 0 and (low is None or low > limit_ms / 1e3 + own)


def _far(evidence: Evidence) -> bool:
    return bool(evidence.observed["far_share"] > TOO_LATE)


def _lagged(facts: LoadFacts, late: float, what: str, evidence: Evidence) -> Verdict:
    summary = (
        f"{what}, but the sender itself was more than {facts.wanted.lag_ms:g} ms late in {_percent(late)} of the "
        "cases, so that this cannot be told from a slow system."
    )
    return inconclusive(summary, _QUIET, evidence)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _causes(cell: Cell) -> str:
    return ", ".join(f"{cause} {number} times" for cause, number in cell.failed.most_common(3))


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "more than any answer took"
    number = seconds * 1e3
    return f"{number:.3g} ms" if number < THOUSAND else f"{number:.0f} ms"


def _limits_met(facts: LoadFacts, cell: Cell, evidence: Evidence) -> Verdict | None:
    """Refusals by a limit that is as documented tell of too few test users, and nothing of the system."""
    refused = cell.failed[REFUSED]
    if not refused:
        return None
    least = min((limit for limit in facts.tally.limits if limit), default=0)
    rest = cell.failures - refused
    if rest > cell.sent * facts.wanted.error_share or not least:
        return None
    if least >= facts.wanted.user_limit and facts.asked_each > least:
        summary = (
            f"{refused} of {cell.sent} requests met the limit of {least} requests, since one user sent up to "
            f"{facts.asked_each:.0f} a minute; so this load is not what real users send."
        )
        return inconclusive(summary, "Name more users (bytebot_test_accounts), or lower the rate.", evidence)
    return None


def _weaker(facts: LoadFacts, latency: bool) -> tuple[str, ...]:
    wanted = facts.wanted
    found = []
    if latency and wanted.latency_ms > DOCUMENT_LATENCY_MS:
        found.append(f"{wanted.latency_ms:g} ms wanted, document {DOCUMENT_LATENCY_MS:g} ms")
    if wanted.error_share > USUAL_ERRORS:
        found.append(f"{_percent(wanted.error_share)} of failures allowed, usual {_percent(USUAL_ERRORS)}")
    if not latency and wanted.head_room < USUAL_HEAD_ROOM:
        found.append(f"a head-room of {wanted.head_room:g} wanted, usual {USUAL_HEAD_ROOM:g}")
    if not latency and wanted.knee_ms > USUAL_KNEE_MS:
        found.append(f"{wanted.knee_ms:g} ms allowed while the load rises, usual {USUAL_KNEE_MS:g} ms")
    return tuple(found)


# ---------------------------------------------------------------------------- latency


@CHECKS.settles(LATENCY)
@_of
def latency(facts: LoadFacts) -> Verdict:
    """The 95th percentile at the wanted rate, over all requests and for each endpoint, failures as slowest."""
    if facts.no_users and any(signed_in for _name, signed_in in facts.endpoints):
        return pending(f"The endpoints are asked signed in, and nobody is: {facts.no_users}.", _USERS)
    phases = facts.phases(STEADY)
    cell = facts.cell(phases)
    late, lag = _lag(facts, phases)
    evidence = facts.answers(_latency_evidence(facts, phases) | lag)
    if not cell.sent:
        return inconclusive("No request was sent in the steady part.", "Raise its rate or its length.", evidence)
    if verdict := _limits_met(facts, cell, evidence):
        return verdict
    weaker = _weaker(facts, latency=True)
    errors = cell.failures / cell.sent
    if errors > facts.wanted.error_share:
        summary = f"{_percent(errors)} of {cell.sent} requests failed at {_rate(facts)} ({_causes(cell)})."
        remedy = "Find the cause in the application's log at that time; a time-out counts as a failure."
        if late > TOO_LATE and set(cell.failed) <= {"timeout", "not answered"}:
            return _lagged(facts, late, summary.rstrip("."), evidence)
        return failed(summary, remedy, evidence, weaker=weaker)
    return _by_percentile(facts, late, evidence, weaker)


def _by_percentile(facts: LoadFacts, late: float, evidence: Evidence, weaker: tuple[str, ...]) -> Verdict:
    phases = facts.phases(STEADY)
    cell, limit = facts.cell(phases), facts.wanted.latency_ms / 1e3
    failures = cell.failures
    value = cell.answered.quantile(P95, failures)
    low, high = cell.answered.interval(P95, failures)
    seen = (
        f"95 % of {cell.sent} requests at {_rate(facts)} were answered within {_ms(value)} "
        f"(95 % confidence: {_ms(low)} to {_ms(high)})"
    )
    slow = [one for one in _endpoints(facts) if one[1] is None or one[1] > limit]
    remedy = "Compare the endpoints in the evidence, and the slowest statements of performance_testing.load.database."
    if slow or low is None or low > limit:
        names = "".join(f"; {name}: at least {_ms(least)}" for name, least, _most in slow)
        summary = f"{seen}; {facts.wanted.latency_ms:g} ms are allowed{names}"
        if late > facts.wanted.late_share and not _surely_slow(facts, phases, facts.wanted.latency_ms):
            return _lagged(facts, late, summary, evidence)
        return failed(f"{summary}.", remedy, evidence, weaker=weaker)
    if high is None or high > limit:
        what = f"{seen}, so whether it is below {facts.wanted.latency_ms:g} ms is not certain."
        more = max(2 * cell.sent, least_number(P95))
        return inconclusive(what, f"Send more requests: {more} or more in the steady part, by time or rate.", evidence)
    if _far(evidence):
        return _lagged(facts, late, seen, evidence)
    note = "; the sender's own lag only adds to that" if late > facts.wanted.late_share else ""
    return passed(f"{seen}{note}, {_percent(cell.failures / cell.sent)} failed.", evidence, weaker=weaker)


def _endpoints(facts: LoadFacts) -> list[tuple[str, float | None, float | None]]:
    """The bounds of each endpoint's 95th percentile."""
    found = []
    for number, (name, _signed_in) in enumerate(facts.endpoints):
        cell = facts.cell(facts.phases(STEADY), number)
        if cell.sent:
            found.append((name, *cell.answered.interval(P95, cell.failures)))
    return found


def _latency_evidence(facts: LoadFacts, phases: list[int]) -> dict[str, Any]:
    def told(cell: Cell) -> dict[str, Any]:
        bounds = cell.answered.interval(P95, cell.failures)
        return {
            "requests": cell.sent,
            "failed": dict(cell.failed),
            "latency_ms": cell.answered.told(),
            "p95_bounds_ms": [None if one is None else round(one * 1e3, 2) for one in bounds],
        }

    seconds = sum(facts.plan.phases[phase].seconds for phase in phases)
    whole = facts.cell(phases)
    return {
        "wanted_rate": facts.plan.phases[phases[0]].rate if phases else 0,
        "production_rate": facts.wanted.production_rate,
        "seconds": seconds,
        "answered_per_second": round(whole.answered.count / seconds, 2) if seconds else 0,
        "all": told(whole),
        "endpoints": {name: told(facts.cell(phases, number)) for number, (name, _in) in enumerate(facts.endpoints)},
        "series_columns": ["seconds", "requests", "failures", "p50_ms", "p95_ms"],
        "series": facts.series(),
    }


def _rate(facts: LoadFacts) -> str:
    phases = facts.phases(STEADY)
    return f"{facts.plan.phases[phases[0]].rate:.4g} requests a second" if phases else "no rate"


# ---------------------------------------------------------------------------- concurrency


@CHECKS.settles(CONCURRENCY)
@_of
def concurrency(facts: LoadFacts) -> Verdict:
    """Levels of load up to the expected users times the head-room; the knee is the last that goes well."""
    if facts.no_users:
        return pending(f"Nobody signs in: {facts.no_users}.", _USERS)
    if not any(signed_in for _name, signed_in in facts.endpoints):
        return pending("No endpoint is asked signed in.", "Let an endpoint of bytebot_load.endpoints be signed_in.")
    rows = [_level(facts, phase) for phase in facts.phases(LEVEL)]
    if not rows:
        return inconclusive("The plan has no levels of rising load.", "Give bytebot_load.levels and level_seconds.")
    late, lag = max((_lag(facts, [row["phase"]]) for row in rows), key=lambda pair: pair[0])
    whole = facts.cell(facts.phases(LEVEL) + facts.phases(STEADY))
    shown = [{name: value for name, value in row.items() if name != "phase"} for row in rows]
    evidence = facts.answers({"levels": shown, "failed": dict(whole.failed)} | lag)
    return _limits_met(facts, whole, evidence) or _by_levels(facts, rows, late, evidence)


def _by_levels(facts: LoadFacts, rows: list[dict[str, Any]], late: float, evidence: Evidence) -> Verdict:
    broken = next((row for row in rows if row["why"]), None)
    good = [row["users"] for row in rows[: rows.index(broken)]] if broken else [row["users"] for row in rows]
    knee = good[-1] if good else 0
    weaker = _weaker(facts, latency=False)
    if broken:
        summary = (
            f"With {broken['users']:g} users it no longer goes well: {broken['why']}; {facts.users} are expected and "
            f"{facts.users * facts.wanted.head_room:g} wanted with head-room, and {knee:g} went well."
        )
        if late > facts.wanted.late_share and not broken["sure"]:
            return _lagged(facts, late, summary.rstrip("."), evidence)
        return failed(summary, "Add replicas or find what they wait for; then run it again.", evidence, weaker=weaker)
    if _far(evidence):
        return _lagged(facts, late, f"It went well with {knee:g} users", evidence)
    own = f"{facts.sessions} sessions of their own" if facts.sessions < facts.users else "a session each"
    cell = facts.cell(facts.phases(LEVEL))
    summary = (
        f"It went well with up to {knee:g} users ({facts.users} are expected, by {own}), "
        f"{_percent(cell.failures / max(1, cell.sent))} of {cell.sent} requests failed."
    )
    return passed(summary, evidence, weaker=weaker)


def _level(facts: LoadFacts, phase: int) -> dict[str, Any]:
    """How one level went; ``why`` is empty where it went well."""
    cell, wanted = facts.cell([phase]), facts.wanted
    rate = facts.plan.phases[phase].rate
    steady = facts.plan.phases[facts.phases(STEADY)[0]].rate if facts.phases(STEADY) else rate
    errors = cell.failures / cell.sent if cell.sent else 1.0
    value = cell.answered.quantile(P95, cell.failures)
    slow = value is None or value * 1e3 > wanted.knee_ms
    why = ""
    if errors > wanted.error_share:
        why = f"{_percent(errors)} of the requests fail ({_causes(cell) or 'none was sent'})"
    elif slow:
        why = f"95 % are answered within {_ms(value)}, and {wanted.knee_ms:g} ms are allowed"
    return {
        "phase": phase,
        "users": round(facts.users * rate / steady, 1) if steady else 0,
        "rate": round(rate, 2),
        "requests": cell.sent,
        "failures": cell.failures,
        "latency_ms": cell.answered.told(),
        "sure": errors > wanted.error_share or (slow and _surely_slow(facts, [phase], wanted.knee_ms)),
        "why": why,
    }


# ---------------------------------------------------------------------------- what stands in other files


@CHECKS.settles(RESOURCES)
@_of
def resources(facts: LoadFacts) -> Verdict:
    return load_usage.resources(facts)


@CHECKS.settles(LEAK)
@_of
def leak(facts: LoadFacts) -> Verdict:
    return load_usage.leak(facts)


@CHECKS.settles(DATABASE)
@_of
def database(facts: LoadFacts) -> Verdict:
    return load_database.database(facts)
