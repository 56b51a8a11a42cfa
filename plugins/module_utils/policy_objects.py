# What a namespace should hold beside the release, computed from the release: policies, bounds, budgets; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_spec, pod_template

Object = dict[str, Any]
OWNER = {"app.kubernetes.io/managed-by": "bytebot.production"}
INSTANCE = "app.kubernetes.io/instance"
SCRATCH = "bytebot.production/scratch"  # the label of this collection's own short-lived pods
NAMESPACE = "kubernetes.io/metadata.name"  # set by the API server since 1.22
_COMMON = (INSTANCE, "app.kubernetes.io/part-of", "app.kubernetes.io/name", "app")
_ROOM = {"pods": Decimal(5), "cpu": Decimal(1), "memory": Decimal(512 * 2**20)}  # for probes, tests and migrations
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom pods may speak to: the pods of a namespace, or addresses; with the ports."""

    ports: tuple[int | str, ...]
    namespace: str = ""
    cidr: str = ""

    def rule(self) -> Object:
        to = (
            {"namespaceSelector": {"matchLabels": {NAMESPACE: self.namespace}}}
            if self.namespace
            else {"ipBlock": {"cidr": self.cidr}}
        )
        return {"to": [to], "ports": _ports(self.ports)}


@dataclass(frozen=True, slots=True)
class Subject:
    """The release as it is, and what is wanted of its namespace.

    :param workloads: Deployments, StatefulSets and DaemonSets of the release. :param others: PodDisruptionBudgets and
        HorizontalPodAutoscalers that are there and not this collection's.
    :param egress: whom the release's pods must reach, beside each other and DNS.
    """

    namespace: str
    release: str
    workloads: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    ingresses: tuple[Object, ...] = ()
    others: tuple[Object, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ingress_namespaces: tuple[str, ...] = ()
    monitoring_namespaces: tuple[str, ...] = ()
    metrics_ports: tuple[int | str, ...] = ()
    dns_namespace: str = "kube-system"
    egress: tuple[Peer, ...] = ()
    probes: bool = True
    limits: Mapping[str, Any] = field(default_factory=dict)
    quota: Mapping[str, Any] = field(default_factory=dict)
    headroom: float = 1.5
    autoscaling: tuple[Mapping[str, Any], ...] = ()


def objects(subject: Subject, parts: Sequence[str]) -> list[Object]:
    """The wanted objects of some parts (``namespace``, ``network``, ``limits``, ``quota``, ``availability``)."""
    made: dict[str, Callable[[], list[Object]]] = {
        "namespace": lambda: [namespace(subject)],
        "network": lambda: list(network(subject)),
        "limits": lambda: [limit_range(subject)],
        "quota": lambda: [resource_quota(subject)],
        "availability": lambda: [*budgets(subject), *autoscalers(subject)],
    }
    return [obj for part, make in made.items() if part in parts for obj in make()]


def namespace(subject: Subject) -> Object:
    """The namespace with its labels."""
    metadata = {"name": subject.namespace, "labels": dict(subject.labels)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


# ---------------------------------------------------------------------- network


def network(subject: Subject) -> Iterator[Object]:
    """Nothing is allowed but what the release needs: DNS, its own Services, its ingress, its metrics, its servers."""
    yield _policy(subject, "default-deny", {}, policyTypes=["Ingress", "Egress"])
    pods = {"matchLabels": selector(subject.workloads)} if subject.workloads else {}
    to_dns = Peer((53,), subject.dns_namespace).rule()
    to_dns["ports"] = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    egress = [to_dns, *(peer.rule() for peer in subject.egress)]
    inside = [one for one in subject.services if (one.get("spec") or {}).get("selector")]
    for service in inside:
        spec = service["spec"]
        yield _policy(
            subject,
            f"to-{service['metadata']['name']}",
            {"matchLabels": spec["selector"]},
            policyTypes=["Ingress"],
            ingress=list(_into(subject, service, pods)),
        )
    between = [
        {"to": [{"podSelector": {"matchLabels": one["spec"]["selector"]}}], "ports": _ports(targets(one))}
        for one in inside
    ]
    yield _policy(subject, "release", pods, policyTypes=["Egress"], egress=[*egress, *between])
    if subject.monitoring_namespaces and subject.metrics_ports:
        yield _policy(
            subject,
            "metrics",
            pods,
            policyTypes=["Ingress"],
            ingress=[{"from": _namespaces(subject.monitoring_namespaces), "ports": _ports(subject.metrics_ports)}],
        )
    if subject.probes:
        probes = {"matchExpressions": [{"key": SCRATCH, "operator": "Exists"}]}
        yield _policy(subject, "probes", probes, policyTypes=["Egress"], egress=egress)


def _into(subject: Subject, service: Object, pods: Object) -> Iterator[Object]:
    """Who may come to a Service: the release's own pods, and the ingress where an Ingress leads to it."""
    ports = _ports(targets(service))
    yield {"from": [{"podSelector": pods}], "ports": ports}
    if service["metadata"]["name"] in backends(subject.ingresses):
        yield {"from": _namespaces(subject.ingress_namespaces), "ports": ports}


