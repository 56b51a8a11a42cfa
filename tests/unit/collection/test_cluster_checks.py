# A cluster judged before anything is deployed: each control's red reasons, versions and amounts as clusters tell them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks import cluster_capacity as capacity
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_access import (
    Permission,
    Served,
    Situation,
    needed,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import (
    ClusterFacts,
    HelmFacts,
    Rendered,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_storage import Tried, claims_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_version import (
    minor_of,
    server_minor,
    skew_problem,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import State, Verdict

Object = dict[str, Any]
SHOP = "shop"


def node(name: str = "n1", cpu: str = "16", memory: str = "64Gi", kubelet: str = "v1.30.2", **more: Any) -> Object:
    """A node that is Ready; ``conditions`` and ``spec`` change it."""
    conditions = {"Ready": "True", "MemoryPressure": "False", **more.get("conditions", {})}
    return {
        "metadata": {"name": name, "labels": more.get("labels", {})},
        "spec": more.get("spec", {}),
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
            "nodeInfo": {"kubeletVersion": kubelet},
            "conditions": [{"type": kind, "status": status} for kind, status in conditions.items()],
        },
    }


# What autoscalers take away (cluster-autoscaler, Karpenter), and what AKS calls virtual nodes.
GOING = node(
    "g1", conditions={"Ready": "Unknown"}, spec={"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}
)
VIRTUAL = node("v1", kubelet="v1.19.10-vk-azure-aci-1.6.1", labels={"type": "virtual-kubelet"})


def asks(cpu: str = "1", memory: str = "1Gi", **more: Any) -> Object:
    return {"containers": [{"name": "app", "resources": {"requests": {"cpu": cpu, "memory": memory}}}], **more}


def workload(pod: Object, kind: str = "Deployment", replicas: int | None = 2, **spec: Any) -> Object:
    labels = {"app": "api"}
    told = {} if replicas is None else {"replicas": replicas}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {**told, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "api"}, "spec": spec}


def pod(spec: Object, *, on: str = "n1", labels: dict[str, str] | None = None, phase: str = "Running") -> Object:
    metadata = {"name": "p", "namespace": SHOP, "labels": labels or {}}
    return {"metadata": metadata, "spec": {**spec, "nodeName": on}, "status": {"phase": phase}}


def storage_class(name: str = "fast", *, default: bool = True, **more: Any) -> Object:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": marks}, "provisioner": "csi", **more}


def claim(name: str | None) -> Object:
    spec = {} if name is None else {"storageClassName": name}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}


WORKS = Tried("fast", "works", ("bound", "written", "read", "removed"))
FACTS = ClusterFacts(
    namespace=SHOP,
    server_version={"gitVersion": "v1.30.2", "major": "1", "minor": "30"},
    nodes=(node(),),
    classes=(storage_class(),),
    asked=3,
    helm=HelmFacts("/bin/helm", (3, 16, 0), revisions=(2, 1)),
    rendered=Rendered((workload(asks()),)),
    tried=(WORKS,),
)
MISSING = Permission("", "secrets", "create", "namespace", "", "generated_secret")


def verdict(item: str, **changes: Any) -> Verdict:
    return CHECKS.judge(replace(FACTS, **changes), [f"infrastructure.cluster.{item}"])[0].verdict


def test_the_controls() -> None:
    items = ("version", "access", "helm", "resources", "storage")
    prepared = ("namespace", "resources", "storage")
    assert CHECKS.controls == (
        *(f"infrastructure.cluster.{item}" for item in items),
        *(f"deployment.preparation.{item}" for item in prepared),
    )


@pytest.mark.parametrize("item", ["version", "access", "helm", "resources", "storage"])
def test_a_good_cluster_passes_with_evidence(item: str) -> None:
    found = verdict(item)
    assert (found.state, found.level, found.weaker) == (State.PASS, "must", ())
    assert found.evidence


DENIED = "Not permitted to GET /x: forbidden."
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
ROWS: list[tuple[str, dict[str, Any], State, str]] = [
    ("version", {"server_version": {"gitVersion": "v1.24.9"}}, State.FAIL, "1.25 or newer is wanted"),
    ("version", {"minimum_version": "1.99"}, State.FAIL, "1.99 or newer is wanted"),
    ("version", {"server_version": {}}, State.ERROR, "no version that can be read"),
    ("version", {"ready": False, "readyz": "[+]ping ok\n[-]etcd failed: withheld"}, State.FAIL, "etcd failed"),
    ("version", {"nodes": (node(conditions={"Ready": "Unknown"}),)}, State.FAIL, "n1 is not Ready (Unknown)"),
    ("version", {"nodes": (node(conditions={"DiskPressure": "True"}),)}, State.FAIL, "under DiskPressure"),
    ("version", {"nodes": (node(), node("n2", kubelet="v1.26.1"))}, State.FAIL, "n2: its kubelet v1.26.1 is more"),
    ("version", {"nodes": ()}, State.FAIL, "has no node"),
    (
        "version",
        {"nodes": (node(), GOING)},
        State.PASS,
        "all 1 nodes are Ready, without pressure, within the skew (1 more",
    ),
    ("version", {"nodes": (GOING,)}, State.FAIL, "has no node that stays"),
    ("version", {"nodes": (node(), VIRTUAL)}, State.PASS, "all 2 nodes"),
    ("version", {"nodes": (node(), {**VIRTUAL, "status": {}})}, State.FAIL, "v1 is not Ready"),
    ("version", {"denied": {"Node": DENIED}, "nodes": ()}, State.PENDING, "Not permitted"),
    ("version", {"denied": {"readyz": DENIED}}, State.PENDING, "Not permitted"),
    ("version", {"denied": {"Pod": DENIED}}, State.PASS, "is ready"),
    ("access", {"missing": (MISSING,)}, State.FAIL, "create secrets in the namespace (generated_secret)"),
    ("access", {"missing": (MISSING,), "wildcard": True}, State.FAIL, "1 of 3 permissions"),
    ("access", {"denied": {"SelfSubjectAccessReview": DENIED}}, State.PENDING, "Not permitted"),
    ("access", {"asked": 0}, State.ERROR, "No permission was asked"),
    ("helm", {"helm": HelmFacts(problem="There is no helm program on PATH.")}, State.FAIL, "no helm program"),
    ("helm", {"helm": HelmFacts("/h", (2, 17, 0))}, State.FAIL, "2.17.0 is too old"),
    ("helm", {"helm": HelmFacts("/h", (3, 13, 9))}, State.FAIL, "too old"),
    ("helm", {"helm": HelmFacts("/h", (5, 0, 0))}, State.FAIL, "newer than what is supported"),
    (
        "helm",
        {"helm": HelmFacts("/h", (4, 1, 0), store_problem=DENIED, store_remedy="x")},
        State.FAIL,
        "cannot be read: Not permitted",
    ),
    ("helm", {"helm": HelmFacts("/h", (3, 14, 0))}, State.PASS, "0 revisions of the release are kept"),
    ("resources", {"nodes": (node(cpu="15900m"),)}, State.FAIL, "15.9 vCPU of 16 wanted"),
    ("resources", {"nodes": (node(memory="31999999999"),)}, State.FAIL, "GiB memory of"),
    ("resources", {"nodes": (node(memory="32G"),)}, State.PASS, "1 of 1 nodes"),
    ("resources", {"nodes": (node(spec={"unschedulable": True}),)}, State.FAIL, "n1 (cordoned)"),
    ("resources", {"nodes": (node(spec={"taints": [TAINT]}),)}, State.FAIL, "n1 (taint gpu:NoSchedule)"),
    ("resources", {"nodes": (node(conditions={"Ready": "False"}),)}, State.FAIL, "n1 (not Ready)"),
    ("resources", {"pods": (pod(asks("14")),)}, State.FAIL, "too little cpu"),
    ("resources", {"pods": (pod(asks("14"), phase="Succeeded"),)}, State.PASS, "free are 16 vCPU"),
    ("resources", {"pods": (pod(asks("14"), labels={"app": "api"}),)}, State.PASS, "free are 16 vCPU"),
    ("resources", {"rendered": Rendered((workload(asks("17"), replicas=1),))}, State.FAIL, "fits on none"),
    (
        "resources",
        {
            "rendered": Rendered(
                (
                    workload(
                        asks("6"),
                    ),
                )
            )
        },
        State.FAIL,
        "asks 18 vCPU",
    ),
    ("resources", {"rendered": Rendered((), (workload(asks("17"), "Job", None),))}, State.FAIL, "fits on none"),
    ("resources", {"rendered": Rendered((workload(asks("17"), replicas=0),))}, State.PASS, "asks 0 vCPU"),
    (
        "resources",
        {"rendered": Rendered((workload(asks(nodeSelector={"disk": "ssd"})),))},
        State.FAIL,
        "fits on none",
    ),
    ("resources", {"rendered": None}, State.PASS, "no chart was given"),
    ("resources", {"rendered": Rendered(problem="nil pointer")}, State.INCONCLUSIVE, "nil pointer"),
    ("resources", {"denied": {"Node": DENIED}, "nodes": ()}, State.PENDING, "Not permitted"),
    ("resources", {"denied": {"Pod": DENIED}}, State.PENDING, "Not permitted"),
    ("storage", {"classes": (storage_class(default=False),)}, State.FAIL, "No storage class is the default"),
    ("storage", {"classes": (storage_class("a"), storage_class("b"))}, State.FAIL, "2 storage classes are the default"),
    ("storage", {"classes": ()}, State.FAIL, "No storage class"),
    ("storage", {"rendered": Rendered((claim("slow"),))}, State.FAIL, "names the storage class slow"),
    (
        "storage",
        {"rendered": Rendered((claim("fast"),)), "classes": (storage_class(default=False),)},
        State.PASS,
        "Storage class fast is there",
    ),
    ("storage", {"rendered": Rendered((claim(""),))}, State.PASS, "made by hand"),
    ("storage", {"rendered": Rendered(problem="nil pointer")}, State.INCONCLUSIVE, "nil pointer"),
    ("storage", {"tried": (), "no_probe": "it needs a probe."}, State.PENDING, "needs a probe"),
    ("storage", {"tried": (), "no_probe": "x", "classes": ()}, State.FAIL, "No storage class"),
    ("storage", {"tried": ()}, State.INCONCLUSIVE, "not all were tried"),
    ("storage", {"tried": (Tried("fast", "broken", cause="no room", remedy="x"),)}, State.FAIL, "fast: no room"),
    ("storage", {"tried": (Tried("fast", "unable", cause="no image", remedy="x"),)}, State.ERROR, "no image"),
    ("storage", {"tried": (Tried("fast", "disturbed", cause="gone", remedy="x"),)}, State.INCONCLUSIVE, "gone"),
    ("storage", {"tried": (Tried("fast", "by_hand", cause="by hand", remedy="x"),)}, State.INCONCLUSIVE, "by hand"),
    ("storage", {"tried": (replace(WORKS, left=("Pod x",)),)}, State.FAIL, "could not be removed: Pod x"),
    ("storage", {"denied": {"StorageClass": DENIED}, "classes": ()}, State.PENDING, "Not permitted"),
]


@pytest.mark.parametrize(("item", "changes", "state", "said"), ROWS)
def test_what_turns_a_control(item: str, changes: dict[str, Any], state: State, said: str) -> None:
    found = verdict(item, **changes)
    assert found.state == state, found.summary
    assert said in found.summary
    assert (found.state == State.PASS) == (not found.remedy)


def test_a_cluster_admin_alone_is_advice_and_a_missing_verb_is_not() -> None:
    assert verdict("access", wildcard=True).level == "should"
    assert verdict("access", wildcard=True, missing=(MISSING,)).level == "must"


def test_weaker_thresholds_stand_beside_the_result() -> None:
    assert verdict("resources", minimum_cpu="2", minimum_memory="8Gi").weaker == (
        "2 vCPU wanted, document 16",
        "8Gi memory wanted, document 32GB",
    )
    assert verdict("resources", minimum_cpu="17", minimum_memory="8Gi").weaker == ("8Gi memory wanted, document 32GB",)
    assert verdict("version", minimum_version="1.24").weaker == ("Kubernetes 1.24 wanted, document 1.25",)


# ---------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.25", (1, 25)),
        ("v1.29.3-gke.100", (1, 29)),
        ("v1.30.2+k3s1", (1, 30)),
        ("v1.29.3-eks-adc7111", (1, 29)),
        ("v1.31.0-rc.1", (1, 31)),
        ("1.29+", (1, 29)),
        ("", None),
        ("latest", None),
        ("v1", None),
        ("1.x", None),
    ],
)
def test_versions(text: str, found: Any) -> None:
    assert minor_of(text) == found


