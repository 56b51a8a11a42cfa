# A circuit breaker: who asks something that does not answer stops asking for a while.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bytebot_app.http_settings import HttpSettings

Answer = TypeVar("Answer")


class Open(Exception):
    """Nothing was asked: the last questions had no answer."""


class Breaker:
    """Bounds each question, and stops them after some failures in a row until the reset time is over."""

    def __init__(self, settings: HttpSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._enabled = settings.enable_circuit_breaker
        self._threshold = settings.circuit_breaker_failure_threshold
        self._patience = settings.circuit_breaker_timeout / 1000
        self._reset = settings.circuit_breaker_reset_timeout / 1000
        self._clock = clock
        self._failures, self._opened = 0, 0.0

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer; :class:`Open`, or what the question failed with."""
        if self._enabled and self._failures >= self._threshold:
            if self._clock() - self._opened < self._reset:
                raise Open
            self._opened = self._clock()  # one question is let through; the others wait for what it finds
        try:
            async with asyncio.timeout(self._patience):
                answer = await question()
        except Exception:
            self._failures += 1
            if self._failures == self._threshold:
                self._opened = self._clock()
            raise
        self._failures = 0
        return answer
