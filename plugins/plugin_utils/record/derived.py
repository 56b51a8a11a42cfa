# Settles the controls that sum up others, from what a run holds of these; nothing is asked and nothing is stored.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.since_go_live import DUE
from ansible_collections.bytebot.production.plugins.module_utils.model import MUST, RED, SHOULD, sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Binding, moment, rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result

Entry = Mapping[str, Any]
END_TO_END, LOAD = "go_live.testing.end_to_end", "go_live.testing.load"
HEALTH, ENDPOINTS = "go_live.t_zero.health", "go_live.t_zero.endpoints"
DEPLOY = "go_live.t_zero.deploy"
LATENCY = "performance_testing.load.latency"
AGAIN, POSTURE = (f"post_go_live.week_security.{item}" for item in ("controls", "posture"))
_SECURITY = ("security_configuration", "security_testing")
# What each sums up: sections, groups or controls.
SUMS: Mapping[str, tuple[str, ...]] = {
    END_TO_END: ("functional_testing", "performance_testing", "security_testing", "monitoring"),
    LOAD: ("performance_testing",),
    HEALTH: ("deployment.health",),
    ENDPOINTS: ("deployment.execution.ingress", "deployment.execution.endpoints"),
    AGAIN: _SECURITY,
    POSTURE: _SECURITY,
}
CONTROLS = frozenset(SUMS)
GOOD = frozenset({"pass", "not_applicable", "attested", "waived"})
_HOLDS = GOOD - {"waived"}
_JUDGED = GOOD | {"fail"}
_SHORT = 0.99  # of the wanted rate: the last request of a part may fall beyond its end
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Held:
    """What a run holds.

    :param entries: of the controls that are summed up, as the document has them. :param results: as they were recorded.
    :param binding: what is judged now. :param now: when that is.
    :param go_live: when it went live, or will; None where nothing says so.
    :param earlier: gives what earlier runs came to, which few ask for.
    """

    entries: Mapping[str, Entry]
    results: Mapping[str, Result]
    binding: Binding
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    go_live: datetime | None = None
    earlier: Callable[[], Sequence[Earlier]] = tuple

    def of(self, control: str) -> list[Entry]:
        """The entries that a control sums up, in the document's order."""
        return [entry for id_, entry in self.entries.items() if is_of(id_, SUMS[control])]


def is_of(control: str, names: tuple[str, ...]) -> bool:
    """Whether a control is one of these, or in a group or section of them."""
    return any(control == name or control.startswith(f"{name}.") for name in names)


def derive(held: Held) -> dict[str, Result]:
    """A result for each control of which anything is known."""
    found: dict[str, Result] = {}
    for control, judge in _JUDGES.items():
        known = any(entry["id"] in held.results for entry in held.of(control))
        if known and (come := judge(held)) is not None:
            found[control] = _result(held, control, come)
    return found


@dataclass(frozen=True, slots=True)
class Sum:
    """What a control comes to. :param more: facts beside the states of what it sums up."""

    state: str
    summary: str
    remedy: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


# ---------------------------------------------------------------------------- tests of exactly this release


def _end_to_end(held: Held) -> Sum:
    entries = held.of(END_TO_END)
    if known := _wanting(held, entries):
        return known
    text = f"All {len(entries)} controls of {', '.join(SUMS[END_TO_END])} hold for exactly the release that runs"
    return Sum("pass", f"{text}{_but(entries)}.")


def _load(held: Held) -> Sum:
    entries = held.of(LOAD)
    if known := _wanting(held, entries):
        return known
    seen = _load_seen(held)
    wanted, sent = seen.get("production_rate") or 0, seen.get("sent_rate") or 0
    if not wanted:
        text = "Needs input bytebot_load: nothing says how many requests a second production brings (production_rate)."
        return Sum("pending", text, "Set production_rate in bytebot_load, and test under load again.", seen)
    if sent < wanted * _SHORT:
        text = f"The load test sent {sent:.4g} requests a second, and production brings {wanted:.4g}."
        remedy = "Test under load again, with as many users as production has (bytebot_load)."
        return Sum("fail", text, remedy, seen)
    text = f"All {len(entries)} controls of the load test hold at {sent:.4g} requests a second"
    return Sum("pass", f"{text}; production brings {wanted:.4g}{_but(entries)}.", "", seen)


def _load_seen(held: Held) -> dict[str, float]:
    """What the evidence of the latency says of the rate."""
    for item in (held.results.get(LATENCY) or {}).get("evidence") or []:
        observed = item.get("observed")
        if isinstance(observed, Mapping) and "wanted_rate" in observed:
            seconds, sent = _number(observed.get("seconds")), _number((observed.get("all") or {}).get("requests"))
            rate = sent / seconds if seconds else 0.0
            return {"production_rate": _number(observed.get("production_rate")), "sent_rate": round(rate, 3)}
    return {}


