# Judges what a deployment is prepared with: its namespace, the room that it finds there now, and its storage classes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_capacity as capacity
from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_storage as storage
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import (
    ClusterFacts,
    not_listed,
    some,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_room import Counted
from ansible_collections.bytebot.production.plugins.module_utils.checks.namespace_quota import bounding, shortages
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

Object = dict[str, Any]
ENFORCE = "pod-security.kubernetes.io/enforce"
STANDARDS = ("restricted", "baseline")  # Kubernetes, "Pod Security Standards", the strictest first
_REMAINING = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")
_MEND_RENDERING = "Mend the rendering first; see infrastructure.cluster.helm and deployment.validation.lint."
_GIVE_CHART = "Give chart and its values (in the inventory: bytebot_chart, bytebot_values_files)."


# ---------------------------------------------------------------------------- namespace


def namespace(facts: ClusterFacts) -> Verdict:
    """The namespace is Active, has its labels, enforces a Pod Security Standard, and a quota bounds it."""
    found, name = facts.namespace_object, facts.namespace
    labels = ((found or {}).get("metadata") or {}).get("labels") or {}
    phase = ((found or {}).get("status") or {}).get("phase")
    seen = Evidence(
        f"GET namespace {name}; LIST resourcequotas in it",
        {
            "phase": phase,
            "labels": labels,
            "wanted": dict(facts.namespace_labels),
            "quotas": [item["metadata"]["name"] for item in facts.quotas],
        },
        facts.observed_at,
    )
    if unknown := not_listed(facts, seen, "Namespace"):
        return unknown
    if found is None:
        return _not_there(facts, seen)
    if ending := _not_active(found, seen):
        return ending
    if problems := list(_label_problems(labels, facts)):
        return failed(
            f"Namespace {name} {some(problems)}.",
            "Set the labels: the deployment does so with deployment_namespace_labels.",
            seen,
        )
    return _bounded(facts, labels[ENFORCE], seen)


def _not_there(facts: ClusterFacts, seen: Evidence) -> Verdict:
    if facts.check_mode:
        return pending(f"Namespace {facts.namespace} is not there yet, and check mode makes none.", "", seen)
    remedy = "Let the deployment make it, or make it by kubectl."
    return failed(f"Namespace {facts.namespace} is not there.", remedy, seen)


def _not_active(found: Object, seen: Evidence) -> Verdict | None:
    name, phase = found["metadata"]["name"], (found.get("status") or {}).get("phase")
    if since := found["metadata"].get("deletionTimestamp"):
        return failed(
            f"Namespace {name} is Terminating since {since}{_held_by(found)}.",
            "Let its removal end, then deploy again; what holds it stands in the namespace's conditions.",
            seen,
        )
    if phase != "Active":
        return failed(f"Namespace {name} is {phase or 'without a phase'}, not Active.", "Look at its conditions.", seen)
    return None


def _bounded(facts: ClusterFacts, standard: str, seen: Evidence) -> Verdict:
    weaker = () if standard == STANDARDS[0] else (f"pod security {standard} enforced, {STANDARDS[0]} wanted",)
    holds = f"Namespace {facts.namespace} is Active, has its labels, and enforces pod security {standard}"
    if unknown := not_listed(facts, seen, "ResourceQuota"):
        return unknown
    bounds = bounding(facts.quotas)
    if not bounds:
        others = ", ".join(item["metadata"]["name"] for item in facts.quotas)
        only = f": {others} says nothing of the CPU and memory of its pods" if others else ""
        return failed(
            f"{holds}, but no quota bounds what it may take{only}.",
            "Let an administrator set a ResourceQuota for CPU and memory in the namespace, so that it cannot starve "
            "others.",
            seen,
            level="should",
            weaker=weaker,
        )
    quotas = ", ".join(item["metadata"]["name"] for item in bounds)
    return passed(f"{holds}; quota {quotas} bounds it.", seen, weaker=weaker)


def _label_problems(labels: dict[str, str], facts: ClusterFacts) -> Iterator[str]:
    for key, wanted in facts.namespace_labels.items():
        if key not in labels:
            yield f"lacks the label {key}={wanted}"
        elif labels[key] != str(wanted):
            yield f"has the label {key}={labels[key]}, {wanted} is wanted"
    if ENFORCE not in facts.namespace_labels and labels.get(ENFORCE) not in STANDARDS:
        yield f"enforces no Pod Security Standard (label {ENFORCE}={labels.get(ENFORCE, '(none)')})"


def _held_by(found: Object) -> str:
    """Why a namespace does not go, in the API server's words."""
    told = [
        str(one.get("message"))
        for one in (found.get("status") or {}).get("conditions") or []
        if one.get("status") == "True" and one.get("type") in _REMAINING
    ]
    return f" ({some(told)})" if told else ""


# ---------------------------------------------------------------------------- resources


def resources(facts: ClusterFacts) -> Verdict:
    """What is free now holds the release with its surge, on the nodes and within the namespace's quotas."""
    counted = Counted(facts)
    quotas = {
        item["metadata"]["name"]: {key: (item.get("status") or {}).get(key) or {} for key in ("hard", "used")}
        for item in facts.quotas
    }
    seen = counted.evidence()
    seen = Evidence(
        f"{seen.source}; LIST resourcequotas and limitranges of namespace {facts.namespace}",
        {**seen.observed, "quotas": quotas, "limit_ranges": [item["metadata"]["name"] for item in facts.limit_ranges]},
        facts.observed_at,
    )
    if unknown := _not_rendered(facts, seen) or not_listed(facts, seen, "Node", "Pod", "ResourceQuota", "LimitRange"):
        return unknown
    if not counted.nodes:
        return failed("No node takes pods.", "Add nodes, or uncordon and mend those that take none.", seen)
    if problem := counted.does_not_fit():
        return failed(problem, "Add nodes, free some of what others request, or ask less in the values.", seen)
    short = list(shortages(facts.quotas, facts.limit_ranges, counted.demands, _own(facts, counted)))
    if short:
        return failed(
            f"In namespace {facts.namespace}, {some(short)}.",
            "Ask less in the values, or let an administrator raise the quota or range.",
            seen,
        )
    return passed(f"{len(counted.nodes)} of {len(facts.nodes)} nodes take pods: {counted.room()}", seen)


def _own(facts: ClusterFacts, counted: Counted) -> list[Object]:
    """The release's pods that run now in its namespace."""
    foreign = {id(pod) for pod in capacity.others(facts.pods, counted.everything, facts.namespace)}
    return [
        pod
        for pod in facts.pods
        if id(pod) not in foreign
        and pod["metadata"].get("namespace") == facts.namespace
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def _not_rendered(facts: ClusterFacts, seen: Evidence) -> Verdict | None:
    if facts.rendered is None:
        return pending("No chart was given, so what the release asks is not known.", _GIVE_CHART, seen)
    if facts.rendered.problem:
        return inconclusive(f"What the release asks is not known: {facts.rendered.problem}.", _MEND_RENDERING, seen)
    return None


# ---------------------------------------------------------------------------- storage


def storage_classes(facts: ClusterFacts) -> Verdict:
    """The classes of the release's claims are there, and can bind where its pods may run."""
    release = facts.rendered
    everything = (*release.objects, *release.hooks) if release else ()
    claims = list(storage.claims_of(everything))
    needed = storage.needed(facts.classes, claims)
    names = [item["metadata"]["name"] for item in needed.classes]
    seen = Evidence(
        f"LIST storageclasses, nodes; LIST persistentvolumeclaims in {facts.namespace}; claims of the rendered release",
        {
            "classes": sorted(item["metadata"]["name"] for item in facts.classes),
            "claims": [
                {"of": owner, "class": spec.get("storageClassName"), "access": spec.get("accessModes")}
                for owner, spec in claims
            ],
            "needed": names,
            "live": {item["metadata"]["name"]: (item.get("status") or {}).get("phase") for item in facts.claims},
        },
        facts.observed_at,
    )
    if unknown := _not_rendered(facts, seen) or not_listed(
        facts, seen, "StorageClass", "Node", "PersistentVolumeClaim"
    ):
        return unknown
    if needed.problem:
        return failed(f"{needed.problem}.", needed.remedy, seen)
    lost = [name for name, phase in seen.observed["live"].items() if phase == "Lost"]
    if lost:
        return failed(
            f"Claim {', '.join(lost)} has lost its volume.",
            "Restore the volume from a backup and bind it anew; see kubectl describe persistentvolumeclaim.",
            seen,
        )
    counted = Counted(facts)
    if bad := [text for item in needed.classes for text in _out_of_reach(item, counted)]:
        return failed(
            f"{some(bad)}.", "Let nodes of those zones take the pods, or name a class that reaches their zones.", seen
        )
    if not claims:
        return passed(f"The release claims no volume; the default storage class {', '.join(names)} is there.", seen)
    what = f"the class {', '.join(names)} is there" if names else "they take volumes made by hand"
    return passed(f"Claims of the release: {len(claims)}; {what}, and they can bind where the pods may run.", seen)


def _out_of_reach(storage_class: Object, counted: Counted) -> Iterator[str]:
    """A class whose volumes can be made only where no node takes the pods (Kubernetes, "Allowed Topologies")."""
    terms = storage_class.get("allowedTopologies") or []
    if not terms:
        return
    name = storage_class["metadata"]["name"]
    if not any(_within(node["metadata"].get("labels") or {}, term) for node in counted.nodes for term in terms):
        expressions = [one for term in terms for one in _expressions(term)]
        zones = sorted({str(value) for one in expressions for value in one.get("values") or []})
        yield f"storage class {name} makes volumes in {', '.join(zones)} only, where no node takes pods"


def _within(labels: dict[str, str], term: Object) -> bool:
    return all(labels.get(str(one.get("key"))) in (one.get("values") or []) for one in _expressions(term))


def _expressions(term: Object) -> list[Object]:
    return list(term.get("matchLabelExpressions") or [])
