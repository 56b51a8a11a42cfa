# Judges the security headers of live answers of every kind, and scores them as Mozilla's HTTP Observatory does.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks.content_policy import (
    frame_flaw,
    policies_of,
    policy_flaws,
)

SUCCESS, REDIRECT, NOT_FOUND, UNAUTHORISED, ERROR, STATIC = (
    "success",
    "redirect",
    "not found",
    "unauthorised",
    "error",
    "static",
)
KINDS = (SUCCESS, REDIRECT, NOT_FOUND, UNAUTHORISED, ERROR, STATIC)
# What an answer must be to stand for its kind; a static file may be there or not.
_STATUS: Mapping[str, range] = {
    SUCCESS: range(200, 300),
    REDIRECT: range(300, 400),
    NOT_FOUND: range(404, 405),
    UNAUTHORISED: range(401, 402),
    ERROR: range(400, 600),
    STATIC: range(200, 500),
}
DOCUMENT_MAX_AGE = 31_536_000  # a year, in seconds
_PRIVATE = frozenset({"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"})
_TELLING = ("x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime")
_VERSION = re.compile(r"/\s*v?\d|\d+\.\d+")
_MAX_AGE = re.compile(r"^max-age\s*=\s*\"?(\d+)\"?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """One live answer.

    :param kind: of which kind it should be; :param status: 0 where there was no answer, for the reason in ``problem``.
    :param headers: by name in lower case; :param closed: whether nothing listens there.
    """

    kind: str
    asked: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    closed: bool = False

    @property
    def of_its_kind(self) -> bool:
        """Whether it stands for its kind; where nothing listens for plain HTTP, nothing need lead away from it."""
        return self.closed or self.status in _STATUS[self.kind]

    @property
    def plain(self) -> bool:
        """Whether it came without TLS: a browser shows nothing of it but where it leads to."""
        return self.asked.partition(" ")[2].startswith("http://")


def flaws(page: Page, max_age: int = DOCUMENT_MAX_AGE) -> list[str]:
    """What is wrong with the headers of one answer, each in words that do not name the answer."""
    found = list(_banners(page.headers))
    if page.plain:
        return [*_leads_to_https(page), *found]
    return [
        *_transport(page.headers, max_age),
        *policy_flaws(policies_of(page.headers)),
        *frame_flaw(page.headers),
        *_sniffing(page.headers),
        *_referrer(page.headers),
        *found,
    ]


def max_age_of(headers: Mapping[str, str]) -> int | None:
    """The seconds for which browsers keep to HTTPS; None where the header is missing or says none (RFC 6797, 6.1).

    Of several headers, which come joined by commas, the first one counts (RFC 6797, 8.1).
    """
    for directive in headers.get("strict-transport-security", "").partition(",")[0].split(";"):
        if found := _MAX_AGE.match(directive.strip()):
            return int(found[1])
    return None


def _transport(headers: Mapping[str, str], wanted: int) -> Iterator[str]:
    age = max_age_of(headers)
    if "strict-transport-security" not in headers:
        yield "no Strict-Transport-Security"
    elif age is None:
        yield "Strict-Transport-Security without max-age"
    elif age < wanted:
        yield f"Strict-Transport-Security max-age {age}, wanted {wanted}"


def _sniffing(headers: Mapping[str, str]) -> Iterator[str]:
    said = headers.get("x-content-type-options", "").partition(",")[0].strip().lower()  # the first counts (Fetch, 3.6)
    if said != "nosniff":
        yield f"X-Content-Type-Options {said or 'missing'}, wanted nosniff"


def referrer_policy(headers: Mapping[str, str]) -> str:
    """The policy that counts: the last one that a browser knows; empty where there is none."""
    known = [one.strip().lower() for one in headers.get("referrer-policy", "").split(",")]
    return next((one for one in reversed(known) if one), "")


def _referrer(headers: Mapping[str, str]) -> Iterator[str]:
    said = referrer_policy(headers)
    if said not in _PRIVATE:
        yield f"Referrer-Policy {said or 'missing'}"


def _banners(headers: Mapping[str, str]) -> Iterator[str]:
    server = headers.get("server", "")
    if _VERSION.search(server):
        yield f"Server tells the version ({server})"
    yield from (f"{name} tells what runs ({headers[name]})" for name in _TELLING if name in headers)


def _leads_to_https(page: Page) -> Iterator[str]:
    url = page.asked.partition(" ")[2]
    target = urlsplit(urljoin(url, page.headers.get("location", "")))
    if page.status not in _STATUS[REDIRECT]:
        yield f"plain HTTP is answered with {page.status} and leads nowhere"
    elif target.scheme != "https":
        yield "plain HTTP does not lead to https"
    elif target.hostname != urlsplit(url).hostname:
        yield f"plain HTTP leads to another host ({target.hostname})"


# ---------------------------------------------------------------------- the score


BASE, FOR_CREDIT = 100, 90
_GRADES = (
    (100, "A+"), (90, "A"), (85, "A-"), (80, "B+"), (70, "B"), (65, "B-"), (60, "C+"), (50, "C"), (45, "C-"),
    (40, "D+"), (30, "D"), (25, "D-"),
)  # fmt: skip
SIX_MONTHS = 15_768_000


@dataclass(frozen=True, slots=True)
class Score:
    """Points, their grade, and what each test gave or took."""

    points: int
    grade: str
    modifiers: Mapping[str, int]


def score(page: Page, redirect: Page | None, *, any_origin_with_credentials: bool = False) -> Score:
    """The score of an answer by the table of MDN's HTTP Observatory (mdn/mdn-http-observatory, src/grader/charts.js).

    Its tests of cookies, subresources and preloading are left out: they need a page of a browser. What adds points
    counts only where 90 are there without it.
    """
    modifiers = {
        "content-security-policy": _policy_points(page.headers),
        "strict-transport-security": _transport_points(page.headers),
        "x-content-type-options": -5 if list(_sniffing(page.headers)) else 0,
        "x-frame-options": _frame_points(page.headers),
        "referrer-policy": _referrer_points(page.headers),
        "redirection": 0 if redirect is None or not list(_leads_to_https(redirect)) else -20,
        "cross-origin-resource-sharing": -50 if any_origin_with_credentials else 0,
    }
    taken = BASE + sum(points for points in modifiers.values() if points < 0)
    credit = sum(points for points in modifiers.values() if points > 0) if taken >= FOR_CREDIT else 0
    points = max(0, taken + credit)
    return Score(points, next((grade for least, grade in _GRADES if points >= least), "F"), modifiers)


def _policy_points(headers: Mapping[str, str]) -> int:
    found = policies_of(headers)
    wrong = policy_flaws(found)
    if not found:
        return -25
    if not wrong:
        return 10 if any(one.get("default-src") == ("'none'",) for one in found) else 5
    return -10 if all("unsafe-eval" in one for one in wrong) else -20


def _transport_points(headers: Mapping[str, str]) -> int:
    age = max_age_of(headers)
    if age is None:
        return -20
    return 0 if age >= SIX_MONTHS else -10


def _frame_points(headers: Mapping[str, str]) -> int:
    if list(frame_flaw(headers)):
        return -20
    return 5 if any("frame-ancestors" in one for one in policies_of(headers)) else 0


def _referrer_points(headers: Mapping[str, str]) -> int:
    said = referrer_policy(headers)
    if not said:
        return 0
    return 5 if said in _PRIVATE else -5