# ---------------------------------------------------------------------------- T-0


def _health(held: Held) -> Sum | None:
    return _at_zero(held, HEALTH, "health checks are green")


def _endpoints(held: Held) -> Sum | None:
    return _at_zero(held, ENDPOINTS, "controls of external endpoints hold")


def _at_zero(held: Held, control: str, good: str) -> Sum | None:
    """Green where all were judged since the stage T-0 began, which the result of its deployment tells."""
    since = _since(held)
    if not since:
        return None
    entries = held.of(control)
    if known := _wanting(held, entries):
        return known
    old = [entry["id"] for entry in entries if _before(held, entry, since)]
    if old:
        text = f"{len(old)} of {len(entries)} were judged before {since}: {_few(old)}."
        return Sum("pending", text, "Judge them again in this stage.")
    return Sum("pass", f"All {len(entries)} {good}, judged since {since}{_but(entries)}.")


def _since(held: Held) -> str:
    for item in (held.results.get(DEPLOY) or {}).get("evidence") or []:
        observed = item.get("observed")
        if isinstance(observed, Mapping) and observed.get("since"):
            try:
                moment(observed["since"])
            except ValueError:
                return ""
            return str(observed["since"])
    return ""


# ---------------------------------------------------------------------------- a week after


def _again(held: Held) -> Sum:
    """Green where all of security hold, judged since a week after the go-live was over."""
    entries = held.of(AGAIN)
    if known := _not_due(held) or _wanting(held, entries) or _too_early(held, entries):
        return known
    due = rfc3339(_due(held))
    text = f"All {len(entries)} controls of security hold, judged since {due}{_but(entries)}."
    return Sum("pass", text, "", _times(held))


def _posture(held: Held) -> Sum:
    """Green where no smaller share of security holds than in earlier runs; a waiver accepts, and does not mend."""
    entries = held.of(POSTURE)
    if known := _not_due(held) or _not_judged(held, entries) or _too_early(held, entries):
        return known
    score = _score(entries, {entry["id"]: entry["state"] for entry in entries})
    seen = {**_times(held), "score": score}
    if score == 1:
        return Sum("pass", f"All {len(entries)} controls of security hold, so that none can have been lost.", "", seen)
    best = max(
        (one for one in held.earlier() if all(one.states.get(entry["id"]) in _JUDGED for entry in entries)),
        key=lambda one: _score(entries, one.states),
        default=None,
    )
    if best is None:
        text = f"{score:.1%} of security hold, and no earlier run that is at hand judged all {len(entries)} controls."
        return Sum("inconclusive", text, "Put right what is red, and judge security again.", seen)
    before = _score(entries, best.states)
    lost = [one["id"] for one in entries if one["state"] not in _HOLDS and best.states[one["id"]] in _HOLDS]
    seen = {**seen, "score_before": before, "run_before": best.run, "lost": lost}
    if score < before:
        text = f"{score:.1%} of security hold, and {before:.1%} did in run {best.run}. Lost: {_few(lost)}."
        return Sum("fail", text, f"Put {lost[0]} right first.", seen)
    return Sum("pass", f"{score:.1%} of security hold; {before:.1%} did in run {best.run}.", "", seen)


def _score(entries: list[Entry], states: Mapping[str, str]) -> float:
    """The share that holds; what is advice only counts half."""
    weights = {entry["id"]: 1 if entry["level"] == MUST else 0.5 for entry in entries}
    holds = sum(weight for id_, weight in weights.items() if states[id_] in _HOLDS)
    return round(holds / sum(weights.values()), 4)


def _due(held: Held) -> datetime:
    return (held.go_live or held.now) + DUE[AGAIN.rpartition(".")[0]]


def _times(held: Held) -> dict[str, Any]:
    return {"go_live": rfc3339(held.go_live or held.now), "due": rfc3339(_due(held))}


def _not_due(held: Held) -> Sum | None:
    if held.go_live is None:
        text = "Needs input bytebot_go_live: nothing says when it went live."
        return Sum("pending", text, "Set bytebot_go_live, at, in the inventory.")
    if held.now < _due(held):
        text = f"Not due before {rfc3339(_due(held))}: go-live is {rfc3339(held.go_live)}."
        return Sum("pending", text, "Judge security again then: playbooks/verify.yml.", _times(held))
    return None


