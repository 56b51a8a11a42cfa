# What is observed of a namespace's network: policies, pods, and what short-lived pods reached.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

Object = Mapping[str, Any]
POLICIES = "security_configuration.network.policies"
WORKLOADS, WHOLE = "workloads", "namespace"
ISOLATIONS = (WHOLE, WORKLOADS)
# Where a connection may lead. The last two have no target by default: none is known that may be tried.
DNS, SAME, DATABASE, CACHE, METADATA, OTHER, OUTSIDE = (
    "dns",
    "same_namespace",
    "database",
    "cache",
    "metadata",
    "other_namespace",
    "outside",
)
ZONES = (DNS, SAME, DATABASE, CACHE, METADATA, OTHER, OUTSIDE)
OPEN, REFUSED, TIMEOUT, UNRESOLVED, UNREACHABLE = "open", "refused", "timeout", "unresolved", "unreachable"
OUTCOMES = (OPEN, REFUSED, TIMEOUT, UNRESOLVED, UNREACHABLE)
OUTSIDER = "a pod without the release's labels"


@dataclass(frozen=True, slots=True)
class Path:
    """A target, and whether a pod of the release must reach it or must not.

    :param port: 0 where only the name is resolved.
    """

    name: str
    zone: str
    host: str
    port: int
    allowed: bool

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


@dataclass(frozen=True, slots=True)
class Tried:
    """What one pod came to at one target, and another pod at the same target in the same run.

    :param wanted: whether it must get through; :param outcome: one of OUTCOMES, or why the pod could not try.
    :param witness: who else tried it; :param seen: what that one came to.
    """

    path: Path
    by: str
    wanted: bool
    outcome: str
    witness: str
    seen: str

    @property
    def through(self) -> bool:
        return self.outcome == OPEN

    @property
    def witnessed(self) -> bool:
        """Whether the target was there to be reached."""
        return self.seen == OPEN

    @property
    def settled(self) -> bool:
        """Whether it is as wanted, and known to be."""
        return self.through if self.wanted else not self.through and self.witnessed


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """One look at a namespace.

    :param pods: those that run and are not this module's own.
    :param tried: every target by every kind of pod; empty where no pod was made, for the reason in ``no_probe``.
    :param unknown: by zone, why there is no target in it; :param denied: what may not be read.
    :param isolation: whether the whole namespace must be isolated, or its workloads only.
    """

    namespace: str
    policies: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    tried: tuple[Tried, ...] = ()
    no_probe: str = ""
    remedy: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)
    denied: str = ""
    isolation: str = WHOLE
    observed_at: str = field(default_factory=utc_now)
