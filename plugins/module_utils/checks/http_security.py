# Judges what answers show of an application's security: headers, origins and limits, each control by its own subject.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.checks import cors, http_headers, rate_limit
from ansible_collections.bytebot.production.plugins.module_utils.checks.cors import Asked
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_headers import (
    KINDS,
    REDIRECT,
    SUCCESS,
    Page,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.https_only import (
    Plain,
    SideDoor,
    door_flaws,
    doubts,
    plain_flaws,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import LimitFacts
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    SHOULD,
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
    utc_now,
)

HEADERS, CORS, LIMIT = (f"security_configuration.network.{item}" for item in ("security_headers", "cors", "rate_limit"))
HTTPS, TESTED_HEADERS, TESTED_LIMIT = (f"security_testing.web.{item}" for item in ("https", "headers", "rate_limit"))
SHOWN = 4  # named in a summary; all stand in the evidence
_OBSERVATORY = "MDN HTTP Observatory, mdn/mdn-http-observatory src/grader/charts.js"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What answers are judged by."""

    max_age: int = http_headers.DOCUMENT_MAX_AGE
    credentials: bool = True
    api_limit: int = rate_limit.DOCUMENT_API
    login_limit: int = rate_limit.DOCUMENT_LOGIN


@dataclass(frozen=True, slots=True)
class InClear:
    """What was asked without TLS, and beside the Ingress.

    :param secure: a success of each host over TLS; :param unseen: why side doors could not be looked for.
    """

    plain: tuple[Plain, ...] = ()
    secure: tuple[Page, ...] = ()
    doors: tuple[SideDoor, ...] = ()
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """What an application answered.

    :param origins: those that are allowed; None where the inventory does not say.
    :param unasked: why nothing was sent at all.
    """

    base_url: str
    wanted: Wanted = field(default_factory=Wanted)
    pages: tuple[Page, ...] = ()
    origins: tuple[str, ...] | None = ()
    asked: tuple[Asked, ...] = ()
    limits: LimitFacts = field(default_factory=LimitFacts)
    clear: InClear = field(default_factory=InClear)
    unasked: str = ""
    observed_at: str = field(default_factory=utc_now)

    def evidence(self, observed: object) -> Evidence:
        return Evidence(f"answers of {self.base_url}", observed, self.observed_at)


CHECKS: Checks[HttpFacts] = Checks()
_NOT_ASKED = "Run without --check: this sends requests to the application."


@CHECKS.settles(HEADERS)
def security_headers(facts: HttpFacts) -> Verdict:
    """Every kind of answer has the headers by which browsers protect, and none tells what runs."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    score = _score(facts)
    evidence = facts.evidence(
        {
            "pages": [_page(one, facts) for one in facts.pages],
            "score": asdict(score) if score else None,
            "score_by": _OBSERVATORY,
        }
    )
    weaker = _weaker_age(facts.wanted)
    wrong = [(one, flaw) for one in facts.pages if one.status for flaw in http_headers.flaws(one, facts.wanted.max_age)]
    graded = f" Observatory score {score.points} ({score.grade})." if score else ""
    if wrong:
        remedy = (
            "Set the headers where every answer passes, errors too: in the ingress, or outermost in the application."
        )
        return failed(f"{_grouped(wrong)}.{graded}", remedy, evidence, weaker=weaker)
    missing = [kind for kind in KINDS if not any(one.kind == kind and one.of_its_kind for one in facts.pages)]
    if missing:
        told = "; ".join(_unlike(facts.pages, kind) for kind in missing)
        return inconclusive(
            f"Not every kind of answer was seen: {told}.", "Correct the paths that are asked.", evidence
        )
    kinds = ", ".join(dict.fromkeys(one.kind for one in facts.pages))
    return passed(f"All headers are there on {len(facts.pages)} answers ({kinds}).{graded}", evidence, weaker=weaker)


@CHECKS.settles(CORS)
def cross_origin(facts: HttpFacts) -> Verdict:
    """Only the allowed origins are let in, by preflights and by real requests, whatever resembles them."""
    if facts.origins is None:
        return pending(
            "Which origins are allowed is not known: allowed_origins is not given.",
            "Name them, or an empty list where no web page calls this API (in the inventory: bytebot_cors_origins).",
        )
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    evidence = facts.evidence([_asked(one) for one in facts.asked])
    wrong = cors.flaws(facts.asked, credentials=facts.wanted.credentials)
    if wrong:
        remedy = "Compare the whole origin with a list, name it in the answer, and send nothing to any other."
        return failed(f"{_few(wrong)}.", remedy, evidence)
    lost = [one for one in facts.asked if one.lost]
    if lost or not facts.asked:
        why = lost[0].lost if lost else "nothing was asked"
        return inconclusive(
            f"{len(lost)} of {len(facts.asked)} requests got no answer that tells of origins: {why}.",
            "Judge again when the application answers and no limit is met.",
            evidence,
        )
    if better := cors.advice(facts.asked):
        remedy = "Add Vary: Origin wherever the origin is named."
        return failed(f"Only the allowed origins are let in, and {_few(better)}.", remedy, evidence, level=SHOULD)
    groups = ", ".join(dict.fromkeys(one.group for one in facts.asked))
    foreign = {one.origin.text for one in facts.asked if not one.origin.allowed}
    return passed(
        f"{len(facts.origins)} allowed origins are let in and {len(foreign)} others are not, by preflight and request, "
        f"on {groups}.",
        evidence,
    )


@CHECKS.settles(LIMIT)
def limits(facts: HttpFacts) -> Verdict:
    """Limits count each user and each address, over all replicas, answers tell of them, and a burst meets one."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    seen = facts.limits
    if seen.problem:
        return pending(seen.problem, seen.remedy)
    evidence = facts.evidence(asdict(seen))
    weaker = _weaker_limits(facts.wanted)
    wrong = rate_limit.flaws(seen, api_limit=facts.wanted.api_limit, login_limit=facts.wanted.login_limit)
    if wrong:
        remedy = "Count in a store that all replicas share, by user and by address, and tell the count in every answer."
        return failed(f"{_few(wrong)}.", remedy, evidence, weaker=weaker)
    if unsure := rate_limit.doubts(seen):
        return inconclusive(f"{_few(unsure)}.", "Judge again while at least two replicas are ready.", evidence)
    if seen.burst is None:
        what = (
            f"Answers tell of limits that replicas count together; that a burst meets them is not seen: {seen.no_burst}"
        )
        return pending(what, seen.burst_remedy, evidence)
    return passed(_limited(seen), evidence, weaker=weaker)


@CHECKS.settles(HTTPS)
def https(facts: HttpFacts) -> Verdict:
    """In clear each path leads to https on the same host, for good, and no way leads around the Ingress."""
    if facts.unasked:
        return pending(facts.unasked, _NOT_ASKED)
    seen = facts.clear
    evidence = facts.evidence(
        {
            "plain": [asdict(one) for one in seen.plain],
            "https": [_page(one, facts) for one in seen.secure],
            "side_doors": "not seen" if seen.unseen else [asdict(one) for one in seen.doors],
        }
    )
    bare = [one for one in seen.secure if one.status and not http_headers.max_age_of(one.headers)]
    wrong = [*plain_flaws(seen.plain), *door_flaws(seen.doors)]
    wrong += [f"{one.asked} does not keep browsers to https (Strict-Transport-Security)" for one in bare]
    if wrong:
        remedy = (
            "Redirect plain HTTP to https on the same host by 301 or 308 for every path, send HSTS, and close each way "
            "around the Ingress."
        )
        return failed(f"{_few(wrong)}.", remedy, evidence)
    if seen.unseen:
        remedy = "Give namespace, and an account that may list Services and Pods in it."
        return pending(f"Whether a way leads around the Ingress is not seen: {seen.unseen}.", remedy, evidence)
    unsure = doubts(seen.plain, seen.doors)
    unsure += [f"{one.asked} gave no answer ({one.problem.rstrip('.')})" for one in seen.secure if not one.status]
    if unsure or not seen.plain:
        remedy = "Let every address be asked (in the inventory: bytebot_allowed_hosts), and judge again."
        return inconclusive(f"{_few(unsure) or 'Nothing was asked'}.", remedy, evidence)
    return passed(_closed(seen), evidence)


def _closed(seen: InClear) -> str:
    shut = sum(one.closed for one in seen.plain)
    how = "are refused" if shut == len(seen.plain) else "lead to https on the same host or are refused"
    doors = f"{len(seen.doors)} side doors answer nothing in clear" if seen.doors else "no way leads around the Ingress"
    return f"{len(seen.plain)} requests in clear {how}, HSTS is sent, and {doors}."


@CHECKS.settles(TESTED_HEADERS)
def tested_headers(facts: HttpFacts) -> Verdict:
    """As the configuration's control: the headers stand on answers of every kind alike."""
    return security_headers(facts)


@CHECKS.settles(TESTED_LIMIT)
def tested_limits(facts: HttpFacts) -> Verdict:
    """As the configuration's control, and naming another address in a header does not begin a new count."""
    if facts.unasked or facts.limits.problem or not (evaded := rate_limit.evasions(facts.limits)):
        return limits(facts)
    remedy = "Take a client's address from the last proxy that is your own, and from no header that anybody may send."
    return failed(f"{_few(evaded)}.", remedy, facts.evidence(asdict(facts.limits)))


# ---------------------------------------------------------------------- words


def _limited(seen: LimitFacts) -> str:
    burst = seen.burst
    after = burst.first.retry_after if burst and burst.first else ""
    return (
        f"{seen.row[0].limit} requests for a user, {seen.nobody.limit} for an address and {seen.login.limit} logins; "
        f"{seen.replicas} replicas count together; a burst of {burst.sent if burst else 0} met 429 with Retry-After "
        f"{after}, and another user did not."
    )


def _score(facts: HttpFacts) -> http_headers.Score | None:
    shown = next((one for one in facts.pages if one.kind == SUCCESS and one.of_its_kind), None)
    redirect = next((one for one in facts.pages if one.kind == REDIRECT and one.status and one.plain), None)
    anybody = any(not one.origin.allowed and one.with_credentials and one.admits for one in facts.asked)
    return http_headers.score(shown, redirect, any_origin_with_credentials=anybody) if shown else None


def _grouped(wrong: Sequence[tuple[Page, str]]) -> str:
    """Each flaw once, with the kinds of answers that have it."""
    kinds: dict[str, list[str]] = {}
    for page, flaw in wrong:
        found = kinds.setdefault(flaw, [])
        if page.kind not in found:
            found.append(page.kind)
    return _few([f"{flaw} (on {', '.join(on)})" for flaw, on in kinds.items()])


def _unlike(pages: Iterable[Page], kind: str) -> str:
    tried = [one for one in pages if one.kind == kind]
    told = [f"{one.asked} answers {one.status or one.problem.rstrip('.')}" for one in tried]
    return f"{kind} ({', '.join(told) or 'nothing was asked'})"


def _page(one: Page, facts: HttpFacts) -> dict[str, object]:
    flaws = http_headers.flaws(one, facts.wanted.max_age) if one.status else []
    return {"kind": one.kind, "asked": one.asked, "status": one.status, "problem": one.problem, "flaws": flaws}


def _asked(one: Asked) -> dict[str, object]:
    return {
        "path": one.group,
        "how": one.how,
        "origin": one.origin.text,
        "trick": one.origin.trick,
        "status": one.status,
        "admits": one.admits,
        "with_credentials": one.with_credentials,
        "problem": one.problem,
    }


def _few(given: Sequence[str]) -> str:
    more = f"; and {len(given) - SHOWN} more" if len(given) > SHOWN else ""
    return "; ".join(given[:SHOWN]) + more


def _weaker_age(wanted: Wanted) -> tuple[str, ...]:
    if wanted.max_age >= http_headers.DOCUMENT_MAX_AGE:
        return ()
    return (f"HSTS max-age {wanted.max_age} wanted, document: {http_headers.DOCUMENT_MAX_AGE}",)


def _weaker_limits(wanted: Wanted) -> tuple[str, ...]:
    pairs = (
        ("requests for a user or an address", wanted.api_limit, rate_limit.DOCUMENT_API),
        ("logins", wanted.login_limit, rate_limit.DOCUMENT_LOGIN),
    )
    return tuple(f"at most {given} {what} wanted, document: {most}" for what, given, most in pairs if given > most)
