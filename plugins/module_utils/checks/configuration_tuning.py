# Judges how a release is tuned: its pools, the limits of its containers, its horizontal and vertical autoscalers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import postgres_pools
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import unseen
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Facts,
    Measured,
    Object,
    Use,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    SHOULD,
    State,
    Verdict,
    failed,
    inconclusive,
    not_applicable,
    passed,
    pending,
)

MEBI = 1024 * 1024
_SMALL = 64 * MEBI  # a limit that is no larger is not called too large
_KILLED = "OOMKilled"
SCALERS = "HorizontalPodAutoscaler"
VERTICAL = "VerticalPodAutoscaler"


# ---------------------------------------------------------------------------- pools


def pool_size(facts: Facts) -> Verdict:
    """The pools fit into the database's connections, and under load none was used up."""
    database = facts.database
    if database is None:
        return pending("The database was not asked.", "Judge without check mode, and set bytebot_probe_image.")
    rooms = postgres_pools.judged(database)
    pools = database.pools or ()
    wanted = facts.wanted
    small = [
        f"{one.name} has a pool of {one.size} for each replica, at least {wanted.least_pool} are wanted"
        for one in pools
        if one.size is not None and one.size < wanted.least_pool
    ]
    used = [
        f"{one.name} had {most:g} of {one.size} connections in use under load"
        for one in pools
        if one.size
        and (most := facts.measured.in_use.get(one.name)) is not None
        and most >= wanted.utilisation * one.size
    ]
    seen = facts.evidence(
        "pools of the release, connections of the database, and its figures under load",
        {
            "pools": [f"{one.name}: {one.size} for each of {one.replicas} replicas" for one in pools],
            "in_use": dict(facts.measured.in_use),
            **measured_words(facts.measured),
            "problems": [*small, *used],
        },
    )
    if rooms.state == State.FAIL:
        return failed(rooms.summary, rooms.remedy, *rooms.evidence, seen)
    if small or used:
        return failed(f"{some([*small, *used])}.", "Give each replica more, as far as the database has them.", seen)
    if rooms.state != State.PASS:
        return Verdict(rooms.state, rooms.summary, rooms.remedy, (*rooms.evidence, seen))
    if gap := _unloaded(facts, "pools"):
        return pending(*gap, seen)
    blind = [one.name for one in pools if one.name not in facts.measured.in_use]
    if len(blind) == len(pools):
        return inconclusive(
            "The pools fit, and no metric tells how many of their connections are in use.",
            "Name the metric in application_configuration_pool_metric.",
            seen,
        )
    most = ", ".join(f"{name} {count:g}" for name, count in sorted(facts.measured.in_use.items()))
    return passed(f"{rooms.summary} In use at the most under {_loads(facts.measured)}: {most}.", *rooms.evidence, seen)


def _unloaded(facts: Facts, what: str) -> tuple[str, str] | None:
    """Why figures say nothing of load, and what to do."""
    told = facts.measured
    if told.problem:
        return f"What is used of the {what} is not known: {told.problem.rstrip('.')}.", "Set bytebot_prometheus."
    if told.load is None:
        return f"The {what} were not looked at under load: {told.unloaded.rstrip('.')}.", _PERMIT_LOAD
    sent, answered, _seconds = told.load
    if answered * 2 < sent:
        return f"Under load only {answered} of {sent} requests were answered.", "Let the public address answer first."
    return None


_PERMIT_LOAD = "Put load into bytebot_tests_allowed where some requests a second may be sent."


def measured_words(told: Measured) -> Object:
    """The load and the window of figures, for the evidence."""
    load = None if told.load is None else dict(zip(("sent", "answered", "seconds"), told.load, strict=True))
    return {"window": told.window, "load": load, "not_measured": told.problem or told.unloaded}


def _loads(told: Measured) -> str:
    sent, _answered, seconds = told.load or (0, 0, 0.0)
    return f"{sent} requests in {seconds:.0f} s"


# ---------------------------------------------------------------------------- limits


def limits(facts: Facts) -> Verdict:
    """Limits have room above what is used under load, do not throttle, and are not many times too large."""
    if gap := unseen(facts):
        return gap
    uses = facts.measured.uses
    problems = [*_killed(facts), *(problem for use in uses for problem in _of_use(facts, use))]
    seen = facts.evidence(
        "limits of containers, ends of containers, and figures of their use",
        {
            **measured_words(facts.measured),
            "containers": [_use_words(use) for use in uses],
            "problems": problems,
        },
    )
    if problems:
        return failed(f"{some(problems)}.", "Set the limit by what is used under load, with some room above it.", seen)
    if gap2 := _unloaded(facts, "limits"):
        return pending(*gap2, seen)
    blind = [f"{use.workload} container {use.container}" for use in uses if use.memory is None]
    if not uses or blind:
        return inconclusive(
            f"No figure tells what {blind[0] if blind else 'the containers'} uses.",
            "Let Prometheus scrape the kubelets (cAdvisor), and judge again when it has.",
            seen,
        )
    nearest = max(uses, key=lambda use: (use.memory or 0) / (use.memory_limit or float("inf")))
    return passed(
        f"Under {_loads(facts.measured)}, none of {len(uses)} containers was throttled or ended for memory; the one nearest to "
        f"its limit, {nearest.container} of {nearest.workload}, used {_mib(nearest.memory)} of {_mib(nearest.memory_limit)} MiB.",
        seen,
    )


