# Judges the sandbox without a fault: green before the first one is put in, and green again after the last one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox import replay
from sandbox.faults import Faults, after_go_live, reviews
from sandbox.faults import go_live as last_stages
from sandbox.faults.fault import NAMESPACE, Fault
from sandbox.settings import Settings
from tests.sabotage import signing, wanted
from tests.sabotage.judging import Judge, Unproven

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
DRILLED_WITHIN_S = 3600.0  # half of what a go-live allows, so that it is over after no fault


@dataclass(frozen=True)
class Healthy:
    """The sandbox around some faults.

    :param left: those that are judged in this call.
    """

    settings: Settings
    faults: Faults
    judge: Judge
    left: Sequence[Fault]

    def before(self) -> list[Unproven]:
        """What is not green before the first fault, of what these must find green."""
        renewed(self.faults)
        judged = self.judge("deploy", {}, "first", self._sections())
        if any(fault.signed for fault in self.left):
            signing.sign(self.settings, self.judge)
            judged = self.judge("verify", {}, "first_signed", self._sections())
        wrong = judged.unproven(wanted.green(self.left))
        wrong += self._late("first-late") + self._reviewed("first-review", made=False)
        return wrong or self._windows()

    def after(self) -> list[Unproven]:
        """What is not green after the last fault was healed."""
        wrong = self.judge("deploy", {}, "last", self._sections()).unproven(wanted.green(self.left))
        return wrong + self._late("last-late") + self._reviewed("last-review", made=True)

    def _sections(self) -> list[str]:
        return sorted({name for fault in self.left for name in (*wanted.sections(fault), *fault.before)})

    def _late(self, name: str) -> list[Unproven]:
        """Those of the last stages that do not pass."""
        if not (controls := wanted.late(self.left)):
            return []
        drilled(self.faults, self.judge)
        return self.judge("go_live", {}, name).unproven(controls)

    def _reviewed(self, name: str, *, made: bool) -> list[Unproven]:
        """Those of the reviews, which are another playbook's and need a history; it is made with the faults."""
        if not (controls := wanted.reviewed(self.left)):
            return []
        reviews.quiet(self.faults.hands)
        if not made:
            replay.play(self.faults.hands.settings, self.faults.hands.cluster)
        return self.judge("review", {}, name, ["post_go_live"]).unproven(controls)

    def _windows(self) -> list[Unproven]:
        """What is not green after a go-live at which nothing goes wrong, where users ask all the time."""
        if not any(fault.playbook == "window" for fault in self.left):
            return []
        variables = after_go_live.soon(self.faults.hands)
        after_go_live.watched(self.faults.hands, variables)
        return self.judge("window", variables, "first-window", ["go_live"]).unproven(wanted.WINDOWS)


def renewed(faults: Faults) -> None:
    """A new pod for each of the product's that was restarted, as by a fault that is out, or a sandbox that came back.

    How often it was restarted would be told of the next fault; that of an API which came back is also its late start.
    """
    hands = faults.hands
    for deployment in hands.cluster.items(DEPLOYMENTS):
        path = f"{DEPLOYMENTS}/{deployment['metadata']['name']}"
        restarted = [pod for pod in hands.cluster.pods_of(deployment) if _restarted(pod)]
        for pod in restarted:
            hands.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}")
        if restarted:
            hands.until(partial(hands.rolled_out, path), f"{path} has new pods in place of those that were restarted")


def _restarted(pod: Mapping[str, Any]) -> bool:
    return any(one.get("restartCount") for one in pod["status"].get("containerStatuses", []))


def drilled(faults: Faults, judge: Judge) -> None:
    """A restore drill, unless there was one within the last hour: at a go-live none may be two hours old."""
    if not last_stages.drilled_within(faults.hands, DRILLED_WITHIN_S):
        judge("verify", {}, "drill", ["backup"])
