# What was seen of a release's configuration, scaling and health, and what is wanted of it; facts alone.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import PostgresFacts
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, utc_now

Object = dict[str, Any]
VARIABLES = "application_configuration.environment.variables"
LOG_LEVEL = "application_configuration.environment.log_level"
DEBUG = "application_configuration.environment.debug_off"
FLAGS = "application_configuration.environment.feature_flags"
POOL = "application_configuration.tuning.pool_size"
LIMITS = "application_configuration.tuning.limits"
HPA = "application_configuration.tuning.hpa"
VPA = "application_configuration.tuning.vpa"
LIVENESS = "application_configuration.health.liveness"
READINESS = "application_configuration.health.readiness"
STARTUP = "application_configuration.health.startup"
LOAD, DRILLS = "load", "drills"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that containers must have.

    :param pattern: a regular expression that its whole value must match; empty for any that is not empty.
    :param workloads: the workloads that need it, by name; empty for all.
    """

    name: str
    pattern: str = ""
    workloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """A feature flag as its register says it: who answers for it, and the share of requests or users that have it."""

    name: str
    owner: str
    rollout: int
    default: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a release is judged by.

    :param variables: None where no list was given; :param flags: None where there is no register.
    :param throttled: the largest share of processor periods in which a container was held back.
    """

    variables: tuple[Variable, ...] | None = None
    flags: tuple[Flag, ...] | None = None
    flag_prefixes: tuple[str, ...] = ("ENABLE_", "FEATURE_")
    level_variables: tuple[str, ...] = ("LOG_LEVEL",)
    levels: tuple[str, ...] = ("info", "information", "notice", "warn", "warning", "error")
    debug_variables: tuple[str, ...] = ()
    production: Mapping[str, str] = field(default_factory=dict)
    debug_ports: tuple[int, ...] = ()
    documents: bool = False
    least_pool: int = 2
    utilisation: float = 0.9
    throttled: float = 0.25  # as the usual alert CPUThrottlingHigh has it
    headroom: float = 0.9
    too_large: float = 10.0
    least_replicas: int = 2


@dataclass(frozen=True, slots=True)
class Running:
    """A container of one pod of the release.

    :param told: the variables by what its sources say now; :param has: those that its processes have, None where that
        could not be asked (``problem`` says why). Both may hold secrets and are shown nowhere.
    :param unknown: variables whose value is made while the container starts, and so is not compared.
    :param changed: sources that were changed after the container was made.
    :param ports: on which somebody listens; None where that could not be asked.
    :param injected: whether it is in the pod and not in its workload, as a mesh's proxy is.
    """

    where: str
    workload: str
    pod: str
    told: Mapping[str, str] = field(default_factory=dict, repr=False)
    has: Mapping[str, str] | None = field(default=None, repr=False)
    unknown: frozenset[str] = frozenset()
    changed: tuple[str, ...] = ()
    ports: tuple[int, ...] | None = None
    problem: str = ""
    injected: bool = False

    @property
    def variables(self) -> Mapping[str, str]:
        """What it has, or, where that could not be asked, what it is told."""
        return self.told if self.has is None else self.has


@dataclass(frozen=True, slots=True)
class Lines:
    """What a container logs: its lines by level, and why they could not be read."""

    where: str
    pod: str
    count: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the application.

    :param kind: ``error`` where one was provoked, ``document`` where its own documents were asked for.
    :param shows: what the body gives away, in words; empty where nothing.
    """

    kind: str
    asked: str
    status: int = 0
    shows: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """What a container used in the window that was looked at; None where no figure came.

    Of the processor that is what it used for nine tenths of the time at the most.

    :param processor: cores at the most; :param memory: bytes at the most; :param throttled: share of its periods.
    """

    workload: str
    container: str
    processor: float | None = None
    memory: float | None = None
    throttled: float | None = None
    processor_limit: float | None = None
    memory_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the metrics told, and the load under which they did.

    :param load: requests that were sent, and over how many seconds; None where none were, for the reason ``unloaded``.
    :param in_use: by workload, the connections that one replica had in use for nine tenths of the time at the most.
    """

    uses: tuple[Use, ...] = ()
    in_use: Mapping[str, float] = field(default_factory=dict)
    window: str = ""
    load: tuple[int, int, float] | None = None
    unloaded: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Scaled:
    """What a drill saw of an autoscaler: the replicas it wanted before, at the most, and at the end."""

    name: str
    before: int = 0
    most: int = 0
    after: int = 0
    out_s: float = 0.0
    in_s: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Hung:
    """What a drill saw of a copy whose processes were stopped; ``restarted`` None where it was never restarted."""

    workload: str
    bound_s: float
    restarted_s: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a drill saw of a copy that was cut off from its database.

    :param unready_s: seconds until it was unready; :param out_s: until its Service had it no more.
    :param restarts: how often it was restarted in ``watched_s``; :param back_s: until it was ready again.
    """

    workload: str
    dependency: str
    bound_s: float = 0.0
    watched_s: float = 0.0
    unready_s: float | None = None
    out_s: float | None = None
    back_s: float | None = None
    restarts: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What drills saw; ``undone`` says why there were none."""

    undone: str = ""
    remedy: str = ""
    scaled: tuple[Scaled, ...] | None = None
    hung: Hung | None = None
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """One observation of one release.

    :param workloads: Deployments, StatefulSets and DaemonSets as they are; :param released: objects as helm knows them.
    :param denied: by kind, why it could not be read.
    :param autoscalers: of the namespace.
    :param vertical: VerticalPodAutoscalers, None where the API does not serve them
        (``vertical_answer`` is what it said) or may not be read (``denied``).
    """

    namespace: str
    release: str
    wanted: Wanted = field(default_factory=Wanted)
    workloads: tuple[Object, ...] = ()
    released: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    denied: Mapping[str, str] = field(default_factory=dict)
    nothing: str = ""
    running: tuple[Running, ...] = ()
    not_looked: str = ""
    lines: tuple[Lines, ...] = ()
    pages: tuple[Page, ...] = ()
    unasked: str = ""
    autoscalers: tuple[Object, ...] = ()
    vertical: tuple[Object, ...] | None = None
    vertical_answer: str = ""
    database: PostgresFacts | None = None
    measured: Measured = field(default_factory=Measured)
    allowed: Collection[str] = ()
    drilled: Drilled = field(default_factory=Drilled)
    observed_at: str = field(default_factory=utc_now)

    def evidence(self, source: str, observed: Object) -> Evidence:
        """What was seen of one question."""
        return Evidence(f"{source}, namespace {self.namespace}, release {self.release}", observed, self.observed_at)


def name_of(obj: Mapping[str, Any]) -> str:
    """How findings call a workload."""
    return f"{obj.get('kind')} {(obj.get('metadata') or {}).get('name')}"
