# A cluster observed once, and scratch claims tried in a cluster that only remembers: whatever happens, nothing is left.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.preparation import ENFORCE
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, ProgramMissing, Refused
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed, HelmCli
from ansible_collections.bytebot.production.plugins.module_utils.helm.fetch import Chart
from ansible_collections.bytebot.production.plugins.module_utils.observe_cluster import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_claim import LABELS, Probe, try_class
from tests.unit.collection.helm_fakes import SHOP, FakeHelm, Object, prints, rendered, stored
from tests.unit.collection.test_cluster_checks import asks, node, storage_class, workload


class Kubernetes:
    """Holds objects, remembers requests; a pod of a scratch claim does as it is told by ``pod_status``."""

    def __init__(self, *objects: Object) -> None:
        self.objects = [{"apiVersion": "v1", **obj} for obj in objects]
        self.denied: set[str] = set()
        self.not_allowed: set[tuple[str, str]] = set()
        self.asked: list[Mapping[str, str]] = []
        self.made_in: set[str] = set()
        self.listed: list[str] = []
        self.is_ready = (True, "[+]ping ok")
        self.pod_status: Object = {"phase": "Succeeded"}
        self.claim_status: Object = {"phase": "Bound", "capacity": {"storage": "2Gi"}}
        self.events: list[Object] = []
        self.log: str | None = None
        self.before_read: Callable[[], object] = int

    def version(self) -> Object:
        return {"gitVersion": "v1.30.2"}

    def ready(self) -> tuple[bool, str]:
        return self.is_ready

    def may(self, attributes: Mapping[str, str]) -> bool:
        self.asked.append(attributes)
        return attributes["verb"] != "*" and (attributes["verb"], attributes["resource"]) not in self.not_allowed

    def resource(self, _api_version: str, kind: str) -> tuple[str, bool]:
        return f"{kind.lower()}s", True

    def get(self, _api_version: str, kind: str, name: str, _namespace: str = "") -> Object | None:
        self.before_read()
        if kind in self.denied:
            raise NotPermitted(f"Not permitted to get {kind}: forbidden.")
        found = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
        return found[0] if found else None

    def list(self, _api: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Object]:
        self.listed.append(kind)
        if kind in self.denied:
            raise NotPermitted(f"Not permitted to list {kind}: forbidden.")
        if kind == "Event":
            return self.events
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            one
            for one in self.objects
            if one["kind"] == kind and wanted.items() <= (one["metadata"].get("labels") or {}).items()
        ]

    def apply(self, obj: Object, *, manager: str) -> Object:
        if obj["kind"] == "PersistentVolume":
            self.objects.append(obj)
            return obj
        self.objects = [one for one in self.objects if one["metadata"]["name"] != obj["metadata"]["name"]] + [
            one for one in self.objects if one["kind"] == "Pod"
        ]
        return self._made(obj, self.claim_status)

    def create(self, obj: Object) -> Object:
        if "create" in self.denied:
            raise Refused("Admission refuses to POST: exceeded quota.")
        return self._made(obj, self.pod_status)

    def delete(self, _api_version: str, kind: str, name: str, _namespace: str = "") -> bool:
        self.objects = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) != (kind, name)]
        return True

    def logs(self, _namespace: str, name: str, _container: str) -> str:
        return name.rpartition("-")[2] if self.log is None else self.log

    def _made(self, obj: Object, status: Object) -> Object:
        self.made_in.add(obj["metadata"]["namespace"])
        made = {**obj, "metadata": {**obj["metadata"], "uid": obj["kind"]}, "status": status}
        if obj["kind"] == "PersistentVolumeClaim":
            made["spec"] = {**obj["spec"], "volumeName": "pv-1"}
        self.objects.append(made)
        return made

    @property
    def scratch(self) -> list[str]:
        return [one["kind"] for one in self.objects if LABELS.items() <= (one["metadata"].get("labels") or {}).items()]


PROBE = Probe(SHOP, "registry/tools:1", 0.05, pause=lambda _s: None)


def tried(cluster: Kubernetes, **of_class: Any) -> Any:
    return try_class(cluster, storage_class(**of_class), PROBE)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- the scratch claim


def test_a_claim_is_bound_written_read_expanded_and_removed() -> None:
    cluster = Kubernetes()
    found = tried(cluster, allowVolumeExpansion=True)
    assert (found.state, found.left) == ("works", ())
    assert found.steps == ("bound", "written", "read", "expanded", "removed")
    assert cluster.scratch == []


def test_a_class_that_does_not_expand_is_not_expanded() -> None:
    assert tried(Kubernetes()).steps == ("bound", "written", "read", "removed")


def waits(reason: str, message: str = "") -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"state": state}]}


def ended(code: int, reason: str = "Error") -> Object:
    state = {"terminated": {"exitCode": code, "reason": reason}}
    return {"phase": "Failed", "containerStatuses": [{"state": state}]}


def told(reason: str, message: str, uid: str = "PersistentVolumeClaim") -> Object:
    return {"reason": reason, "message": message, "involvedObject": {"uid": uid}}


