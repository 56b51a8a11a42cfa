# A history that never was: a month of metrics and a week of lines, made up, marked as synthetic, for the reviews.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NAMESPACE = "bytebot-production"
MARK = {"synthetic": "true"}  # on every series
HOUR, DAY = 3600, 86_400
SINCE_GO_LIVE, BEFORE = 31 * DAY, DAY
FINE_S, COARSE_S, FINE_FOR = 180, 1800, 9 * DAY  # how often there is a sample, the last days more often
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
MIB = 1024**2
OFFICE = range(9, 17)  # hours with more replicas
# What can be wrong in it.
SPIKE, DRIFT, FLAPPING, GROWTH = "spike", "drift", "flapping", "growth"
OVER, UNDER, IGNORED, NEW_ERROR = "over", "under", "ignored", "new_error"
BRUTE_FORCE, UNHEEDED = "brute_force", "unheeded"
WRONG = frozenset({SPIKE, DRIFT, FLAPPING, GROWTH, OVER, UNDER, IGNORED, NEW_ERROR, BRUTE_FORCE, UNHEEDED})

Point = tuple[int, float]


@dataclass(frozen=True)
class Container:
    """What a container uses at noon, and what it asks for: cores and bytes."""

    pod: str
    name: str
    cpu: float
    memory: float
    asks: tuple[float, float]
    may: tuple[float, float]


CONTAINERS = (
    Container("bytebot-api-7d9f6c5b48-x2k4p", "api", 0.25, 380 * MIB, (0.4, 512 * MIB), (1.0, 1024 * MIB)),
    Container("bytebot-worker-5c6d7f8b9-q7m2z", "worker", 0.4, 700 * MIB, (0.6, 1024 * MIB), (2.0, 2048 * MIB)),
    Container("bytebot-websocket-6b8c9d7f5-h5n8w", "websocket", 0.05, 120 * MIB, (0.1, 192 * MIB), (0.5, 512 * MIB)),
)


@dataclass(frozen=True)
class Alerted:
    """An alert that fired: hours before the end, minutes, and whether somebody acted."""

    name: str
    severity: str
    hours: float
    minutes: int = 12
    acted: bool = True


# Alerts that were made to fire in a drill, and some that came by themselves.
ALERTED = (
    Alerted("BytebotHighErrorRate", "critical", 600),
    Alerted("BytebotHighErrorRate", "warning", 600),
    Alerted("BytebotHighMemoryUsage", "critical", 599),
    Alerted("BytebotHighTaskFailureRate", "warning", 598),
    Alerted("BytebotTaskProcessingFailed", "warning", 598),
    Alerted("HighFailedAuthRate", "warning", 597),
    Alerted("CORSViolations", "warning", 596),
    Alerted("RateLimitExceeded", "info", 595),
    Alerted("BytebotDatabaseConnectionFailure", "critical", 594),
    Alerted("BytebotTaskQueueBacklog", "warning", 300, 40),
    Alerted("BytebotTaskQueueBacklog", "warning", 120, 55),
    Alerted("RateLimitExceeded", "info", 100, 15),
)
UNHEEDED_ALERT = Alerted("CORSViolations", "warning", 60, 20, acted=False)


def ignored() -> tuple[Alerted, ...]:
    """An alert that comes again and again, and that nobody minds."""
    return tuple(Alerted("BytebotHighDiskUsage", "warning", 20 + 31 * number, 25, acted=False) for number in range(12))


