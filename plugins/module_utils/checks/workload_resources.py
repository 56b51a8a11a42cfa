# What pods ask beside each container's own amounts: defaults of limit ranges, class of service, room in quotas.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_capacity as capacity
from ansible_collections.bytebot.production.plugins.module_utils.checks.namespace_quota import shortages
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import (
    RESOURCES,
    Finding,
    Object,
    quantity,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec

# Kubernetes, "Pod Quality of Service Classes", the weakest first
CLASSES = ("BestEffort", "Burstable", "Guaranteed")
_FINISHED = ("Succeeded", "Failed")


def with_defaults(obj: Object, limit_ranges: Iterable[Object]) -> Object:
    """A workload whose containers have what limit ranges give to those that say nothing (plugin LimitRanger).

    A limit without request is the request too, as the API server sets it.
    """
    items = [item for one in limit_ranges for item in (one.get("spec") or {}).get("limits") or []]
    items = [item for item in items if item.get("type") == "Container"]
    made = copy.deepcopy(obj)
    spec = pod_spec(made) or {}
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            resources = container.get("resources") or {}
            limits, requests = (dict(resources.get(key) or {}) for key in ("limits", "requests"))
            requests = {**limits, **requests}
            for item in items:
                limits = {**(item.get("default") or {}), **limits}
                requests = {**(item.get("default") or {}), **(item.get("defaultRequest") or {}), **requests}
            container["resources"] = {**resources, "limits": limits, "requests": requests}
    return made


def qos(spec: Object) -> str:
    """The class of service of a pod, by its description."""
    every = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    told = [(one.get("resources") or {}) for one in every]
    amounts = [(one.get("limits") or {}, one.get("requests") or {}) for one in told]
    if not any(quantity(value) for limits, requests in amounts for value in (*limits.values(), *requests.values())):
        return CLASSES[0]
    exact = all(
        quantity(limits.get(name)) and quantity(limits[name]) == quantity(requests.get(name, limits[name]))
        for limits, requests in amounts
        for name in RESOURCES
    )
    return CLASSES[2] if exact and every else CLASSES[1]


def qos_findings(objects: Iterable[Object], namespace: str, wanted: str) -> Iterator[Finding]:
    """Workloads whose pods are of a weaker class than is wanted."""
    for obj in objects:
        spec = pod_spec(obj)
        if spec is not None and CLASSES.index(found := qos(spec)) < CLASSES.index(wanted):
            where = identity(obj, namespace)
            yield Finding(f"{where.kind} {where.name}", f"its pods are {found}, {wanted} is wanted")


def room_findings(
    described: Sequence[Object],
    pods: Sequence[Object],
    quotas: Iterable[Object],
    limit_ranges: Sequence[Object],
    namespace: str,
) -> Iterator[Finding]:
    """What the namespace would refuse, were all of its workloads rolled out anew."""
    wanted = [with_defaults(one, limit_ranges) for one in described if not _is_done(one)]
    nodes = max([int((one.get("status") or {}).get("desiredNumberScheduled") or 0) for one in described], default=0)
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _FINISHED]
    demands = [one for one in capacity.demands(wanted, (), namespace, nodes) if one.replicas]
    for text in shortages(quotas, limit_ranges, demands, running):
        yield Finding(f"Namespace {namespace}", text)


def _is_done(obj: Object) -> bool:
    """Whether nothing more is started for a workload: a pod or Job that has ended, a CronJob that is suspended."""
    status = obj.get("status") or {}
    if obj.get("kind") == "Job":
        ended = {one.get("type") for one in status.get("conditions") or [] if one.get("status") == "True"}
        return bool(ended & {"Complete", "Failed"})
    return status.get("phase") in _FINISHED or bool((obj.get("spec") or {}).get("suspend"))
