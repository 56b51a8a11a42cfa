# Gathers what is seen in a window, and makes one verdict of it: certain, not known, or not certain.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import (
    DOCUMENT_LATENCY_MS,
    USUAL_ERROR_RISE,
    USUAL_ERRORS,
    USUAL_LATENCY_FLOOR_MS,
    USUAL_LATENCY_RISE,
    USUAL_SLOW_RISE,
    Wanted,
    WindowSeen,
    moment,
    told_at,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    inconclusive,
    passed,
    pending,
)

_ASKED = {
    "requests": "the requests",
    "durations": "the durations of requests",
    "restarts": "the restarts of containers",
    "pods": "the pods",
    "alerts": "the alerts",
    "rules": "the rules of alerts",
    "alertmanager": "Alertmanager's alerts",
}
LEAST_TOLD = 1e-6
Pairs = list[tuple[str, str]]


def percent(share: float) -> str:
    """A share for a person."""
    return f"{share * 100:.3g} %"


def points(share: float) -> str:
    """A difference of two shares for a person."""
    return f"{share * 100:.3g} points of a hundred"


def chance(value: float) -> str:
    """How likely something is, for a person."""
    return f"p = {value:.2g}" if value >= LEAST_TOLD else f"p < {LEAST_TOLD:g}"


class Notes:
    """What is seen. Red wins, then what could not work, what is not known, and what is not certain."""

    def __init__(self, where: str, source: str, at: str) -> None:
        self.where, self.source, self.at = where, source, at
        self.facts: dict[str, Any] = {}
        self.weaker: list[str] = []
        self._bad: Pairs = []
        self._broken: Pairs = []
        self._gaps: Pairs = []
        self._unsure: Pairs = []
        self._good: list[str] = []

    def fact(self, name: str, value: Any) -> None:
        """Keep it as evidence."""
        self.facts[name] = value

    def bad(self, what: str, remedy: str) -> None:
        self._bad.append((what, remedy))

    def gap(self, what: str, remedy: str) -> None:
        self._gaps.append((what, remedy))

    def unsure(self, what: str, remedy: str) -> None:
        self._unsure.append((what, remedy))

    def good(self, what: str) -> None:
        self._good.append(what)

    def refused(self, part: str, told: Told) -> None:
        """A question was not answered: for want of a right it is not known, else the check could not work."""
        what = f"{_ASKED.get(part, part)}: {told.cause or 'no answer'}"
        if told.kind == DENIED:
            self.gap(what, "Sign in with an account that may read this.")
        elif told.kind == "none":
            self.gap(what, "Name the metric that the application has, and let Prometheus scrape it.")
        else:
            self._broken.append((what, "Let it answer, and judge again."))

    def mixed(self, seen: WindowSeen) -> None:
        """What reaches into the window itself has its errors and delays too, and so nothing looks worse than it."""
        if seen.mixed:
            what = f"the window to compare with, from {told_at(seen.before.start)} on, is not over before the go-live"
            self.unsure(what, f"Name a baseline that is {words(seen.length)} or more before the go-live.")

    def tested(self, name: str, result: Mapping[str, Any] | None, over: float) -> None:
        """One test of a function, by its result."""
        if result is None:
            self.gap(f"{name} was not tested", "Run its test beside this.")
            return
        state, summary = str(result.get("state")), str(result.get("summary") or "").rstrip(".")
        remedy = str(result.get("remedy") or "") or "See the test's own result."
        began = moment(str(result.get("started") or ""))
        if began is None or began < over:
            when = "at a time that is not told" if began is None else f"at {told_at(began)}"
            self.gap(f"{name} was tested {when}, before the window was over", "Test it again.")
        elif state == "fail":
            self.bad(f"{name}: {summary}", remedy)
        elif state == "error":
            self._broken.append((f"{name}: {summary}", remedy))
        elif state == "inconclusive":
            self.unsure(f"{name}: {summary}", remedy)
        elif state == "pass":
            self.good(f"{name} passed")
        else:
            self.gap(f"{name} is {state}: {summary}", remedy)

    def allowed(self, wanted: Wanted) -> None:
        """Tell what is weaker than usual in what errors are judged by."""
        if wanted.error_share > USUAL_ERRORS:
            self.weaker.append(f"{percent(wanted.error_share)} of errors allowed, usual {percent(USUAL_ERRORS)}")
        if wanted.error_rise > USUAL_ERROR_RISE:
            self.weaker.append(
                f"a rise of errors by {points(wanted.error_rise)} counts, usual {points(USUAL_ERROR_RISE)}"
            )

    def slow(self, wanted: Wanted, latency: bool = False) -> None:
        """Tell what is weaker than usual in what durations are judged by."""
        if wanted.slow_rise > USUAL_SLOW_RISE:
            self.weaker.append(
                f"a rise of slow requests by {points(wanted.slow_rise)} counts, usual {points(USUAL_SLOW_RISE)}"
            )
        if wanted.latency_rise > USUAL_LATENCY_RISE:
            rise, usual = percent(wanted.latency_rise), percent(USUAL_LATENCY_RISE)
            self.weaker.append(f"a rise of the 95th percentile by {rise} allowed, usual {usual}")
        if wanted.floor_ms > USUAL_LATENCY_FLOOR_MS:
            self.weaker.append(f"a rise by {wanted.floor_ms:g} ms allowed, usual {USUAL_LATENCY_FLOOR_MS:g} ms")
        if latency and wanted.drift_ms > USUAL_LATENCY_FLOOR_MS:
            told, usual = f"{wanted.drift_ms:g} ms", f"{USUAL_LATENCY_FLOOR_MS:g} ms"
            self.weaker.append(f"a drift by {told} allowed, usual {usual}")
        if latency and wanted.latency_ms > DOCUMENT_LATENCY_MS:
            self.weaker.append(f"{wanted.latency_ms:g} ms wanted, document {DOCUMENT_LATENCY_MS:g} ms")

    def verdict(self) -> Verdict:
        """One state and one sentence; nothing passes of which nothing was seen."""
        evidence = Evidence(self.source, self.facts, self.at)
        weaker = tuple(dict.fromkeys(self.weaker))
        if self._bad:
            return failed(self._sentence(self._bad), _remedies(self._bad), evidence, weaker=weaker)
        if self._broken:
            return errored(self._sentence(self._broken), _remedies(self._broken), evidence)
        if self._gaps:
            return pending(self._sentence(self._gaps), _remedies(self._gaps), evidence)
        if self._unsure or not self._good:
            found = self._unsure or [("nothing was seen", "Report this with the module's inputs.")]
            return inconclusive(self._sentence(found), _remedies(found), evidence)
        return passed(f"{self.where}: {'; '.join(self._good)}.", evidence, weaker=weaker)

    def _sentence(self, found: Pairs) -> str:
        return f"{self.where}: {'; '.join(dict.fromkeys(what for what, _remedy in found))}."


def _remedies(found: Pairs) -> str:
    return " ".join(dict.fromkeys(remedy for _what, remedy in found))
