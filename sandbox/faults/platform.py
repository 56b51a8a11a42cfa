# Faults in the cluster: nodes, capacity, storage, permissions, helm and its record, admission.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from sandbox.components import deployer
from sandbox.faults.fault import NAMESPACE, Act, Fault, Hands
from sandbox.files import put

VERSION, ACCESS = "infrastructure.cluster.version", "infrastructure.cluster.access"
HELM, RESOURCES = "infrastructure.cluster.helm", "infrastructure.cluster.resources"
STORAGE, PRODUCTION = "infrastructure.cluster.storage", "team.access.production"
DATABASE, CACHE = "infrastructure.database.version", "infrastructure.cache.version"
PLACE, ROOM, CLASSES = (f"deployment.preparation.{item}" for item in ("namespace", "resources", "storage"))
GUEST = "/api/v1/nodes/sandbox-guest"
HOG = "/apis/apps/v1/namespaces/default/deployments/sandbox-hog"
CLASS = "/apis/storage.k8s.io/v1/storageclasses/local-path"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
PROVISIONER = "/apis/apps/v1/namespaces/local-path-storage/deployments/local-path-provisioner"
RECORD = f"/api/v1/namespaces/{NAMESPACE}/secrets/sh.helm.release.v1.bytebot.v999999"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLE = f"{RBAC}/clusterroles/bytebot-deployer-namespace"
ADMIN = f"{RBAC}/clusterrolebindings/sandbox-deployer-is-admin"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY, POLICY_BINDING = (f"{ADMISSION}/validatingadmissionpolic{end}/sandbox-refuses" for end in ("ies", "ybindings"))
SHORT = {"infrastructure_probe_timeout": 15}


def _guest(version: str, ready: str) -> Act:
    """A node that only its object tells of; nothing is placed on it."""

    def act(hands: Hands) -> None:
        labels = {"kubernetes.io/hostname": "sandbox-guest", "type": "kwok"}  # as other nodes that nothing runs on
        meta = {"name": "sandbox-guest", "labels": labels}
        hands.apply(GUEST, {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"unschedulable": True}})
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        beat = {"lastHeartbeatTime": now, "lastTransitionTime": now, "reason": "Sandbox", "message": "as told"}
        info = dict.fromkeys(
            ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"), "sandbox"
        )
        more = {
            "kubeletVersion": version,
            "kubeProxyVersion": version,
            "operatingSystem": "linux",
            "architecture": "amd64",
        }
        conditions = [{"type": "Ready", "status": ready, **beat}]
        hands.patch(f"{GUEST}/status", {"status": {"conditions": conditions, "nodeInfo": {**info, **more}}})

    return act


def _without_leases(hands: Hands) -> None:
    """No other role of the deployer has them, as the drills' have Jobs."""
    role = hands.cluster.get(ROLE) or {}
    hands.patch(ROLE, {"rules": [rule for rule in role["rules"] if rule["apiGroups"] != ["coordination.k8s.io"]]})


def _as_shipped(hands: Hands) -> None:
    hands.cluster.apply("deployer", deployer.roles())


def _all_powerful(hands: Hands) -> None:
    admin = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": hands.settings.deployer}
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding"}
    name = {"name": ADMIN.rpartition("/")[2]}
    hands.apply(ADMIN, {**head, "metadata": name, "roleRef": admin, "subjects": [user]})


def _gone(path: str) -> Act:
    return lambda hands: hands.delete(path)


def _cordon(unschedulable: bool) -> Act:
    def act(hands: Hands) -> None:
        for node in hands.cluster.items("/api/v1/nodes"):
            hands.patch(f"/api/v1/nodes/{node['metadata']['name']}", {"spec": {"unschedulable": unschedulable}})

    return act


def _all_cordoned(hands: Hands) -> bool:
    """By the taint that the node controller gives each node that is cordoned, and that the scheduler goes by."""
    taints = [node["spec"].get("taints") or [] for node in hands.cluster.items("/api/v1/nodes")]
    return bool(taints) and all("node.kubernetes.io/unschedulable" in {one["key"] for one in given} for given in taints)