def selector(workloads: Iterable[Object]) -> dict[str, str]:
    """The one label that all pods of the release, and those of its hooks, have in common; none where there is none."""
    labels = [((pod_template(one) or {}).get("metadata") or {}).get("labels") or {} for one in workloads]
    for name in _COMMON:
        values = {one.get(name) for one in labels}
        if len(values) == 1 and None not in values:
            return {name: str(values.pop())}
    return {}


def backends(ingresses: Iterable[Object]) -> set[str]:
    """The Services that Ingresses lead to."""
    specs = [one.get("spec") or {} for one in ingresses]
    rules = [rule.get("http") or {} for spec in specs for rule in spec.get("rules") or []]
    paths = [path for rule in rules for path in rule.get("paths") or []]
    some = [*(path.get("backend") or {} for path in paths), *(spec.get("defaultBackend") or {} for spec in specs)]
    return {str(one["service"]["name"]) for one in some if one.get("service")}


def targets(service: Object) -> tuple[int | str, ...]:
    """The ports of the pods behind a Service, each once; by name where it names them so."""
    ports = (service.get("spec") or {}).get("ports") or []
    return tuple(dict.fromkeys(one.get("targetPort") or one["port"] for one in ports))


def _ports(ports: Iterable[int | str]) -> list[Object]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def _namespaces(names: Iterable[str]) -> list[Object]:
    return [{"namespaceSelector": {"matchLabels": {NAMESPACE: name}}} for name in names]


def _policy(subject: Subject, name: str, pods: Object, **spec: Any) -> Object:
    made = _object(subject, "networking.k8s.io/v1", "NetworkPolicy", f"{subject.release}-{name}")
    return {**made, "spec": {"podSelector": pods, **spec}}


