# Faults in what was since go-live: a synthetic history in which something is wrong, and a rule that cannot fire.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from sandbox import replay
from sandbox.errors import SandboxError
from sandbox.faults.fault import Act, Fault, Hands
from sandbox.faults.monitoring import ask
from sandbox.history import BRUTE_FORCE, DRIFT, FLAPPING, GROWTH, IGNORED, NEW_ERROR, OVER, SPIKE, UNDER, UNHEEDED

DAY = "post_go_live.day_monitoring"
WEEK = "post_go_live.week_performance"
SECURITY = "post_go_live.week_security"
MONTH = "post_go_live.month_optimization"


WATCHES = "bytebot-security"  # the group of rules
QUIET_WITHIN_S, ASKED_EACH_S = 900.0, 2.0  # rates of five minutes, and a rule that holds for some


def quiet(hands: Hands) -> None:
    """Wait until no security alert fires of what was tried before: no history is sound while one does.

    :raises SandboxError: one still does after the bound.
    """
    end = time.monotonic() + QUIET_WITHIN_S
    while names := _firing(hands):
        if time.monotonic() > end:
            raise SandboxError("fault", f"{', '.join(names)} still fires", remedy="see what asks the application")
        time.sleep(ASKED_EACH_S)


def _firing(hands: Hands) -> list[str]:
    groups = [group for group in ask(hands, "/api/v1/rules")["groups"] if group["name"] == WATCHES]
    return sorted(rule["name"] for group in groups for rule in group["rules"] if rule.get("state") != "inactive")


def replayed(*wrong: str) -> Act:
    """A history in which something is wrong; without anything it is the healthy one."""

    def act(hands: Hands) -> None:
        if wrong:
            quiet(hands)
        replay.play(hands.settings, hands.cluster, frozenset(wrong))

    return act


def _fault(name: str, says: str, wrong: str, *turns_red: str) -> Fault:
    return Fault(
        name=name, says=says, layer="inputs", turns_red=turns_red, playbook="review", component="victoria-logs",
        put=replayed(wrong), heal=replayed(),
    )  # fmt: skip


FAULTS = (
    _fault("review_error_spike", "for forty minutes every seventh answer was a server error", SPIKE, f"{DAY}.spikes"),
    _fault(
        "review_performance_drift", "answers take nearly twice as long since yesterday", DRIFT,
        f"{DAY}.performance", f"{DAY}.spikes", f"{WEEK}.trends",
    ),
    _fault("review_new_error", "an error is logged that never was before", NEW_ERROR, f"{DAY}.logs"),
    _fault(
        "review_over_provisioned", "the worker asks for eight times what it uses", OVER,
        f"{WEEK}.opportunities", f"{MONTH}.resources",
    ),
    _fault(
        "review_under_provisioned", "the API uses nearly all the memory that it may", UNDER,
        f"{WEEK}.utilization", f"{MONTH}.resources",
    ),
    _fault("review_hpa_flapping", "the API's autoscaler swings to and fro for hours", FLAPPING, f"{WEEK}.autoscaling"),
    _fault(
        "review_brute_force", "for forty minutes somebody guesses passwords, and locks accounts", BRUTE_FORCE,
        f"{SECURITY}.logs",
    ),
    _fault(
        "review_security_alert_ignored", "a security alert fired, and nobody acted", UNHEEDED, f"{SECURITY}.alerts",
    ),
    _fault("review_alert_ignored", "an alert fires again and again, and nobody acts", IGNORED, f"{MONTH}.thresholds"),
    _fault("review_exhaustion", "a volume will be full within weeks", GROWTH, f"{MONTH}.planning"),
)  # fmt: skip