def _hog(hands: Hands) -> None:
    """A pod that asks for all memory but 80 MiB of what no other pod asks for."""
    node = hands.cluster.items("/api/v1/nodes")[0]
    pods = hands.cluster.items("/api/v1/pods")
    asked = sum(
        _mebibytes(container.get("resources", {}).get("requests", {}).get("memory", "0"))
        for pod in pods
        for container in pod["spec"]["containers"]
    )
    left = int(_mebibytes(node["status"]["allocatable"]["memory"]) - asked - 80)
    api = hands.cluster.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-api") or {}
    image = api["spec"]["template"]["spec"]["containers"][0]["image"]
    one = {"name": "hog", "image": image, "command": ["sleep", "86400"]}
    one["resources"] = {"requests": {"memory": f"{left}Mi"}}
    labels = {"app": "sandbox-hog"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [one], "terminationGracePeriodSeconds": 0}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": "sandbox-hog", "namespace": "default"}
    hands.apply(HOG, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
    hands.until(lambda: hands.rolled_out(HOG), "the hog runs")


def _no_hog(hands: Hands) -> None:
    hands.delete(HOG)
    hands.until(
        lambda: not hands.cluster.items("/api/v1/namespaces/default/pods?labelSelector=app%3Dsandbox-hog"), "it is gone"
    )


def _mebibytes(text: str) -> float:
    factors = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0, "M": 1e6 / 2**20, "G": 1e9 / 2**20}
    for suffix, factor in factors.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text) / 2**20


def _default(text: str) -> Act:
    return lambda hands: hands.patch(CLASS, {"metadata": {"annotations": {DEFAULT: text}}})


def _provisioners(number: int) -> Act:
    def act(hands: Hands) -> None:
        hands.patch(f"{PROVISIONER}/scale", {"spec": {"replicas": number}})
        hands.until(lambda: hands.rolled_out(PROVISIONER), f"the provisioner has {number} pods")

    return act


