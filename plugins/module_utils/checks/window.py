# Judges the windows after a go-live: what has changed against the window before, by stated tests and effects.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.checks.two_shares import (
    FINE,
    WORSE,
    Rise,
    drift,
    rise,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import no_input
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_facts import (
    ALERTS,
    DOCUMENT_EARLY_S,
    DOCUMENT_LATE_S,
    ERRORS,
    FUNCTIONALITY,
    LATE_ERRORS,
    PERFORMANCE,
    STABILITY,
    TRAFFIC,
    WindowFacts,
    WindowSeen,
    told_at,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_latency import absolute, slower, trend
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_notes import (
    Notes,
    chance,
    percent,
    points,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict, errored, pending

CHECKS: Checks[WindowFacts] = Checks()
_SHOWN = 4  # alerts that are named
BLIND = 0.1  # share of a window that may be without samples
BLOCKS, ENOUGH = 6, 10  # parts of the window for traffic; an empty one tells where so many requests were expected in it
_RESTARTED = "Look at the log of the container before (kubectl logs --previous) and at the pod's events."
_FAILING = "Find the cause in the application's log at that time, or roll back (rollback.yml)."
_MORE = "Judge a longer window, or one with more requests."
_REACH = "Start it, and let this machine reach it; then judge again."
_CODE = "Name the label that holds the status code (code_label), or let the application's counter bear one."
_LABELS = "Correct alert_labels: no rule sets these labels, and no series in Prometheus has them."
_BASELINE = "Name the start of a window to compare with (baseline), as of the last release or of the day before."


def _window(early: bool) -> Callable[[Callable[[WindowFacts, WindowSeen], Verdict]], Callable[[WindowFacts], Verdict]]:
    """Judge only a window that is over and was observed."""

    def of(judge: Callable[[WindowFacts, WindowSeen], Verdict]) -> Callable[[WindowFacts], Verdict]:
        def judged(facts: WindowFacts) -> Verdict:
            waits = _not_due(facts, early)
            seen = facts.early if early else facts.late
            if waits or seen is None:
                return waits or errored("The window was not observed.", "Report this with the module's inputs.")
            return judge(facts, seen)

        return judged

    return of


def due(facts: WindowFacts, early: bool) -> float | None:
    """When a window is over; None where its start is not known."""
    length = facts.wanted.early_s if early else facts.wanted.late_s
    return None if facts.start is None else facts.start + length


def _not_due(facts: WindowFacts, early: bool) -> Verdict | None:
    """Why nothing can be judged yet; None where the window is over."""
    if not facts.url:
        return no_input("prometheus", "bytebot_prometheus")
    if facts.clock.kind == "denied":
        why = f"Prometheus at {facts.url}: not permitted ({facts.clock.cause})."
        return pending(why, "Sign in with an account that may query its API.")
    if not facts.now:
        return errored(f"Prometheus at {facts.url} does not tell the time: {facts.clock.cause or 'no answer'}.", _REACH)
    return _waits(facts, early, facts.now)


def _waits(facts: WindowFacts, early: bool, now: float) -> Verdict | None:
    """Until when a window is waited for; None where it is over."""
    over = due(facts, early)
    if over is None or facts.start is None:
        return pending(*facts.missing)
    if now < over:
        begins = f"{'begins' if now < facts.start else 'began'} at {told_at(facts.start)} ({facts.source})"
        what = f"The window of {words(over - facts.start)} {begins} and is over at {told_at(over)}."
        return pending(what, f"Judge again after {told_at(over)}.")
    return None


def _notes(facts: WindowFacts, seen: WindowSeen, early: bool, *parts: str) -> Notes:
    """Begin a judgement: where, what was not answered, and what is weaker than the document."""
    document = DOCUMENT_EARLY_S if early else DOCUMENT_LATE_S
    notes = Notes(f"In the {words(seen.length)} since {told_at(seen.after.start)}", f"Prometheus {facts.url}", facts.at)
    notes.fact("window", {"from": told_at(seen.after.start), "seconds": seen.length, "start_by": facts.source})
    if seen.length < document:
        notes.weaker.append(f"a window of {words(seen.length)} observed, document {words(document)}")
    for part in parts:
        if (told := seen.refused.get(part)) is not None:
            notes.refused(part, told)
    return notes


def _blind(notes: Notes, seen: WindowSeen, each: bool = True) -> bool:
    """Whether so much of the window is without samples that what is not there tells nothing.

    :param each: whether that counts of each process, since only it tells of its own requests.
    """
    dark = {name: share for name, share in seen.after.dark.items() if share > BLIND} if each else {}
    if seen.after.blind > BLIND:
        what = f"{percent(seen.after.blind)} of the window is without metrics"
        notes.unsure(what, "Let Prometheus scrape all of it.")
    elif dark:
        more = f" and {len(dark) - _SHOWN} more" if len(dark) > _SHOWN else ""
        named = f"{', '.join(sorted(dark)[:_SHOWN])}{more} {'is' if len(dark) == 1 else 'are'}"
        what = f"{named} without metrics for up to {percent(max(dark.values()))} of the window"
        notes.unsure(what, "Let Prometheus scrape each process of the release, or name its series (selector).")
    return seen.after.blind > BLIND or bool(dark)


# ---------------------------------------------------------------------------- half an hour


@CHECKS.settles(STABILITY)
@_window(early=True)
def stability(facts: WindowFacts, seen: WindowSeen) -> Verdict:
    """No container has restarted, and requests do not take longer than in the window before."""
    notes = _notes(facts, seen, True, "restarts", "pods", "durations")
    _blind(notes, seen)
    wanted = facts.wanted
    times = sum(one.times for one in seen.restarts)
    notes.fact("restarts", [f"{one.pod} {one.container}: {one.times} ({one.why})" for one in seen.restarts])
    if times > wanted.restarts:
        shown = ", ".join(
            f"{one.container} of {one.pod}{f' ({one.why})' if one.why else ''}" for one in seen.restarts[:3]
        )
        notes.bad(f"{times} restarts of containers ({shown})", _RESTARTED)
    elif "restarts" not in seen.refused and not seen.counted.get("restarts"):
        notes.gap("no series tell of restarts", "Run kube-state-metrics, and let Prometheus scrape it.")
    else:
        notes.good(f"{times} restarts of containers")
    if wanted.restarts:
        notes.weaker.append(f"{wanted.restarts} restarts allowed, usual 0")
    if "durations" not in seen.refused:
        slower(notes, seen, wanted)
    return notes.verdict()


@CHECKS.settles(FUNCTIONALITY)
def functionality(facts: WindowFacts) -> Verdict:
    """The functions were tested after the window, and each test passed."""
    if waits := _waits(facts, True, facts.now or facts.local):
        return waits
    over, wanted = due(facts, early=True) or 0.0, facts.wanted
    notes = Notes(f"After {told_at(over)}", "tests of the functions", facts.at)
    if wanted.early_s < DOCUMENT_EARLY_S:
        notes.weaker.append(f"tested {words(wanted.early_s)} after the go-live, document {words(DOCUMENT_EARLY_S)}")
    found = {str(one.get("control")): one for one in facts.functions}
    notes.fact(
        "tests", [{key: one.get(key) for key in ("control", "state", "summary", "started")} for one in found.values()]
    )
    for name in wanted.functions:
        notes.tested(name, found.get(name), over)
    if not wanted.functions:
        notes.gap("no test is named", "Name the controls of the tests (wanted_functions).")
    return notes.verdict()


@CHECKS.settles(ERRORS)
@_window(early=True)
def errors(facts: WindowFacts, seen: WindowSeen) -> Verdict:
    """Errors are no more than before, and no alert that counts has fired."""
    notes = _notes(facts, seen, True, "requests")
    _blind(notes, seen)
    _errors(notes, facts, seen)
    _alerts(notes, facts, seen)
    return notes.verdict()


@CHECKS.settles(TRAFFIC)
@_window(early=True)
def traffic(facts: WindowFacts, seen: WindowSeen) -> Verdict:
    """As many requests come as are expected, all the time."""
    if facts.wanted.traffic is None:
        return no_input("expected_traffic", "bytebot_expected_traffic")
    notes = _notes(facts, seen, True, "requests")
    if _blind(notes, seen) or "requests" in seen.refused:
        return notes.verdict()
    least, most = facts.wanted.traffic
    number = seen.after.errors("").total
    rate = number / seen.length * 60
    parts = [seen.after.errors("", part).total for _at, part in seen.after.parts(BLOCKS)]
    notes.fact(
        "traffic", {"requests": number, "in_a_minute": round(rate, 2), "least": least, "most": most, "parts": parts}
    )
    if number == 0:
        notes.bad("no request came", "Find out where users are: DNS, the ingress, a client that was not switched.")
    elif rate < least or rate > most:
        notes.bad(
            f"{rate:.4g} requests came in a minute; {least:g} to {most:g} are expected", "Compare with the clients."
        )
    elif 0 in parts and least / 60 * seen.length / len(parts) >= ENOUGH:
        notes.bad(
            f"no request came in {parts.count(0)} of {len(parts)} parts of the window", "Find out what cut them off."
        )
    else:
        notes.good(f"{number} requests, {rate:.4g} in a minute, where {least:g} to {most:g} are expected")
    return notes.verdict()


# ---------------------------------------------------------------------------- two hours


@CHECKS.settles(PERFORMANCE)
@_window(early=False)
def performance(facts: WindowFacts, seen: WindowSeen) -> Verdict:
    """Requests are as fast as is wanted and as before, and do not become slower while the window lasts."""
    notes = _notes(facts, seen, False, "durations")
    _blind(notes, seen)
    if "durations" not in seen.refused:
        absolute(notes, seen, facts.wanted)
        slower(notes, seen, facts.wanted)
        trend(notes, seen, facts.wanted)
    return notes.verdict()


@CHECKS.settles(ALERTS)
@_window(early=False)
def alerts(facts: WindowFacts, seen: WindowSeen) -> Verdict:
    """No alert that counts has fired."""
    notes = _notes(facts, seen, False)
    _blind(notes, seen, each=False)
    _alerts(notes, facts, seen)
    return notes.verdict()


@CHECKS.settles(LATE_ERRORS)
@_window(early=False)
def late_errors(facts: WindowFacts, seen: WindowSeen) -> Verdict:
    """Errors are no more than before, and do not become more while the window lasts."""
    notes = _notes(facts, seen, False, "requests")
    _blind(notes, seen)
    if _errors(notes, facts, seen):
        rows = [(at, seen.after.errors(facts.wanted.errors, part)) for at, part in seen.after.parts()]
        found = drift(rows)
        notes.fact("errors_in_parts", [[one.hits, one.total] for _at, one in rows])
        if found is None:
            notes.unsure("too few parts of the window have requests to tell a trend", _MORE)
        else:
            what = f"the share of errors rises by {points(found.difference)} from the first part to the last"
            _told(notes, found, facts.wanted.error_rise, what, "Cochran and Armitage's test for a trend")
    return notes.verdict()


# ---------------------------------------------------------------------------- what both ask


def _errors(notes: Notes, facts: WindowFacts, seen: WindowSeen) -> bool:
    """Judge the share of errors; whether there are requests at all."""
    wanted = facts.wanted
    notes.allowed(wanted)
    notes.mixed(seen)
    if "requests" in seen.refused:
        return False
    before, after = seen.before.errors(wanted.errors), seen.after.errors(wanted.errors)
    codes = {code: round(sum(steps)) for code, steps in seen.after.codes.items()}
    notes.fact("errors", {"before": [before.hits, before.total], "after": [after.hits, after.total], "codes": codes})
    if not after.total:
        notes.unsure("no request was counted", "Judge a window with requests of users.")
        return False
    uncoded = max(
        seen.before.uncoded(wanted.errors), seen.after.uncoded(wanted.errors), key=lambda one: sum(one.values())
    )
    if uncoded:
        # Without its code a request never counts as an error, so what is there would look as if all went well.
        shown = ", ".join(filter(None, sorted(uncoded)[:_SHOWN]))
        what = f"{sum(uncoded.values())} requests are counted without a status code{f' ({shown})' if shown else ''}"
        notes.gap(f"{what}, so nothing tells which failed", _CODE)
    low, _high = after.bounds()
    seen_now = f"{after.hits} of {after.total} requests failed ({percent(after.value)})"
    if low > wanted.error_share:
        notes.bad(f"{seen_now}; {percent(wanted.error_share)} are allowed", _FAILING)
    elif after.value > wanted.error_share:
        notes.unsure(f"{seen_now}; {percent(wanted.error_share)} are allowed, and so few do not tell", _MORE)
    if not before.total:
        notes.unsure(f"{seen_now}, and no request was counted in the window before", _BASELINE)
        return True
    what = f"{seen_now}, {before.hits} of {before.total} before"
    _told(notes, rise(before, after), wanted.error_rise, what, "Fisher's exact test")
    return True


def _told(notes: Notes, found: Rise, margin: float, what: str, test: str) -> None:
    """Turn a rise into a finding, with the test and the effect."""
    told = f"{what} ({chance(found.chance)}, {test})"
    notes.fact(test, {"rise": round(found.difference, 6), "at_most": round(found.most, 6), "p": found.chance})
    verdict = found.judged(margin)
    if verdict == WORSE:
        notes.bad(f"{told}; a rise by {points(margin)} counts", _FAILING)
    elif verdict == FINE:
        notes.good(told)
    else:
        notes.unsure(f"{told}; it may be a rise by {points(found.most)}, and {points(margin)} counts", _MORE)


def _alerts(notes: Notes, facts: WindowFacts, seen: WindowSeen) -> None:
    """Judge the alerts that have fired, by Prometheus' series and by Alertmanager."""
    wanted = " or ".join(facts.wanted.severities)
    for part in ("alerts", "rules", "alertmanager"):
        if (answer := seen.refused.get(part)) is not None:
            notes.refused(part, answer)
    if not facts.alertmanager:
        notes.gap(
            "needs input alertmanager: nothing says where it is",
            "Set alertmanager (in the inventory: bytebot_alertmanager).",
        )
    found = sorted({(one.name, one.severity) for one in seen.alerts if one.severity in facts.wanted.severities})
    others = sorted(
        {f"{one.name} ({one.severity})" for one in seen.alerts if one.severity not in facts.wanted.severities}
    )
    notes.fact("alerts", [f"{one.name} {one.severity} by {one.source}" for one in seen.alerts])
    notes.fact("rules_evaluated", seen.counted.get("rules", 0))
    if found:
        named = ", ".join(f"{name} ({severity})" for name, severity in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        notes.bad(f"{named}{more} fired", "Follow its runbook; where it is known and harmless, have it waived.")
    elif "rules" not in seen.refused and not seen.counted.get("rules"):
        notes.gap(
            f"no rule of an alert that is {wanted} is evaluated, so silence tells nothing", "Load the alert rules."
        )
    elif seen.counted.get("labelled") == 0:
        notes.unsure("no alert can have the labels of alert_labels, so silence tells nothing", _LABELS)
    else:
        told = f"; not counted: {', '.join(others[:4])}" if others else ""
        notes.good(f"no alert that is {wanted} fired{told}")
