# The runtime's own figures under the documented names, which are those of another runtime.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import os
import statistics
from collections import deque
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

PERIOD_S, KEPT = 0.5, 120
_STATM, _CGROUP = Path("/proc/self/statm"), Path("/sys/fs/cgroup/memory.max")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Lag:
    """How late the event loop is with what it has to do, over the last minute."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque([0.0], maxlen=KEPT)
        self._begun = False

    def note(self, seconds: float) -> None:
        if not self._begun:
            self._kept.clear()
        self._begun = True
        self._kept.append(max(0.0, seconds))

    async def watch(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self.note(loop.time() - due)

    @property
    def last(self) -> float:
        return self._kept[-1]

    @property
    def least(self) -> float:
        return min(self._kept)

    @property
    def most(self) -> float:
        return max(self._kept)

    @property
    def mean(self) -> float:
        return statistics.fmean(self._kept)

    @property
    def deviation(self) -> float:
        return statistics.pstdev(self._kept)


def install(registry: CollectorRegistry) -> Lag:
    """Gauges that are measured when somebody scrapes."""
    lag = Lag()
    for part, text, measured in (
        ("", "now", lambda: lag.last),
        ("min_", "at least", lambda: lag.least),
        ("max_", "at most", lambda: lag.most),
        ("mean_", "on average", lambda: lag.mean),
        ("stddev_", "as a standard deviation", lambda: lag.deviation),
    ):
        name = f"nodejs_eventloop_lag_{part}seconds"
        Gauge(name, f"Lag of the event loop in a minute, {text}", registry=registry).set_function(measured)
    Gauge("nodejs_heap_size_used_bytes", "Memory of the process that is no file's", registry=registry).set_function(
        lambda: _pages(1) - _pages(2)
    )
    Gauge("nodejs_heap_size_total_bytes", "Memory that the process may use", registry=registry).set_function(_limit)
    Gauge("nodejs_external_memory_bytes", "Memory of the process that is a file's", registry=registry).set_function(
        lambda: _pages(2)
    )
    return lag


def _pages(column: int) -> float:
    """Resident (1) or shared (2) memory."""
    return float(_STATM.read_text().split()[column]) * _PAGE


def _limit() -> float:
    whole = float(os.sysconf("SC_PHYS_PAGES")) * _PAGE
    try:
        text = _CGROUP.read_text().strip()
    except OSError:
        return whole
    return min(whole, float(text)) if text.isdigit() else whole