def _broken_record(hands: Hands) -> None:
    labels = {"owner": "helm", "name": "bytebot", "status": "deployed", "version": "999999"}
    meta = {"name": RECORD.rpartition("/")[2], "namespace": NAMESPACE, "labels": labels}
    body = {"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "metadata": meta}
    hands.apply(RECORD, {**body, "stringData": {"release": "not a release"}})


def _helm_2(hands: Hands) -> Mapping[str, Any]:
    program = hands.folder / "helm"
    put(program, "#!/bin/sh\necho 'Client: &version.Version{SemVer:\"v2.17.0\"}'\necho 'Client: v2.17.0'\n", mode=0o755)
    return {"bytebot_helm": str(program)}


def _labelled(text: str | None) -> Act:
    labels = {"environment": text}
    return lambda hands: hands.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": labels}})


LEAVING = "sandbox-leaving"
HOLDING = f"/api/v1/namespaces/{LEAVING}/configmaps/holding"


def _ending(hands: Hands) -> None:
    """A namespace of its own that does not go, for something in it has a finalizer that nobody serves."""
    meta = {"name": "holding", "namespace": LEAVING, "finalizers": ["bytebot.test/hold"]}
    hands.apply(
        f"/api/v1/namespaces/{LEAVING}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEAVING}}
    )
    hands.apply(HOLDING, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    hands.cluster.call("DELETE", f"/api/v1/namespaces/{LEAVING}")


def _ended(hands: Hands) -> None:
    if hands.cluster.get(HOLDING):
        hands.patch(HOLDING, {"metadata": {"finalizers": None}})
    hands.delete(f"/api/v1/namespaces/{LEAVING}")


def _refuses(hands: Hands) -> None:
    name = {"name": "sandbox-refuses"}
    matches = {
        "resourceRules": [
            {
                "apiGroups": ["apps"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["deployments"],
            }
        ]
    }
    said = [{"expression": "false", "message": "no workload is admitted here"}]
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": name}
    spec = {"failurePolicy": "Fail", "matchConstraints": matches, "validations": said}
    hands.apply(POLICY, {**head, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}
    bound = {"policyName": "sandbox-refuses", "validationActions": ["Deny"], "matchResources": where}
    hands.apply(POLICY_BINDING, {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": bound})
    deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-api"
    hands.until(lambda: hands.refuses(deployment), "the policy is in force")


def _admits(hands: Hands) -> None:
    deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-api"
    hands.delete(POLICY_BINDING)
    hands.delete(POLICY)
    hands.until(lambda: not hands.refuses(deployment), "the policy is no longer in force")


FAULTS = (
    Fault(
        name="required_version_above", says="a newer Kubernetes is required than the cluster has", layer="inputs",
        turns_red=(VERSION,), variables=lambda _: {"infrastructure_minimum_version": "1.99"},
    ),
    Fault(
        name="kubelet_out_of_skew", says="a node's kubelet is older than the API server supports", layer="cluster",
        turns_red=(VERSION,), put=_guest("v1.30.0", "True"), heal=_gone(GUEST),
    ),
    Fault(
        name="node_not_ready", says="a node is not Ready", layer="cluster", turns_red=(VERSION,),
        put=_guest("v1.36.0", "False"), heal=_gone(GUEST),
    ),
    Fault(
        name="rbac_verb_removed", says="the deployer may not write the Lease that keeps others out", layer="cluster",
        turns_red=(ACCESS,), put=_without_leases, heal=_as_shipped,
    ),
    Fault(
        name="deployer_is_cluster_admin", says="the deployer may do everything everywhere", layer="cluster",
        turns_red=(ACCESS, PRODUCTION), put=_all_powerful, heal=_gone(ADMIN), shuts=False,
    ),
    Fault(
        name="helm_missing", says="there is no helm", layer="inputs", turns_red=(HELM,),
        variables=lambda hands: {"bytebot_helm": str(hands.folder / "no-helm")},
    ),
    Fault(name="helm_2", says="helm is of version 2", layer="inputs", turns_red=(HELM,), variables=_helm_2),
    Fault(
        name="release_store_unreadable", says="a record of helm in the namespace is none", layer="cluster",
        turns_red=(HELM,), put=_broken_record, heal=_gone(RECORD),
    ),
    Fault(
        name="node_cordoned", says="no node takes pods, not even those that look", layer="cluster",
        turns_red=(RESOURCES, ROOM, DATABASE, CACHE),
        put=_cordon(True), heal=_cordon(False), seen=_all_cordoned,
    ),
    Fault(
        name="requests_hog", says="another workload asks for nearly all memory", layer="cluster",
        turns_red=(RESOURCES, ROOM), put=_hog, heal=_no_hog,
    ),
    Fault(
        name="provisioner_stopped", says="the provisioner of the storage class does not run", layer="cluster",
        turns_red=(STORAGE,), put=_provisioners(0), heal=_provisioners(1), variables=lambda _: SHORT,
    ),
    Fault(
        name="storage_class_no_default", says="no storage class is the default", layer="cluster",
        turns_red=(STORAGE, CLASSES), put=_default("false"), heal=_default("true"),
    ),
    Fault(
        name="namespace_label_missing", says="the namespace has lost its label of the environment", layer="cluster",
        turns_red=(PLACE,), put=_labelled(None), heal=_labelled("production"),
    ),
    Fault(
        name="namespace_terminating", says="the namespace is being removed, and something holds it", layer="cluster",
        turns_red=(PLACE,), playbook="prepare", put=_ending, heal=_ended,
        variables=lambda _: {"bytebot_namespace": LEAVING},
    ),
    Fault(
        name="admission_refuses", says="an admission policy refuses the release's workloads", layer="cluster",
        turns_red=("deployment.validation.security_context",), put=_refuses, heal=_admits,
    ),
)  # fmt: skip
