# Whether a release's pods find nodes: pools, taints, affinity, and room that is spread in pieces too small.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import ClusterFacts, Rendered
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_placement import may_take
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from tests.unit.collection.test_cluster_checks import SHOP, asks, node, pod, workload

Object = dict[str, Any]
A, B = {"pool": "a"}, {"pool": "b"}
KEPT = {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}
LET_IN = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}


def room(nodes: tuple[Object, ...], *objects: Object, pods: tuple[Object, ...] = ()) -> Verdict:
    facts = ClusterFacts(
        namespace=SHOP, server_version={}, nodes=nodes, pods=pods, rendered=Rendered(objects), minimum_cpu="1",
        minimum_memory="1G",
    )  # fmt: skip
    return CHECKS.judge(replace(facts), ["infrastructure.cluster.resources"])[0].verdict


def near(**term: Any) -> Object:
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def expression(key: str, operator: str, *values: str) -> Object:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def test_room_in_another_pool_is_no_room() -> None:
    nodes = (node("n1", "2", labels=A), node("n2", "64", labels=B))
    told = room(nodes, workload(asks(nodeSelector=A), replicas=4))
    assert told.state == "fail"
    assert "2 of 5 pods of Deployment api, with its surge, find room on the 1 nodes" in told.summary
    assert room(nodes, workload(asks(nodeSelector=B), replicas=4)).state == "pass"


def test_room_in_pieces_is_no_room() -> None:
    used = tuple(pod(asks("1500m"), on=f"n{at}", labels={"app": "other"}) for at in range(1, 9))
    nodes = (*(node(f"n{at}", "2") for at in range(1, 9)), node("n9", "2"))  # eight have 0.5 vCPU left
    assert room(nodes, workload(asks("600m"), replicas=2), pods=used).state == "pass"
    told = room(nodes, workload(asks("600m"), replicas=4), pods=used)
    assert (told.state, "3 of 5 pods" in told.summary) == ("fail", True), told.summary


def test_a_pool_that_a_taint_keeps_for_some_pods_is_room_for_these_only() -> None:
    nodes = (node("n1", "4"), node("n2", "4", spec=KEPT))
    other = workload(asks("3", **LET_IN, nodeSelector={}), replicas=1)
    other["metadata"] = {"name": "desktop"}
    assert room(nodes, workload(asks("3"), replicas=1, strategy={"type": "Recreate"})).state == "pass"
    both = [
        {**one, "spec": {**one["spec"], "strategy": {"type": "Recreate"}}}
        for one in (workload(asks("3"), replicas=1), other)
    ]
    assert room(nodes, *both).state == "pass"
    both[0]["spec"]["replicas"] = 2
    assert room(nodes, *both).state == "fail"


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({}, True),
        ({"nodeSelector": A}, True),
        ({"nodeSelector": B}, False),
        (near(**expression("pool", "In", "b", "a")), True),
        (near(**expression("pool", "In", "b")), False),
        (near(**expression("pool", "NotIn", "b")), True),
        (near(**expression("zone", "NotIn", "b")), True),
        (near(**expression("pool", "NotIn", "a")), False),
        (near(**expression("pool", "Exists")), True),
        (near(**expression("zone", "Exists")), False),
        (near(**expression("pool", "DoesNotExist")), False),
        (near(**expression("cores", "Gt", "7")), True),
        (near(**expression("cores", "Lt", "8")), False),
        (near(**expression("pool", "Gt", "7")), False),
        (near(**expression("cores", "Gt")), False),
        (near(), False),
        (near(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n1"]}]), True),
        (near(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n2"]}]), False),
    ],
)
def test_where_a_pod_may_go(spec: Object, taken: bool) -> None:
    assert may_take(node(labels={**A, "cores": "8"}), spec) is taken


def test_a_daemon_set_has_one_pod_on_each_node_that_takes_it() -> None:
    nodes = (node("n1", "2", labels=A), node("n2", "4", labels=B))
    assert room(nodes, workload(asks("2"), "DaemonSet", None)).state == "pass"
    assert room(nodes, workload(asks("4", nodeSelector=B), "DaemonSet", None)).state == "pass"
    assert room(nodes, workload(asks("3"), "DaemonSet", None)).state == "fail"
