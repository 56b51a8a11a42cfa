# What a component is: a supervised process, or a workload in the cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sandbox.build.images import Image, ImageStore
from sandbox.build.plan import Build
from sandbox.cluster import Cluster
from sandbox.pki import Certificate, Pki
from sandbox.progress import Progress
from sandbox.settings import FULL, Settings
from sandbox.supervisor import Supervisor


class Reach(Protocol):
    """What questions to a component need; components and faults have it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def cluster(self) -> Cluster: ...

    @property
    def pki(self) -> Pki: ...


@dataclass(frozen=True)
class Context:
    """What a component's functions may use."""

    settings: Settings
    pki: Pki
    cluster: Cluster
    supervisor: Supervisor
    images: ImageStore
    progress: Progress
    stop: threading.Event = field(default_factory=threading.Event)


def _nothing(_: Context) -> None:
    return None


def _no_values(_: Context) -> Mapping[str, Any]:
    return {}


def _true(_: Context) -> bool:
    return True


def _always(_: Settings) -> bool:
    return True


def only_full(settings: Settings) -> bool:
    """For `wanted`: a part of the profile `full` alone."""
    return settings.profile == FULL


@dataclass(frozen=True, kw_only=True)
class Component:
    """Name and folder come from where it was found (catalog.py)."""

    version: str = ""
    # Where the version is whatever Debian has.
    package: str = ""
    needs: tuple[str, ...] = ()
    builds: tuple[Build, ...] = ()
    images: tuple[Image, ...] = ()
    # Pairs of a name and its parent; roots have an empty parent.
    authorities: tuple[tuple[str, str], ...] = ()
    certificates: tuple[Certificate, ...] = ()
    # Runs before anything starts, after the certificates are there.
    prepare: Callable[[Context], None] = _nothing
    # What the templates of its folder may use beside settings, versions and pki.
    values: Callable[[Context], Mapping[str, Any]] = _no_values
    # Asks for a real answer: stored conditions may be older than this start.
    answers: Callable[[Context], bool] = _true
    # Whether this sandbox has it at all.
    wanted: Callable[[Settings], bool] = _always
    within_s: float = 120.0
    name: str = ""
    folder: Path = Path()

    def template_values(self, ctx: Context) -> dict[str, Any]:
        return {"s": ctx.settings, "pki": ctx.pki, **self.values(ctx)}


@dataclass(frozen=True, kw_only=True)
class Process(Component):
    """Runs under the supervisor. Templates `NAME.j2` of its folder become `conf/NAME`."""

    command: Callable[[Settings], list[str]]


@dataclass(frozen=True)
class Rollout:
    """An object whose pods must be ready."""

    kind: str
    namespace: str
    name: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Workload(Component):
    """Applied to the cluster: every `*.yaml.j2` of its folder, in the order of their names."""

    rollouts: tuple[Rollout, ...] = ()
    after_apply: Callable[[Context], None] = _nothing