def test_a_server_that_tells_numbers_only() -> None:
    assert server_minor({"major": "1", "minor": "29+"}) == (1, 29)
    assert server_minor({"gitVersion": "weird", "major": "1", "minor": "30"}) == (1, 30)
    assert server_minor({}) is None


@given(st.integers(25, 60), st.integers(0, 70))
def test_the_skew_is_none_to_three_older(server: int, kubelet: int) -> None:
    allowed = 3 if kubelet >= 25 else 2
    assert (skew_problem(f"v1.{kubelet}.1", (1, server)) == "") == (0 <= server - kubelet <= allowed)


# ---------------------------------------------------------------------- capacity

AMOUNT = st.integers(0, 5000)


def container(cpu: int, **more: Any) -> Object:
    return {"resources": {"requests": {"cpu": f"{cpu}m"}}, **more}


@given(st.lists(AMOUNT, min_size=1), st.lists(AMOUNT), st.lists(AMOUNT))
def test_a_pod_asks_the_greater_of_running_and_starting(main: list[int], sidecars: list[int], init: list[int]) -> None:
    spec = {
        "containers": [container(cpu) for cpu in main],
        "initContainers": [
            *(container(cpu, restartPolicy="Always") for cpu in sidecars),
            *(container(cpu) for cpu in init),
        ],
        "overhead": {"cpu": "10m"},
    }
    wanted = sum(sidecars) + max(sum(main), *init, 0) + 10
    assert capacity.pod_amounts(spec)["cpu"] == Decimal(wanted) / 1000


