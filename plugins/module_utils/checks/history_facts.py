# What is observed of the time since go-live: series, firing alerts, rules, lines, and what containers used.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.bytebot.production.plugins.module_utils.checks.history_security_facts import (
    SecurityAlerts,
    SecurityRulesSeen,
    SignIns,
    SignInsSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_templates import Patterns
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

DAY_S = 86_400.0
# The document's reviews: within 24 hours, within a week, within a month.
SPANS = {"day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S}
HIGHER, LOWER = "higher", "lower"
LATE_S = 3600.0  # a review that ends earlier than now by more looks at an older time than the document's

Point = tuple[float, float]


def stamp(at: float) -> str:
    """A Unix time for a person, and for evidence."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="minutes").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a review looks at.

    :param span_s: its length; :param baseline: how many times that length before it is what it is compared with.
    :param go_live: Unix time; :param source: who says so.
    """

    stage: str
    go_live: float
    source: str
    span_s: float
    end: float
    now: float
    baseline: int = 7

    @property
    def begin(self) -> float:
        """From when on; the review of a stage that is due never reaches before go-live."""
        return max(self.end - self.span_s, self.go_live)

    @property
    def due(self) -> float:
        """When the review can be made."""
        return self.go_live + self.span_s

    @property
    def is_due(self) -> bool:
        """Whether it can be made, as of its end."""
        return min(self.end, self.now) >= self.due

    @property
    def earliest(self) -> float:
        """Where the time begins that it is compared with."""
        return self.begin - self.baseline * self.span_s

    @property
    def weaker(self) -> tuple[str, ...]:
        """What is weaker than the document's."""
        found = []
        if self.span_s < SPANS[self.stage]:
            found.append(f"{words(self.span_s)} reviewed, document {words(SPANS[self.stage])}")
        if self.now - self.end > LATE_S:
            found.append(f"reviewed until {stamp(self.end)}, document until now")
        return tuple(found)

    @property
    def text(self) -> str:
        """For a sentence."""
        return f"{stamp(self.begin)} to {stamp(self.end)}"

    def facts(self) -> dict[str, str | int]:
        """For evidence."""
        return {
            "from": stamp(self.begin), "to": stamp(self.end), "baseline_from": stamp(self.earliest),
            "go_live": stamp(self.go_live), "go_live_by": self.source,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signal:
    """A figure that tells how the system does.

    :param query: PromQL; ``$selector`` and ``$step`` in it are filled in.
    :param floor: the least difference that matters; :param limit: what its median must not pass; None for no limit.
    :param worse: whether ``higher`` or ``lower`` values are worse.
    """

    name: str
    query: str
    unit: str = ""
    floor: float = 0.0
    limit: float | None = None
    worse: str = HIGHER

    def shown(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:.3g}{' ' if self.unit else ''}{self.unit}"


SIGNALS = (
    Signal(
        "response time (95th percentile)",
        "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{$selector}[$step])))",
        "s", 0.02, 0.2,
    ),
    Signal(
        "share of server errors",
        '(sum(rate(http_requests_total{$selector,code=~"5.."}[$step])) or vector(0))'
        " / sum(rate(http_requests_total{$selector}[$step]))",
        "", 0.01, 0.05,
    ),
    Signal(
        "memory",
        'sum(container_memory_working_set_bytes{$selector,container!="",container!="POD"})',
        "B", 64 * 1024.0**2,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SignalSeen:
    """A figure over the time that is reviewed and the time before.

    :param told: the answer; its data are not repeated. :param points: all, the earliest first.
    """

    signal: Signal
    told: Told
    points: tuple[Point, ...] = ()
    step_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """A rule that alerts.

    :param yields: how many samples its expression has with the comparison left out; None where that was not asked.
    :param missing: metrics of its expression that no target has; :param absent: it fires where something is missing.
    :param fired: whether it did in the last month.
    """

    name: str
    severity: str
    query: str
    yields: Told | None = None
    missing: tuple[str, ...] = ()
    absent: bool = False
    fired: bool = False
    health: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class RulesSeen:
    """All rules, and what proves them.

    :param tested: names of alerts that a test of rules makes fire.
    :param tests: the problem of each file of tests, empty if none. :param left: how many rules were not looked at.
    """

    url: str
    groups: Told
    history: Told = field(default_factory=Told)
    rules: tuple[RuleSeen, ...] = ()
    tested: frozenset[str] = frozenset()
    tests: Mapping[str, str] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True, slots=True)
class LogsSeen:
    """Lines with errors in the reviewed time and before it.

    :param cut: which of the two had more lines than are read; :param levels: that were asked for.
    :param levelled: whether a line of the reviewed time has a level.
    """

    url: str
    told: Told
    before: Patterns = field(default_factory=Patterns)
    after: Patterns = field(default_factory=Patterns)
    counts: tuple[int, int] = (0, 0)
    other: int = 0
    cut: tuple[bool, bool] = (False, False)
    levels: tuple[str, ...] = ()
    levelled: bool = True


@dataclass(frozen=True, slots=True)
class Used:
    """What the containers of one kind in a workload used and were given, each by one pod; cores and bytes.

    :param cpu: 95th percentile over the time, of the pod that used most; :param memory: the most.
    :param throttled: share of the periods in which a container was held back; None where it is not known.
    :param points: how many samples the figures rest on.
    """

    workload: str
    container: str
    cpu: float
    memory: float
    points: int
    cpu_request: float | None = None
    memory_request: float | None = None
    cpu_limit: float | None = None
    memory_limit: float | None = None
    throttled: float | None = None
    peak_hour: int | None = None

    @property
    def where(self) -> str:
        """Its name."""
        return f"{self.workload}/{self.container}"


@dataclass(frozen=True, slots=True)
class UseSeen:
    """All containers of the release, with the first question that was not answered.

    :param wanted: samples that the time has. :param halves: containers of which one of processor and memory is told.
    """

    url: str
    told: Told
    used: tuple[Used, ...] = ()
    wanted: int = 0
    halves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scaler:
    """One autoscaler's wanted replicas over time, and its bounds."""

    name: str
    points: tuple[Point, ...]
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ScalersSeen:
    """All autoscalers of the namespace."""

    url: str
    told: Told
    scalers: tuple[Scaler, ...] = ()
    step_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Episode:
    """A time without a break in which an alert fired."""

    alert: str
    severity: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did about an alert: acknowledged, silenced, annotated."""

    alert: str
    at: float
    what: str = ""


@dataclass(frozen=True, slots=True)
class EpisodesSeen:
    """Alerts that fired, and what was done about them.

    :param actions: as the record has them; None where no record is named. :param problem: why it cannot be read.
    :param kept: whether the store keeps the series of alerts; :param covered: the share of the time that it has.
    """

    url: str
    told: Told
    episodes: tuple[Episode, ...] = ()
    actions: tuple[Action, ...] | None = None
    source: str = ""
    problem: str = ""
    kept: bool = True
    covered: float = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """Something that can run out.

    :param used: PromQL; :param capacity: PromQL. Both are asked with ``$selector`` filled in, and joined by ``by``.
    """

    name: str
    used: str
    capacity: str
    by: str = ""
    unit: str = "B"


ROOMS = (
    Room(
        "volume", "max by (persistentvolumeclaim) (kubelet_volume_stats_used_bytes{$selector})",
        "max by (persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes{$selector})", "persistentvolumeclaim",
    ),
    Room(
        "memory of the containers against their limits",
        'sum(container_memory_working_set_bytes{$selector,container!="",container!="POD"})',
        'sum(kube_pod_container_resource_limits{$selector,resource="memory"})',
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Growth:
    """The highest use of each day, and what there is."""

    room: Room
    name: str
    days: tuple[Point, ...]
    capacity: float | None


@dataclass(frozen=True, slots=True)
class GrowthSeen:
    """All that can run out."""

    url: str
    told: Told
    growths: tuple[Growth, ...] = ()
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a review is judged by.

    :param known: patterns of errors that are expected (regular expressions).
    :param paths: by ``workload`` or ``workload/container``, the key of the chart's values that holds its resources.
    :param flaps: changes of direction in an hour that are too many; :param horizon_s: how far ahead must be room.
    :param precision: share of an alert's firings that somebody must have acted on.
    :param unjudged: alerts that nobody acts on, as the one that always fires.
    """

    known: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    flaps: int = 4
    horizon_s: float = 90 * DAY_S
    precision: float = 0.5
    unjudged: frozenset[str] = frozenset()
    sign_ins: SignIns = field(default_factory=SignIns)
    security_alerts: SecurityAlerts = field(default_factory=SecurityAlerts)


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """What one review observed; None where its input is missing or nobody asked."""

    period: Period
    wanted: Wanted = field(default_factory=Wanted)
    signals: tuple[SignalSeen, ...] | None = None
    rules: RulesSeen | None = None
    logs: LogsSeen | None = None
    use: UseSeen | None = None
    scalers: ScalersSeen | None = None
    alerts: EpisodesSeen | None = None
    growth: GrowthSeen | None = None
    sign_ins: SignInsSeen | None = None
    security: SecurityRulesSeen | None = None
    at: str = field(default_factory=utc_now)
