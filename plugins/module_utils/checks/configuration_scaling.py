# Judges the autoscalers of a release: the horizontal ones by what they read and by a drill, the vertical ones.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import unseen
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Facts,
    Object,
    Scaled,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    SHOULD,
    Evidence,
    Verdict,
    failed,
    inconclusive,
    not_applicable,
    passed,
    pending,
)

SCALERS = "HorizontalPodAutoscaler"
VERTICAL = "VerticalPodAutoscaler"


# ---------------------------------------------------------------------------- horizontal


def hpa(facts: Facts) -> Verdict:
    """Autoscalers read real figures, have room, scale the right thing, and were seen to scale."""
    if SCALERS in facts.denied:
        return pending(f"Autoscalers cannot be seen: {facts.denied[SCALERS].rstrip('.')}.", "Grant list on them.")
    if gap := unseen(facts):
        return gap
    workloads = {(one["kind"], one["metadata"]["name"]) for one in facts.workloads}
    mine = [one for one in facts.autoscalers if _target(one) in workloads]
    lost = [one for one in facts.autoscalers if _target(one) not in workloads and _of_release(facts, one)]
    problems = [
        *(problem for one in mine for problem in _scaler_problems(facts, one)),
        *_twice(mine),
        *_misnamed(facts, mine),
        *(f"{_scaler(one)} scales {' '.join(_target(one))}, which is not there" for one in lost),
        *(problem for one in facts.drilled.scaled or () for problem in _drill_problems(one)),
    ]
    if not mine and not lost:
        problems = ["no HorizontalPodAutoscaler scales a workload of the release"]
    seen = facts.evidence(
        "LIST of HorizontalPodAutoscalers",
        {
            "autoscalers": [_scaler_words(one) for one in (*mine, *lost)],
            "drill": [
                {"name": one.name, "before": one.before, "most": one.most, "after": one.after, "problem": one.problem}
                for one in facts.drilled.scaled or ()
            ],
            "problems": problems,
        },
    )
    if problems:
        return failed(
            f"{some(problems)}.",
            "Give each workload whose load varies an autoscaler that has room, a target and figures, in the chart.",
            seen,
        )
    return _scaled(facts, len(mine), seen)


def _scaled(facts: Facts, number: int, seen: Evidence) -> Verdict:
    """What the drill showed."""
    scaled = facts.drilled.scaled
    if not scaled:
        why = facts.drilled.undone.rstrip(".")
        return pending(f"That they scale was not tried: {why}.", facts.drilled.remedy, seen)
    if unsure := [one for one in scaled if one.problem]:
        why = unsure[0].problem.rstrip(".")
        return inconclusive(f"{unsure[0].name} could not be tried: {why}.", "Judge again.", seen)
    told = "; ".join(
        f"{one.name} went from {one.before} to {one.most} in {one.out_s:.0f} s, back to {one.after} in {one.in_s:.0f} s"
        for one in scaled
    )
    return passed(f"{number} autoscalers read their figures and have room; {told}.", seen)


def _target(scaler: Mapping[str, Any]) -> tuple[str, str]:
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    return str(target.get("kind")), str(target.get("name"))


def _of_release(facts: Facts, scaler: Object) -> bool:
    meta = scaler["metadata"]
    annotations, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    return facts.release in (
        annotations.get("meta.helm.sh/release-name"),
        labels.get("app.kubernetes.io/instance"),
    ) or meta["name"] in {
        (one.get("metadata") or {}).get("name") for one in facts.released if one.get("kind") == SCALERS
    }


def _scaler(scaler: Object) -> str:
    return f"HorizontalPodAutoscaler {scaler['metadata']['name']}"