def _of_use(facts: Facts, use: Use) -> Iterator[str]:
    wanted, where = facts.wanted, f"{use.workload} container {use.container}"
    if use.throttled is not None and use.throttled > wanted.throttled:
        yield f"{where} was throttled in {use.throttled:.0%} of its processor's periods"
    if use.processor is not None and use.processor_limit and use.processor > wanted.headroom * use.processor_limit:
        yield f"{where} used {use.processor:.2f} of {use.processor_limit:g} cores"
    if use.memory is None or not use.memory_limit:
        return
    if use.memory > wanted.headroom * use.memory_limit:
        yield f"{where} used {_mib(use.memory)} of {_mib(use.memory_limit)} MiB"
    if use.memory_limit > max(wanted.too_large * use.memory, _SMALL):
        yield (
            f"{where} used {_mib(use.memory)} MiB at the most, and its limit is {_mib(use.memory_limit)} MiB, more than "
            f"{wanted.too_large:g} times that"
        )


def _killed(facts: Facts) -> Iterator[str]:
    """Containers whose end, the present one or the last, was want of memory."""
    for pod in facts.pods:
        for told in (pod.get("status") or {}).get("containerStatuses") or []:
            ends = [(told.get(state) or {}).get("terminated") or {} for state in ("state", "lastState")]
            if any(end.get("reason") == _KILLED for end in ends):
                yield f"container {told['name']} of pod {pod['metadata']['name']} was ended for want of memory"


def _use_words(use: Use) -> Object:
    return {
        "container": f"{use.workload} container {use.container}",
        "processor": use.processor,
        "processor_limit": use.processor_limit,
        "memory": use.memory,
        "memory_limit": use.memory_limit,
        "throttled": use.throttled,
    }


def _mib(amount: float | None) -> str:
    return "?" if amount is None else f"{amount / MEBI:.0f}"


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
    ]
    problems += [f"{_scaler(one)} scales {' '.join(_target(one))}, which is not there" for one in lost]
    scaled = facts.drilled.scaled
    problems += [] if scaled is None else [problem for one in scaled for problem in _drill_problems(one)]
    seen = facts.evidence(
        "LIST of HorizontalPodAutoscalers",
        {
            "autoscalers": [_scaler_words(one) for one in (*mine, *lost)],
            "drill": [
                {"name": one.name, "before": one.before, "most": one.most, "after": one.after, "problem": one.problem}
                for one in scaled or ()
            ],
            "problems": problems,
        },
    )
    if not mine and not lost:
        return failed(
            "No HorizontalPodAutoscaler scales a workload of the release.",
            "Give one to each workload whose load varies, or let the chart make it.",
            seen,
        )
    if problems:
        return failed(
            f"{some(problems)}.", "Correct what is named in the autoscaler, or in what measures for it.", seen
        )
    if scaled is None:
        return pending(
            f"That they scale was not tried: {facts.drilled.undone.rstrip('.')}.", facts.drilled.remedy, seen
        )
    if unsure := [one for one in scaled if one.problem]:
        return inconclusive(
            f"{unsure[0].name} could not be tried: {unsure[0].problem.rstrip('.')}.", "Judge again.", seen
        )
    if not scaled:
        return pending(
            f"That they scale was not tried: {facts.drilled.undone.rstrip('.')}.", facts.drilled.remedy, seen
        )
    told = "; ".join(
        f"{one.name} went from {one.before} to {one.most} in {one.out_s:.0f} s and back to {one.after} in {one.in_s:.0f} s"
        for one in scaled
    )
    return passed(f"{len(mine)} autoscalers read their figures and have room; {told}.", seen)


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
    if not (scaler.get("status") or {}).get("currentMetrics") and "ScalingActive" in conditions:
        yield f"{who} has no figure of its metrics"
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


def _drill_problems(one: Any) -> Iterator[str]:
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
        return pending(
            f"VerticalPodAutoscalers cannot be seen: {facts.denied[VERTICAL].rstrip('.')}.", "Grant list on them."
        )
    seen = facts.evidence(
        "API group autoscaling.k8s.io",
        {
            "answer": facts.vertical_answer,
            "autoscalers": [_vertical_words(one) for one in facts.vertical or ()],
        },
    )
    if facts.vertical is None:
        return not_applicable(
            f"The cluster serves no VerticalPodAutoscaler: {facts.vertical_answer.rstrip('.')}.", seen
        )
    names = {(one["kind"], one["metadata"]["name"]) for one in facts.workloads}
    mine = [one for one in facts.vertical if _vertical_target(one) in names]
    if not mine:
        return pending(
            "The cluster serves VerticalPodAutoscalers, and none is of the release.",
            "Let one recommend (updateMode Off), or attest that it was considered.",
            seen,
        )
    problems = [problem for one in mine for problem in _vertical_problems(facts, one)]
    if problems:
        return failed(f"{some(problems)}.", "Let it only recommend (updateMode Off), or scale by another metric.", seen)
    silent = [one["metadata"]["name"] for one in mine if not _recommended(one)]
    if silent:
        return inconclusive(f"{silent[0]} recommends nothing yet.", "Judge again when it has seen a day of use.", seen)
    far = [problem for one in mine for problem in _far(facts, one)]
    if far:
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
            if None not in amounts and amounts != sorted(amounts):  # type: ignore[type-var]
                yield f"{told.get('containerName')} requests {mine} of {resource}, and {low} to {high} are recommended"


def _vertical_words(one: Object) -> Object:
    return {"name": one["metadata"]["name"], "mode": _mode(one), "target": " ".join(_vertical_target(one)),
            "recommended": _recommended(one)}  # fmt: skip
