# Judges whether pods are kept apart: by what policies say, and by what pods of the release's kind reached or did not.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import (
    OUTSIDER,
    POLICIES,
    WHOLE,
    NetworkFacts,
    Object,
    Tried,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_policies import (
    DIRECTIONS,
    directions_of,
    isolating,
    labels_of,
    name_of,
    selecting_all,
    wide_open,
)
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

SHOWN = 3  # named in a summary; all stand in the evidence
SEVERAL = 2  # targets that must all be open before the cluster's network is said to enforce nothing
CHECKS: Checks[NetworkFacts] = Checks()


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong, and what mends it."""

    what: str
    remedy: str


@CHECKS.settles(POLICIES)
def policies(facts: NetworkFacts) -> Verdict:
    """Every pod is isolated in both directions, no policy lets everything pass, and pods of the release's kind reach
    what they must, and do not reach what others of the same namespace do.
    """
    evidence = _evidence(facts)
    if facts.denied:
        return pending(facts.denied, "Grant list on NetworkPolicies, Pods and Services to this account.", evidence)
    if not facts.pods:
        return pending(f"No pod runs in namespace {facts.namespace}.", "Deploy first.", evidence)
    flaws = [*_said(facts), *_seen(facts)]
    if flaws:
        remedies = " ".join(dict.fromkeys(one.remedy for one in flaws))
        return failed(" ".join(one.what for one in flaws), remedies, evidence, weaker=_weaker(facts))
    if facts.no_probe or facts.unknown:
        what, remedy = _missing(facts)
        return pending(f"The policies isolate every pod; {what}", remedy, evidence)
    doubts = [one for one in facts.tried if not one.settled]
    if doubts or not facts.tried:
        return inconclusive(f"{_doubts(doubts)}", _WITNESS, evidence)
    return passed(_good(facts), evidence, weaker=_weaker(facts))


# ---------------------------------------------------------------------- what policies say


def _said(facts: NetworkFacts) -> Iterator[Flaw]:
    for direction in DIRECTIONS:
        bare = [name_of(pod) for pod in facts.pods if not isolating(facts.policies, labels_of(pod), direction)]
        if bare:
            held = "no NetworkPolicy is there" if not facts.policies else f"of {_names(facts.policies)} none selects"
            what = f"{_way(direction)} is not restricted for {_few(bare)} ({held})."
            yield Flaw(what, "Select the release's pods by a NetworkPolicy with policyTypes Ingress and Egress.")
        elif facts.isolation == WHOLE and not selecting_all(facts.policies, direction):
            what = f"No NetworkPolicy denies {direction.lower()} by default for every pod of {facts.namespace}."
            yield Flaw(what, "Add a NetworkPolicy with an empty podSelector and both policyTypes, and no rules.")
    for name, direction in wide_open(facts.policies):
        yield Flaw(
            f"NetworkPolicy {name} allows all {direction.lower()}.", f"Remove it, or name peers and ports in {name}."
        )
    hosts = [name_of(pod) for pod in facts.pods if (pod.get("spec") or {}).get("hostNetwork")]
    if hosts:
        what = f"{_few(hosts)} use the node's network, which no NetworkPolicy restricts."
        yield Flaw(what, "Turn hostNetwork off.")


def _way(direction: str) -> str:
    return "What may come in" if direction == "Ingress" else "What may go out"


# ---------------------------------------------------------------------- what pods reached


def _seen(facts: NetworkFacts) -> Iterator[Flaw]:
    opened = [one for one in facts.tried if not one.wanted and one.through]
    shut = [one for one in facts.tried if one.wanted and not one.through and one.witnessed]
    if unenforced(facts):
        what = (
            f"Nothing enforces these policies: they isolate every pod, and all {len(opened)} targets that must be "
            f"shut are open ({_few(_to(one) for one in opened)})."
        )
        yield Flaw(what, "Use a network plugin that enforces NetworkPolicies, or turn its enforcement on.")
    elif opened:
        what = f"{_few(_to(one) for one in opened)} must be shut and {_are(opened)} open."
        yield Flaw(what, "Take what lets it pass out of the policies, or restrict the ports and peers they name.")
    if shut:
        what = f"{_few(_to(one) for one in shut)} must be open, and {_are(shut)} for other pods only."
        yield Flaw(what, "Let the policies allow it.")


def unenforced(facts: NetworkFacts) -> bool:
    """Whether policies that isolate every pod, and let nothing wholly pass, keep nobody from anything."""
    barred = [one for one in facts.tried if not one.wanted]
    isolated = all(isolating(facts.policies, labels_of(pod), one) for pod in facts.pods for one in DIRECTIONS)
    return isolated and not wide_open(facts.policies) and len(barred) >= SEVERAL and all(one.through for one in barred)


_WITNESS = (
    "Correct the target, or name another one that pods of this namespace can reach while no policy keeps them from it "
    "(in the inventory: bytebot_network_paths)."
)


def _doubts(doubts: Iterable[Tried]) -> str:
    told = [
        f"{_to(one)} is {one.outcome} for it, and {one.seen or 'not tried'} for {one.witness}, so nothing is proved"
        for one in doubts
    ]
    return f"{_few(told, '; ')}." if told else "No target was tried."


def _missing(facts: NetworkFacts) -> tuple[str, str]:
    if facts.unknown:
        told = "; ".join(f"{zone}: {why}" for zone, why in facts.unknown.items())
        return f"targets are missing ({told}).", "Name them in paths (in the inventory: bytebot_network_paths)."
    return f"what pods reach is not seen: {facts.no_probe}", facts.remedy


# ---------------------------------------------------------------------- words


def _good(facts: NetworkFacts) -> str:
    barred = [one for one in facts.tried if not one.wanted]
    reached = [one for one in facts.tried if one.wanted]
    return (
        f"{_count(len(facts.pods), 'pod')} {_are(facts.pods)} isolated in both directions ({_names(facts.policies)}); "
        f"{_count(len(reached), 'target')} that must be open {_are(reached)} open, and "
        f"{_count(len(barred), 'target')} that must be shut {_are(barred)} shut, each open to another pod then."
    )


def _weaker(facts: NetworkFacts) -> tuple[str, ...]:
    if facts.isolation == WHOLE or all(selecting_all(facts.policies, one) for one in DIRECTIONS):
        return ()
    return ("isolation of the workloads that run wanted, document: default deny for the namespace",)


def _to(one: Tried) -> str:
    return f"{one.path.name} ({one.path.where}) from {one.by}"


def _names(given: Iterable[Object]) -> str:
    return f"NetworkPolicy {_few(name_of(one) for one in given)}"


def _few(given: Iterable[str], between: str = ", ") -> str:
    names = list(given)
    more = f"{between}and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more


def _are(given: Iterable[object]) -> str:
    return "is" if len(list(given)) == 1 else "are"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _evidence(facts: NetworkFacts) -> Evidence:
    observed: Mapping[str, object] = {
        "policies": {name_of(one): sorted(directions_of(one)) for one in facts.policies},
        "isolated_by": {
            name_of(pod): {one: isolating(facts.policies, labels_of(pod), one) for one in DIRECTIONS}
            for pod in facts.pods
        },
        "wide_open": [f"{name}: {direction}" for name, direction in wide_open(facts.policies)],
        "isolation_wanted": facts.isolation,
        "tried": [
            {
                "target": f"{one.path.name} ({one.path.zone}) {one.path.where}",
                "by": one.by,
                "wanted": "open" if one.wanted else "shut",
                "outcome": one.outcome,
                "witness": one.witness,
                "witness_outcome": one.seen,
            }
            for one in facts.tried
        ],
        "not_tried": facts.no_probe,
        "unknown": dict(facts.unknown),
    }
    source = f"NetworkPolicies, pods and short-lived pods in namespace {facts.namespace}; the witness is {OUTSIDER}"
    return Evidence(source, observed, facts.observed_at)
