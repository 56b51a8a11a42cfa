# Asks the application's health, metrics and public addresses, each until it is right or the time is over.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from ansible_collections.bytebot.production.plugins.module_utils.checks.bodies import scrape
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_facts import (
    Endpoint,
    Facts,
    Movement,
    Policy,
    Probe,
    Problem,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.health_problems import (
    endpoint_problems,
    live_problems,
    metrics_problems,
    movement_problem,
    ready_problems,
    startup_problems,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
NOTHING_NEW = 6  # scrapes in a row that show no further process: then all are taken to be known
MOST_SCRAPES = 30
EXCERPT = 600  # characters of a body that are kept

Judge = Callable[[Answer], list[Problem]]
_JUDGES: dict[str, Callable[[Answer, Policy], list[Problem]]] = {
    "live": live_problems,
    "ready": ready_problems,
    "startup": startup_problems,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask.

    :param paths: paths or URLs by ``live``, ``ready``, ``startup``, ``metrics``; only what is to be judged.
    :param moving_path: what is requested to make the moving counter move, ``moving_requests`` times.
    """

    policy: Policy
    paths: Mapping[str, str]
    endpoints: tuple[Endpoint, ...] = ()
    moving_path: str = ""
    moving_requests: int = 10
    settle_s: float = 10.0

    def urls(self, http: Http) -> list[str]:
        """Every URL that will be asked."""
        paths = [*self.paths.values(), *([self.moving_path] if "metrics" in self.paths else [])]
        return [http.url_of(path) for path in paths] + [one.url for one in self.endpoints]


@dataclass
class _Target:
    """One address while it is asked."""

    ask: Callable[[], tuple[Answer, bool]]
    answer: Answer = field(default_factory=lambda: Answer(""))
    attempts: Counter[str] = field(default_factory=Counter)
    settled_s: float = 0.0
    right: bool = False


class Prober:
    """Asks what a plan says. All addresses share one time to settle, so a broken release costs it once."""

    def __init__(self, http: Http, plan: Plan, redactor: Redactor, pause: Callable[[float], None] = time.sleep) -> None:
        """Refuse the plan where any of its URLs must not be asked; nothing is sent yet."""
        for url in plan.urls(http):
            http.permit(url)
        self._http, self._plan, self._redactor, self._pause = http, plan, redactor, pause
        self._movement = Movement()

    def facts(self) -> Facts:
        """Ask everything."""
        targets = {
            name: _Target(partial(self._ask, path, self._judge(name))) for name, path in self._plan.paths.items()
        }
        if "metrics" in targets:
            targets["metrics"] = _Target(self._ask_metrics)
        public = [_Target(partial(self._ask, one.url, self._endpoint_judge(one))) for one in self._plan.endpoints]
        self._settle([*targets.values(), *public])
        return Facts(
            self._plan.policy,
            {name: self._probe(target) for name, target in targets.items()},
            self._movement,
            tuple(zip(self._plan.endpoints, map(self._probe, public), strict=True)),
        )

    def _settle(self, targets: Collection[_Target]) -> None:
        began, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            for target in targets:
                if not target.right:
                    _attempt(target, began)
            left = began + self._plan.settle_s - time.monotonic()
            if left <= 0 or all(target.right for target in targets):
                return
            self._pause(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _ask(self, path: str, judge: Judge) -> tuple[Answer, bool]:
        answer = self._http.get(path)
        return answer, not judge(answer)

    def _ask_metrics(self) -> tuple[Answer, bool]:
        """Scrape, make known requests, scrape again."""
        policy, self._movement = self._plan.policy, Movement()
        answer, before = self._scrapes(frozenset())
        if before is None:
            return answer, False
        made = self._request_known()
        answer, after = self._scrapes(frozenset(process for process, _value in before))
        if after is None:
            return answer, False
        self._movement = Movement(made, tuple(before), tuple(after))
        return answer, movement_problem(self._movement, policy.moving_metric)[0] is None

    def _request_known(self) -> int:
        """Make the known requests; how many were answered. The first that is not ends it, as each costs a time-out."""
        for made in range(self._plan.moving_requests):
            if self._http.get(self._plan.moving_path).failure:
                return made
        return self._plan.moving_requests

    def _scrapes(self, wanted: frozenset[str]) -> tuple[Answer, list[tuple[str, float]] | None]:
        """Scrape until the wanted processes (or, without any, all that can be met) have answered.

        None in place of values where a scrape is not as it must be.
        """
        policy, values = self._plan.policy, list[tuple[str, float]]()
        seen: set[str] = set()
        idle = 0
        while True:
            answer = self._http.get(self._plan.paths["metrics"])
            page = scrape(answer, policy.moving_metric)
            if metrics_problems(answer, page, policy):
                return answer, None
            values.append((page.process, page.value or 0.0))
            idle = idle + 1 if page.process in seen else 0
            seen.add(page.process)
            met = wanted <= seen if wanted and "" not in seen else idle >= NOTHING_NEW
            if met or len(values) >= MOST_SCRAPES:
                return answer, values

    def _judge(self, name: str) -> Judge:
        policy = self._plan.policy
        return lambda answer: _JUDGES[name](answer, policy)

    def _endpoint_judge(self, wanted: Endpoint) -> Judge:
        policy = self._plan.policy
        return lambda answer: endpoint_problems(answer, wanted, policy)

    def _probe(self, target: _Target) -> Probe:
        excerpt = self._redactor.text(target.answer.body)[:EXCERPT]  # redacted before a secret could be cut in half
        return Probe(target.answer, dict(target.attempts), round(target.settled_s, 3), excerpt)


def _attempt(target: _Target, began: float) -> None:
    target.answer, target.right = target.ask()
    target.settled_s = time.monotonic() - began
    target.attempts["right" if target.right else f"{target.answer.label}, not as wanted"] += 1
