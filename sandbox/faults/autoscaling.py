# Faults in scaling: autoscalers that are wrong in one thing, and the figures that they need; seen by their status.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.api import ApiError
from sandbox.faults.database import ask_postgres
from sandbox.faults.fault import API, NAMESPACE, Act, Fault, Hands, no_drills, scaled
from sandbox.faults.keeping import Object, placed, ready, restored, steps

NAME = "bytebot-api-hpa"
SCALER = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{NAME}"
CONFIG = f"/api/v1/namespaces/{NAMESPACE}/configmaps/bytebot-config"
FIGURES = "/apis/metrics.k8s.io/v1beta1/nodes"
METRICS_SERVER = "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server"
POOL = "DATABASE_MAX_CONNECTIONS"
HPA, VPA = "application_configuration.tuning.hpa", "application_configuration.tuning.vpa"
# Of the requested CPU: never reached, so that no pod comes or goes by the fault.
NEVER = 2000
BY_CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": NEVER}},
}
BY_NOBODY = {
    "type": "Pods",
    "pods": {"metric": {"name": "bytebot_no_such_metric"}, "target": {"type": "AverageValue", "averageValue": "1"}},
}


def _scaler(target: str = "bytebot-api", most: int = 3, metric: Any = None) -> Act:
    """The API's autoscaler, or another in its place."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    spec = {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": most, "metrics": [metric or BY_CPU]}
    meta = {"name": NAME, "namespace": NAMESPACE}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
    return steps(ready(API), placed(SCALER, body))


def _told(holds: Callable[[Object], bool]) -> Callable[[Hands], bool]:
    """Of an autoscaler that its controller has judged."""

    def seen(hands: Hands) -> bool:
        found = hands.cluster.get(SCALER)
        return bool(found and found.get("status", {}).get("conditions") and holds(found))

    return seen


def _condition(scaler: Object, kind: str) -> tuple[str, str]:
    """Its status and its reason."""
    found = [one for one in scaler["status"]["conditions"] if one["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def _no_metric(scaler: Object) -> bool:
    return _condition(scaler, "ScalingActive") == ("False", "FailedGetPodsMetric")


def _no_room(scaler: Object) -> bool:
    spec = scaler["spec"]
    return bool(spec["minReplicas"] == spec["maxReplicas"] == scaler["status"]["desiredReplicas"])


def _of_other_pods(hands: Hands) -> bool:
    """The pods that the autoscaler counts are not the API's."""
    found = hands.cluster.get(SCALER)
    if found is None or not found.get("status", {}).get("conditions"):
        return False
    target = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{found['spec']['scaleTargetRef']['name']}"
    counted = (hands.cluster.get(f"{target}/scale") or {}).get("status", {}).get("selector", "")
    return "component=worker" in counted


def _past_connections(hands: Hands) -> bool:
    """What all pools together may open, at the most pods, is more than the server says that it takes."""
    found, config = hands.cluster.get(SCALER), hands.cluster.get(CONFIG)
    if found is None or config is None:
        return False
    most = int(found["spec"]["maxReplicas"]) * int(config["data"][POOL])
    return most > int(ask_postgres(hands, "SHOW max_connections"))


def _reads_figures(hands: Hands, status: str) -> bool:
    """Whether the API's autoscaler tells that it reads its figures (True) or not (False); so it is where none is."""
    found = hands.cluster.get(SCALER)
    return found is None or (bool(found.get("status", {}).get("conditions")) and _active(found) == status)


def _active(scaler: Object) -> str:
    return _condition(scaler, "ScalingActive")[0]


def _no_figures(hands: Hands) -> bool:
    return hands.cluster.get(FIGURES) is None and _reads_figures(hands, "False")


def _figures_again(hands: Hands) -> None:
    """The autoscalers look some seconds after the figures are there."""
    hands.until(lambda: hands.cluster.get(FIGURES) is not None, "the figures of nodes are served")
    hands.until(lambda: _reads_figures(hands, "True"), "the API's autoscaler reads its figures")


VERTICALS = f"/apis/autoscaling.k8s.io/v1/namespaces/{NAMESPACE}/verticalpodautoscalers"
RECOMMENDER = f"{VERTICALS}/bytebot-api"
KIND = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/verticalpodautoscalers.autoscaling.k8s.io"


def _found(hands: Hands, path: str) -> bool:
    return hands.cluster.get(path) is not None


def _served(hands: Hands) -> bool:
    """A kind that is new is refused for a moment, until its storage is there."""
    try:
        return _found(hands, VERTICALS)
    except ApiError:
        return False


def _vertical(hands: Hands) -> None:
    """The vertical autoscaler's kind and one object of it; its controllers are not there."""
    names = {"plural": "verticalpodautoscalers", "singular": "verticalpodautoscaler", "kind": "VerticalPodAutoscaler"}
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": anything}
    spec = {"group": "autoscaling.k8s.io", "names": names, "scope": "Namespaced", "versions": [version]}
    # The API server asks for the review of whoever defines a kind of a *.k8s.io group; this one is only for a test.
    meta = {"name": KIND.rpartition("/")[2], "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}
    hands.apply(KIND, crd)
    hands.until(lambda: _served(hands), "the API serves the kind")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "bytebot-api"}
    one = {"targetRef": target, "updatePolicy": {"updateMode": "Auto"}}
    meta = {"name": "bytebot-api", "namespace": NAMESPACE}
    body = {"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": meta, "spec": one}
    hands.apply(RECOMMENDER, body)


def _no_vertical(hands: Hands) -> None:
    """With the kind its objects go."""
    hands.delete(KIND)


FAULTS = (
    Fault(
        name="hpa_metrics_missing", says="the API's autoscaler reads a metric that nobody serves", layer="cluster",
        turns_red=(HPA,), shuts=False, variables=no_drills, put=_scaler(metric=BY_NOBODY),
        heal=restored(SCALER), seen=_told(_no_metric),
    ),
    Fault(
        name="hpa_minimum_is_maximum", says="the API's autoscaler has no room: its minimum is its maximum",
        turns_red=(HPA,), shuts=False, variables=no_drills, layer="cluster", put=_scaler(most=2), heal=restored(SCALER),
        seen=_told(_no_room),
    ),
    Fault(
        name="hpa_other_target", says="the API's autoscaler scales the workers", layer="cluster",
        turns_red=(HPA,), shuts=False, variables=no_drills, put=_scaler(target="bytebot-worker"),
        heal=restored(SCALER), seen=_of_other_pods,
    ),
    Fault(
        name="hpa_maximum_past_connections", layer="cluster",
        turns_red=("infrastructure.database.pooling",), shuts=False,
        says="the API's autoscaler may make more pods than the database has connections for",
        put=_scaler(most=40), heal=restored(SCALER), seen=_past_connections,
    ),
    Fault(
        name="vpa_auto_with_hpa", turns_red=(VPA,), shuts=False, variables=no_drills, layer="cluster",
        says="a vertical autoscaler changes the memory that the horizontal one scales by",
        put=_vertical, heal=_no_vertical, seen=lambda hands: _found(hands, RECOMMENDER),
    ),
    Fault(
        name="metrics_server_stopped", says="nobody serves the figures of CPU and memory", layer="cluster",
        turns_red=(HPA,), shuts=False, variables=no_drills,
        put=scaled(METRICS_SERVER, 0), heal=steps(scaled(METRICS_SERVER, 1), _figures_again), seen=_no_figures,
    ),
)  # fmt: skip
