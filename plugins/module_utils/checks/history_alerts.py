# Judges alerts by their history: each rule can fire, and what fires is acted on.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_common import (
    COVERED,
    missing,
    untold,
    verdict,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import (
    Action,
    Episode,
    EpisodesSeen,
    HistoryFacts,
    RuleSeen,
    stamp,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    pending,
)

OFTEN = 3  # firings from which on it can be said whether somebody acts
USUAL_PRECISION = 0.5
LATE_S = 3600.0  # after an alert's end somebody may still note it
_SHOWN = 60


def judge_rules(facts: HistoryFacts) -> Verdict:
    """Each rule has fired, or is made to fire by a test, or has samples to fire on."""
    seen = facts.rules
    if seen is None:
        return missing("bytebot_prometheus")
    for what, told in (("The rules of Prometheus", seen.groups), ("The history of alerts", seen.history)):
        if not told.ok:
            return untold(what, told, facts)
    broken = [f"{name}: {problem}" for name, problem in seen.tests.items() if problem]
    if broken:
        tests = Evidence("promtool test rules", dict(seen.tests), facts.at)
        return failed(f"A test of rules does not hold ({'; '.join(broken)}).", "Mend the rule or its test.", tests)
    rows: list[dict[str, str]] = []
    red: list[str] = []
    unsure: list[str] = []
    for rule in seen.rules:
        proof, trouble = _proof(rule, seen.tested)
        rows.append({"alert": rule.name, "severity": rule.severity, "proof": proof or trouble})
        if trouble:
            (red if _certain(rule) else unsure).append(f"{rule.name} ({rule.severity or 'no severity'}) {trouble}")
    if not seen.rules:
        red.append("no rule raises an alert")
    if seen.left:
        unsure.append(f"{seen.left} rules more are loaded than are looked at ({len(seen.rules)})")
    return verdict(
        facts, f"rules and alerts of {seen.url}", {"rules": rows[:_SHOWN], "count": len(rows)}, red=red, unsure=unsure,
        good=f"Each of {len(rows)} rules is proven able to fire",
        remedy="Correct the metric or labels in the rule, or write a test of it (bytebot_rule_tests).",
    )  # fmt: skip


def _proof(rule: RuleSeen, tested: frozenset[str]) -> tuple[str, str]:
    """What proves that a rule can fire, or why nothing does."""
    if rule.health == "err":
        return "", f"is evaluated with an error ({rule.trouble})"
    yields = rule.yields
    proofs = (
        (rule.fired, "it fired in the last month"),
        (rule.name in tested, "a test of rules makes it fire"),
        (rule.absent, "it fires where something is missing"),
        (
            bool(yields and yields.ok and yields.data),
            f"without its threshold it has {yields.data if yields else 0} samples",
        ),
    )
    if proof := next((word for holds, word in proofs if holds), ""):
        return proof, ""
    if rule.missing:
        return "", f"cannot fire, since no target has {', '.join(rule.missing)}"
    if yields is None:
        return "", "has not fired, has no test, and its expression is no single comparison"
    if not yields.ok:
        return "", f"could not be asked without its threshold: {yields.cause}"
    return "", "has not fired, has no test, and without its threshold it has no samples now"


def _certain(rule: RuleSeen) -> bool:
    return rule.health == "err" or bool(rule.missing)


def judge_thresholds(facts: HistoryFacts) -> Verdict:
    """Of the times that an alert fired, somebody acted on enough."""
    seen = facts.alerts
    if seen is None:
        return missing("bytebot_prometheus")
    if not seen.told.ok:
        return untold("The history of alerts", seen.told, facts)
    if seen.actions is None:
        return pending(
            "Nothing says what was done about alerts: bytebot_records has no alert_actions.",
            "Name the record of acknowledgements, silences and notes in bytebot_records.alert_actions.",
        )
    if seen.problem:
        source = Evidence(seen.source, {"problem": seen.problem}, facts.at)
        return errored(f"What was done about alerts cannot be read: {seen.problem}.", "Correct the record.", source)
    judged = [one for one in seen.episodes if one.alert not in facts.wanted.unjudged]
    names = sorted({one.alert for one in judged})
    rows = [_precision(name, judged, seen) for name in names]
    least = facts.wanted.precision
    red = [
        f"{row['alert']} fired {row['fired']} times and was acted on {row['acted_on']} times"
        for row in rows
        if row["fired"] >= OFTEN and row["acted_on"] < least * row["fired"]
    ]
    # A store without any, or other labels than its own, is as silent as a month in which nothing fired.
    unsure = [] if seen.kept else ["the store of history has no series of alerts at all (ALERTS)"]
    if seen.covered < COVERED:
        unsure.append(f"the store of history has samples for {seen.covered:.0%} of the time, {COVERED:.0%} are wanted")
    enough = f"{least:.0%} or more"
    weaker = (f"{least:.3g} of firings acted on, usual {USUAL_PRECISION:g}",) if least < USUAL_PRECISION else ()
    total, acted = sum(row["fired"] for row in rows), sum(row["acted_on"] for row in rows)
    return verdict(
        facts, f"alerts of {seen.url}, actions of {seen.source}",
        {"alerts": rows, "fired": total, "acted_on": acted, "wanted": least, "covered": round(seen.covered, 3)},
        red=red, unsure=unsure, weaker=weaker,
        good=f"Of {total} firings of {len(rows)} alerts {acted} were acted on, and {enough} of each that fired "
        f"{OFTEN} times or more",
        remedy="Raise the threshold or the time of an alert that nobody acts on, or delete it; else say who acts.",
    )  # fmt: skip


def _precision(name: str, episodes: Sequence[Episode], seen: EpisodesSeen) -> dict[str, Any]:
    fired = [one for one in episodes if one.alert == name]
    acted = sum(any(_belongs(action, one) for action in seen.actions or ()) for one in fired)
    minutes = sum(one.end - one.begin for one in fired) / 60
    return {
        "alert": name, "severity": fired[0].severity, "fired": len(fired), "acted_on": acted,
        "precision": round(acted / len(fired), 2), "minutes": round(minutes), "last": stamp(fired[-1].begin),
    }  # fmt: skip


def _belongs(action: Action, episode: Episode) -> bool:
    return action.alert == episode.alert and episode.begin <= action.at <= episode.end + LATE_S