def _not_judged(held: Held, entries: list[Entry]) -> Sum | None:
    """What is told where not all of them say yes or no of the release that runs."""
    if not held.binding.release:
        return Sum("pending", "Which release runs is not known.", "Judge the release first.")
    wanting = [
        f"{entry['id']} ({entry['state']})"
        for entry in entries
        if entry["state"] not in _JUDGED or _of_another_release(held, entry) or _unbound(held, entry)
    ]
    if wanting:
        text = f"{len(wanting)} of {len(entries)} are not judged for the release that runs: {_few(wanting)}."
        return Sum("pending", text, "Judge them, or see why they are not.", _times(held))
    return None


def _too_early(held: Held, entries: list[Entry]) -> Sum | None:
    due = rfc3339(_due(held))
    old = [entry["id"] for entry in entries if _before(held, entry, due)]
    if not old:
        return None
    text = f"{len(old)} of {len(entries)} were judged before {due}, a week after the go-live: {_few(old)}."
    return Sum("pending", text, "Judge them again: playbooks/verify.yml.", _times(held))


# ---------------------------------------------------------------------------- what all have in common


def _wanting(held: Held, entries: list[Entry]) -> Sum | None:
    """What is told where not all of them hold for the release that runs; None where all do."""
    count = len(entries)
    red = [entry["id"] for entry in entries if entry["state"] in RED and entry["level"] == MUST]
    if red:
        return Sum("fail", f"{len(red)} of {count} are red: {_few(red)}.", f"Put {red[0]} right first.")
    other = [entry["id"] for entry in entries if _of_another_release(held, entry)]
    if other:
        text = f"{len(other)} of {count} were judged for another release than the one that runs: {_few(other)}."
        return Sum("fail", text, "Judge them again for the release that runs.")
    if not held.binding.release:
        return Sum("pending", "Which release runs is not known.", "Judge the release first.")
    wanting = [f"{entry['id']} ({entry['state']})" for entry in entries if not _holds(entry)]
    wanting += [f"{entry['id']} (of no known release)" for entry in entries if _unbound(held, entry) and _holds(entry)]
    if wanting:
        text = f"{len(wanting)} of {count} are not proven: {_few(wanting)}."
        return Sum("pending", text, "Judge them, or see why they are not.")
    return None


def _holds(entry: Entry) -> bool:
    return entry["state"] in GOOD or (entry["state"] in RED and entry["level"] == SHOULD)


def _but(entries: list[Entry]) -> str:
    """Which of those that do not prevent a pass do not hold by themselves."""
    waived = [entry["id"] for entry in entries if entry["state"] == "waived"]
    advice = [entry["id"] for entry in entries if entry["state"] in RED]
    parts = ((f"; waived: {_few(waived)}", waived), (f"; red as advice: {_few(advice)}", advice))
    return "".join(part for part, there in parts if there)


def _of_another_release(held: Held, entry: Entry) -> bool:
    """Whether a result is of other digests, also where the control itself outlives a release."""
    result = held.results.get(entry["id"])
    if result is None or result["state"] == "pending" or not held.binding.release:
        return False
    was = Binding.of(result["binding"])
    if was.release:
        return was.release != held.binding.release
    return bool(was.plan) and was.plan != held.binding.plan


def _unbound(held: Held, entry: Entry) -> bool:
    """Whether a result says nothing of the release that it was judged of."""
    result = held.results.get(entry["id"])
    if result is None or result["state"] == "pending":
        return False
    was = Binding.of(result["binding"])
    return not was.release and not was.plan


def _before(held: Held, entry: Entry, since: str) -> bool:
    result = held.results.get(entry["id"])
    return result is not None and moment(result["started"]) < moment(since)


def _few(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _result(held: Held, control: str, found: Sum) -> Result:
    """As if it had been recorded with the newest of what it sums up."""
    entries = held.of(control)
    there = [held.results[entry["id"]] for entry in entries if entry["id"] in held.results]
    newest = max((str(one["recorded_at"]) for one in there), key=moment)
    observed = {
        "controls": {entry["id"]: entry["state"] for entry in entries},
        "release_digest": held.binding.release,
        **found.more,
    }
    item = {
        "source": f"what is recorded of {', '.join(SUMS[control])}",
        "observed_at": newest,
        "observed": observed,
        "sha256": sha256_of(observed),
    }
    return {
        "control": control,
        "state": found.state,
        "summary": found.summary,
        "remedy": found.remedy,
        "evidence": [item],
        "started": newest,
        "duration_s": 0.0,
        "level": MUST,
        "weaker": [],
    }


_JUDGES: Mapping[str, Callable[[Held], Sum | None]] = {
    END_TO_END: _end_to_end,
    LOAD: _load,
    HEALTH: _health,
    ENDPOINTS: _endpoints,
    AGAIN: _again,
    POSTURE: _posture,
}
