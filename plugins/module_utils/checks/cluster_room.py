# Judges whether nodes offer the minimum, and whether the release has room beside all others.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_capacity as capacity
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import (
    DOCUMENT_CPU,
    DOCUMENT_MEMORY,
    ClusterFacts,
    Rendered,
    more,
    not_listed,
    some,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_placement import may_take, unplaced
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
)

Object = dict[str, Any]
GIB = Decimal(2**30)


def resources(facts: ClusterFacts) -> Verdict:
    """Nodes that take pods offer the minimum, and what is free holds the release, each of its pods on one node.

    Free is what scheduled pods of others have not requested: the release's own pods make room for its new ones. A pod
    needs its room on one node that may take it. Hooks run one after the other, so each only has to fit.
    """
    counted = Counted(facts)
    seen = counted.evidence()
    weaker = _weaker_resources(facts)
    if unknown := not_listed(facts, seen, "Node"):
        return unknown
    if problem := counted.below_minimum():
        return failed(problem, "Add nodes, or uncordon and mend those that take no pods.", seen, weaker=weaker)
    return _release_has_room(counted, seen, weaker)


def _release_has_room(counted: Counted, seen: Evidence, weaker: tuple[str, ...]) -> Verdict:
    facts = counted.facts
    minimum = f"{len(counted.nodes)} of {len(facts.nodes)} nodes take pods and offer {_words(counted.whole)}"
    if facts.rendered and facts.rendered.problem:
        return inconclusive(
            f"{minimum}, but what the release asks is not known: {facts.rendered.problem}.",
            "Mend the rendering first; see infrastructure.cluster.helm and deployment.validation.lint.",
            seen,
        )
    if facts.rendered is None:
        return passed(f"{minimum}; no chart was given, so only the minimum is judged.", seen, weaker=weaker)
    if unknown := not_listed(facts, seen, "Pod"):
        return unknown
    if problem := counted.does_not_fit():
        return failed(
            problem, "Add nodes, free some of what others request, or ask less in the values.", seen, weaker=weaker
        )
    return passed(f"{minimum}; {counted.room()}", seen, weaker=weaker)


class Counted:
    """The sums behind the judgements of resources: what nodes offer, what others leave free, what the release asks."""

    def __init__(self, facts: ClusterFacts) -> None:
        release = facts.rendered or Rendered()
        self.everything = (*release.objects, *release.hooks)
        specs = [one.spec for one in capacity.demands(release.objects, release.hooks, facts.namespace, 0)]
        self.facts = facts
        self.why = {node["metadata"]["name"]: capacity.unusable(node, specs) for node in facts.nodes}
        self.nodes = [node for node in facts.nodes if not self.why[node["metadata"]["name"]]]
        self.whole = capacity.add(*(capacity.allocatable(node) for node in self.nodes))
        self.demands = capacity.demands(release.objects, release.hooks, facts.namespace, len(self.nodes))
        # A pool that is kept for some of the release's pods by a taint is no room for the others.
        reached = [node for node in facts.nodes if any(not capacity.unusable(node, [spec]) for spec in specs)]
        self.reached = reached if specs else self.nodes
        self.left = capacity.free(self.reached, capacity.others(facts.pods, self.everything, facts.namespace))
        self.free_total = capacity.add(*self.left.values())
        self.asked = capacity.add(*(one.total for one in self.demands if not one.hook))

    def below_minimum(self) -> str:
        """What the nodes lack of the minimum."""
        cpu, memory = quantity(self.facts.minimum_cpu), quantity(self.facts.minimum_memory)
        lacking = []
        if cpu is not None and self.whole["cpu"] < cpu:
            lacking.append(f"{_number(self.whole['cpu'])} vCPU of {self.facts.minimum_cpu}")
        if memory is not None and self.whole["memory"] < memory:
            lacking.append(f"{_number(self.whole['memory'] / GIB)} GiB memory of {_number(memory / GIB)}")
        away = [f"{name} ({reason})" for name, reason in self.why.items() if reason]
        left_out = f"; not counted: {some(away)}" if away else ""
        nodes = f"{len(self.nodes)} of {len(self.facts.nodes)} nodes that take pods"
        return f"The {nodes} offer {' and '.join(lacking)} wanted{left_out}." if lacking else ""

    def does_not_fit(self) -> str:
        """What of the release has no room."""
        homeless = [one for one in self.demands if one.replicas and not self._fits(one)]
        if homeless:
            largest = max(homeless, key=lambda one: (one.pod["memory"], one.pod["cpu"]))
            return (
                f"A pod of {largest.workload} asks {_words(largest.pod)} and fits on none of the "
                f"{len(self.reached)} nodes that take pods{more(len(homeless))}."
            )
        lost = unplaced(self.demands, self.reached, self.left)
        if lost and (short := capacity.short_of(self.free_total, self.asked)):
            return (
                f"The release asks {_words(self.asked)} with its surge, and free are {_words(self.free_total)}: "
                f"too little {' and '.join(short)}."
            )
        if lost:
            return (
                f"{lost.placed} of {lost.wanted} pods of {lost.demand.workload}, with its surge, find room on the "
                f"{lost.nodes} nodes that may take them; each asks {_words(lost.demand.pod)}."
            )
        return ""

    def _fits(self, demand: capacity.Demand) -> bool:
        """Whether one pod fits on one of the nodes that may take it."""
        return any(
            may_take(node, demand.spec) and not capacity.short_of(self.left[node["metadata"]["name"]], demand.pod)
            for node in self.reached
        )

    def room(self) -> str:
        """What is free and what is asked, as a sentence's end."""
        return f"free are {_words(self.free_total)}, the release asks {_words(self.asked)}."

    def evidence(self) -> Evidence:
        return Evidence(
            "LIST nodes; LIST pods of all namespaces; the rendered release",
            {
                "minimum": {"cpu": self.facts.minimum_cpu, "memory": self.facts.minimum_memory},
                "document": {"cpu": str(DOCUMENT_CPU), "memory": str(DOCUMENT_MEMORY)},
                "nodes": self.why and {name: reason or "takes pods" for name, reason in self.why.items()},
                "allocatable": _plain(self.whole),
                "free": {name: _plain(amounts) for name, amounts in self.left.items()},
                "release": {
                    one.workload: {**_plain(one.pod), "replicas": one.replicas, "surge": one.surge, "hook": one.hook}
                    for one in self.demands
                },
                "release_asks": _plain(self.asked),
            },
            self.facts.observed_at,
        )


def _weaker_resources(facts: ClusterFacts) -> tuple[str, ...]:
    def found() -> Iterator[str]:
        cpu, memory = quantity(facts.minimum_cpu), quantity(facts.minimum_memory)
        if cpu is not None and cpu < DOCUMENT_CPU:
            yield f"{facts.minimum_cpu} vCPU wanted, document {DOCUMENT_CPU}"
        if memory is not None and memory < DOCUMENT_MEMORY:
            yield f"{facts.minimum_memory} memory wanted, document 32GB"

    return tuple(found())


def _words(amounts: capacity.Amounts) -> str:
    return f"{_number(amounts['cpu'])} vCPU, {_number(amounts['memory'] / GIB)} GiB, {amounts['pods']} pods"


def _number(amount: Decimal) -> str:
    return f"{amount:.2f}".rstrip("0").rstrip(".")


def _plain(amounts: capacity.Amounts) -> dict[str, str]:
    return {name: format(amount.normalize(), "f") for name, amount in amounts.items()}
