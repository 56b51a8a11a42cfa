# The load of a judgement of limits, and what Prometheus is asked of the containers under it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Failure
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.observe_use import (
    Asked,
    LoadScope,
    limits_of,
    measure,
    send,
)

POD, WORKLOAD = "shop-api-1", "Deployment shop-api"
MIB = 1024 * 1024


class Figures:
    """Answers each question with one figure of the one container, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def query(self, expression: str) -> Told:
        self.asked.append(expression)
        return Told(data=[({"pod": POD, "container": "api"}, "0.5")])


def workload(**limits: str) -> dict[str, Any]:
    container = {"name": "api", "resources": {"limits": limits}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "shop-api"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def asked(**changes: Any) -> Asked:
    return Asked("shop", {POD: WORKLOAD}, "15m", "pool", **changes)


def no_pause(_: float) -> None:
    raise AssertionError


def test_throttling_is_that_of_the_window_and_not_of_the_containers_whole_life() -> None:
    server = Figures()
    measure(server, asked(), [workload()], (None, "not permitted"), no_pause)  # type: ignore[arg-type]
    (question,) = [one for one in server.asked if "throttled" in one]
    assert question.count("increase(") == 2
    assert question.count("[15m]") == 2


def test_limits_that_the_namespace_gives_by_default_are_those_of_the_pods() -> None:
    spec = {"containers": [{"name": "api", "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}]}
    given = limits_of([{"metadata": {"name": POD}, "spec": spec}, {"metadata": {"name": "x"}}], {POD: WORKLOAD})
    found = measure(Figures(), asked(given=given), [workload(memory="128Mi")], (None, ""), no_pause)  # type: ignore[arg-type]
    assert [(one.processor_limit, one.memory_limit) for one in found.uses] == [(0.5, 128 * MIB)]


@pytest.mark.parametrize(
    ("answer", "answered"),
    [
        (Answer("u", 200), 4),
        (Answer("u", 401), 4),
        (Answer("u", 429), 0),
        (Answer("u", 502), 0),
        (Answer("u", 503), 0),
        (Answer("u", failure=Failure("timeout", "It took too long.")), 0),
    ],
)
def test_a_request_that_no_application_served_is_no_load(answer: Answer, answered: int) -> None:
    class Client:
        def get(self, _path: str) -> Answer:
            return answer

    sent = send(LoadScope("/x", 1000.0, 0.004, Client), lambda _seconds: None)  # type: ignore[arg-type]
    assert sent
    assert (sent.requests, sent.answered) == (4, answered)
