# Judges an API: endpoints by their description, mistakes by how they are refused, errors by form, limits, origins.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.checks import http_security
from ansible_collections.bytebot.production.plugins.module_utils.checks.api_facts import (
    AS_DESCRIBED,
    BAD,
    DOCUMENT_LIMIT,
    ERROR,
    MISTAKE,
    ApiFacts,
    Life,
    LimitSeen,
    Seen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import burst_doubts, burst_flaws
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import SUCCESS
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

ENDPOINTS, VALIDATION, ERRORS, LIMIT, CORS = (
    f"functional_testing.api.{item}" for item in ("endpoints", "validation", "errors", "rate_limit", "cors")
)
SHOWN = 4  # named in a summary; all stand in the evidence
BROKEN = 500
# A mistake may be refused so; other errors say that the request did not come to be looked at.
REFUSALS = frozenset({400, 413, 415, 422})
UNSEEN = frozenset({401, 403, 404, 429, 503})
UNLOOKED = frozenset({401, 403, 429})
CHECKS: Checks[ApiFacts] = Checks()
_NOT_ASKED = "Run without --check: this sends requests to the application."


@CHECKS.settles(ENDPOINTS)
def endpoints(facts: ApiFacts) -> Verdict:
    """Every operation of the description answers as described; what is made can be read, changed and removed."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    seen = facts.of(AS_DESCRIBED)
    evidence = facts.evidence(
        {
            "answers": [_seen(one) for one in seen],
            "objects": [asdict(one) for one in facts.lives],
            "left": facts.left,
            "cleaned": facts.cleaned,
        }
    )
    if wrong := [*_departures(seen), *(flaw for one in facts.lives for flaw in _life(one)), *_left(facts)]:
        return failed(f"{_few(wrong)}.", "Mend the operations, or their description where that is wrong.", evidence)
    if facts.missing:
        return pending(facts.missing.why, facts.missing.remedy)
    if doubts := [*_unanswered(seen), *_not_seen(facts, seen), *_unmade(facts.lives)]:
        remedy = "Judge again by an account that may, with bodies that the application takes."
        return inconclusive(f"{_few(doubts)}.", remedy, evidence)
    lives = ", ".join(one.resource for one in facts.lives)
    well = {one.operation for one in seen if one.succeeded}
    return passed(
        f"{len(facts.operations)} operations answer as described, {len(well)} of them seen to succeed; "
        f"objects of {lives} were made, read, changed and removed.",
        evidence,
    )


@CHECKS.settles(VALIDATION)
def validation(facts: ApiFacts) -> Verdict:
    """Requests with a mistake are refused as described, and never end in a 5xx."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    if facts.missing:
        return pending(facts.missing.why, facts.missing.remedy)
    seen = facts.of(MISTAKE)
    evidence = facts.evidence([_seen(one) for one in seen])
    if wrong := [flaw for one in seen for flaw in _mistaken(one)]:
        return failed(f"{_few(wrong)}.", "Check each request against its description before it is used.", evidence)
    refused = [one for one in seen if one.status in REFUSALS]
    looked = {one.operation for one in refused}
    doubts = [
        f"{one.operation} answers {one.status or one.problem.rstrip('.')} to {one.case}, so it was not looked at"
        for one in seen
        if one.status in UNLOOKED or not one.status
    ]
    doubts += [f"{name} was not seen to refuse anything" for name in sorted({one.operation for one in seen} - looked)]
    if doubts or not refused:
        return inconclusive(f"{_few(doubts) or 'No mistake was tried'}.", "Judge again.", evidence)
    return passed(
        f"{len(refused)} requests with a mistake are refused by {len(looked)} operations, as described.", evidence
    )


@CHECKS.settles(ERRORS)
def errors(facts: ApiFacts) -> Verdict:
    """Every error has the one documented form, names its request, and shows nothing of the inside."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    asked = facts.of(ERROR)
    seen = [one for one in facts.seen if one.status >= BAD]
    wrong: dict[str, list[str]] = {}
    for one in seen:
        for flaw in one.form:
            wrong.setdefault(flaw, []).append(f"{one.status} of {one.what}")
    evidence = facts.evidence(
        {"asked": [_seen(one) for one in asked], "wrong": wrong, "seen": _counted(one.status for one in seen)}
    )
    if wrong:
        told = [
            f"an error {flaw} ({on[0]}{f' and {len(on) - 1} more' if len(on) > 1 else ''})"
            for flaw, on in wrong.items()
        ]
        remedy = "Answer every error in one place, by code and message, and write what else is known of it to the log."
        return failed(f"{_few(told)}.", remedy, evidence)
    if lost := [one for one in asked if one.problem or one.status < BAD]:
        told = [f"{one.what} answers {one.status or one.problem.rstrip('.')}" for one in lost]
        return inconclusive(f"Not every error was seen: {_few(told)}.", "Correct the paths that are asked.", evidence)
    if not asked:
        return inconclusive("No error was asked for.", "Judge again.", evidence)
    kinds = ", ".join(str(status) for status in sorted({one.status for one in seen}))
    return passed(f"{len(seen)} errors ({kinds}) have the documented form and name their request.", evidence)


@CHECKS.settles(LIMIT)
def rate_limit(facts: ApiFacts) -> Verdict:
    """A signed-in user who asks too often is refused for as long as is said, and nobody else is."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    if facts.limits_missing:
        return pending(facts.limits_missing.why, facts.limits_missing.remedy)
    limits = facts.limits
    if limits.burst is None:
        return pending(limits.no_burst, limits.remedy)
    evidence = facts.evidence(asdict(limits))
    weaker = (
        (f"at most {facts.limit} requests of a user wanted, document: {DOCUMENT_LIMIT}",)
        if facts.limit > DOCUMENT_LIMIT
        else ()
    )
    if wrong := list(_limit_flaws(facts)):
        remedy = "Count each user for itself, over all replicas, and say in Retry-After when the count is over."
        return failed(f"{_few(wrong)}.", remedy, evidence, weaker=weaker)
    if doubts := _limit_doubts(limits):
        return inconclusive(f"{doubts}.", "Judge again.", evidence)
    waited = limits.recovery.waited if limits.recovery else 0
    return passed(
        f"A burst of {limits.burst.sent} signed-in requests met 429; another user did not, and after the {waited} s of "
        "Retry-After the first one is let in again.",
        evidence,
        weaker=weaker,
    )


@CHECKS.settles(CORS)
def cors(facts: ApiFacts) -> Verdict:
    """Only the allowed origins are let in, by each group of endpoints."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    if facts.cors is None:
        return inconclusive("No origin was asked with.", "Judge again.")
    return http_security.cross_origin(facts.cors)


# ---------------------------------------------------------------------- flaws


def _departures(seen: Iterable[Seen]) -> Iterator[str]:
    for one in seen:
        for departure in one.departures:
            yield f"{one.what} {departure}"
        if one.status >= BROKEN and one.status != HTTPStatus.SERVICE_UNAVAILABLE and not one.departures:
            yield f"{one.what} fails with {one.status}"
        elif one.must and BAD <= one.status < BROKEN and one.status not in UNSEEN and not one.departures:
            yield f"{one.what} answers {one.status} to a request that is as described"


def _life(one: Life) -> Iterator[str]:
    if one.unmade or one.problem:
        return
    if one.lost:
        yield f"an object of {one.resource} does not come back as it was made ({', '.join(one.lost)})"
    if one.unchanged:
        yield f"an object of {one.resource} does not come back as it was changed ({', '.join(one.unchanged)})"
    if one.removed not in SUCCESS:
        yield f"an object of {one.resource} is not removed ({one.removed})"
    elif one.after and one.after not in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        yield f"an object of {one.resource} that was removed answers {one.after}"
    elif one.listed:
        yield f"the list of {one.resource} has an object that was removed"


def _left(facts: ApiFacts) -> list[str]:
    return [f"what was made is still there: {', '.join(facts.left)}"] if facts.left else []


def _mistaken(one: Seen) -> Iterator[str]:
    if one.succeeded:
        yield f"{one.operation} accepts {one.case} ({one.status})"
    elif one.status >= BROKEN and one.status != HTTPStatus.SERVICE_UNAVAILABLE:
        yield f"{one.operation} answers {one.status} to {one.case}"
    elif one.status in REFUSALS and one.departures:
        yield f"{one.operation} {one.departures[0]}, to {one.case}"
    elif one.status in REFUSALS and one.wanted and one.status != one.wanted:
        yield f"{one.operation} answers {one.status} to {one.case}, and not {one.wanted}"
    elif one.status and one.status not in REFUSALS | UNSEEN:
        yield f"{one.operation} answers {one.status} to {one.case}"


def _limit_flaws(facts: ApiFacts) -> Iterator[str]:
    limits, back = facts.limits, facts.limits.recovery
    yield from burst_flaws(limits.burst)
    if limits.told is not None and limits.told > facts.limit:
        yield f"the limit for a user is {limits.told}, and at most {facts.limit} is wanted"
    if back and back.status == HTTPStatus.TOO_MANY_REQUESTS:
        yield f"who is told to come back in {back.waited} s is refused then as well"


# ---------------------------------------------------------------------- doubts


def _limit_doubts(limits: LimitSeen) -> str:
    back, other = limits.recovery, limits.burst.other if limits.burst else None
    if late := burst_doubts(limits.burst):
        return late[0].capitalize()
    if back is None or back.problem:
        why = back.problem if back else "that the user is let in again was not asked"
        return f"A burst met 429, and {why.rstrip('.')}"
    if other is None or other.problem or not other.status:
        return "A burst met 429, and what another user met was not seen"
    return ""


def _unanswered(seen: Iterable[Seen]) -> Iterator[str]:
    for one in seen:
        if one.problem:
            yield f"{one.what} got no answer ({one.problem.rstrip('.')})"


def _not_seen(facts: ApiFacts, seen: Sequence[Seen]) -> Iterator[str]:
    for one in seen:
        if one.must and one.status in UNSEEN - {HTTPStatus.SERVICE_UNAVAILABLE}:
            yield f"{one.what} answers {one.status}, so it is not seen at work"
    for name in sorted(set(facts.operations) - {one.operation for one in seen}):
        yield f"{name} was not asked"


def _unmade(lives: Sequence[Life]) -> Iterator[str]:
    for one in lives:
        if one.unmade or one.problem:
            yield f"no object of {one.resource} was followed: {(one.unmade or one.problem).rstrip('.')}"
    if not lives:
        yield "the description has nothing that can be made and removed"


# ---------------------------------------------------------------------- words


def _seen(one: Seen) -> dict[str, object]:
    more = {"departures": one.departures, "form": one.form, "problem": one.problem}
    return {"asked": one.what, "status": one.status, **{name: said for name, said in more.items() if said}}


def _counted(statuses: Iterable[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in statuses:
        found[str(status)] = found.get(str(status), 0) + 1
    return found


def _few(given: Sequence[str]) -> str:
    more = f"; and {len(given) - SHOWN} more" if len(given) > SHOWN else ""
    return "; ".join(given[:SHOWN]) + more
