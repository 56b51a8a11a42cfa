# What a deployment is prepared with: the namespace, the room in it, and the storage classes within reach.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import ClusterFacts, Rendered
from ansible_collections.bytebot.production.plugins.module_utils.checks.preparation import ENFORCE
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from tests.unit.collection.test_cluster_checks import asks, claim, node, pod, storage_class, workload

Object = dict[str, Any]
SHOP = "shop"
LABELS = {"environment": "production", ENFORCE: "restricted"}


def place(labels: dict[str, str] | None = None, phase: str = "Active", **metadata: Any) -> Object:
    told = {"name": SHOP, "labels": LABELS if labels is None else labels, **metadata}
    return {"metadata": told, "status": {"phase": phase}}


def quota(hard: dict[str, str], used: dict[str, str] | None = None, name: str = "bounds", **spec: Any) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used or {}},
    }


def limits(**item: Any) -> Object:
    return {"metadata": {"name": "bounds"}, "spec": {"limits": [{"type": "Container", **item}]}}


FACTS = ClusterFacts(
    namespace=SHOP,
    server_version={},
    nodes=(node(),),
    classes=(storage_class(),),
    rendered=Rendered((workload(asks()),)),
    namespace_object=place(),
    quotas=(quota({"pods": "20", "requests.cpu": "100", "requests.memory": "100Gi"}),),
)


def verdict(item: str, **changes: Any) -> Verdict:
    return CHECKS.judge(replace(FACTS, **changes), [f"deployment.preparation.{item}"])[0].verdict


@pytest.mark.parametrize("item", ["namespace", "resources", "storage"])
def test_what_is_prepared_passes_with_evidence(item: str) -> None:
    found = verdict(item)
    assert (found.state, found.level, found.weaker) == ("pass", "must", ())
    assert found.evidence


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"namespace_object": None}, "fail", "is not there"),
        ({"namespace_object": None, "check_mode": True}, "pending", "check mode makes none"),
        ({"namespace_object": None, "denied": {"Namespace": "May not get."}}, "pending", "May not get."),
        ({"namespace_object": place(phase="Terminating", deletionTimestamp="T")}, "fail", "Terminating since T"),
        ({"namespace_object": place(deletionTimestamp="T")}, "fail", "Terminating since T"),
        ({"namespace_object": place(phase="")}, "fail", "without a phase"),
        ({"namespace_object": place({})}, "fail", "lacks the label environment=production"),
        ({"namespace_object": place({**LABELS, "environment": "staging"})}, "fail", "environment=staging"),
        ({"namespace_object": place({"environment": "production"})}, "fail", "enforces no Pod Security Standard"),
        ({"namespace_object": place({**LABELS, ENFORCE: "privileged"})}, "fail", "enforces no Pod Security Standard"),
        ({"namespace_labels": {"team": "a"}}, "fail", "lacks the label team=a"),
        ({"denied": {"ResourceQuota": "May not list."}, "quotas": ()}, "pending", "May not list."),
    ],
)
def test_namespaces_that_are_not_ready(changes: dict[str, Any], state: str, words: str) -> None:
    found = verdict("namespace", **changes)
    assert found.state == state
    assert words in found.summary


def test_what_holds_a_namespace_is_told() -> None:
    ending = place(phase="Terminating", deletionTimestamp="T")
    remaining = {"type": "NamespaceContentRemaining", "status": "True", "message": "configmaps. has 1 instance"}
    ending["status"]["conditions"] = [remaining, {**remaining, "status": "False", "message": "no"}]
    assert "(configmaps. has 1 instance)" in verdict("namespace", namespace_object=ending).summary


def test_a_namespace_without_quota_is_advised_only() -> None:
    found = verdict("namespace", quotas=())
    assert (found.state, found.level) == ("fail", "should")
    assert "no quota bounds" in found.summary


@pytest.mark.parametrize(
    ("quotas", "state"),
    [
        ([{"pods": "1500", "services": "500", "count/jobs.batch": "5000"}], "fail"),  # as GKE puts into each namespace
        ([{"requests.cpu": "8"}], "fail"),
        ([{"requests.cpu": "8"}, {"limits.memory": "8Gi"}], "pass"),
        ([{"cpu": "8", "memory": "8Gi"}], "pass"),
    ],
)
def test_a_quota_that_counts_objects_only_bounds_nothing(quotas: list[dict[str, str]], state: str) -> None:
    found = verdict("namespace", quotas=tuple(quota(hard, name=f"q{at}") for at, hard in enumerate(quotas)))
    assert (found.state, "no quota bounds" in found.summary) == (state, state == "fail")


def test_a_quota_for_other_pods_bounds_nothing() -> None:
    hard = {"cpu": "8", "memory": "8Gi"}
    assert verdict("namespace", quotas=(quota(hard, scopes=["BestEffort"]),)).state == "fail"
    assert verdict("namespace", quotas=(quota(hard, scopes=["NotBestEffort"]),)).state == "pass"


def test_a_standard_below_restricted_is_told_as_weaker() -> None:
    found = verdict("namespace", namespace_object=place({**LABELS, ENFORCE: "baseline"}))
    assert found.state == "pass"
    assert found.weaker == ("pod security baseline enforced, restricted wanted",)