@dataclass(frozen=True)
class History:
    """All of it, as of its end.

    :param wrong: of ``WRONG``.
    """

    end: int
    wrong: frozenset[str] = frozenset()

    @property
    def go_live(self) -> int:
        """When it says that the release went live."""
        return self.end - SINCE_GO_LIVE

    def times(self) -> list[int]:
        """When there are samples."""
        fine = self.end - FINE_FOR
        return [*range(self.go_live - BEFORE, fine, COARSE_S), *range(fine, self.end + 1, FINE_S)]

    # ------------------------------------------------------------------ series

    def text(self) -> Iterator[str]:
        """As OpenMetrics."""
        times = self.times()
        parts = (self._requests(times), self._sign_ins(times), self._containers(times), self._rest(times))
        for name, labels, points in (series for part in parts for series in part):
            marks = ",".join(f"{key}={json.dumps(value)}" for key, value in {**labels, **MARK}.items())
            for at, value in points:
                yield f"{name}{{{marks}}} {value:.9g} {at}\n"
        yield "# EOF\n"

    def _requests(self, times: list[int]) -> Iterator[tuple[str, Mapping[str, str], list[Point]]]:
        chance = random.Random(7)  # the same each time
        where = {"namespace": NAMESPACE, "job": "bytebot-api", "pod": CONTAINERS[0].pod}
        codes: dict[str, list[Point]] = {"200": [], "404": [], "500": []}
        buckets: dict[str, list[Point]] = {**{f"{edge:g}": [] for edge in EDGES}, "+Inf": []}
        sums = dict.fromkeys([*codes, *buckets], 0.0)
        before = times[0]
        for at in times:
            number = 20 * self._by_day(at) * chance.uniform(0.95, 1.05) * (at - before)
            bad = 0.15 if SPIKE in self.wrong and 0 <= at - (self.end - 8 * HOUR) < 40 * 60 else 0.001
            shares = {"200": 1 - bad - 0.01, "404": 0.01, "500": bad * chance.uniform(0.5, 1.5)}
            for code, share in shares.items():
                sums[code] += number * share
                codes[code].append((at, sums[code]))
            slow = 1.9 if DRIFT in self.wrong and at > self.end - 22 * HOUR else 1.0
            middle = 0.03 * slow * self._by_day(at) ** 0.2 * chance.uniform(0.97, 1.03)
            for edge in EDGES:
                sums[f"{edge:g}"] += number * (0.5 + 0.5 * math.erf(math.log(edge / middle) / (0.6 * math.sqrt(2))))
                buckets[f"{edge:g}"].append((at, sums[f"{edge:g}"]))
            sums["+Inf"] += number
            buckets["+Inf"].append((at, sums["+Inf"]))
            before = at
        for code, points in codes.items():
            yield "http_requests_total", {**where, "code": code}, points
        for edge_text, points in buckets.items():
            yield "http_request_duration_seconds_bucket", {**where, "le": edge_text}, points

    def _sign_ins(self, times: list[int]) -> Iterator[tuple[str, Mapping[str, str], list[Point]]]:
        chance = random.Random(13)
        where = {"namespace": NAMESPACE, "job": "bytebot-api", "pod": CONTAINERS[0].pod}
        sums = {"success": 0.0, "failure": 0.0, "locked": 0.0}
        counted: dict[str, list[Point]] = {name: [] for name in sums}
        before = times[0]
        for at in times:
            hours = (at - before) / HOUR
            guessed = BRUTE_FORCE in self.wrong and 0 <= at - (self.end - 52 * HOUR) < 40 * 60
            each_hour = {"success": 80.0, "failure": 4.0 + 450 * guessed, "locked": 0.1 + 45 * guessed}
            for name, number in each_hour.items():
                sums[name] += number * self._by_day(at) * chance.uniform(0.8, 1.2) * hours
                counted[name].append((at, sums[name]))
            before = at
        for status in ("success", "failure"):
            yield "auth_attempts_total", {**where, "status": status}, counted[status]
        yield "security_events_total", {**where, "type": "ACCOUNT_LOCKED"}, counted["locked"]

    def _containers(self, times: list[int]) -> Iterator[tuple[str, Mapping[str, str], list[Point]]]:
        for one in CONTAINERS:
            chance = random.Random(one.name)
            where = {"namespace": NAMESPACE, "pod": one.pod, "container": one.name}
            cpu, periods = 0.0, 0.0
            used: list[Point] = []
            memory: list[Point] = []
            counted: list[Point] = []
            held: list[Point] = []
            before = times[0]
            for at in times:
                cpu += one.cpu * (0.5 + 0.5 * self._by_day(at)) * chance.uniform(0.9, 1.1) * (at - before)
                periods += 10 * (at - before)
                used.append((at, cpu))
                memory.append((at, one.memory * (0.9 + 0.1 * self._by_day(at)) * chance.uniform(0.98, 1.02)))
                counted.append((at, periods))
                held.append((at, periods * 0.01))
                before = at
            yield "container_cpu_usage_seconds_total", where, used
            yield "container_memory_working_set_bytes", where, memory
            yield "container_cpu_cfs_periods_total", where, counted
            yield "container_cpu_cfs_throttled_periods_total", where, held
            for what, given in (("requests", self._asks(one)), ("limits", self._may(one))):
                for resource, value in zip(("cpu", "memory"), given, strict=True):
                    labels = {**where, "resource": resource}
                    yield f"kube_pod_container_resource_{what}", labels, [(at, value) for at in times]

    def _asks(self, one: Container) -> tuple[float, float]:
        if OVER in self.wrong and one.name == "worker":
            return 6.0, 8192.0 * MIB
        return one.asks

    def _may(self, one: Container) -> tuple[float, float]:
        if OVER in self.wrong and one.name == "worker":
            return 8.0, 10_240.0 * MIB
        if UNDER in self.wrong and one.name == "api":
            return one.may[0], 400.0 * MIB
        return one.may

    def _rest(self, times: list[int]) -> Iterator[tuple[str, Mapping[str, str], list[Point]]]:
        for name, most in (("bytebot-api-hpa", 6), ("bytebot-worker-hpa", 4)):
            labels = {"namespace": NAMESPACE, "horizontalpodautoscaler": name}
            prefix = "kube_horizontalpodautoscaler"
            yield f"{prefix}_spec_min_replicas", labels, [(at, 2) for at in times]
            yield f"{prefix}_spec_max_replicas", labels, [(at, most) for at in times]
            yield f"{prefix}_status_desired_replicas", labels, [(at, self._replicas(name, at)) for at in times]
        volume = {"namespace": NAMESPACE, "persistentvolumeclaim": "bytebot-files"}
        chance = random.Random(11)
        daily = 250 * MIB if GROWTH in self.wrong else 20 * MIB
        begin = times[0]
        used = [(at, 4096 * MIB + daily * (at - begin) / DAY + chance.uniform(0, 600 * MIB)) for at in times]
        yield "kubelet_volume_stats_used_bytes", volume, used
        yield "kubelet_volume_stats_capacity_bytes", volume, [(at, 20_480 * MIB) for at in times]
        for alert in self.alerted():
            labels = {"alertname": alert.name, "severity": alert.severity, "alertstate": "firing"}
            # Two firings of one alert are one series, so they come apart by its instance.
            began = self.end - int(alert.hours * HOUR)
            labels["instance"] = f"replayed-{began % 1000}-{alert.hours:g}"
            yield "ALERTS", labels, [(at, 1) for at in range(began, began + alert.minutes * 60 + 1, 60)]

    def _replicas(self, name: str, at: int) -> float:
        ago = self.end - at
        if FLAPPING in self.wrong and name == "bytebot-api-hpa" and 30 * HOUR < ago < 36 * HOUR:
            return 2 + 2 * (at // 360 % 2)
        return 3 if at % DAY // HOUR in OFFICE else 2

    @staticmethod
    def _by_day(at: int) -> float:
        """What is busy by day is quiet by night."""
        return 1 + 0.5 * math.sin(2 * math.pi * (at % DAY / DAY - 0.25))

    # ------------------------------------------------------------------ alerts, actions, lines

    def alerted(self) -> tuple[Alerted, ...]:
        """Which alerts fired."""
        unheeded = (UNHEEDED_ALERT,) if UNHEEDED in self.wrong else ()
        return ALERTED + (ignored() if IGNORED in self.wrong else ()) + unheeded

    def actions(self) -> list[dict[str, str]]:
        """What people did about alerts."""
        return [
            {"alert": one.name, "at": stamp(self.end - int(one.hours * HOUR) + 300), "action": "acknowledged"}
            for one in self.alerted()
            if one.acted
        ]

    def lines(self, mark: str) -> Iterator[dict[str, Any]]:
        """Lines of the last eight days.

        :param mark: tells the lines of this replay from those of others.
        """
        chance = random.Random(3)
        where = {
            "kubernetes.pod_namespace": NAMESPACE, "kubernetes.pod_name": CONTAINERS[0].pod,
            "kubernetes.container_name": "api", "service": "bytebot-api", "synthetic": mark,
        }  # fmt: skip
        for number, at in enumerate(range(self.end - 8 * DAY, self.end, 600)):
            yield {**where, "_time": stamp(at), "level": "info", "_msg": "request", "statusCode": "200"}
            if number % 11 == 0:
                yield {**where, "_time": stamp(at + 7), "level": "error", **self._error(chance)}
        if NEW_ERROR in self.wrong:
            for number in range(5):
                when = stamp(self.end - 5 * HOUR + 97 * number)
                text = f"the checksum of object {chance.getrandbits(64):016x} does not match its index"
                yield {**where, "_time": when, "level": "error", "_msg": text}

    @staticmethod
    def _error(chance: random.Random) -> dict[str, str]:
        number = chance.randint(1, 9999)
        return chance.choice([
            {"_msg": f"task {number} failed after {chance.randint(1, 90)}s", "error": "TimeoutError"},
            {"_msg": f"no answer from 10.0.{number % 256}.7:5432 within {number % 30}s", "error": "ConnectionError"},
            {"_msg": f"mail to user{number}@example.net was refused", "error": "SMTPRecipientsRefused"},
        ])  # fmt: skip


def stamp(at: int) -> str:
    """A time as RFC 3339."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
