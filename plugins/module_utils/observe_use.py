# What containers of a release used, by Prometheus, and a small load under which they are looked at.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.answers import UNTOLD
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Measured,
    Use,
    name_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_health import lasting
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus

Object = dict[str, Any]
Pause = Callable[[float], None]
CALLERS = 4
FRESH_S = 60.0  # for the figures of the load to have been scraped: twice the usual interval
POLL_S = 2.0
_MOSTLY = 0.9  # of the window: a burst, or a test to the limit, is no want of room
_LEAST_PERIODS = 50  # below which a share of them says little


@dataclass(frozen=True, slots=True)
class LoadScope:
    """How much load is sent, and where to.

    :param open_client: opens a client for each caller; None where no load may be sent, for the reason in ``why``.
    """

    path: str
    rate: float
    seconds: float
    open_client: Callable[[], Http] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The load that was sent: requests, those that were served, and seconds; ``ended`` by this machine's clock."""

    requests: int
    answered: int
    seconds: float
    ended: float


def send(scope: LoadScope, pause: Pause) -> Sent | None:
    """Ask a path so many times a second, by a few callers side by side."""
    if scope.open_client is None:
        return None
    total = max(1, int(scope.rate * scope.seconds))
    began = time.monotonic()

    def call(first: int) -> int:
        http = scope.open_client() if scope.open_client else None
        good = 0
        for number in range(first, total, CALLERS):
            due = began + number / scope.rate - time.monotonic()
            if due > 0:
                pause(due)
            answer = http.get(scope.path) if http else None
            good += answer is not None and answer.status not in UNTOLD
        return good

    with ThreadPoolExecutor(CALLERS) as pool:
        good = sum(pool.map(call, range(CALLERS)))
    return Sent(total, good, time.monotonic() - began, time.time())


@dataclass(frozen=True, slots=True)
class Asked:
    """What Prometheus is asked about: pods with their workloads, the window, the metric of a pool's connections.

    :param given: the limits that pods have, by workload and container: some are a LimitRange's, and in no workload.
    """

    namespace: str
    workload_of: Mapping[str, str]
    window: str
    pool_metric: str
    given: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    @property
    def matcher(self) -> str:
        pods = "|".join(re.escape(name) for name in sorted(self.workload_of))
        return f'namespace="{self.namespace}",pod=~"{pods}"'.replace("\\", "\\\\")


def measure(
    prometheus: Prometheus | None,
    asked: Asked,
    workloads: Sequence[Object],
    load: tuple[Sent | None, str],
    pause: Pause,
) -> Measured:
    """Ask for the figures, once those of the load are there."""
    sent, unloaded = load
    told = None if sent is None else (sent.requests, sent.answered, sent.seconds)
    if prometheus is None:
        return Measured(load=told, unloaded=unloaded, problem="no Prometheus is given")
    if not asked.workload_of:
        return Measured(load=told, unloaded=unloaded, problem="no pod of the release runs")
    if sent:
        _wait_fresh(prometheus, asked, sent.ended, pause)
    of = asked.matcher
    named = f'{of},container!="",container!="POD"'
    cpu = f"rate(container_cpu_usage_seconds_total{{{named}}}[2m])"
    periods = f"increase(container_cpu_cfs_periods_total{{{of}}}[{asked.window}]) > {_LEAST_PERIODS}"
    ratio = f"increase(container_cpu_cfs_throttled_periods_total{{{of}}}[{asked.window}]) / ({periods})"
    memory = f"max_over_time(container_memory_working_set_bytes{{{named}}}[{asked.window}])"
    questions = {
        "memory": f"max by (pod, container) ({memory})",
        "processor": f"max by (pod, container) (quantile_over_time({_MOSTLY}, {cpu}[{asked.window}:30s]))",
        "throttled": f"max by (pod, container) ({ratio})",
        "pools": f"max by (pod) (quantile_over_time({_MOSTLY}, {asked.pool_metric}{{{of}}}[{asked.window}]))",
    }
    figures: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for name, question in questions.items():
        answer = prometheus.query(question)
        if not answer.ok:
            return Measured(load=told, unloaded=unloaded, window=asked.window, problem=f"Prometheus: {answer.cause}")
        figures[name] = [(labels, number) for labels, text in answer.data if math.isfinite(number := float(text))]
    return Measured(
        uses=tuple(_uses(workloads, asked, figures)),
        in_use=_in_use(asked.workload_of, figures["pools"]),
        window=asked.window,
        load=told,
        unloaded=unloaded,
    )


def _wait_fresh(prometheus: Prometheus, asked: Asked, since: float, pause: Pause) -> None:
    """Wait until every pod that has figures has one from after the load, or for a while."""
    end = time.monotonic() + FRESH_S
    question = f"min(max by (pod) (timestamp(container_memory_working_set_bytes{{{asked.matcher}}})))"
    while time.monotonic() < end:
        answer = prometheus.query(question)
        if not answer.ok or not answer.data or float(answer.data[0][1]) >= since:
            return
        pause(POLL_S)


def _uses(
    workloads: Sequence[Object],
    asked: Asked,
    figures: Mapping[str, list[tuple[Mapping[str, str], float]]],
) -> list[Use]:
    found = []
    for workload in workloads:
        name = name_of(workload)
        pods = {pod for pod, owner in asked.workload_of.items() if owner == name}
        if not pods:
            continue
        containers = lasting(workload)
        for number, container in enumerate(containers):
            own = str(container["name"])

            def most(what: str, own: str = own, pods: set[str] = pods, first: bool = number == 0) -> float | None:
                values = [
                    value
                    for labels, value in figures[what]
                    if labels.get("pod") in pods
                    and (labels.get("container") == own or (first and not labels.get("container")))
                ]
                return max(values, default=None)

            limits = {**asked.given.get((name, own), {}), **((container.get("resources") or {}).get("limits") or {})}
            found.append(
                Use(name, own, most("processor"), most("memory"), most("throttled"),
                    _number(limits.get("cpu")), _number(limits.get("memory")))
            )  # fmt: skip
    return found


def limits_of(pods: Sequence[Object], workload_of: Mapping[str, str]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The limits of running containers, by workload and name."""
    return {
        (workload_of[name], str(container["name"])): (container.get("resources") or {}).get("limits") or {}
        for pod in pods
        if (name := str(pod["metadata"]["name"])) in workload_of
        for container in (
            *((pod.get("spec") or {}).get("containers") or []),
            *((pod.get("spec") or {}).get("initContainers") or []),
        )
    }


def _number(text: Any) -> float | None:
    found = quantity(text) if text is not None else None
    return None if found is None else float(found)


def _in_use(workload_of: Mapping[str, str], figures: list[tuple[Mapping[str, str], float]]) -> dict[str, float]:
    """By the name of a workload, the most that one of its pods had in use."""
    found: dict[str, float] = {}
    for labels, value in figures:
        owner = workload_of.get(labels.get("pod", ""), "").rpartition(" ")[2]
        if owner:
            found[owner] = max(found.get(owner, 0.0), value)
    return found