# The release of FACTS: 2 pods of 1 vCPU and 1 GiB, and 1 pod more while it rolls out.
@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"rendered": None}, "pending", "No chart was given"),
        ({"rendered": Rendered(problem="broken")}, "inconclusive", "broken"),
        ({"nodes": (node(spec={"unschedulable": True}),)}, "fail", "No node takes pods"),
        ({"nodes": (node(cpu="2", memory="4Gi"),)}, "fail", "too little cpu"),
        ({"denied": {"LimitRange": "May not list."}}, "pending", "May not list."),
        ({"quotas": (quota({"pods": "2"}),)}, "fail", "quota bounds allows pods 2: the release asks 3"),
        ({"quotas": (quota({"count/pods": "3"}, {"count/pods": "1"}),)}, "fail", "others use 1"),
        ({"quotas": (quota({"requests.cpu": "2500m"}),)}, "fail", "requests.cpu 2500m: the release asks 3"),
        ({"quotas": (quota({"memory": "2Gi"}),)}, "fail", "memory 2Gi"),
        ({"quotas": (quota({"limits.cpu": "100"}),)}, "fail", "counts limits.cpu, and Deployment api has a container"),
        ({"quotas": (quota({"pods": "3", "services": "0", "cpu": "3"}),)}, "pass", "free are"),
        ({"quotas": (quota({"pods": "0"}, scopes=["Terminating"]),)}, "pass", "free are"),
        ({"quotas": (quota({"pods": "0"}, scopes=["NotTerminating"]),)}, "fail", "pods 0"),
        ({"quotas": (quota({"pods": "0"}, scopeSelector={"matchExpressions": [{}]}),)}, "pass", "free are"),
        ({"limit_ranges": (limits(min={"cpu": "2"}),)}, "fail", "container app requests less cpu than 2"),
        ({"limit_ranges": (limits(max={"cpu": "500m"}),)}, "pass", "free are"),  # it has no limit, so gets the default
        ({"limit_ranges": (limits(max={"memory": "1Gi"}, default={"memory": "1Gi"}),)}, "pass", "free are"),
    ],
)
def test_room_for_the_release(changes: dict[str, Any], state: str, words: str) -> None:
    found = verdict("resources", **changes)
    assert (found.state, words in found.summary) == (state, True), found.summary


def test_a_limit_above_the_range_is_red() -> None:
    spec = asks()
    spec["containers"][0]["resources"]["limits"] = {"cpu": "2", "memory": "2Gi"}
    ranges = (limits(max={"memory": "1Gi"}),)
    found = verdict("resources", rendered=Rendered((workload(spec),)), limit_ranges=ranges)
    assert "container app has a memory limit above 1Gi" in found.summary


def test_a_quota_on_limits_takes_the_default_of_a_limit_range() -> None:
    found = verdict("resources", quotas=(quota({"limits.cpu": "100"}),), limit_ranges=(limits(default={"cpu": "1"}),))
    assert found.state == "pass"


def test_the_release_s_own_pods_make_room_in_its_quota() -> None:
    own = pod(asks(), labels={"app": "api"})
    full = quota({"requests.cpu": "3", "pods": "3"}, {"requests.cpu": "2", "pods": "2"})
    assert verdict("resources", pods=(own, own), quotas=(full,)).state == "pass"
    foreign = pod(asks(), labels={"app": "other"})
    assert verdict("resources", pods=(foreign, foreign), quotas=(full,)).state == "fail"


ZONED = {"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a", "b"]}]}]}


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"rendered": Rendered((claim("fast"),))}, "pass", "1; the class fast is there"),
        ({"rendered": Rendered((claim("slow"),))}, "fail", "names the storage class slow"),
        ({"rendered": Rendered((claim(""),))}, "pass", "volumes made by hand"),
        ({"rendered": None}, "pending", "No chart was given"),
        ({"classes": (storage_class(default=False),)}, "fail", "No storage class is the default"),
        ({"denied": {"PersistentVolumeClaim": "May not list."}}, "pending", "May not list."),
        ({"claims": ({"metadata": {"name": "data"}, "status": {"phase": "Lost"}},)}, "fail", "data has lost"),
        ({"claims": ({"metadata": {"name": "data"}, "status": {"phase": "Pending"}},)}, "pass", "claims no volume"),
        ({"classes": (storage_class(**ZONED),)}, "fail", "makes volumes in a, b only"),
        ({"classes": (storage_class(**ZONED),), "nodes": (node(labels={"zone": "b"}),)}, "pass", "claims no volume"),
    ],
)
def test_storage_within_reach(changes: dict[str, Any], state: str, words: str) -> None:
    found = verdict("storage", **changes)
    assert (found.state, words in found.summary) == (state, True), found.summary


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_quota_refuses_exactly_what_does_not_fit(allowed: int, used: int) -> None:
    found = verdict("resources", quotas=(quota({"pods": str(allowed)}, {"pods": str(used)}),))
    assert (found.state == "pass") == (used + 3 <= allowed)
