# What is observed in the windows after a go-live and before it, and what they are judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.two_shares import Share
from ansible_collections.bytebot.production.plugins.module_utils.checks.window_series import (
    Durations,
    blocks,
    durations,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

_EARLY, _LATE = "go_live.t_plus_30m", "go_live.t_plus_2h"
STABILITY, FUNCTIONALITY, ERRORS, TRAFFIC = (
    f"{_EARLY}.{item}" for item in ("stability", "functionality", "errors", "traffic")
)
PERFORMANCE, ALERTS, LATE_ERRORS = (f"{_LATE}.{item}" for item in ("performance", "alerts", "errors"))
DOCUMENT_EARLY_S, DOCUMENT_LATE_S = 1800.0, 7200.0
DOCUMENT_LATENCY_MS = 200.0
USUAL_ERRORS, USUAL_ERROR_RISE = 0.01, 0.005
USUAL_SLOW_RISE, USUAL_LATENCY_RISE, USUAL_LATENCY_FLOOR_MS = 0.05, 0.25, 50.0
TREND_POINTS = 12
_STATUS = re.compile(r"[1-5]\w\w")  # also where a label holds the class alone, as 5xx
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def moment(text: str) -> float | None:
    """Unix time of a moment with its zone (RFC 3339, any number of digits of a second); None where it is none."""
    short = _LONG_FRACTION.sub(r"\1", text.strip())
    try:
        found = datetime.fromisoformat(short.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


def told_at(time: float) -> str:
    """A moment for a person."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the windows are judged by.

    :param errors: pattern of status codes that are errors; :param error_share: how many of all requests may be.
    :param error_rise: by which a share of errors must not rise; :param slow_rise: the same for slow requests.
    :param latency_rise: share by which the 95th percentile may rise; :param floor_ms: what it may rise by in any case.
    :param drift_ms: what it may rise by in any case while a window lasts.
    :param restarts: how many containers may restart.
    :param severities: of alerts that must not fire; :param traffic: least and most requests in a minute.
    :param functions: the controls whose results settle the functionality.
    """

    early_s: float = DOCUMENT_EARLY_S
    late_s: float = DOCUMENT_LATE_S
    errors: str = "5.."
    error_share: float = USUAL_ERRORS
    error_rise: float = USUAL_ERROR_RISE
    slow_rise: float = USUAL_SLOW_RISE
    latency_rise: float = USUAL_LATENCY_RISE
    floor_ms: float = USUAL_LATENCY_FLOOR_MS
    drift_ms: float = USUAL_LATENCY_FLOOR_MS
    latency_ms: float = DOCUMENT_LATENCY_MS
    restarts: int = 0
    severities: tuple[str, ...] = ("critical",)
    traffic: tuple[float, float] | None = None
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """What Prometheus tells of one window.

    :param codes: requests by status code, in each step; :param buckets: of the durations by upper edge, in each step.
    :param unit: seconds of one unit of the durations; :param blind: the share of the window without fresh samples.
    :param dark: the share without samples of each process that did not answer, though others did.
    """

    start: float
    step: float
    codes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    unit: float = 1.0
    blind: float = 0.0
    dark: Mapping[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return max((len(one) for one in (*self.codes.values(), *self.buckets.values())), default=0)

    def errors(self, pattern: str, part: slice | None = None) -> Share:
        """How many of all requests were errors."""
        counted = {code: sum(steps[part] if part else steps) for code, steps in self.codes.items()}
        bad = sum(number for code, number in counted.items() if re.fullmatch(pattern, code))
        return Share(round(bad), round(sum(counted.values())))

    def uncoded(self, pattern: str) -> dict[str, int]:
        """Requests by what is no status code, and no error by the pattern."""
        odd = [code for code in self.codes if not _STATUS.fullmatch(code) and not re.fullmatch(pattern, code)]
        return {code: number for code in odd if (number := round(sum(self.codes[code])))}

    def durations(self, part: slice | None = None) -> Durations:
        """How long requests took."""
        return durations(self.buckets, self.unit, part)

    def parts(self, most: int = TREND_POINTS) -> list[tuple[float, slice]]:
        """The window in parts of one length, each with its middle in seconds after the start."""
        return [(self.step * (one.start + one.stop) / 2, one) for one in blocks(self.steps, most)]


@dataclass(frozen=True, slots=True)
class Restart:
    """A container that has restarted. :param why: as the kubelet tells it, where the pod is still there."""

    pod: str
    container: str
    times: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fired. :param source: who told of it."""

    name: str
    severity: str
    source: str


@dataclass(frozen=True, slots=True)
class WindowSeen:
    """One window and the one before.

    :param refused: by what was asked (``requests``, ``durations``, ``restarts``, ``pods``, ``alerts``, ``rules``,
        ``alertmanager``), each question that was not answered.
    :param counted: by ``restarts`` and ``rules``, how many series and rules there are to tell of them; by ``labelled``,
        whether an alert can have the labels that are wanted, where some are.
    :param mixed: whether the window to compare with is not over when the go-live begins.
    """

    length: float
    before: Stretch
    after: Stretch
    restarts: tuple[Restart, ...] = ()
    alerts: tuple[Alert, ...] = ()
    refused: Mapping[str, Told] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """One observation.

    :param url: of Prometheus; empty where nothing says where it is. :param alertmanager: the same.
    :param clock: the time by Prometheus, or why it is not known. :param start: of the go-live, by ``source``.
    :param missing: why there is no start, with what helps. :param early: what is over of the two windows.
    :param functions: results of tests of the functions, as modules return them. :param local: the time by this machine.
    """

    url: str = ""
    alertmanager: str = ""
    clock: Told = field(default_factory=Told)
    start: float | None = None
    source: str = ""
    missing: tuple[str, str] = ("", "")
    early: WindowSeen | None = None
    late: WindowSeen | None = None
    functions: tuple[Mapping[str, Any], ...] = ()
    wanted: Wanted = field(default_factory=Wanted)
    local: float = 0.0
    at: str = field(default_factory=utc_now)

    @property
    def now(self) -> float:
        """The time by Prometheus; 0 where it is not known."""
        return float(self.clock.data) if self.clock.ok and self.clock.data else 0.0
