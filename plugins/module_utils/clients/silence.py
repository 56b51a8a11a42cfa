# Remembers which servers have fallen silent, so that not every further question waits out its whole time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Missed:
    """Questions in a row that no answer came to, of which paths, and until when no other one is put."""

    paths: set[str] = field(default_factory=set)
    count: int = 0
    until: float = 0.0


class Silence:
    """A circuit breaker for time-outs: a server that misses several questions in a row is left alone for a while.

    A single path that hangs says nothing of the others, so questions of two paths at least must have been missed.
    """

    def __init__(
        self, limit: int = 3, rest_s: float = 30.0, clock: Callable[[], float] = time.monotonic, paths: int = 2
    ) -> None:
        """:param limit: questions that are missed in a row; :param rest_s: seconds until the next one is put."""
        self._limit, self._rest_s, self._clock, self._paths = limit, rest_s, clock, paths
        self._missed: dict[Hashable, _Missed] = {}

    def missed(self, origin: Hashable) -> int:
        """How many questions a server missed, where it is left alone now; else 0."""
        one = self._missed.get(origin)
        return one.count if one and self._clock() < one.until else 0

    def heard(self, origin: Hashable, path: str, *, timed_out: bool) -> None:
        """Take note of what came of a question; any answer, even a refusal, ends the silence."""
        if not timed_out:
            self._missed.pop(origin, None)
            return
        one = self._missed.setdefault(origin, _Missed())
        one.count += 1
        one.paths.add(path)
        if one.count >= self._limit and len(one.paths) >= self._paths:
            one.until = self._clock() + self._rest_s
