# The controls of the reviews after go-live that are settled from history: a day, a week and a month of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    history_alerts,
    history_day,
    history_logs,
    history_month,
    history_security,
    history_week,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import HistoryFacts, stamp
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict, pending

CHECKS: Checks[HistoryFacts] = Checks()
DAY, WEEK, MONTH = "post_go_live.day_monitoring", "post_go_live.week_performance", "post_go_live.month_optimization"
SECURITY = "post_go_live.week_security"
STAGES = {
    "day": tuple(f"{DAY}.{item}" for item in ("performance", "spikes", "alerts", "logs")),
    "week": (
        *(f"{WEEK}.{item}" for item in ("trends", "opportunities", "utilization", "autoscaling")),
        *(f"{SECURITY}.{item}" for item in ("logs", "alerts")),
    ),
    "month": tuple(f"{MONTH}.{item}" for item in ("resources", "thresholds", "planning")),
}


def _due(facts: HistoryFacts, judge: Callable[[HistoryFacts], Verdict]) -> Verdict:
    """Judge what is due; say of the rest when it is."""
    period = facts.period
    if not period.is_due:
        return pending(
            f"It is not due before {stamp(period.due)}: go-live was {stamp(period.go_live)}, by {period.source}.",
            "Run the review again then.",
        )
    return judge(facts)


@CHECKS.settles("post_go_live.day_monitoring.performance")
def performance(facts: HistoryFacts) -> Verdict:
    """Figures keep their limits, and are not worse than before."""
    return _due(facts, history_day.judge_performance)


@CHECKS.settles("post_go_live.day_monitoring.spikes")
def spikes(facts: HistoryFacts) -> Verdict:
    """No figure jumps for a while, or to a worse level for good."""
    return _due(facts, history_day.judge_spikes)


@CHECKS.settles("post_go_live.day_monitoring.alerts")
def alerts(facts: HistoryFacts) -> Verdict:
    """Each rule is proven able to fire."""
    return _due(facts, history_alerts.judge_rules)


@CHECKS.settles("post_go_live.day_monitoring.logs")
def logs(facts: HistoryFacts) -> Verdict:
    """No error is of a kind that was not there before."""
    return _due(facts, history_logs.judge_logs)


@CHECKS.settles("post_go_live.week_performance.trends")
def trends(facts: HistoryFacts) -> Verdict:
    """No figure grows worse over the week."""
    return _due(facts, history_week.judge_trends)


@CHECKS.settles("post_go_live.week_performance.opportunities")
def opportunities(facts: HistoryFacts) -> Verdict:
    """Nothing asks for far more than it uses."""
    return _due(facts, history_week.judge_opportunities)


@CHECKS.settles("post_go_live.week_performance.utilization")
def utilization(facts: HistoryFacts) -> Verdict:
    """Nothing uses more than it asks for, or nearly as much as it may."""
    return _due(facts, history_week.judge_utilization)


@CHECKS.settles("post_go_live.week_performance.autoscaling")
def autoscaling(facts: HistoryFacts) -> Verdict:
    """Autoscalers do not swing, and are not at their bound for long."""
    return _due(facts, history_week.judge_autoscaling)


@CHECKS.settles("post_go_live.week_security.logs")
def security_logs(facts: HistoryFacts) -> Verdict:
    """Failed sign-ins and lock-outs come in no burst, and keep their limit."""
    return _due(facts, history_security.judge_sign_ins)


@CHECKS.settles("post_go_live.week_security.alerts")
def security_alerts(facts: HistoryFacts) -> Verdict:
    """Rules watch over security, and each firing was acted on."""
    return _due(facts, history_security.judge_security_alerts)


@CHECKS.settles("post_go_live.month_optimization.resources")
def resources(facts: HistoryFacts) -> Verdict:
    """By the use of a month, requests and limits fit."""
    return _due(facts, history_month.judge_resources)


@CHECKS.settles("post_go_live.month_optimization.thresholds")
def thresholds(facts: HistoryFacts) -> Verdict:
    """Alerts that fire are acted on."""
    return _due(facts, history_alerts.judge_thresholds)


@CHECKS.settles("post_go_live.month_optimization.planning")
def planning(facts: HistoryFacts) -> Verdict:
    """Nothing runs out within the horizon."""
    return _due(facts, history_month.judge_planning)
