# Judges answers to texts that would do harm: what was taken for more than text, by marks that only that would make.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
    utc_now,
)

INJECTION = "security_testing.web.injection"
ERROR = 500
SHARE = 0.8  # of the seconds that a text asks for: so much must an answer be later
# By how much two answers to the same may differ in length: characters, or a share of the longer. A time that is there,
# or not yet, makes two dozen.
ALIKE, ALIKE_SHARE = 32, 0.1
SHOWN = 4
# What databases say of a statement that a quote has broken: PostgreSQL's and MySQL's manuals, Oracle's and SQL Server's
# error lists, SQLite's result codes.
_SQL = re.compile(
    r"unterminated quoted (?:string|identifier)|syntax error at or near|sqlstate\W+42601|you have an error in your sql"
    r"|ORA-0\d{4}|unclosed quotation mark|sqlite3?[._ ]?(?:operational)?error|unrecognized token: ",
    re.IGNORECASE,
)
_PASSWD = re.compile(r"root:[^:\n]*:0:0:")
_MARKUP_TYPES = ("text/html", "application/xhtml+xml", "image/svg+xml")
_REMEDY: Mapping[str, str] = {
    "sql": "Bind values to statements as parameters, and never join them to their text.",
    "markup": "Answer JSON as application/json with nosniff, and escape what a page shows.",
    "header": "Refuse line breaks in what becomes a header.",
    "template": "Never make a template of what a request holds.",
    "command": "Start programs without a shell, with arguments as a list.",
    "path": "Name files by ids of your own, and refuse paths that leave the folder.",
    "address": "Ask only addresses from a list, and never one that a request names.",
    "crash": "Refuse with 400 what is not understood.",
}


@dataclass(frozen=True, slots=True)
class Point:
    """Where a text is put: an input of an operation."""

    method: str
    path: str
    place: str
    name: str

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.place} {self.name})"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back for one text."""

    status: int = 0
    kind: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 0.0

    @property
    def markup(self) -> bool:
        """Whether a browser would show it as a page: by its type, or since it has none and may be guessed."""
        named = self.kind.partition(";")[0].strip().lower()
        guessed = not named and self.headers.get("x-content-type-options", "").lower() != "nosniff"
        return named in _MARKUP_TYPES or (guessed and bool(self.body))


@dataclass(frozen=True, slots=True)
class Marks:
    """What only a text that was run would leave behind.

    :param word: is in every text; :param factors: what a text has multiplied; :param halves: what it has joined.
    """

    word: str
    factors: tuple[int, int]
    halves: tuple[str, str]

    @property
    def product(self) -> str:
        return str(self.factors[0] * self.factors[1])

    @property
    def joined(self) -> str:
        return "".join(self.halves)

    @property
    def tag(self) -> str:
        return f"<svg id={self.word}>"

    @property
    def header(self) -> str:
        return f"x-{self.word}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One text that was taken for more.

    :param cause: a key of the remedies; :param curl: how to see it again, without any token.
    """

    cause: str
    point: str
    said: str
    curl: str = ""


@dataclass(frozen=True, slots=True)
class InjectionFacts:
    """What was tried, and what came of it.

    :param tried: texts by point; :param unanswered: points of which a text got no answer, with why.
    :param untried: what was left out, and why; :param listened: whether the listener for addresses was itself reached.
    :param left: what was made for it and could not be removed.
    """

    base_url: str
    tried: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unanswered: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    listened: bool = False
    left: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    observed_at: str = field(default_factory=utc_now)


CHECKS: Checks[InjectionFacts] = Checks()


@CHECKS.settles(INJECTION)
def injection(facts: InjectionFacts) -> Verdict:
    """No text in any input of the description is taken for more than text."""
    if facts.problem:
        return pending(facts.problem, facts.remedy)
    evidence = Evidence(f"texts in the inputs of {facts.base_url}", _told(facts), facts.observed_at)
    if facts.findings:
        causes = dict.fromkeys(one.cause for one in facts.findings)
        told = dict.fromkeys(f"{one.point}: {one.said}" for one in facts.findings)
        return failed(f"{_few(list(told))}.", " ".join(_REMEDY[one] for one in causes), evidence)
    if facts.left:
        remedy = "Remove them; each carries the mark of these tests."
        return failed(f"No text did harm, but {_few(facts.left)} could not be removed.", remedy, evidence)
    if not facts.tried:
        return inconclusive("The description names no input that may be tried.", "Look at openapi and skip.", evidence)
    if facts.unanswered or facts.untried:
        gaps = [*facts.untried, *facts.unanswered]
        return inconclusive(f"Not all was tried: {_few(gaps)}.", "Lift what hinders it, and judge again.", evidence)
    number = sum(facts.tried.values())
    return passed(f"{number} texts in {len(facts.tried)} inputs were taken for text and no more.", evidence)


def hits(marks: Marks, plain: Seen, seen: Seen) -> Iterator[tuple[str, str]]:
    """What one answer shows, as cause and words, where the answer to a plain word does not show it.

    :param plain: the answer to a harmless word at the same place.
    """
    if (found := _SQL.search(seen.body)) and not _SQL.search(plain.body):
        yield "sql", f"the database's error comes out ({found[0][:40]})"
    elif seen.status >= ERROR > plain.status:
        yield "crash", f"answers {seen.status}"
    if marks.joined in seen.body and marks.joined not in plain.body:
        yield "sql", "a statement that was added (UNION) is answered"
    if marks.product in seen.body and marks.product not in plain.body:
        yield "template", "a product in braces is worked out"
    if marks.tag in seen.body and seen.markup:
        yield "markup", "markup comes back in a page, as it was sent"
    if marks.header in seen.headers:
        yield "header", "a line break makes a header of its own"
    if _PASSWD.search(seen.body) and not _PASSWD.search(plain.body):
        yield "path", "a path that climbs is answered with the system's file"


def decides(answers: Sequence[tuple[bool, Seen]]) -> bool:
    """Whether a condition in a text decides the answer: what is true is answered alike, and what is false otherwise.

    :param answers: to conditions that are true and false, in no order that replicas which take turns could have.
    """
    true, false = ([seen for holds, seen in answers if holds is wanted] for wanted in (True, False))
    apart = not any(_alike(one, other) for one in true for other in false)
    return apart and all(_alike(group[0], one) for group in (true, false) for one in group)


def waits(asked: Sequence[tuple[float, float]]) -> bool:
    """Whether answers come later by the seconds that a text asks for.

    :param asked: seconds asked for and seconds taken; the first asks for none, and the others for ever more.
    """
    base = asked[0][1]
    return len(asked) > 1 and all(taken - base >= SHARE * wanted for wanted, taken in asked[1:])


def _alike(one: Seen, other: Seen) -> bool:
    lengths = sorted((len(one.body), len(other.body)))
    return one.status == other.status and lengths[1] - lengths[0] <= max(ALIKE, ALIKE_SHARE * lengths[1])


def _told(facts: InjectionFacts) -> dict[str, Any]:
    return {
        "tried": dict(facts.tried),
        "findings": [asdict(one) for one in facts.findings],
        "by_cause": dict(Counter(one.cause for one in facts.findings)),
        "unanswered": list(facts.unanswered),
        "untried": list(facts.untried),
        "addresses_by_a_listener": facts.listened,
        "left_behind": list(facts.left),
    }


def _few(given: Sequence[str]) -> str:
    more = f"; and {len(given) - SHOWN} more" if len(given) > SHOWN else ""
    return "; ".join(given[:SHOWN]) + more
