# What was asked of health, metrics and public addresses, and what is wanted of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as promised, and what to do."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One address, asked until right or until the time for it was over.

    :param attempts: how often each outcome came, in the order of their first coming.
    :param excerpt: the start of the last body, already redacted.
    """

    answer: Answer
    attempts: Mapping[str, int] = field(default_factory=dict)
    settled_s: float = 0.0
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A public address and how the expected application is told from any other page."""

    url: str
    status: int = 200
    contains: str = ""
    jmespath: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """Counter values as (process, value), scraped before and after a known number of requests."""

    made: int = 0
    before: tuple[tuple[str, float], ...] = ()
    after: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What is wanted. Families and dependencies are names; times are seconds."""

    version: str = ""
    dependencies: tuple[str, ...] = ("database", "redis")
    families: tuple[str, ...] = ()
    moving_metric: str = "http_requests_total"
    max_seconds: float = 2.0
    max_skew: float = 30.0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was asked; ``probes`` by ``live``, ``ready``, ``startup``, ``metrics``."""

    policy: Policy
    probes: Mapping[str, Probe] = field(default_factory=dict)
    movement: Movement = Movement()
    endpoints: tuple[tuple[Endpoint, Probe], ...] = ()