def _scaler_problems(facts: Facts, scaler: Object) -> Iterator[str]:
    spec, who = scaler.get("spec") or {}, _scaler(scaler)
    least = int(spec.get("minReplicas") or 1)
    most = int(spec.get("maxReplicas") or 0)
    if least < facts.wanted.least_replicas:
        yield f"{who} may go down to {least}, and at least {facts.wanted.least_replicas} are wanted"
    if most <= least:
        yield f"{who} has no room: its minimum is {least}, its maximum {most}"
    conditions = {str(one.get("type")): one for one in (scaler.get("status") or {}).get("conditions") or []}
    for kind, what in (("ScalingActive", "reads no figures"), ("AbleToScale", "cannot scale")):
        told = conditions.get(kind)
        if told is None:
            yield f"{who} {what}: no controller has looked at it yet"
        elif told.get("status") != "True":
            yield f"{who} {what} ({told.get('reason')})"
    figures = (scaler.get("status") or {}).get("currentMetrics") or []
    if not figures and "ScalingActive" in conditions:
        yield f"{who} has no figure of its metrics"
    # The controller leaves blank what it could not read, and goes on with the others: it scales out, and in no more.
    elif blank := sum(not one.get("type") for one in figures):
        yield f"{who} has no figure of {blank} of its {len(figures)} metrics"
    kind, name = _target(scaler)
    for one in facts.released:
        if (one.get("kind"), (one.get("metadata") or {}).get("name")) == (kind, name):
            fixed = (one.get("spec") or {}).get("replicas")
            if fixed is not None:
                yield f"{kind} {name} has a fixed number of replicas, {fixed}, which each upgrade sets against {who}"


def _twice(scalers: list[Object]) -> Iterator[str]:
    by_target: dict[tuple[str, str], list[str]] = {}
    for one in scalers:
        by_target.setdefault(_target(one), []).append(str(one["metadata"]["name"]))
    for (kind, name), names in by_target.items():
        if len(names) > 1:
            yield f"{kind} {name} is scaled by several autoscalers ({', '.join(sorted(names))})"


def _misnamed(facts: Facts, scalers: list[Object]) -> Iterator[str]:
    """An autoscaler that scales another workload than the release says, or than its name says."""
    names = {str(one["metadata"]["name"]) for one in facts.workloads}
    meant = {
        str((one.get("metadata") or {}).get("name")): _target(one)[1]
        for one in facts.released
        if one.get("kind") == SCALERS
    }
    for one in scalers:
        own = str(one["metadata"]["name"])
        stem = own.removesuffix("-hpa").removesuffix("-autoscaler")
        right = meant.get(own) or (stem if stem in names else "")
        if right and right != _target(one)[1]:
            yield f"{_scaler(one)} scales {' '.join(_target(one))} and not {right}"


def _drill_problems(one: Scaled) -> Iterator[str]:
    if one.problem:
        return
    if one.most <= one.before:
        yield f"{one.name} did not scale out when it was over its target"
    elif one.after > one.before:
        yield f"{one.name} did not scale in again when it was below its target"


def _scaler_words(scaler: Object) -> Object:
    spec, status = scaler.get("spec") or {}, scaler.get("status") or {}
    return {
        "name": scaler["metadata"]["name"],
        "target": " ".join(_target(scaler)),
        "least": spec.get("minReplicas"),
        "most": spec.get("maxReplicas"),
        "now": status.get("currentReplicas"),
        "conditions": {
            one.get("type"): f"{one.get('status')} {one.get('reason')}" for one in status.get("conditions") or []
        },
        "figures": status.get("currentMetrics"),
    }


# ---------------------------------------------------------------------------- vertical


