# What a check says and what travels with it: states, evidence, verdicts, results.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor, Word


class State(StrEnum):
    """The states that a check itself can give. Others (attested, waived, stale) come from the record and the gate."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    INCONCLUSIVE = "inconclusive"
    PENDING = "pending"
    NOT_APPLICABLE = "not_applicable"


RED = frozenset({State.FAIL, State.ERROR})
MUST, SHOULD = "must", "should"
LEVELS = (MUST, SHOULD)
PROVEN = frozenset({State.PASS, State.NOT_APPLICABLE})  # what no state may come to without an observation


def utc_now() -> str:
    """The time now in UTC as RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks, so that equal facts give equal text (and equal hashes)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def sha256_of(value: Any) -> str:
    """SHA-256 in hex over the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation kept with a result: what was asked, when, and the facts that came back."""

    source: str
    observed: Any
    observed_at: str = field(default_factory=utc_now)

    def to_dict(self, redactor: Redactor) -> dict[str, Any]:
        observed = redactor.data(self.observed)
        return {
            "source": redactor.text(self.source),
            "observed_at": self.observed_at,
            "observed": observed,
            "sha256": sha256_of(observed),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check concludes from facts: state, one sentence, what to do, and the facts it rests on.

    :param level: ``should`` where a finding is advice and shuts no gate; it never raises the catalogue's own level.
    :param weaker: each threshold that was judged by and is weaker than the document's, in words.
    """

    state: State
    summary: str
    remedy: str = ""
    evidence: tuple[Evidence, ...] = ()
    level: str = MUST
    weaker: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.state in PROVEN and not self.evidence:
            raise ValueError(f"{self.state} needs evidence")
        if self.level not in LEVELS:
            raise ValueError(f"there is no level {self.level}")


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict bound to its control, with time."""

    control: str
    verdict: Verdict
    started: str
    duration_s: float

    def to_dict(self, redactor: Redactor) -> dict[str, Any]:
        return {
            "control": Word(self.control),
            "state": self.verdict.state,
            "summary": redactor.text(self.verdict.summary),
            "remedy": redactor.text(self.verdict.remedy),
            "evidence": [item.to_dict(redactor) for item in self.verdict.evidence],
            "started": self.started,
            "duration_s": round(self.duration_s, 3),
            "level": self.verdict.level,
            "weaker": [redactor.text(text) for text in self.verdict.weaker],
        }


def passed(summary: str, *evidence: Evidence, weaker: tuple[str, ...] = ()) -> Verdict:
    """The control holds, and the evidence shows it. A pass without evidence is refused."""
    return Verdict(State.PASS, summary, "", evidence, weaker=weaker)


def failed(summary: str, remedy: str, *evidence: Evidence, level: str = MUST, weaker: tuple[str, ...] = ()) -> Verdict:
    """The control does not hold; of level ``should`` it is red and shuts no gate."""
    return Verdict(State.FAIL, summary, remedy, evidence, level, weaker)


def errored(summary: str, remedy: str, *evidence: Evidence) -> Verdict:
    """The check itself could not work."""
    return Verdict(State.ERROR, summary, remedy, evidence)


def inconclusive(summary: str, remedy: str, *evidence: Evidence) -> Verdict:
    """The check worked, but its measurement cannot be trusted."""
    return Verdict(State.INCONCLUSIVE, summary, remedy, evidence)


def pending(summary: str, remedy: str = "", *evidence: Evidence) -> Verdict:
    """Nothing is known yet; the summary gives the reason."""
    return Verdict(State.PENDING, summary, remedy, evidence)


def not_applicable(summary: str, *evidence: Evidence) -> Verdict:
    """The control does not apply here; the evidence is the system's own answer that says so."""
    return Verdict(State.NOT_APPLICABLE, summary, "", evidence)
