# What is observed of the targets that Prometheus scrapes, of the series of pods and nodes, and of what dashboards show.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

ROUNDS = 3.0  # scrapes that may be missed before the last one is not fresh


@dataclass(frozen=True, slots=True)
class Source:
    """Where the release offers metrics: a port of a pod behind one of its Services."""

    service: str
    pod: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the release, and the node that it runs on."""

    name: str
    node: str
    node_address: str = ""
    running: bool = True


@dataclass(frozen=True, slots=True)
class ReleaseSeen:
    """The release as the cluster tells of it; ``denied`` says which right is missing."""

    namespace: str
    release: str
    sources: tuple[Source, ...] = ()
    pods: tuple[Pod, ...] = ()
    denied: str = ""


@dataclass(frozen=True, slots=True)
class ScrapesSeen:
    """What Prometheus tells of its targets.

    :param now: its own clock; :param exceeded: scrapes that were refused for a limit in the last minutes.
    """

    url: str
    targets: Told
    now: Told = field(default_factory=Told)
    exceeded: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class SystemSeen:
    """Series of pods and nodes, each question's answer as the label sets that it gave.

    :param containers: of the containers' memory; :param states: of the pods' objects; :param nodes: of the machines.
    """

    url: str
    containers: Told
    states: Told
    nodes: Told


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel, with its variables filled in.

    :param told: Unix time of the newest value, and the number of series.
    :param lost: metrics in it that no series and no description is of, or that are exported and do not arrive.
    :param quiet: metrics in it that are described and have no series yet.
    """

    panel: str
    expression: str
    told: Told
    lost: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BoardSeen:
    """One dashboard; ``problem`` says why its queries could not be asked."""

    name: str
    asked: tuple[Asked, ...] = ()
    problem: Told = field(default_factory=Told)
    unresolved: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class BoardsSeen:
    """What the wanted dashboards show."""

    url: str
    boards: tuple[BoardSeen, ...] = ()
    now: float = 0.0
    listed: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class Counter:
    """A metric of the business and the events that must move it.

    :param metric: its name; :param labels: the labels by which it is told from others; :param event: what moves it.
    """

    metric: str
    event: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        inner = ", ".join(f'{name}="{value}"' for name, value in self.labels.items())
        return f"{self.metric}{{{inner}}}" if inner else self.metric


@dataclass(frozen=True, slots=True)
class Move:
    """What a counter did while events were caused.

    :param before: its sum over all replicas; :param after: the same when all had been scraped again.
    :param there: whether any series of its name is there.
    """

    counter: Counter
    caused: int
    before: float = 0.0
    after: float = 0.0
    there: bool = True


@dataclass(frozen=True, slots=True)
class BusinessSeen:
    """The tries to move the counters, the last one last.

    :param gap: why nothing was caused, and :param remedy: what helps; :param broken: why the events failed.
    :param left_out: events that are not permitted, by the input that permits them.
    :param trouble: why the measurement cannot be trusted.
    """

    tries: tuple[tuple[Move, ...], ...] = ()
    gap: str = ""
    remedy: str = ""
    broken: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    left: str = ""


@dataclass(frozen=True, slots=True)
class WatchedFacts:
    """One observation; None where nothing says where the service is, or a control was not asked for.

    :param release: as it was when the targets were asked for.
    :param running: as it was when the series were asked for: later, and pods may have come in between.
    """

    release: ReleaseSeen | None = None
    scrapes: ScrapesSeen | None = None
    running: ReleaseSeen | None = None
    system: SystemSeen | None = None
    boards: BoardsSeen | None = None
    business: BusinessSeen | None = None
    wanted_boards: tuple[str, ...] = ()
    fresh_s: float = 120.0
    unasked: str = ""
    at: str = field(default_factory=utc_now)


def pair_of(labels: Mapping[str, Any]) -> tuple[str, str]:
    """Namespace and pod of a series."""
    return str(labels.get("namespace") or ""), str(labels.get("pod") or labels.get("pod_name") or "")