def vpa(facts: Facts) -> Verdict:
    """Where vertical autoscaling is served: what it recommends, and that it does not fight the horizontal one."""
    if VERTICAL in facts.denied:
        why = facts.denied[VERTICAL].rstrip(".")
        return pending(f"VerticalPodAutoscalers cannot be seen: {why}.", "Grant list on them.")
    answer = {"answer": facts.vertical_answer, "autoscalers": [_vertical_words(one) for one in facts.vertical or ()]}
    seen = facts.evidence("API group autoscaling.k8s.io", answer)
    if facts.vertical is None:
        why = facts.vertical_answer.rstrip(".")
        return not_applicable(f"The cluster serves no VerticalPodAutoscaler: {why}.", seen)
    names = {(one["kind"], one["metadata"]["name"]) for one in facts.workloads}
    mine = [one for one in facts.vertical if _vertical_target(one) in names]
    if not mine:
        return pending(
            "The cluster serves VerticalPodAutoscalers, and none is of the release.",
            "Let one recommend (updateMode Off), or attest that it was considered.",
            seen,
        )
    if problems := [problem for one in mine for problem in _vertical_problems(facts, one)]:
        return failed(f"{some(problems)}.", "Let it only recommend (updateMode Off), or scale by another metric.", seen)
    return _recommends(facts, mine, seen)


def _recommends(facts: Facts, mine: list[Object], seen: Evidence) -> Verdict:
    if silent := [one["metadata"]["name"] for one in mine if not _recommended(one)]:
        return inconclusive(f"{silent[0]} recommends nothing yet.", "Judge again when it has seen a day of use.", seen)
    if far := [problem for one in mine for problem in _far(facts, one)]:
        return failed(f"{some(far)}.", "Set the requests nearer to what is recommended.", seen, level=SHOULD)
    return passed(f"{len(mine)} VerticalPodAutoscalers recommend what is requested, and none fights another.", seen)


def _vertical_target(one: Object) -> tuple[str, str]:
    target = (one.get("spec") or {}).get("targetRef") or {}
    return str(target.get("kind")), str(target.get("name"))


def _mode(one: Object) -> str:
    return str(((one.get("spec") or {}).get("updatePolicy") or {}).get("updateMode") or "Auto")


def _vertical_problems(facts: Facts, one: Object) -> Iterator[str]:
    if _mode(one) == "Off":
        return
    own = {
        str(resource)
        for policy in ((one.get("spec") or {}).get("resourcePolicy") or {}).get("containerPolicies") or [{}]
        for resource in policy.get("controlledResources") or ("cpu", "memory")
    }
    for scaler in facts.autoscalers:
        if _target(scaler) != _vertical_target(one):
            continue
        metrics = (scaler.get("spec") or {}).get("metrics") or []
        theirs = {
            str((metric.get("resource") or metric.get("containerResource") or {}).get("name"))
            for metric in metrics
            if metric.get("type") in ("Resource", "ContainerResource")
        }
        if both := sorted(own & theirs):
            yield (
                f"VerticalPodAutoscaler {one['metadata']['name']} ({_mode(one)}) and {_scaler(scaler)} both follow "
                f"{' and '.join(both)} of {' '.join(_target(scaler))}"
            )


def _recommended(one: Object) -> list[Object]:
    return list(((one.get("status") or {}).get("recommendation") or {}).get("containerRecommendations") or [])


def _far(facts: Facts, one: Object) -> Iterator[str]:
    """Requests that are outside what is recommended at the least and at the most."""
    workload = next((it for it in facts.workloads if (it["kind"], it["metadata"]["name"]) == _vertical_target(one)), {})
    containers = (((workload.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or []
    requests = {one.get("name"): (one.get("resources") or {}).get("requests") or {} for one in containers}
    for told in _recommended(one):
        asked = requests.get(told.get("containerName")) or {}
        for resource in ("cpu", "memory"):
            low, high = ((told.get(bound) or {}).get(resource) for bound in ("lowerBound", "upperBound"))
            mine = asked.get(resource)
            if mine is None or low is None or high is None:
                continue
            amounts = [quantity(one) for one in (low, mine, high)]
            if None not in amounts and amounts != sorted(amounts):  # type: ignore[type-var]  # no None is left
                yield f"{told.get('containerName')} requests {mine} of {resource}, and {low} to {high} are recommended"


def _vertical_words(one: Object) -> Object:
    return {"name": one["metadata"]["name"], "mode": _mode(one), "target": " ".join(_vertical_target(one)),
            "recommended": _recommended(one)}  # fmt: skip
