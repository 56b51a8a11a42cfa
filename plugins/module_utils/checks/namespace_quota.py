# Judges whether a namespace's ResourceQuotas and LimitRanges leave room for what a release asks.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_capacity as capacity
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_capacity import Demand
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity

Object = dict[str, Any]
# Kubernetes, "Resource Quotas": what a key counts, by its two spellings.
COUNTED: Mapping[str, tuple[str, str]] = {
    "cpu": ("requests", "cpu"),
    "requests.cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
    "pods": ("requests", "pods"),
    "count/pods": ("requests", "pods"),
}
_LONG_RUNNING = {"NotTerminating", "NotBestEffort"}  # the scopes that the pods of a service are in


def shortages(
    quotas: Iterable[Object], limit_ranges: Iterable[Object], demands: Iterable[Demand], own: Iterable[Object]
) -> Iterator[str]:
    """What a namespace would refuse of a release, each in words.

    :param own: the release's pods that run now; they make room for its new ones.
    """
    wanted, ranges = [one for one in demands if not one.hook], list(limit_ranges)
    asked = {kind: capacity.add(*(_times(one, kind) for one in wanted)) for kind in ("requests", "limits")}
    freed = {kind: capacity.add(*(_amounts(pod.get("spec") or {}, kind) for pod in own)) for kind in asked}
    for quota in quotas:
        yield from _of_quota(quota, asked, freed, wanted, defaults=_defaults(ranges))
    for one in ranges:
        yield from _of_range(one, wanted)


def applies(quota: Object) -> bool:
    """Whether a quota counts the pods of a service: one without scopes, or with scopes that they are in."""
    spec = quota.get("spec") or {}
    return not spec.get("scopeSelector") and set(spec.get("scopes") or []) <= _LONG_RUNNING


def bounding(quotas: Iterable[Object]) -> list[Object]:
    """The quotas that bound the CPU and memory of a service's pods; none where either is left open.

    One that only counts objects bounds neither, as the one that GKE puts into each namespace.
    """
    found: dict[str, list[Object]] = {"cpu": [], "memory": []}
    for quota in quotas:
        keys = ((quota.get("spec") or {}).get("hard") or {}) if applies(quota) else {}
        for resource in {COUNTED[key][1] for key in keys if key in COUNTED} & set(found):
            found[resource].append(quota)
    both = [*found["cpu"], *found["memory"]] if all(found.values()) else []
    return list({quota["metadata"]["name"]: quota for quota in both}.values())


def _of_quota(
    quota: Object,
    asked: Mapping[str, capacity.Amounts],
    freed: Mapping[str, capacity.Amounts],
    demands: list[Demand],
    *,
    defaults: set[tuple[str, str]],
) -> Iterator[str]:
    if not applies(quota):
        return
    status, name = quota.get("status") or {}, quota["metadata"]["name"]
    hard = {**((quota.get("spec") or {}).get("hard") or {}), **(status.get("hard") or {})}
    for key, told in hard.items():
        if key not in COUNTED or (limit := quantity(told)) is None:
            continue
        kind, resource = COUNTED[key]
        if resource != "pods" and (kind, resource) not in defaults and (bare := _without(demands, kind, resource)):
            yield f"quota {name} counts {key}, and {bare} has a container without it"
        used = quantity((status.get("used") or {}).get(key)) or Decimal(0)
        others = max(used - freed[kind][resource], Decimal(0))
        if others + asked[kind][resource] > limit:
            yield (
                f"quota {name} allows {key} {told}: the release asks {_plain(asked[kind][resource])} with its surge, "
                f"others use {_plain(others)}"
            )


def _of_range(limit_range: Object, demands: list[Demand]) -> Iterator[str]:
    name = limit_range["metadata"]["name"]
    for item in (limit_range.get("spec") or {}).get("limits") or []:
        if item.get("type") != "Container":
            continue
        for demand in demands:
            for container in _containers(demand.spec):
                yield from (f"limit range {name}: {demand.workload} {text}" for text in _beyond(container, item))


def _beyond(container: Object, item: Object) -> Iterator[str]:
    """How a container leaves the bounds that a limit range sets (Kubernetes, "Limit Ranges")."""
    resources = container.get("resources") or {}
    for resource in ("cpu", "memory"):
        most, least = (quantity((item.get(bound) or {}).get(resource)) for bound in ("max", "min"))
        limit = quantity((resources.get("limits") or {}).get(resource))
        request = quantity((resources.get("requests") or {}).get(resource)) or limit
        if most is not None and limit is not None and limit > most:
            yield f"container {container['name']} has a {resource} limit above {item['max'][resource]}"
        if least is not None and request is not None and request < least:
            yield f"container {container['name']} requests less {resource} than {item['min'][resource]}"


def _defaults(limit_ranges: Iterable[Object]) -> set[tuple[str, str]]:
    """What a limit range gives to containers that say nothing."""
    found: set[tuple[str, str]] = set()
    for one in limit_ranges:
        for item in (one.get("spec") or {}).get("limits") or []:
            if item.get("type") == "Container":
                found |= {("limits", resource) for resource in item.get("default") or {}}
                found |= {("requests", name) for name in {**(item.get("default") or {}), **_of(item, "defaultRequest")}}
    return found


def _of(item: Object, key: str) -> Object:
    found: Object = item.get(key) or {}
    return found


def _without(demands: Iterable[Demand], kind: str, resource: str) -> str:
    """The first workload with a container that says nothing of a resource; a limit stands for a request too."""
    for demand in demands:
        for container in _containers(demand.spec):
            resources = container.get("resources") or {}
            told = dict(resources.get("limits") or {})
            if kind == "requests":
                told |= resources.get("requests") or {}
            if resource not in told:
                return demand.workload
    return ""


def _containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _times(demand: Demand, kind: str) -> capacity.Amounts:
    one = _amounts(demand.spec, kind)
    return {name: amount * (demand.replicas + demand.surge) for name, amount in one.items()}


def _amounts(spec: Object, kind: str) -> capacity.Amounts:
    """What a pod counts for in a quota: its requests, or its limits by the same rule."""
    return capacity.pod_amounts(spec if kind == "requests" else _limits_as_requests(spec))


def _limits_as_requests(spec: Object) -> Object:
    def turned(described: Object) -> Object:
        limits = (described.get("resources") or {}).get("limits") or {}
        return {**described, "resources": {"requests": limits}}

    lists = {key: [turned(one) for one in spec.get(key) or []] for key in ("initContainers", "containers")}
    return {**turned(spec), **lists}


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f")