NOT_BOUND = {"claim_status": {"phase": "Pending"}, "pod_status": {"phase": "Pending"}}
FAILURES: list[tuple[dict[str, Any], str, str]] = [
    ({"pod_status": waits("ImagePullBackOff", "x")}, "unable", "cannot be pulled"),
    ({"pod_status": waits("ErrImagePull", "not found")}, "unable", "cannot be pulled"),
    ({"pod_status": waits("CreateContainerError", "no sh")}, "unable", "cannot start"),
    ({"pod_status": ended(128, "StartError")}, "unable", "cannot start"),
    ({"pod_status": ended(127)}, "unable", "cannot start"),
    ({"pod_status": ended(1), "log": "Permission denied"}, "broken", "Permission denied"),
    ({"pod_status": {"phase": "Failed", "reason": "Evicted"}}, "disturbed", "Evicted"),
    ({"log": "something else"}, "broken", "differs"),
    ({"claim_status": {"phase": "Lost"}}, "broken", "lost its volume"),
    ({**NOT_BOUND, "events": [told("ProvisioningFailed", "no such zone")]}, "broken", "no such zone"),
    ({**NOT_BOUND, "events": [told("ProvisioningFailed", "no such zone", "another")]}, "broken", "within 0.05 s"),
    ({**NOT_BOUND, "events": [told("ProvisioningFailed", "context deadline exceeded")]}, "broken", "within 0.05 s"),
    ({**NOT_BOUND, "denied": {"Event"}}, "broken", "within 0.05 s"),
    ({"denied": {"create"}}, "unable", "exceeded quota"),
]


@pytest.mark.parametrize(("situation", "state", "cause"), FAILURES)
def test_a_failure_has_its_cause_and_leaves_nothing(situation: dict[str, Any], state: str, cause: str) -> None:
    cluster = Kubernetes()
    for name, value in situation.items():
        setattr(cluster, name, value)
    found = tried(cluster)
    assert found.state == state, found.cause
    assert cause in found.cause
    assert found.remedy
    assert cluster.scratch == []


@pytest.mark.parametrize(
    ("status", "events", "state"),
    [
        ({"capacity": {"storage": "1Gi"}, "conditions": [{"type": "FileSystemResizePending"}]}, [], "works"),
        ({"capacity": {"storage": "1Gi"}}, [], "broken"),
        ({"capacity": {"storage": "1Gi"}}, [told("VolumeResizeFailed", "not supported")], "broken"),
        ({"allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"}}, [], "broken"),
    ],
)
def test_expansion(status: Object, events: list[Object], state: str) -> None:
    cluster = Kubernetes()
    cluster.claim_status, cluster.events = {"phase": "Bound", **status}, events
    assert tried(cluster, allowVolumeExpansion=True).state == state
    assert cluster.scratch == []


def test_leftovers_of_an_earlier_run_are_removed_and_nothing_else() -> None:
    kept = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "labels": {}}}
    old = {"kind": "PersistentVolumeClaim", "metadata": {"name": "bytebot-scratch-old", "labels": LABELS}}
    cluster = Kubernetes(kept, old)
    assert tried(cluster).state == "works"
    assert [one["metadata"]["name"] for one in cluster.objects if one["kind"] != "Pod"] == ["data"]


def test_a_request_to_end_is_obeyed_after_the_removal() -> None:
    cluster = Kubernetes()
    cluster.before_read = lambda: os.kill(os.getpid(), signal.SIGTERM)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        tried(cluster)
    assert cluster.scratch == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_volume_that_the_class_would_keep_goes_with_its_claim() -> None:
    cluster = Kubernetes()
    tried(cluster, reclaimPolicy="Retain")
    (volume,) = [one for one in cluster.objects if one["kind"] == "PersistentVolume"]
    assert volume["spec"] == {"persistentVolumeReclaimPolicy": "Delete"}


def test_volumes_made_by_hand_are_not_tried() -> None:
    cluster = Kubernetes()
    assert tried(cluster, provisioner="kubernetes.io/no-provisioner").state == "by_hand"
    assert cluster.listed == []


# ---------------------------------------------------------------------- the observation

SCOPE = Scope(SHOP, "bytebot", chart=lambda _helm: Chart("./chart", "c0ffee"), no_probe="it needs a probe.")


def whole() -> Kubernetes:
    """A cluster that holds all that is asked for."""
    return Kubernetes(
        {"kind": "Node", **node()},
        {"kind": "StorageClass", **storage_class()},
        {
            "kind": "Namespace",
            "metadata": {"name": SHOP, "labels": {"environment": "production", ENFORCE: "restricted"}},
            "status": {"phase": "Active"},
        },
        {"kind": "ResourceQuota", "metadata": {"name": "bounds"}, "spec": {"hard": {"cpu": "20", "memory": "40Gi"}}},
        stored(rendered(revision=1)),
    )


def helm() -> FakeHelm:
    return FakeHelm(render=prints(rendered(workload(asks()))))