def test_a_limit_alone_is_the_request_and_the_pods_own_word_is_the_last() -> None:
    limited = {"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}}]}
    assert capacity.pod_amounts(limited)["cpu"] == 2
    assert capacity.pod_amounts({**limited, "resources": {"requests": {"cpu": "3"}}})["cpu"] == 3


@pytest.mark.parametrize(
    ("obj", "replicas", "surge"),
    [
        (workload(asks(), replicas=None), 1, 1),
        (workload(asks(), replicas=5), 5, 2),
        (workload(asks(), replicas=5, strategy={"rollingUpdate": {"maxSurge": 0}}), 5, 0),
        (workload(asks(), replicas=5, strategy={"rollingUpdate": {"maxSurge": "100%"}}), 5, 5),
        (workload(asks(), replicas=5, strategy={"type": "Recreate"}), 5, 0),
        (workload(asks(), "StatefulSet", 3), 3, 0),
        (workload(asks(), "DaemonSet", None), 7, 0),
        (workload(asks(), "Job", None, parallelism=4), 4, 0),
    ],
)
def test_how_many_pods(obj: Object, replicas: int, surge: int) -> None:
    (found,) = capacity.demands([obj], [], SHOP, 7)
    assert (found.replicas, found.surge) == (replicas, surge)


def test_an_autoscaler_keeps_its_minimum() -> None:
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "api"},
        "spec": {"minReplicas": 4, "scaleTargetRef": {"kind": "Deployment", "name": "api"}},
    }
    (found,) = capacity.demands([workload(asks()), scaler], [], SHOP, 1)
    assert found.replicas == 4


