# What is seen of a run of load: answers, replicas, the database; and what it is judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.load.plan import STEADY, Plan
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import SLICE_S, Cell, Tally
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, utc_now

LATENCY, CONCURRENCY, RESOURCES, LEAK, DATABASE = (
    f"performance_testing.load.{item}" for item in ("latency", "concurrency", "resources", "leak", "database")
)
DOCUMENT_LATENCY_MS = 200.0  # "Response times under 200ms for 95th percentile"
DOCUMENT_LIMIT = 100  # requests of one user in a minute
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the run is judged by; shares are of 1.

    :param latency_ms: for the 95th percentile; :param knee_ms: the same while the load rises.
    :param lag_ms: what the sender itself may be late. :param late_share: requests that may be later than that.
    :param leak_hours: how long memory must last if it went on growing as in the soak.
    :param memory_budget: bytes of a container that has no limit of its own.
    :param production_rate: requests a second that production brings, 0 where nobody has said; only told.
    """

    latency_ms: float = DOCUMENT_LATENCY_MS
    error_share: float = 0.01
    knee_ms: float = 1000.0
    head_room: float = 1.5
    lag_ms: float = 20.0
    late_share: float = 0.01
    user_limit: int = DOCUMENT_LIMIT
    memory_share: float = 0.8
    cpu_share: float = 0.8
    throttled_share: float = 0.25
    files_share: float = 0.8
    leak_hours: float = 24.0
    memory_budget: int = 0
    statement_ms: float = 50.0
    cache_share: float = 0.9
    lock_wait_ms: float = 1000.0
    dead_share: float = 0.3
    scan_rows: int = 10000
    connection_share: float = 0.8
    production_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One container at one time; what could not be read is None.

    :param anonymous: bytes that cannot be given back (no caches). :param working: those without what can be at once.
    """

    at: float
    anonymous: int | None = None
    working: int | None = None
    cpu_s: float | None = None
    periods: int | None = None
    throttled: int | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """A container that was watched, its limits, and what was seen of it while the load ran."""

    workload: str
    pod: str
    container: str
    memory_limit: int | None = None
    cpu_limit: float | None = None
    files_limit: int | None = None
    samples: tuple[Sample, ...] = ()
    problem: str = ""

    @property
    def where(self) -> str:
        return f"{self.pod}/{self.container}"


@dataclass(frozen=True, slots=True)
class Change:
    """A container that did not live through the run. :param killed: for its memory; :param gone: the pod is another."""

    where: str
    what: str
    killed: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What was seen of the replicas. :param problem: why nothing was, and :param remedy: what helps."""

    replicas: tuple[Replica, ...] = ()
    changes: tuple[Change, ...] = ()
    source: str = ""
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one statement took while the load ran."""

    text: str
    calls: int
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Table:
    """What became of a table while the load ran: whole reads, and rows read by them; live and dead rows at the end."""

    name: str
    scans: int
    scanned: int
    live: int
    dead: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The server at one time. :param waited_ms: by the longest wait for a lock."""

    connections: int
    waiting: int
    waited_ms: float


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """What the server told; ``cause`` is empty where it did. Numbers are those of the run alone.

    :param statements: None where the server keeps none, for the reason in ``no_statements``.
    """

    cause: str = ""
    lost: bool = False
    most_connections: int = 0
    hits: int = 0
    reads: int = 0
    deadlocks: int = 0
    tables: tuple[Table, ...] = ()
    statements: tuple[Statement, ...] | None = None
    no_statements: str = ""
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """One run.

    :param unasked: why no load was sent, and :param remedy: what permits it; both empty where it was.
    :param broken: why a part of the load was not sent. :param endpoints: names, and whether they ask signed in.
    :param users: concurrent ones that are expected. :param sessions: of them, how many signed in on their own.
    :param no_users: why nobody signed in. :param database: None where it was not met, for ``no_database``.
    :param asked_each: requests of the user who sent most, in a minute.
    """

    base_url: str
    wanted: Wanted = field(default_factory=Wanted)
    unasked: str = ""
    remedy: str = ""
    plan: Plan = field(default_factory=lambda: Plan(()))
    tally: Tally = field(default_factory=Tally)
    workers: int = 1
    broken: str = ""
    endpoints: tuple[tuple[str, bool], ...] = ()
    users: int = 0
    sessions: int = 0
    no_users: str = ""
    asked_each: float = 0.0
    usage: Usage = field(default_factory=Usage)
    database: DatabaseSeen | None = None
    no_database: str = ""
    no_database_remedy: str = ""
    observed_at: str = field(default_factory=utc_now)

    def phases(self, kind: str) -> list[int]:
        """The numbers of the phases of a kind."""
        return [number for number, phase in enumerate(self.plan.phases) if phase.kind == kind]

    def cell(self, phases: Iterable[int], endpoint: int | None = None) -> Cell:
        """What came of phases, of one endpoint or of all."""
        whole = Cell()
        wanted = set(phases)
        for (phase, one), cell in self.tally.cells.items():
            if phase in wanted and endpoint in (None, one):
                whole.merge(cell)
        return whole

    @property
    def window(self) -> tuple[float, float]:
        """When the steady part begins and ends, in seconds after the start."""
        steady = self.phases(STEADY)
        if not steady:
            return 0.0, 0.0
        return self.plan.began(steady[0]), self.plan.began(steady[-1]) + self.plan.phases[steady[-1]].seconds

    def answers(self, more: Mapping[str, Any]) -> Evidence:
        """What is told of answers, with how the load was sent."""
        told: dict[str, Any] = {
            "users": self.users,
            "sessions": self.sessions,
            "sending_processes": self.workers,
            "arrivals": self.plan.arrivals,
            "seed": self.plan.seed,
        }
        return Evidence(f"load on {self.base_url}", {**told, **more}, self.observed_at)

    def series(self) -> list[list[float | None]]:
        """Of each five seconds of the run: when they end, requests, failures, and the 50th and 95th percentile (ms)."""
        rows: list[list[float | None]] = []
        for number in sorted(self.tally.slices):
            cell = self.tally.slices[number]
            told = cell.answered.told()
            rows.append([(number + 1) * SLICE_S, cell.sent, cell.failures, told["p50"], told["p95"]])
        return rows