def states(cluster: Kubernetes, scope: Scope = SCOPE, cli: Callable[[], HelmCli] | None = None) -> dict[str, str]:
    facts = observe(cluster, cli or helm().cli, scope, Redactor())  # type: ignore[arg-type]
    return {_short(one.control): one.verdict.state for one in CHECKS.judge(facts, scope.only)}


def _short(control: str) -> str:
    """The item, and before it the group where it is not the cluster's own."""
    return control.removeprefix("infrastructure.cluster.").removeprefix("deployment.")


def test_all_is_settled_by_one_look() -> None:
    cluster = whole()
    assert states(cluster, replace(SCOPE, probe=PROBE)) == dict.fromkeys(
        (
            *("version", "access", "helm", "resources", "storage"),
            *("preparation.namespace", "preparation.resources", "preparation.storage"),
        ),
        "pass",
    )
    assert [kind for kind in cluster.listed if kind in ("Node", "StorageClass", "Secret")] == [
        "Node",
        "StorageClass",
        "Secret",
    ]


def test_without_a_probe_storage_is_pending_and_nothing_is_made() -> None:
    cluster = whole()
    assert states(cluster)["storage"] == "pending"
    assert not cluster.made_in


@pytest.mark.parametrize(
    ("kind", "pending"),
    [
        ("Node", {"version", "resources", "preparation.resources", "preparation.storage"}),
        ("Pod", {"resources", "preparation.resources"}),
        ("StorageClass", {"storage", "preparation.storage"}),
        ("Namespace", {"preparation.namespace"}),
        ("ResourceQuota", {"preparation.namespace", "preparation.resources"}),
        ("LimitRange", {"preparation.resources"}),
        ("PersistentVolumeClaim", {"preparation.storage"}),
    ],
)
def test_what_may_not_be_listed_leaves_its_own_controls_pending(kind: str, pending: set[str]) -> None:
    cluster = whole()
    cluster.denied = {kind}
    found = states(cluster)
    assert {item for item, state in found.items() if state == "pending"} == pending | {"storage"}


def test_where_no_node_takes_pods_no_storage_is_tried() -> None:
    cluster = whole()
    cluster.objects[0] = {"kind": "Node", **node(spec={"unschedulable": True})}
    assert states(cluster, replace(SCOPE, probe=PROBE))["storage"] == "inconclusive"
    assert not cluster.made_in


def test_only_what_is_asked_for_is_read() -> None:
    cluster = whole()
    found = states(cluster, replace(SCOPE, only=("deployment.preparation.namespace",)))
    assert found == {"preparation.namespace": "pass"}
    assert set(cluster.listed) == {"ResourceQuota"}


def test_an_unreadable_record_is_a_finding() -> None:
    cluster = whole()
    cluster.denied = {"Secret"}
    assert states(cluster)["helm"] == "fail"
    cluster = whole()
    cluster.objects[-1] = {**stored(rendered()), "data": {"release": "bm9uc2Vuc2U="}}
    assert states(cluster)["helm"] == "fail"


def test_a_missing_helm_is_a_finding_and_touches_what_rests_on_it() -> None:
    def none() -> HelmCli:
        raise ProgramMissing("There is no helm program on PATH.")

    found = states(whole(), cli=none)
    assert (found["version"], found["access"]) == ("pass", "pass")
    assert (found["helm"], found["resources"], found["storage"]) == ("fail", "inconclusive", "inconclusive")


def test_an_old_helm_and_a_chart_that_does_not_render() -> None:
    broken = FakeHelm(
        version=Completed(0, "Client: v2.17.0+gabc", ""), render=Completed(1, "", "Error: unknown flag: --install\n")
    )
    found = states(whole(), cli=broken.cli)
    assert (found["helm"], found["resources"]) == ("fail", "inconclusive")


def test_a_missing_verb_is_named() -> None:
    cluster = whole()
    cluster.not_allowed = {("patch", "deployments")}
    facts = observe(cluster, helm().cli, SCOPE, Redactor())  # type: ignore[arg-type]
    assert [str(one) for one in facts.missing] == ["patch deployments.apps in the namespace (helm)"]
    assert {"verb": "*", "resource": "*", "group": "*"} in cluster.asked


def test_only_what_is_judged_is_looked_at() -> None:
    cluster, cli = whole(), helm()
    scope = replace(SCOPE, only=("infrastructure.cluster.version",), probe=PROBE)
    assert states(cluster, scope, cli.cli) == {"version": "pass"}
    assert (cluster.listed, cluster.asked, cli.calls) == (["Node"], [], [])


@pytest.mark.parametrize(
    ("place", "there", "made_in"), [(SHOP, True, SHOP), (SHOP, False, "default"), ("trials", False, "trials")]
)
def test_where_the_scratch_claim_is_made(place: str, there: bool, made_in: str) -> None:
    cluster = whole()
    cluster.objects = [one for one in cluster.objects if there or one["kind"] != "Namespace"]
    assert states(cluster, replace(SCOPE, probe=replace(PROBE, namespace=place)))["storage"] == "pass"
    assert cluster.made_in == {made_in}
