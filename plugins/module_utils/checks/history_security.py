# Judges a week of security: sign-ins that failed, lock-outs, and what was done about alerts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import history_statistics as statistics
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_common import (
    COVERED,
    LEAST,
    gaps,
    missing,
    split,
    untold,
    verdict,
    young,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_day import (
    CERTAIN,
    FAR,
    LARGE,
    MOVED,
    spikes_of,
    usual_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    Action,
    Episode,
    EpisodesSeen,
    HistoryFacts,
    Signal,
    SignalSeen,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_security_facts import (
    USUAL_WITHIN_S,
    SecurityRulesSeen,
    SignInsSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, errored, pending

AN_HOUR = "an hour"
GRAIN_S = 300.0  # the begin of a firing is known to five minutes, and told as the earlier end of them
_SHOWN = 40


def judge_sign_ins(facts: HistoryFacts) -> Verdict:
    """Sign-ins that fail, and lock-outs, keep their limit and come in no burst."""
    seen, wanted = facts.sign_ins, facts.wanted.sign_ins
    if seen is None:
        return missing("bytebot_prometheus")
    if not seen.told.ok:
        return untold("The history of sign-ins", seen.told, facts)
    if seen.attempts is None and not seen.points:
        return pending(
            f"Prometheus has no {wanted.metric} in this namespace ({facts.period.text}).",
            "Let it scrape what counts sign-ins, or name that counter (post_go_live_sign_ins.metric).",
        )
    red: list[str] = []
    unsure = _doubts(seen, facts)
    found: dict[str, Any] = {"attempts": _whole(seen.attempts), "failed": _whole(seen.failed)}
    failing = Signal("failed sign-ins", seen.query, AN_HOUR, wanted.burst, wanted.limit)
    _figure(SignalSeen(failing, seen.told, seen.points, seen.step_s), facts, red, unsure, found)
    if seen.locked is not None:
        locking = Signal("lock-outs", seen.locked_query, AN_HOUR, wanted.locked_burst)
        locked = SignalSeen(locking, seen.told, seen.locked, seen.step_s)
        found["locked"] = _whole(sum(value for _at, value in split(locked, facts.period)[1]) * seen.step_s / 3600)
        _figure(locked, facts, red, unsure, found)
    if red and not _good(seen):
        # What takes each sign-in for a failed one sees an attack where there is none.
        unsure, red = [*unsure, *red], []
    counted = f", and {found['locked']} lock-outs" if "locked" in found else ""
    return verdict(
        facts, f"Prometheus at {seen.url}: {seen.query}", found, red=red, unsure=unsure,
        good=f"{found['failed']} of {found['attempts']} sign-ins failed{counted}, in no burst and within the limit",
        remedy="Find in the lines of that time who asked from where, bar them, and reset the accounts that they met.",
        weaker=wanted.weaker,
    )  # fmt: skip


def _doubts(seen: SignInsSeen, facts: HistoryFacts) -> list[str]:
    """Why the figures need not tell of all that failed."""
    wanted = facts.wanted.sign_ins
    if (seen.attempts or 0) < LEAST:
        return [f"{_whole(seen.attempts) or 0} sign-ins were counted, and {LEAST} are wanted"]
    if seen.failed is None:
        return [f"no series of {wanted.metric} is one of {wanted.failed}, so nothing tells that failures are counted"]
    if not _good(seen):
        return [f"each sign-in counts as failed by {wanted.failed} (post_go_live_sign_ins.failed)"]
    return []


def _good(seen: SignInsSeen) -> bool:
    """Whether some sign-ins did not fail."""
    return (seen.attempts or 0) - (seen.failed or 0) >= 1


def _figure(seen: SignalSeen, facts: HistoryFacts, red: list[str], unsure: list[str], found: dict[str, Any]) -> None:
    """Its limit, its bursts, and whether it is more than before."""
    signal, period = seen.signal, facts.period
    before, after = split(seen, period)
    if lack := gaps(seen, period):
        unsure.append(lack)
    if not after:
        return
    most = max(after, key=lambda point: point[1])
    new = bool(young(seen, period))
    usual = usual_of(after if new else before, after, seen.step_s)
    spikes = spikes_of(signal, after, usual, seen.step_s)
    told: dict[str, Any] = {
        "source": signal.query, "most_in_an_hour": most[1], "at": stamp(most[0]), "limit": signal.limit,
        "usual": f"the same time of {'the other days of it' if new else 'earlier days'}", "values": len(after),
        "bursts": [[stamp(begin), stamp(end), value]
                   for begin, end, value in spikes.found[:_SHOWN]],
        "method": f"beyond {FAR:g} deviations (median of absolute deviations), and {signal.floor:g} an hour or more",
    }  # fmt: skip
    found[signal.name] = told
    if signal.limit is not None and most[1] > signal.limit:
        red.append(f"{signal.name} came to {signal.shown(most[1])}, and the limit is {signal.shown(signal.limit)}")
    if spikes.found:
        begin, end, value = max(spikes.found, key=lambda one: one[2])
        more = f", and {len(spikes.found) - 1} bursts more" if len(spikes.found) > 1 else ""
        red.append(f"a burst of {signal.name} came to {signal.shown(value)} from {stamp(begin)} to {stamp(end)}{more}")
    if new:
        return
    test = statistics.compared([value for _at, value in before], [value for _at, value in after])
    told |= {"median_before": test.before, "median": test.after, "p": test.p, "delta": test.delta}
    moved = test.after - test.before
    if moved > max(signal.floor, MOVED * abs(test.before)) and test.p < CERTAIN and test.delta >= LARGE:
        red.append(f"{signal.name} are more than before: {signal.shown(test.before)} became {signal.shown(test.after)}")


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


# ---------------------------------------------------------------------------- alerts


def judge_security_alerts(facts: HistoryFacts) -> Verdict:
    """Rules watch over security, none of them fires, and each firing was acted on in time."""
    seen, alerts = facts.security, facts.alerts
    if seen is None or alerts is None:
        return missing("bytebot_prometheus")
    for what, told in (("The rules of Prometheus", seen.told), ("The history of alerts", alerts.told)):
        if not told.ok:
            return untold(what, told, facts)
    if not seen.rules:
        return pending(
            "No rule that watches over security is loaded, by its group, label or name (post_go_live_security_alerts).",
            "Load such rules, or say in post_go_live_security_alerts which those are.",
        )
    if alerts.problem:
        source = Evidence(alerts.source, {"problem": alerts.problem}, facts.at)
        return errored(f"What was done about alerts cannot be read: {alerts.problem}.", "Correct the record.", source)
    red, unsure = _state(seen)
    names = {rule.name for rule in seen.rules}
    fired = [one for one in alerts.episodes if one.alert in names]
    if fired and alerts.actions is None and not red:
        return pending(
            f"{len(fired)} security alerts fired ({facts.period.text}), and nothing says what was done about them: "
            "bytebot_records has no alert_actions.",
            "Name the record of acknowledgements, silences and notes in bytebot_records.alert_actions.",
        )
    rows = [_firing(one, alerts, facts, red, unsure) for one in fired]
    within = facts.wanted.security_alerts.within_s
    weaker = (f"{words(within)} to act, usual {words(USUAL_WITHIN_S)}",) if within > USUAL_WITHIN_S else ()
    found = {
        "rules": [
            {"alert": one.name, "group": one.group, "severity": one.severity, "health": one.health,
             "firing": one.firing} for one in seen.rules[:_SHOWN]
        ],
        "covered": round(seen.covered, 3), "firings": rows[:_SHOWN], "fired": len(rows), "act_within": words(within),
    }  # fmt: skip
    acted = f"each of {len(rows)} firings was acted on within {words(within)}" if rows else "none fired"
    return verdict(
        facts, f"rules of {seen.url}, alerts of {alerts.url}, actions of {alerts.source or 'no record'}", found,
        red=red, unsure=unsure, good=f"{len(seen.rules)} rules watch over security; {acted}, and none fires now",
        remedy="Look into each alert, record what was done about it and when, and mend its cause.", weaker=weaker,
    )  # fmt: skip


def _state(seen: SecurityRulesSeen) -> tuple[list[str], list[str]]:
    """What is wrong with the rules now, and what cannot be told of their time."""
    red = [f"{one.name} fires now" for one in seen.rules if one.firing]
    red += [f"{one.name} is evaluated with an error ({one.trouble})" for one in seen.rules if one.health == "err"]
    unsure = [f"{one.name} has not been evaluated" for one in seen.rules if one.health not in {"ok", "err"}]
    if seen.covered < COVERED:
        unsure.append(f"the store has what these rules look at for {seen.covered:.0%} of the time")
    if not seen.kept:
        unsure.append("the store of history has no series of alerts at all (ALERTS)")
    return red, unsure


def _firing(
    one: Episode, alerts: EpisodesSeen, facts: HistoryFacts, red: list[str], unsure: list[str]
) -> dict[str, Any]:
    within = facts.wanted.security_alerts.within_s
    due = one.begin + within + GRAIN_S
    acted = first_action(one, alerts.actions or ())
    if acted is None and due > facts.period.now:
        unsure.append(f"{one.alert} fired at {stamp(one.begin)} and may be acted on until {stamp(due)}")
    elif acted is None or acted.at > due:
        late = "nobody acted on it" if acted is None else f"somebody acted on it only at {stamp(acted.at)}"
        red.append(f"{one.alert} fired at {stamp(one.begin)}, and {late}")
    return {
        "alert": one.alert, "severity": one.severity, "begin": stamp(one.begin), "end": stamp(one.end),
        "acted": stamp(acted.at) if acted else "", "action": acted.what if acted else "",
    }  # fmt: skip


def first_action(one: Episode, actions: Sequence[Action]) -> Action | None:
    """What was done first about a firing, from its begin on."""
    mine = [action for action in actions if action.alert == one.alert and action.at >= one.begin]
    return min(mine, key=lambda action: action.at, default=None)
