# What is learned about a chart with one set of values, and what it is judged by.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.value_use import Path
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import containers

Object = dict[str, Any]
SHOWN = 5  # findings named in a summary; all stand in the evidence
# Words in names of other environments; those in the name of this one do not count.
FOREIGN = ("dev", "development", "preprod", "qa", "stage", "staging", "test", "testing", "uat")


@dataclass(frozen=True, slots=True)
class LintMessage:
    """One line of ``helm lint``."""

    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class ValueFacts:
    """What was learned about the values.

    :param merged: the chart's own values with the given ones laid over them; :param given: the given ones.
    :param schema: the chart's schema of its values.
    :param unread: given values that no template reads; :param without_effect: those that change nothing of what is
        rendered; :param undecided: those of which that could not be seen, for the rendering differs each time.
    """

    merged: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[Path, ...] = ()
    without_effect: tuple[Path, ...] = ()
    undecided: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment asks of its release.

    :param environment: its name; :param hosts: the host names that are served; empty where that is not judged.
    :param minimum_replicas: of every Deployment and StatefulSet behind a Service.
    :param single_replica: names of those of which one is right, since two could not stand for each other.
    :param required_values: dotted paths of values that must be there beside those that the chart requires.
    :param others: merged values of other environments, by name; :param must_differ: dotted paths that may not be equal.
    :param foreign: words that name other environments.
    """

    environment: str = "production"
    hosts: tuple[str, ...] = ()
    minimum_replicas: int = 2
    single_replica: tuple[str, ...] = ()
    required_values: tuple[str, ...] = ()
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    must_differ: tuple[str, ...] = ("global.domain",)
    foreign: tuple[str, ...] = FOREIGN


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """What was learned about a chart with one set of values.

    :param lint: messages of ``helm lint --strict``; :param lint_ok: whether it ended without error.
    :param render_error: helm's words where the chart does not render; then ``objects`` is empty.
    :param objects: the rendered objects; :param hooks: those that run as hooks, tests not counted.
    :param namespace: where they would go.
    :param refusals: objects and pods that admission refuses, each with its reason.
    :param not_asked: objects that nobody could ask admission about (their namespace is not there, or not permitted).
    :param asked: how many objects and pods admission was asked about.
    :param minor: the minor version of the cluster's Kubernetes, None where it tells none.
    :param deprecations: what the API server warned of when it was asked about the objects.
    :param values_digest: SHA-256 over the values as helm merged them; empty where the chart does not render.
    :param value_facts: what was learned about the values; :param wanted: what they are judged by.
    """

    chart: str
    values: tuple[str, ...]
    namespace: str
    lint_ok: bool
    lint: tuple[LintMessage, ...]
    render_error: str
    objects: tuple[Object, ...]
    hooks: tuple[Object, ...] = ()
    refusals: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    asked: int = 0
    minor: int | None = None
    deprecations: tuple[str, ...] = ()
    values_digest: str = ""
    value_facts: ValueFacts = field(default_factory=ValueFacts)
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def container_names(self) -> list[str]:
        return [at.where for at in containers(self.workloads, self.namespace)]

    @property
    def workloads(self) -> tuple[Object, ...]:
        """All that brings pods: a hook runs in production as everything else does."""
        return (*self.objects, *self.hooks)


def some(texts: list[str], shown: int = SHOWN) -> str:
    """The first texts, and how many more there are."""
    return f"{'; '.join(texts[:shown])}{more(len(texts), shown)}"


def more(total: int, shown: int = 1) -> str:
    """How many more there are than are shown."""
    return f" (and {total - shown} more)" if total > shown else ""
