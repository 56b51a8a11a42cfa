# What is observed of Prometheus and Grafana, and what they are judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

USUAL_VERSION = "2.53"  # the last line of Prometheus 2 with long-term support
USUAL_RETENTION = "15d"  # what Prometheus keeps where nothing is said
USUAL_AGE_S = 300.0  # Prometheus finds no sample that is older, so it is stale to it
USUAL_ROOM = 0.1


@dataclass(frozen=True, slots=True)
class PrometheusSeen:
    """What Prometheus, or what speaks as it does, answered.

    :param age: seconds since the newest sample of ``up`` was stored; :param oldest: Unix time of the oldest sample.
    :param cut: how often its limit by size removed samples within days.
    :param room: the free share of its volume, by the kubelet's figures; None where no volume is named.
    """

    url: str
    ready: Told
    build: Told = field(default_factory=Told)
    runtime: Told = field(default_factory=Told)
    age: Told = field(default_factory=Told)
    oldest: Told = field(default_factory=Told)
    cut: Told = field(default_factory=Told)
    room: Told | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A data source of Grafana's.

    :param how: what was asked of it through Grafana; :param answer: what came back.
    """

    uid: str
    name: str = ""
    kind: str = ""
    how: str = ""
    answer: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class GrafanaSeen:
    """What Grafana answered.

    :param found: the data source that is asked, or why there is none; :param source: the one that was asked.
    :param listed: titles and uids of all dashboards; :param boards: the wanted ones that are listed, by wanted name.
    """

    url: str
    health: Told
    found: Told = field(default_factory=Told)
    source: Source | None = None
    listed: Told = field(default_factory=Told)
    boards: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricsWanted:
    """What they are judged by.

    :param retention: as Prometheus writes a length of time; :param age_s: oldest that the newest sample may be.
    :param room: share of the volume that must be free; :param dashboards: titles or uids.
    """

    version: str = USUAL_VERSION
    retention: str = USUAL_RETENTION
    age_s: float = USUAL_AGE_S
    room: float = USUAL_ROOM
    dashboards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricsFacts:
    """One observation; None where nothing says where the service is."""

    prometheus: PrometheusSeen | None = None
    grafana: GrafanaSeen | None = None
    wanted: MetricsWanted = field(default_factory=MetricsWanted)
    now: float = 0.0
    at: str = field(default_factory=utc_now)
