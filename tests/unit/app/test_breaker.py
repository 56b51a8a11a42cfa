# The circuit breaker: when it stops asking, and when it asks again.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio

import pytest

from bytebot_app.breaker import Breaker, Open
from bytebot_app.http_settings import HttpSettings

SETTINGS = HttpSettings(
    circuit_breaker_failure_threshold=2, circuit_breaker_timeout=10, circuit_breaker_reset_timeout=1000
)


class World:
    """A question that fails when it should, and the time."""

    def __init__(self, settings: HttpSettings = SETTINGS) -> None:
        self.now, self.asked, self.failing = 0.0, 0, True
        self.breaker = Breaker(settings, lambda: self.now)

    async def question(self) -> str:
        self.asked += 1
        if self.failing:
            raise ConnectionError
        return "answer"

    def ask(self) -> str:
        return asyncio.run(self.breaker.ask(self.question))

    def fail(self, times: int, error: type[Exception] = ConnectionError) -> None:
        for _ in range(times):
            with pytest.raises(error):
                self.ask()


def test_it_stops_asking_after_the_threshold_and_lets_one_through_after_the_reset() -> None:
    world = World()
    world.fail(2)
    world.fail(3, Open)
    assert world.asked == 2
    world.now = 1.0
    world.fail(1)
    world.fail(1, Open)
    assert world.asked == 3
    world.now, world.failing = 2.0, False
    assert [world.ask(), world.ask()] == ["answer", "answer"]


def test_only_failures_in_a_row_count() -> None:
    world = World()
    world.fail(1)
    world.failing = False
    world.ask()
    world.failing = True
    world.fail(2)
    assert world.asked == 4


def test_one_that_is_switched_off_asks_always() -> None:
    world = World(SETTINGS.model_copy(update={"enable_circuit_breaker": False}))
    world.fail(5)
    assert world.asked == 5


def test_no_answer_is_a_failure() -> None:
    world = World()

    async def silent() -> str:
        await asyncio.Event().wait()
        return ""

    for error in (TimeoutError, TimeoutError, Open):
        with pytest.raises(error):
            asyncio.run(world.breaker.ask(silent))