def _object(subject: Subject, api_version: str, kind: str, name: str) -> Object:
    metadata = {"name": name, "namespace": subject.namespace, "labels": dict(OWNER)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


# ---------------------------------------------------------------------- bounds


def limit_range(subject: Subject) -> Object:
    """What a container gets that says nothing."""
    wanted = {"default": {"cpu": "500m", "memory": "256Mi"}, "defaultRequest": {"cpu": "50m", "memory": "64Mi"}}
    limits = [{"type": "Container", **wanted, **subject.limits}]
    return {**_object(subject, "v1", "LimitRange", f"{subject.release}-limits"), "spec": {"limits": limits}}


def resource_quota(subject: Subject) -> Object:
    """Room for the release at its largest, a roll-out and this collection's probes; what is given wins."""
    needs = {name: Decimal(0) for name in ("pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")}
    for workload in subject.workloads:
        most = _most(subject, workload)
        needs["pods"] += most
        for bound in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                needs[f"{bound}.{resource}"] += most * _asked(subject, workload, bound, resource)
    room = Decimal(str(subject.headroom))
    hard: Object = {name: _written(name, need * room + _ROOM[name.rpartition(".")[2]]) for name, need in needs.items()}
    for kind in ("LoadBalancer", "NodePort"):
        served = sum((one.get("spec") or {}).get("type") == kind for one in subject.services)
        hard[f"services.{kind.lower()}s"] = str(served)
    made = _object(subject, "v1", "ResourceQuota", f"{subject.release}-quota")
    return {**made, "spec": {"hard": {**hard, **{name: str(value) for name, value in subject.quota.items()}}}}


def _most(subject: Subject, workload: Object) -> Decimal:
    """Pods of a workload at its largest, with those that a roll-out adds."""
    name, spec = _named(workload), workload.get("spec") or {}
    scaled = [
        int((one.get("spec") or {}).get("maxReplicas") or 0)
        for one in (*subject.others, *autoscalers(subject))
        if one["kind"] == "HorizontalPodAutoscaler" and _target(one) == name
    ]
    if workload["kind"] == "DaemonSet":
        replicas = int((workload.get("status") or {}).get("desiredNumberScheduled") or 1)
    else:
        replicas = max([int(spec.get("replicas", 1)), *scaled])
    surge = ((spec.get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge", "25%")
    more = math.ceil(replicas * int(surge[:-1]) / 100) if str(surge).endswith("%") else int(surge)
    return Decimal(replicas + more)


def _asked(subject: Subject, workload: Object, bound: str, resource: str) -> Decimal:
    default = limit_range(subject)["spec"]["limits"][0]["default" if bound == "limits" else "defaultRequest"]
    containers = (pod_spec(workload) or {}).get("containers") or []
    said = [(one.get("resources") or {}).get(bound) or {} for one in containers]
    given = [one.get(resource, default.get(resource, 0)) for one in said]
    return sum((quantity(one) or Decimal(0) for one in given), Decimal(0))


def _written(name: str, amount: Decimal) -> str:
    if name.endswith("memory"):
        return f"{math.ceil(amount / _MIB)}Mi"
    return str(math.ceil(amount))


# ---------------------------------------------------------------------- availability


def budgets(subject: Subject) -> Iterator[Object]:
    """A PodDisruptionBudget for each workload of several replicas that has none."""
    covered = [_labels_of(one) for one in subject.others if one["kind"] == "PodDisruptionBudget"]
    for workload in subject.workloads:
        spec = workload.get("spec") or {}
        labels = ((pod_template(workload) or {}).get("metadata") or {}).get("labels") or {}
        has_one = any(wanted and wanted.items() <= labels.items() for wanted in covered)
        if workload["kind"] == "DaemonSet" or int(spec.get("replicas", 1)) <= 1 or has_one:
            continue
        made = _object(subject, "policy/v1", "PodDisruptionBudget", workload["metadata"]["name"])
        yield {**made, "spec": {"minAvailable": 1, "selector": spec.get("selector") or {}}}


def _labels_of(budget: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = ((budget.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return labels


def autoscalers(subject: Subject) -> Iterator[Object]:
    """The HorizontalPodAutoscalers that are asked for, unless the chart brings one for that workload."""
    there = {_target(one) for one in subject.others if one["kind"] == "HorizontalPodAutoscaler"}
    for one in subject.autoscaling:
        target = (str(one.get("kind") or "Deployment"), str(one["name"]))
        if target in there:
            continue
        usage = {"type": "Utilization", "averageUtilization": int(one["cpu"])}
        made = _object(subject, "autoscaling/v2", "HorizontalPodAutoscaler", str(one["name"]))
        yield {
            **made,
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": target[0], "name": target[1]},
                "minReplicas": int(one["minimum"]),
                "maxReplicas": int(one["maximum"]),
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}],
            },
        }


def _target(autoscaler: Object) -> tuple[str, str]:
    ref = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    return str(ref.get("kind")), str(ref.get("name"))


def _named(obj: Object) -> tuple[str, str]:
    return str(obj["kind"]), str(obj["metadata"]["name"])
