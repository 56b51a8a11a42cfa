# Who stands in behind the Ingress: a pod that the Service takes, and that no controller would adopt.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import IngressFacts, Wanted
from ansible_collections.bytebot.production.plugins.module_utils.observe_ingress import stand_in_labels, taken_in
from tests.unit.collection.test_observe_secrets import Kubernetes

LABELS = {"app": "shop", "component": "api"}
RULE = {"host": "api.shop.test", "http": {"paths": [{"path": "/", "backend": {"service": {"name": "api"}}}]}}
INGRESS = {"metadata": {"name": "shop", "namespace": "shop"}, "spec": {"rules": [RULE]}}
SERVICE = {"metadata": {"name": "api", "namespace": "shop"}, "spec": {"selector": LABELS}}
FACTS = IngressFacts(Wanted(("api.shop.test",)), "shop", ours=(INGRESS,), services={"api": SERVICE})


def pod(name: str, **labels: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "labels": {**LABELS, **labels}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


HASHED = {"pod-template-hash": "7d9f"}


@pytest.mark.parametrize(
    ("pods", "labels"),
    [
        ([pod("api-1", **HASHED), pod("api-2", **HASHED)], LABELS),
        ([pod("api-1", **HASHED), pod("api-2")], {}),
        ([pod("api-0")], {}),
        ([], {}),
    ],
)
def test_only_a_deployments_pods_are_joined(pods: list[dict[str, Any]], labels: dict[str, str]) -> None:
    assert stand_in_labels(Kubernetes(*pods), FACTS) == labels  # type: ignore[arg-type]


def test_a_service_without_a_selector_takes_nobody() -> None:
    facts = IngressFacts(Wanted(("api.shop.test",)), "shop", ours=(INGRESS,), services={"api": {"spec": {}}})
    assert stand_in_labels(Kubernetes(pod("api-1", **HASHED)), facts) == {}  # type: ignore[arg-type]


def test_it_is_waited_for_until_an_endpoint_tells_of_it() -> None:
    pauses: list[float] = []
    cluster = Kubernetes()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        endpoint = {"targetRef": {"name": "scratch"}, "conditions": {"ready": False}}
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "api-x", "namespace": "shop"},
            "endpoints": [endpoint],
        }
        cluster.objects.append(slice_)

    taken_in(cluster, "shop", "scratch", pause)  # type: ignore[arg-type]
    assert len(pauses) == 1