@pytest.mark.parametrize(
    ("toleration", "fine"),
    [
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "value": "yes", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: Object, fine: bool) -> None:
    assert capacity.tolerates({"tolerations": [toleration]}, TAINT) == fine


@given(st.lists(st.integers(0, 8), max_size=5))
def test_what_is_free_is_what_is_left(requests: list[int]) -> None:
    left = capacity.free([node()], [pod(asks(str(cpu))) for cpu in requests])
    assert left["n1"]["cpu"] == 16 - sum(requests)
    assert left["n1"]["pods"] == 110 - len(requests)


# ---------------------------------------------------------------------- access, claims

HERE = Situation(SHOP, True, (), False)


def verbs(situation: Situation, resource: str, scope: str = "namespace") -> set[str]:
    return {one.verb for one in needed(situation) if (one.resource, one.scope) == (resource, scope)}


def test_each_permission_is_asked_once_and_names_who_needs_it() -> None:
    found = needed(HERE)
    bare = [replace(one, used_by="") for one in found]
    assert len(set(bare)) == len(bare)
    assert all(one.used_by and "*" not in (one.verb, one.resource, one.group) for one in found)
    (one,) = [one for one in found if (one.resource, one.verb) == ("secrets", "create")]
    assert one.used_by == "generated_secret, helm"


def test_what_decides_the_permissions() -> None:
    assert "create" not in verbs(HERE, "namespaces", "cluster")
    assert "create" in verbs(replace(HERE, namespace_exists=False), "namespaces", "cluster")
    assert verbs(replace(HERE, kinds=(Served("", "configmaps", True),)), "persistentvolumeclaims") == {"list"}
    assert verbs(replace(HERE, probe=True), "persistentvolumeclaims") == {"get", "list", "create", "patch", "delete"}
    assert "watch" not in verbs(HERE, "deployments")
    assert "watch" in verbs(replace(HERE, watches=True), "deployments")
    roles = Served("rbac.authorization.k8s.io", "clusterroles", False)
    assert verbs(replace(HERE, kinds=(roles,)), "clusterroles", "cluster") == {
        "get",
        "list",
        "create",
        "patch",
        "delete",
    }


def test_what_makes_secrets_is_asked_about_where_the_cluster_has_it() -> None:
    made = replace(HERE, makers=(Served("external-secrets.io", "externalsecrets", True),))
    assert verbs(HERE, "externalsecrets") == set()
    assert verbs(made, "externalsecrets") == {"list"}


def test_the_attributes_of_a_review() -> None:
    log = Permission("", "pods/log", "get", "namespace")
    told = {"resource": "pods", "subresource": "log", "verb": "get", "namespace": SHOP}
    assert log.attributes(SHOP) == told
    assert "namespace" not in replace(log, scope="cluster").attributes(SHOP)


def test_every_claim_of_a_release_is_found() -> None:
    template = {"spec": {"storageClassName": "a"}}
    ephemeral = asks(volumes=[{"ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "b"}}}}])
    objects = [workload(ephemeral, "StatefulSet", volumeClaimTemplates=[template]), claim("c")]
    assert [spec["storageClassName"] for _owner, spec in claims_of(objects)] == ["a", "b", "c"]
